//! Attribute values as JSON text, as the store keeps them.
//!
//! One writer for all encodings, so that the same attributes are the same text wherever they came
//! from. A whole number beyond 2^53 is written as a text, since many readers of JSON hold numbers as
//! doubles; NaN and the infinities as texts, since JSON has no such numbers; bytes in base64.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::tally::{Lenient, Tally};

/// Values nested deeper than this are written as null and counted: those who write so deep do it by
/// mistake or with intent. Far below where the decoders give up (about 30 maps inside each other), so that
/// what is kept depends on no encoding.
pub(crate) const MAX_DEPTH: u32 = 24;

/// An object keeps so many members; what comes behind is left out and counted. SDKs stop at 128
/// (OpenTelemetry specification, "Attribute limits"), so that only a mistake or intent comes here.
const MOST_MEMBERS: usize = 1024;

/// Up to here a new key is compared with all others of its object, and behind looked up: few spans have more,
/// and those that do must not cost the square of their number.
const FEW_MEMBERS: usize = 64;

/// Up to here every whole number is a double too.
const EXACT: u64 = 1 << 53;

/// A JSON text in the making. All texts given to it are UTF-8, and so is what it holds.
#[derive(Debug, Default)]
pub(crate) struct JsonText {
    out: Vec<u8>,
    /// Where the keys of the objects that are open stand in `out`.
    keys: Vec<(usize, usize)>,
    /// The keys of objects with more than a few members, with [`Open::first`].
    many: BTreeSet<(usize, Box<[u8]>)>,
    losses: Losses,
}

/// What was left out.
#[derive(Debug, Clone, Copy, Default)]
struct Losses {
    /// Members whose object had the key already.
    duplicates: u64,
    /// Members of objects that had too many.
    beyond: u64,
    /// Values nested too deep.
    cut: u64,
}

/// Where a text stood, to go back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    len: usize,
    losses: Losses,
}

/// An object that is open.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Open {
    /// Where its keys begin in [`JsonText::keys`].
    first: usize,
    /// One bit for each key, so that most keys are seen to be new at a glance.
    seen: u64,
    /// How many of its keys are in [`JsonText::many`].
    looked_up: usize,
}

impl JsonText {
    pub(crate) const fn mark(&self) -> Mark {
        Mark { len: self.out.len(), losses: self.losses }
    }

    pub(crate) fn clear(&mut self) {
        self.out.clear();
        self.keys.clear();
        self.many.clear();
    }

    /// Takes back what was written and counted since.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        let Mark { len, losses } = mark;
        self.out.truncate(len);
        self.losses = losses;
    }

    /// Begins a member whose value was written before its key was known, and puts the key in front of
    /// it. False when the value was taken back, as [`JsonText::key`] says.
    pub(crate) fn key_before(&mut self, value: Mark, open: &mut Open, key: &[u8]) -> bool {
        let text = self.out.split_off(value.len);
        let losses = std::mem::replace(&mut self.losses, value.losses);
        let new = self.key(open, key);
        if new {
            self.losses = losses;
            self.out.extend_from_slice(&text);
        }
        new
    }

    /// Adds what was left out to the counts.
    pub(crate) fn count(&self, tally: &mut Tally) {
        let Losses { duplicates, beyond, cut } = self.losses;
        tally.lenient_many(Lenient::DuplicateKey, duplicates);
        tally.lenient_many(Lenient::ManyMembers, beyond);
        tally.lenient_many(Lenient::DeepValue, cut);
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.out).expect("only texts that were checked are written")
    }

    pub(crate) fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Appends what another one holds.
    pub(crate) fn append(&mut self, other: &Self) {
        self.out.extend_from_slice(&other.out);
    }

    pub(crate) fn open(&mut self) -> Open {
        self.out.push(b'{');
        Open { first: self.keys.len(), ..Open::default() }
    }

    /// Begins a member. False when the object has the key already, or has members enough: nothing is
    /// written then, and the value is to be left out.
    #[inline]
    pub(crate) fn key(&mut self, open: &mut Open, key: &[u8]) -> bool {
        if self.keys.len() - open.first >= MOST_MEMBERS {
            self.losses.beyond += 1;
            return false;
        }
        let before = self.out.len();
        self.out.extend_from_slice(if open.seen == 0 { b"\"" } else { b",\"" });
        let start = self.out.len();
        self.bare(key);
        let end = self.out.len();
        self.out.extend_from_slice(b"\":");
        let bit = bit_of(key);
        if open.seen & bit != 0 && !self.is_new(open, start, end) {
            self.out.truncate(before);
            return false;
        }
        open.seen |= bit;
        self.keys.push((start, end));
        true
    }

    /// Whether a key that was just written is to be kept.
    fn is_new(&mut self, open: &mut Open, start: usize, end: usize) -> bool {
        let Self { out, keys, many, losses } = self;
        let (new, others) = (&out[start..end], &keys[open.first..]);
        let known = if others.len() < FEW_MEMBERS {
            others.iter().any(|&(start, end)| &out[start..end] == new)
        } else {
            let first = open.first;
            let missing = others[open.looked_up..].iter();
            many.extend(missing.map(|&(start, end)| (first, out[start..end].into())));
            open.looked_up = others.len() + 1;
            let known = !many.insert((first, new.into()));
            open.looked_up -= usize::from(known);
            known
        };
        losses.duplicates += u64::from(known);
        !known
    }

    pub(crate) fn close(&mut self, open: Open) {
        self.keys.truncate(open.first);
        if open.looked_up > 0 {
            self.many.split_off(&(open.first, Box::default()));
        }
        self.out.push(b'}');
    }

    #[inline]
    pub(crate) fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        self.bare(text);
        self.out.push(b'"');
    }

    /// Writes a text without its quotes.
    #[inline]
    fn bare(&mut self, text: &[u8]) {
        if is_plain(text) {
            self.out.extend_from_slice(text);
        } else {
            self.escaped(text);
        }
    }

    #[inline(never)]
    fn escaped(&mut self, text: &[u8]) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        for &byte in text {
            let short = match byte {
                b'"' | b'\\' => byte,
                0x08 => b'b',
                0x0c => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0..0x20 => {
                    let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                    self.out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
                    continue;
                }
                _ => {
                    self.out.push(byte);
                    continue;
                }
            };
            self.out.extend_from_slice(&[b'\\', short]);
        }
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    pub(crate) fn int(&mut self, value: i64) {
        let quoted = value.unsigned_abs() > EXACT;
        if quoted {
            self.out.push(b'"');
        }
        if value < 0 {
            self.out.push(b'-');
        }
        self.digits(value.unsigned_abs());
        if quoted {
            self.out.push(b'"');
        }
    }

    /// Writes a number as it is, however large.
    pub(crate) fn digits(&mut self, mut value: u64) {
        let mut digits = [b'0'; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            let digit = (value % 10) as u8;
            digits[at] = b'0' + digit;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[at..]);
    }

    pub(crate) fn double(&mut self, value: f64) {
        use std::io::Write as _;
        match special(value) {
            Some(name) => self.string(name.as_bytes()),
            None => write!(self.out, "{value:?}").expect("a Vec takes all that is written"),
        }
    }

    pub(crate) fn base64(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        // Three bytes are four characters: pieces of a multiple of three need no padding between.
        for piece in bytes.chunks(48) {
            let mut text = [0; 64];
            let length =
                STANDARD.encode_slice(piece, &mut text).expect("48 bytes are 64 characters");
            self.out.extend_from_slice(&text[..length]);
        }
        self.out.push(b'"');
    }

    /// Writes an event of a span as an element of a list.
    pub(crate) fn event(&mut self, time: u64, name: &[u8], attributes: &Self, dropped: u64) {
        self.next_element();
        self.raw("{\"time_unix_nano\":\"");
        self.digits(time);
        self.raw("\",\"name\":");
        self.string(name);
        self.raw(",\"attributes\":");
        self.append(attributes);
        if dropped > 0 {
            self.raw(",\"dropped_attributes_count\":");
            self.digits(dropped);
        }
        self.raw("}");
    }

    /// Null in place of a value that is nested too deep.
    pub(crate) fn cut(&mut self) {
        self.losses.cut += 1;
        self.null();
    }

    pub(crate) fn null(&mut self) {
        self.raw("null");
    }

    pub(crate) fn begin_list(&mut self) {
        self.out.push(b'[');
    }

    /// A comma if something stands between here and the beginning of the list.
    pub(crate) fn next_element(&mut self) {
        if self.out.last() != Some(&b'[') {
            self.out.push(b',');
        }
    }

    pub(crate) fn end_list(&mut self) {
        self.out.push(b']');
    }
}

/// What protobuf's JSON mapping calls a double that is no number.
pub(crate) const fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value.is_infinite() {
        Some(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        None
    }
}

/// One of 64 bits, by length and two characters.
fn bit_of(key: &[u8]) -> u64 {
    let last = key.last().copied().map_or(0, usize::from);
    let middle = key.get(key.len() / 2).copied().map_or(0, usize::from);
    1 << ((key.len() + 3 * last + 11 * middle) % 64)
}

/// True when no byte needs to be escaped in JSON.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    let (words, tail) = text.as_chunks::<8>();
    let mut odd = 0;
    for word in words {
        odd |= odd_bytes(u64::from_le_bytes(*word));
    }
    if let Some(last) = text.last_chunk::<8>() {
        // The tail with what is before it: looking twice is cheaper than byte by byte.
        return odd | odd_bytes(u64::from_le_bytes(*last)) == 0;
    }
    !tail.iter().any(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')
}

/// Not zero when one of eight bytes is a quote, a backslash or a control character. (Bytes of non-ASCII
/// characters never are; the tests for "a byte is zero" and "a byte is less than n" are from
/// S. E. Anderson, "Bit Twiddling Hacks".)
#[inline]
const fn odd_bytes(word: u64) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let quote = word ^ (LOW * b'"' as u64);
    let backslash = word ^ (LOW * b'\\' as u64);
    let is_quote = quote.wrapping_sub(LOW) & !quote;
    let is_backslash = backslash.wrapping_sub(LOW) & !backslash;
    let is_control = word.wrapping_sub(LOW * 0x20) & !word;
    (is_quote | is_backslash | is_control) & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut JsonText)) -> String {
        let mut text = JsonText::default();
        write(&mut text);
        text.as_str().to_owned()
    }

    #[test]
    fn numbers_that_json_cannot_hold_are_texts() {
        for (value, text) in [
            (0, "0"),
            (-1, "-1"),
            (1 << 53, "9007199254740992"),
            ((1 << 53) + 1, "\"9007199254740993\""),
            (-(1 << 53), "-9007199254740992"),
            (i64::MIN, "\"-9223372036854775808\""),
            (i64::MAX, "\"9223372036854775807\""),
        ] {
            assert_eq!(written(|json| json.int(value)), text);
        }
        for (value, text) in [
            (0.5, "0.5"),
            (1e300, "1e300"),
            (-0.0, "-0.0"),
            (f64::NAN, "\"NaN\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(written(|json| json.double(value)), text);
        }
    }

    #[test]
    fn the_first_of_equal_keys_stays() {
        let mut json = JsonText::default();
        let mut open = json.open();
        for (key, value) in [("a", 1), ("b", 2), ("a", 3), ("\"", 4), ("", 5), ("\"", 6)] {
            if json.key(&mut open, key.as_bytes()) {
                json.int(value);
            }
        }
        json.close(open);
        assert_eq!(json.as_str(), r#"{"a":1,"b":2,"\"":4,"":5}"#);
        assert_eq!(json.losses.duplicates, 2);
    }

    #[test]
    fn objects_have_at_most_1024_members_each_once() {
        let mut json = JsonText::default();
        let mut open = json.open();
        let mut expected = Vec::new();
        for i in 0..3000_u32 {
            // Every third key comes again at once and once more later.
            for key in [i, i / 3, 7] {
                let key = format!("k{key}");
                if json.key(&mut open, key.as_bytes()) {
                    assert!(!expected.contains(&key), "{key} again");
                    expected.push(key);
                    let inner = json.open();
                    json.close(inner);
                }
            }
        }
        json.close(open);
        assert_eq!(expected.len(), MOST_MEMBERS);
        let read: serde_json::Map<_, _> = serde_json::from_str(json.as_str()).expect("JSON");
        assert_eq!(read.len(), MOST_MEMBERS);
        let Losses { duplicates, beyond, cut: _ } = json.losses;
        assert_eq!(duplicates + beyond, 9000 - MOST_MEMBERS as u64);
        let mut next = json.open();
        assert!(json.key(&mut next, b"k7"), "the next object begins anew");
    }

    #[test]
    fn objects_in_objects_have_keys_of_their_own() {
        let mut json = JsonText::default();
        let mut outer = json.open();
        assert!(json.key(&mut outer, b"a"));
        let mut inner = json.open();
        assert!(json.key(&mut inner, b"a"));
        json.null();
        json.close(inner);
        assert!(!json.key(&mut outer, b"a"));
        assert!(json.key(&mut outer, b"b"));
        json.bool(true);
        json.close(outer);
        assert_eq!(json.as_str(), r#"{"a":{"a":null},"b":true}"#);
    }

    proptest! {
        #[test]
        fn texts_read_back(text in any::<String>()) {
            let json = written(|json| json.string(text.as_bytes()));
            prop_assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
        }

        #[test]
        fn texts_with_one_odd_character_read_back(
            mut text in "[a-z\u{e9}]{0,40}",
            odd in 0..0x80_u8,
            at in 0..41_usize,
        ) {
            let at = text.char_indices().map(|(i, _)| i).nth(at).unwrap_or(text.len());
            text.insert(at, char::from(odd));
            let json = written(|json| json.string(text.as_bytes()));
            prop_assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
        }

        #[test]
        fn bytes_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let json = written(|json| json.base64(&bytes));
            let text: String = serde_json::from_str(&json).expect("JSON");
            prop_assert_eq!(STANDARD.decode(text).expect("base64"), bytes);
        }

        #[test]
        fn doubles_read_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let json = written(|json| json.double(value));
            prop_assert!(serde_json::from_str::<f64>(&json).is_ok());
            prop_assert_eq!(json.parse::<f64>().expect("a double").to_bits(), bits);
        }
    }
}
