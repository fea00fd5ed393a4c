//! The attributes of entry spans that are counted by value: read from JSON, kept as one text a set.
//!
//! Only keys of [`ENTRY_ATTRIBUTES`] are looked at, and only plain values: texts, numbers and truth
//! values of at most [`ENTRY_ATTRIBUTE_BYTES`]. What is nested, null, empty, longer, or written with
//! an escape (a quote, a control character) is as if it were not there. JSON that is none has no
//! attributes. Of a key that stands twice the first counts.

use resus_model::Name;
use resus_model::attributes::{ENTRY_ATTRIBUTE_BYTES, ENTRY_ATTRIBUTES};

use crate::identity::Vocabulary;

/// Between the pairs of a set, and between key and value: no value holds a control character.
const PAIRS: char = '\u{1e}';
const HALVES: char = '\u{1f}';

/// What is kept of a span's attributes, key by key.
type Values<'j> = [Option<&'j str>; ENTRY_ATTRIBUTES.len()];

impl Vocabulary {
    /// The set of entry attributes that a JSON object holds; [`Name::NONE`] where it holds none.
    pub(crate) fn intern_attributes(&mut self, json: &str) -> Name {
        let mut values = Values::default();
        if json.len() <= 2 || read(json, &mut values).is_none() {
            return Name::NONE;
        }
        let mut set = String::new();
        for (key, value) in ENTRY_ATTRIBUTES.iter().zip(values) {
            let Some(value) = value else { continue };
            if !set.is_empty() {
                set.push(PAIRS);
            }
            set.push_str(key);
            set.push(HALVES);
            set.push_str(value);
        }
        self.intern_attribute_set(&set)
    }

    /// The same set as another vocabulary knows it.
    pub(crate) fn intern_attribute_set(&mut self, set: &str) -> Name {
        if let Some(known) = self.names.get(set) {
            return known;
        }
        for (key, value) in pairs(set) {
            self.intern(key);
            self.intern(value);
        }
        self.intern(set)
    }

    /// The attributes and values of a set, ascending by attribute; see
    /// [`Mark::attributes`](crate::Mark).
    pub fn attributes(&self, set: Name) -> impl Iterator<Item = (Name, Name)> + '_ {
        let name = |text| self.names.get(text).expect("the parts of a set were interned with it");
        pairs(self.names.text(set)).map(move |(key, value)| (name(key), name(value)))
    }
}

fn pairs(set: &str) -> impl Iterator<Item = (&str, &str)> {
    set.split(PAIRS).filter_map(|pair| pair.split_once(HALVES))
}

/// Reads the members of a JSON object; `None` where it is none.
fn read<'j>(json: &'j str, values: &mut Values<'j>) -> Option<()> {
    let mut text = Text { json, at: 0 };
    text.take(b'{')?;
    if text.take(b'}').is_some() {
        return Some(());
    }
    loop {
        let key = text.string()?;
        text.take(b':')?;
        let value = text.value()?;
        if let Some(value) = value
            && let Ok(place) = ENTRY_ATTRIBUTES.binary_search(&key)
        {
            values[place].get_or_insert(value);
        }
        if text.take(b',').is_none() {
            return text.take(b'}');
        }
    }
}

/// Whether a text can be a value.
fn is_plain(text: &str) -> bool {
    (1..=ENTRY_ATTRIBUTE_BYTES).contains(&text.len())
        && !text.bytes().any(|b| b == b'\\' || b < b' ')
}

/// JSON, and how far it was read.
struct Text<'j> {
    json: &'j str,
    at: usize,
}

impl<'j> Text<'j> {
    /// Steps over white space and then over a byte, if it is that one.
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn peek(&mut self) -> Option<u8> {
        let bytes = self.json.as_bytes();
        while bytes.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        Some(bytes[self.at])
    }

    /// A string without its quotes, escapes as they are written.
    fn string(&mut self) -> Option<&'j str> {
        self.take(b'"')?;
        let from = self.at;
        loop {
            match self.json.as_bytes().get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        let text = self.json.get(from..self.at);
        self.at += 1;
        text
    }

    /// A value; the inner `None` where it is not plain.
    fn value(&mut self) -> Option<Option<&'j str>> {
        match self.peek()? {
            b'"' => Some(self.string().map(Some)?.filter(|text| is_plain(text))),
            b'{' | b'[' => self.skip_nested().map(|()| None),
            _ => {
                let from = self.at;
                let ends = |b: u8| matches!(b, b',' | b'}' | b']') || b.is_ascii_whitespace();
                let rest = &self.json.as_bytes()[from..];
                self.at += rest.iter().position(|&b| ends(b))?;
                let text = self.json.get(from..self.at)?;
                Some(Some(text).filter(|text| *text != "null" && is_plain(text)))
            }
        }
    }

    fn skip_nested(&mut self) -> Option<()> {
        let mut depth = 0_u32;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(json: &str) -> String {
        let mut vocabulary = Vocabulary::default();
        let set = vocabulary.intern_attributes(json);
        let text = |name| vocabulary.names.text(name);
        let pairs = vocabulary.attributes(set).map(|(k, v)| format!("{}={}", text(k), text(v)));
        pairs.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn listed_keys_with_plain_values_are_kept_in_order_of_keys() {
        for (json, expect) in [
            (r#"{"tenant":"t07"}"#, "tenant=t07"),
            (
                r#" { "tenant.id" : 7 , "x":{"tenant":"no","y":[1,{"}":"]"}]},"http.route":"/a"} "#,
                "http.route=/a tenant.id=7",
            ),
            (r#"{"tenant":"a","tenant":"b"}"#, "tenant=a"),
            (r#"{"tenant":true,"customer.id":-1.5e3}"#, "customer.id=-1.5e3 tenant=true"),
            (r#"{"tenant":"Größe"}"#, "tenant=Größe"),
            (r#"{"user.id":"u1","url.full":"http://x/?tenant=1"}"#, ""),
            (r#"{"tenant":null}"#, ""),
            (r#"{"tenant":""}"#, ""),
            (r#"{"tenant":["a"]}"#, ""),
            (r#"{"tenant":"a\"b"}"#, ""),
            (r#"{"a\"":1,"tenant":"b"}"#, "tenant=b"),
            ("{}", ""),
            ("", ""),
            (r#"{"tenant":"a""#, ""),
            (r#"{"tenant":"a\"#, ""),
            (r#"["tenant"]"#, ""),
            (r#"{"tenant":"#, ""),
            (r#"{"a":[[["#, ""),
        ] {
            assert_eq!(known(json), expect, "{json}");
        }
        let long = |n| format!(r#"{{"tenant":"{}"}}"#, "x".repeat(n));
        assert_eq!(known(&long(64)).len(), "tenant=".len() + 64);
        assert_eq!(known(&long(65)), "");
    }

    #[test]
    fn a_set_keeps_its_parts_in_another_vocabulary() {
        let mut old = Vocabulary::default();
        let set = old.intern_attributes(r#"{"tenant":"a","http.route":"/b"}"#);
        let mut new = Vocabulary::default();
        let moved = new.intern_attribute_set(old.names.text(set));
        let texts = |v: &Vocabulary, set| {
            let text = |name| v.names.text(name).to_owned();
            v.attributes(set).map(|(k, v)| (text(k), text(v))).collect::<Vec<_>>()
        };
        assert_eq!(texts(&new, moved), texts(&old, set));
        assert!(new.intern_attribute_set("").is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[\\[\\]{}\":,a\\\\ü ]{0,40}", cut in 0..60_usize) {
            known(&text);
            let json = format!(r#"{{"a":{text},"tenant":"b"}}"#);
            let cut = json.char_indices().map(|(i, _)| i).nth(cut).unwrap_or(json.len());
            known(&json[..cut]);
        }
    }
}
