//! Single values: texts, ids, times, numbers, enumerations; each in every form in which it is found.
//!
//! A value of the wrong JSON type is an error; a text that cannot be read as what it should be is
//! data, and its span is left out and counted. Null is always the same as a missing key.

use std::borrow::Cow;
use std::fmt;

use resus_model::{SpanId, TraceId};
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Unexpected, Visitor};

use crate::ids::{self, Id};
use crate::tally::{Lenient, Tally};

/// Reads a text and gives its bytes to a function; `None` for null. The bytes are not checked: see
/// [`unicode`].
pub(super) struct Text<F>(pub(super) F);

impl<'de, T, F: FnOnce(&[u8]) -> T> DeserializeSeed<'de> for Text<F> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, T, F: FnOnce(&[u8]) -> T> Visitor<'de> for Text<F> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_none<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_bytes(self)
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Option<T>, E> {
        Ok(Some(self.0(bytes)))
    }
}

/// The text of bytes. Half a surrogate pair or a cut UTF-8 sequence, which writers leave behind when
/// they shorten texts, becomes U+FFFD and is counted.
pub(super) fn unicode<'a>(bytes: &'a [u8], tally: &mut Tally) -> Cow<'a, str> {
    std::str::from_utf8(bytes).map_or_else(
        |_| {
            tally.lenient(Lenient::InvalidText);
            String::from_utf8_lossy(bytes)
        },
        Cow::Borrowed,
    )
}

/// Reads an id's text, or its bytes from an array of integers, and gives them to one of two functions;
/// `None` for null.
pub(super) struct IdOf<'t, T> {
    pub(super) tally: &'t mut Tally,
    pub(super) text: fn(&[u8], &mut Tally) -> T,
    pub(super) bytes: fn(&[u8], &mut Tally) -> T,
}

impl<'de, T> DeserializeSeed<'de> for IdOf<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, T> Visitor<'de> for IdOf<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id as hex text")
    }

    fn visit_none<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_bytes(self)
    }

    fn visit_bytes<E>(self, text: &[u8]) -> Result<Option<T>, E> {
        Ok(Some((self.text)(text, self.tally)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<T>, A::Error> {
        // One more than the longest id: an array that is too long stays too long.
        let mut all = [0_u8; 17];
        let mut len = 0;
        while let Some(byte) = seq.next_element::<u8>()? {
            if let Some(slot) = all.get_mut(len) {
                *slot = byte;
                len += 1;
            }
        }
        if len > 0 {
            self.tally.lenient(Lenient::IdArray);
        }
        Ok(Some((self.bytes)(&all[..len], self.tally)))
    }
}

/// Reads the id of a trace.
pub(super) fn trace_id(tally: &mut Tally) -> IdOf<'_, Id<TraceId>> {
    IdOf { tally, text: ids::trace_id, bytes: ids::trace_id_of_bytes }
}

/// Reads the id of a span.
pub(super) fn span_id(tally: &mut Tally) -> IdOf<'_, Id<SpanId>> {
    IdOf { tally, text: ids::span_id, bytes: |bytes, _| ids::span_id_of_bytes(bytes) }
}

/// A point in time as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Stamp {
    /// Missing, null, empty or 0, which is protobuf's way to leave it out.
    #[default]
    Missing,
    /// A fraction, a negative number, or a text that is no number.
    Unreadable,
    At(u64),
}

/// Reads nanoseconds since the Unix epoch from a number or a decimal text.
pub(super) struct StampSeed;

impl<'de> DeserializeSeed<'de> for StampSeed {
    type Value = Stamp;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Stamp, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for StampSeed {
    type Value = Stamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nanoseconds since the Unix epoch as a number or decimal text")
    }

    fn visit_unit<E>(self) -> Result<Stamp, E> {
        Ok(Stamp::Missing)
    }

    fn visit_u64<E>(self, n: u64) -> Result<Stamp, E> {
        Ok(if n == 0 { Stamp::Missing } else { Stamp::At(n) })
    }

    fn visit_i64<E>(self, _negative: i64) -> Result<Stamp, E> {
        Ok(Stamp::Unreadable)
    }

    // A float has 53 bits: nanoseconds of our days need 61.
    fn visit_f64<E>(self, _fraction: f64) -> Result<Stamp, E> {
        Ok(Stamp::Unreadable)
    }

    fn visit_str<E>(self, text: &str) -> Result<Stamp, E> {
        Ok(match text.parse() {
            Ok(0) => Stamp::Missing,
            Ok(n) => Stamp::At(n),
            Err(_) if text.is_empty() => Stamp::Missing,
            Err(_) => Stamp::Unreadable,
        })
    }
}

/// Reads a whole number that fits 32 bits, from a number or a decimal text; null is 0.
pub(super) struct Whole;

impl<'de> DeserializeSeed<'de> for Whole {
    type Value = u32;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u32, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Whole {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 0 to 4294967295")
    }

    fn visit_unit<E>(self) -> Result<u32, E> {
        Ok(0)
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<u32, E> {
        u32::try_from(n).map_err(|_| E::invalid_value(Unexpected::Unsigned(n), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u32, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// Reads an enumeration from its number, its number as text, or its name.
pub(super) struct Enum<'t, T> {
    pub(super) tally: &'t mut Tally,
    pub(super) number: fn(i64) -> Option<T>,
    pub(super) name: fn(&str) -> Option<T>,
}

impl<T: Default> Enum<'_, T> {
    /// Later versions of the protocol may have values that this one does not know; protobuf's readers take them
    /// for the default.
    fn known(self, value: Option<T>) -> T {
        value.unwrap_or_else(|| {
            self.tally.lenient(Lenient::UnknownEnum);
            T::default()
        })
    }
}

impl<'de, T: Default> DeserializeSeed<'de> for Enum<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<T: Default> Visitor<'_> for Enum<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or name of an enumeration")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_u64<E>(self, n: u64) -> Result<T, E> {
        let value = i64::try_from(n).ok().and_then(self.number);
        Ok(self.known(value))
    }

    fn visit_i64<E>(self, n: i64) -> Result<T, E> {
        let value = (self.number)(n);
        Ok(self.known(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        if text.is_empty() {
            return Ok(T::default());
        }
        if let Ok(n) = text.parse() {
            return self.visit_i64(n);
        }
        let value = (self.name)(text);
        if value.is_some() {
            self.tally.lenient(Lenient::EnumName);
        }
        Ok(self.known(value))
    }
}
