//! Where does a JSON value end? Found by counting brackets, without reading what is in them.

/// A search for the end of an object or list that may come in pieces.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extent {
    /// How many bytes of the value have been looked at.
    seen: usize,
    depth: u64,
    in_text: bool,
}

impl Extent {
    /// Goes on with a value of which more bytes are at hand than before: `value` begins where it
    /// began. Gives its length when its end is there.
    pub(crate) fn find_end(&mut self, value: &[u8]) -> Option<usize> {
        let mut at = self.seen;
        while at < value.len() {
            if self.in_text {
                let Some(n) = memchr::memchr2(b'"', b'\\', &value[at..]) else { break };
                at += n;
                if value[at] == b'"' {
                    self.in_text = false;
                } else if at + 1 == value.len() {
                    // What is escaped is not at hand yet: look at the backslash again.
                    self.seen = at;
                    return None;
                } else {
                    at += 1;
                }
                at += 1;
                continue;
            }
            match value[at] {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        self.seen = value.len();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, end: Option<usize>) {
        assert_eq!(Extent::default().find_end(text.as_bytes()), end, "{text}");
        // The same in pieces of every size.
        for size in 1..=text.len() {
            let mut extent = Extent::default();
            let found = (size..text.len() + size)
                .step_by(size)
                .find_map(|n| extent.find_end(&text.as_bytes()[..n.min(text.len())]));
            assert_eq!(found, end, "{text} in pieces of {size}");
        }
    }

    #[test]
    fn brackets_in_texts_do_not_count() {
        check("{}", Some(2));
        check("{}{}", Some(2));
        check(r#"{"a": [1, {"b": "}"}], "c\"}": "\\"} {"#, Some(36));
        check(r#"["\\\"]", []]x"#, Some(13));
        check(r#"{"a": "}"#, None);
        check(r#"{"a": "\"#, None);
        check("[[", None);
    }
}
