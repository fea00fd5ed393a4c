//! How an object and a list of JSON are walked with serde: what is common to all kinds of object.
//!
//! Every object of OTLP JSON is an [`Object`]: a list of known keys and what is done with the value
//! of each. Nothing is built of what is read; values go straight into the [`Decoder`]'s batch.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Decoder;
use super::path::Step;
use crate::tally::Lenient;

/// A known key of an object.
pub(super) struct Field<K> {
    /// As OTLP writes it.
    pub(super) name: &'static str,
    /// As protobuf names it; empty where that is the same.
    pub(super) snake: &'static str,
    pub(super) key: K,
}

pub(super) const fn field<K>(name: &'static str, snake: &'static str, key: K) -> Field<K> {
    Field { name, snake, key }
}

/// One kind of object.
pub(super) trait Object: Sized {
    type Key: Copy + 'static;

    /// All known keys, in the order in which they are mostly written.
    const FIELDS: &'static [Field<Self::Key>];

    /// What stands here, for the sentence "expected ...".
    const EXPECTED: &'static str;

    /// Reads the value of a key.
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: Self::Key,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error>;

    /// Takes note of a key that is not known; its value is passed over.
    fn unknown(&mut self, _key: &[u8]) {}

    /// Called when all is read.
    fn end(self, _decoder: &mut Decoder<'_>) {}
}

/// Reads one object. Null is an object with nothing in it, as protobuf's JSON mapping says.
pub(super) struct One<'a, 'b, O>(pub(super) O, pub(super) &'a mut Decoder<'b>);

impl<'de, O: Object> DeserializeSeed<'de> for One<'_, '_, O> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, O: Object> Visitor<'de> for One<'_, '_, O> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(O::EXPECTED)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        let Self(object, decoder) = self;
        object.end(decoder);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(mut object, decoder) = self;
        let mut hint = 0;
        let strict = decoder.tally.is_strict();
        while let Some(known) = map.next_key_seed(KeyOf { object: &mut object, hint, strict })? {
            let Some((index, spelling)) = known else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if spelling == Spelling::Snake {
                decoder.tally.lenient(Lenient::SnakeCase);
            }
            hint = index + 1;
            let Field { name, key, .. } = &O::FIELDS[index];
            decoder.path.push(Step::Key(name));
            object.field(*key, &mut map, decoder)?;
            decoder.path.pop();
        }
        object.end(decoder);
        Ok(())
    }
}

/// Reads a list of objects, each beginning as the given one. Null is an empty list.
pub(super) struct List<'a, 'b, O>(pub(super) O, pub(super) &'a mut Decoder<'b>);

impl<'de, O: Object + Clone> DeserializeSeed<'de> for List<'_, '_, O> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, O: Object + Clone> Visitor<'de> for List<'_, '_, O> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list, each element {}", O::EXPECTED)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self(begin, decoder) = self;
        decoder.path.push(Step::Index(0));
        while seq.next_element_seed(One(begin.clone(), decoder))?.is_some() {
            decoder.path.advance();
        }
        decoder.path.pop();
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Camel,
    Snake,
}

/// Finds a key among an object's fields. Writers keep their order, so the search begins behind the
/// key found last and the first comparison is mostly right.
struct KeyOf<'a, O> {
    object: &'a mut O,
    hint: usize,
    /// Only OTLP's own spelling is known.
    strict: bool,
}

impl<'de, O: Object> DeserializeSeed<'de> for KeyOf<'_, O> {
    type Value = Option<(usize, Spelling)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'de, O: Object> Visitor<'de> for KeyOf<'_, O> {
    type Value = Option<(usize, Spelling)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E>(self, text: &[u8]) -> Result<Self::Value, E> {
        let fields = O::FIELDS;
        let (before, behind) = fields.split_at(self.hint.min(fields.len()));
        let found = behind
            .iter()
            .zip(before.len()..)
            .chain(before.iter().zip(0..))
            .find(|(field, _)| field.name.as_bytes() == text);
        if let Some((_, index)) = found {
            return Ok(Some((index, Spelling::Camel)));
        }
        let is = |f: &Field<O::Key>| !f.snake.is_empty() && f.snake.as_bytes() == text;
        let snake = if self.strict { None } else { fields.iter().position(is) };
        if snake.is_none() {
            self.object.unknown(text);
        }
        Ok(snake.map(|index| (index, Spelling::Snake)))
    }
}

/// Passes over whatever stands here, however deep: nothing of it is kept and nothing recurses.
pub(super) fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value_seed(PhantomData::<IgnoredAny>).map(|_| ())
}
