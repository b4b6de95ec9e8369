//! "Did you mean": the closest known word.

/// Words longer than this are not compared: nothing known is that long.
const LONGEST: usize = 64;

/// The candidate closest to `word`, if any is close: equal but for case, or at most a third of its characters away.
/// Among equally close candidates the first wins.
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        if candidate.eq_ignore_ascii_case(word) {
            return Some(candidate);
        }
        let distance = distance(&word.to_ascii_lowercase(), &candidate.to_ascii_lowercase());
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    let (distance, candidate) = best?;
    (distance <= word.len().max(3) / 3).then_some(candidate)
}

/// Help text for an unknown word; empty when nothing is close.
pub(super) fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    closest(word, candidates).map_or_else(String::new, |known| format!("did you mean `{known}`?"))
}

/// Number of insertions, deletions, replacements and swaps of neighbours that make one text the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    // Three rows of the usual table: two back for swaps, one back, and the current one.
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut row = vec![0; b.len() + 1];
    for i in 1..=a.len() {
        row[0] = i;
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        (before, last, row) = (last, row, before);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found() {
        let words = ["ADD", "SUB", "BRANCH", "BRANCH2", "ATOMICRMW"];
        for (word, found) in [
            ("add", Some("ADD")),
            ("BRNACH", Some("BRANCH")),
            ("BRANCH3", Some("BRANCH")),
            ("ATOMIC_RMW", Some("ATOMICRMW")),
            ("ADDD", Some("ADD")),
            ("PHI", None),
            ("", None),
        ] {
            assert_eq!(closest(word, words), found, "{word}");
        }
        assert_eq!(closest(&"x".repeat(1_000_000), words), None);
    }

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
