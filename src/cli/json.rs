//! Just enough JSON to write one object per line.
//!
//! ```text
//! Object::new().number("line", 3).text("message", "it \"is\"").finish()     {"line":3,"message":"it \"is\""}
//! ```

use std::fmt::Write as _;

/// An object under construction. Fields come out in the order they were added.
pub struct Object {
    out: String,
}

impl Object {
    /// An object without fields.
    pub fn new() -> Object {
        Object { out: String::from("{") }
    }

    fn key(&mut self, key: &str) {
        if self.out.len() > 1 {
            self.out.push(',');
        }
        quote(key, &mut self.out);
        self.out.push(':');
    }

    /// Adds a text.
    pub fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        quote(value, &mut self.out);
        self
    }

    /// Adds a text, or `null`.
    pub fn maybe_text(self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self.raw(key, "null"),
        }
    }

    /// Adds a number.
    pub fn number(self, key: &str, value: u64) -> Self {
        let value = value.to_string();
        self.raw(key, &value)
    }

    /// Adds a number, or `null`.
    pub fn maybe_number(self, key: &str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.number(key, value),
            None => self.raw(key, "null"),
        }
    }

    /// Adds what is JSON already.
    pub fn raw(mut self, key: &str, json: &str) -> Self {
        self.key(key);
        self.out.push_str(json);
        self
    }

    /// Adds a list of objects.
    pub fn list(self, key: &str, items: impl IntoIterator<Item = Object>) -> Self {
        let items: Vec<String> = items.into_iter().map(Object::finish).collect();
        self.raw(key, &format!("[{}]", items.join(",")))
    }

    /// The text of the object.
    pub fn finish(mut self) -> String {
        self.out.push('}');
        self.out
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects() {
        assert_eq!(Object::new().finish(), "{}");
        let inner = Object::new().number("n", 1).maybe_text("t", None);
        let object = Object::new().text("a\"", "x\\\n\u{1}é").list("l", [inner]).maybe_number("m", None);
        assert_eq!(object.finish(), r#"{"a\"":"x\\\n\u0001é","l":[{"n":1,"t":null}],"m":null}"#);
    }
}
