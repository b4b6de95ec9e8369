//! Sizes and counts as people write them: on the command line and in conformance scripts.
//!
//! Sizes count bytes, so their units are powers of 1024; counts (of instructions, say) have powers of 1000.
//!
//! ```
//! use mu_text::units::{count, size};
//!
//! assert_eq!((size("64K"), size("2GiB")), (Ok(65_536), Ok(2 << 30)));
//! assert_eq!((count("64K"), count("3T")), (Ok(64_000), Ok(3_000_000_000_000)));
//! assert!(size("7T").is_err() && count("1.5M").is_err());
//! ```

/// Reads a number of bytes: `65536`, `64K`, `64M`, `2G`, also with `B` or `iB` after the unit.
///
/// # Errors
/// What is wrong with the text.
pub fn size(text: &str) -> Result<u64, String> {
    let example = "write bytes as a number and a unit, like 65536, 64K, 16M or 2G";
    read(text, example, |unit| {
        Some(match unit {
            "" | "B" => 1,
            "K" | "KB" | "KIB" => 1 << 10,
            "M" | "MB" | "MIB" => 1 << 20,
            "G" | "GB" | "GIB" => 1 << 30,
            _ => return None,
        })
    })
}

/// Reads a count: `5000`, `5K`, `5M`, `5G`, `5T`.
///
/// # Errors
/// What is wrong with the text.
pub fn count(text: &str) -> Result<u64, String> {
    let example = "write a number and a unit, like 5000, 5K, 5M, 5G or 5T";
    read(text, example, |unit| {
        Some(match unit {
            "" => 1,
            "K" => 1000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            "T" => 1_000_000_000_000,
            _ => return None,
        })
    })
}

fn read(text: &str, example: &str, factor: impl Fn(&str) -> Option<u64>) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = factor(&text[digits.len()..].to_ascii_uppercase()).ok_or_else(|| example.to_owned())?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(example.to_owned());
    }
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    number.ok_or_else(|| "that is more than 64 bits can hold".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{count, size};

    #[test]
    fn sizes() {
        let right = [("0", 0), ("65536", 65536), ("64K", 65536), ("3m", 3 << 20), ("2GiB", 2 << 30)];
        for (text, expected) in right {
            assert_eq!(size(text), Ok(expected), "{text}");
        }
        for wrong in ["", "K", "-1", "+1", "1.5M", "1 K", "7T", "18446744073709551615K", "é", "1é"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn counts() {
        let right =
            [("0", 0), ("1000", 1000), ("64K", 64_000), ("3m", 3_000_000), ("18T", 18_000_000_000_000)];
        for (text, expected) in right {
            assert_eq!(count(text), Ok(expected), "{text}");
        }
        for wrong in ["", "M", "-1", "1e9", "1KB", "1KiB", "18446744073709551616", "18446745T"] {
            assert!(count(wrong).is_err(), "{wrong}");
        }
        assert_eq!(count("99999999999999999999").unwrap_err(), "that is more than 64 bits can hold");
    }
}
