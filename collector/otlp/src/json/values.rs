//! Values of attributes: `{"stringValue": "/cart"}` and the like.
//!
//! A text, number or truth value goes as text into [`Decoder::value`]; lists, maps and bytes say nothing
//! that a role asks for. Where everything is kept, each is written as JSON too.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::Decoder;
use super::attributes::KeyValue;
use super::object::{Field, List, Object, One, field, skip};
use super::scalar::{Text, unicode};
use super::texts::Owner;
use crate::json_text::{JsonText, MAX_DEPTH, Mark, special};

/// A value.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnyValue {
    /// In whose text it is written, if it is.
    owner: Option<Owner>,
    /// How many lists and maps are around it.
    depth: u32,
    /// It is an element of a list.
    element: bool,
    /// Where it begins in the text, once that is known.
    at: Option<Mark>,
}

impl AnyValue {
    /// A value that is read for a role.
    pub(super) const fn read() -> Self {
        Self { owner: None, depth: 0, element: false, at: None }
    }

    /// A value that is read and written.
    pub(super) const fn written(owner: Owner, depth: u32) -> Self {
        Self { owner: Some(owner), depth, element: false, at: None }
    }

    const fn element(owner: Owner, depth: u32) -> Self {
        Self { owner: Some(owner), depth, element: true, at: None }
    }

    /// The text to write to, if any, cut back to where the value begins: of several the last counts.
    fn begin<'d>(&mut self, decoder: &'d mut Decoder<'_>) -> Option<&'d mut JsonText> {
        let (json, _) = decoder.texts.of(self.owner?, self.depth);
        if let Some(mark) = self.at {
            json.rewind(mark);
        } else {
            if self.element {
                json.next_element();
            }
            self.at = Some(json.mark());
        }
        Some(json)
    }

    fn list_or_map<'de, A: MapAccess<'de>>(
        &mut self,
        key: AnyValueKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        let (owner, depth) = (self.owner, self.depth);
        let (Some(json), Some(owner)) = (self.begin(decoder), owner) else { return skip(map) };
        if depth >= MAX_DEPTH {
            json.cut();
            return skip(map);
        }
        if key == AnyValueKey::Array {
            json.begin_list();
            map.next_value_seed(One(Values(Self::element(owner, depth + 1)), decoder))?;
            decoder.texts.of(owner, depth).0.end_list();
            return Ok(());
        }
        let open = json.open();
        decoder.texts.inner.push(open);
        map.next_value_seed(One(Values(KeyValue::inside(owner, depth + 1)), decoder))?;
        let open = decoder.texts.inner.pop().unwrap_or(open);
        decoder.texts.of(owner, depth).0.close(open);
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnyValueKey {
    String,
    Int,
    Bool,
    Double,
    Array,
    Map,
    Bytes,
}

impl Object for AnyValue {
    type Key = AnyValueKey;

    const FIELDS: &'static [Field<AnyValueKey>] = &[
        field("stringValue", "string_value", AnyValueKey::String),
        field("intValue", "int_value", AnyValueKey::Int),
        field("boolValue", "bool_value", AnyValueKey::Bool),
        field("doubleValue", "double_value", AnyValueKey::Double),
        field("arrayValue", "array_value", AnyValueKey::Array),
        field("kvlistValue", "kvlist_value", AnyValueKey::Map),
        field("bytesValue", "bytes_value", AnyValueKey::Bytes),
    ];

    const EXPECTED: &'static str = "a value as {\"stringValue\": ...} or the like";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: AnyValueKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        // What stands in a list or map is no text for a role.
        let Decoder { value, inner_value, tally, .. } = decoder;
        let text = if self.depth == 0 { value } else { inner_value };
        let scalar = match key {
            AnyValueKey::String => {
                let read = map.next_value_seed(Text(|bytes: &[u8]| {
                    text.clear();
                    text.push_str(&unicode(bytes, tally));
                }))?;
                read.map_or(Scalar::None, |()| Scalar::Text)
            }
            AnyValueKey::Int | AnyValueKey::Bool | AnyValueKey::Double => {
                text.clear();
                map.next_value_seed(ScalarSeed { text, double: key == AnyValueKey::Double })?
            }
            AnyValueKey::Array | AnyValueKey::Map => return self.list_or_map(key, map, decoder),
            AnyValueKey::Bytes => return self.bytes(map, decoder),
        };
        if scalar != Scalar::None && self.begin(decoder).is_some() {
            self.write(scalar, decoder);
        }
        Ok(())
    }

    fn end(mut self, decoder: &mut Decoder<'_>) {
        if self.at.is_none()
            && let Some(json) = self.begin(decoder)
        {
            json.null();
        }
    }
}

impl AnyValue {
    fn write(&self, scalar: Scalar, decoder: &mut Decoder<'_>) {
        let Decoder { value, inner_value, texts, .. } = decoder;
        let Some(owner) = self.owner else { return };
        let (json, _) = texts.of(owner, self.depth);
        match scalar {
            Scalar::None => {}
            Scalar::Text => {
                let text = if self.depth == 0 { value } else { inner_value };
                json.string(text.as_bytes());
            }
            Scalar::Bool(value) => json.bool(value),
            Scalar::Int(value) => json.int(value),
            Scalar::Double(value) => json.double(value),
        }
    }

    fn bytes<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        let Some(json) = self.begin(decoder) else { return skip(map) };
        let read = map.next_value_seed(Text(|text: &[u8]| {
            // Written anew, so that the same bytes are the same text.
            let mut bytes = vec![0; base64::decoded_len_estimate(text.len())];
            let length = STANDARD
                .decode_slice(text, &mut bytes)
                .or_else(|_| URL_SAFE.decode_slice(text, &mut bytes));
            match length {
                Ok(length) => json.base64(&bytes[..length]),
                Err(_) => json.string(String::from_utf8_lossy(text).as_bytes()),
            }
        }))?;
        if read.is_none() {
            json.null();
        }
        Ok(())
    }
}

/// An `ArrayValue` or `KeyValueList`: values of one kind.
#[derive(Debug, Clone, Copy)]
struct Values<O>(O);

impl<O: Object + Clone> Object for Values<O> {
    type Key = ();

    const FIELDS: &'static [Field<()>] = &[field("values", "", ())];

    const EXPECTED: &'static str = "an object with values";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        (): (),
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        map.next_value_seed(List(self.0.clone(), decoder))
    }
}

/// What a number or truth value was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar {
    None,
    /// It is a text, or a text that is not what its key says.
    Text,
    Bool(bool),
    Int(i64),
    Double(f64),
}

impl Scalar {
    /// The number as a double, if it is one.
    #[expect(clippy::cast_precision_loss, reason = "a double has what precision it has")]
    pub(super) const fn as_double(self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(value as f64),
            Self::Double(value) => Some(value),
            Self::None | Self::Text | Self::Bool(_) => None,
        }
    }
}

/// Reads a number or truth value, as such or as a text, in which 64-bit numbers come, and writes it as text.
pub(super) struct ScalarSeed<'a> {
    pub(super) text: &'a mut String,
    /// It stands for a double, however it is written.
    pub(super) double: bool,
}

impl ScalarSeed<'_> {
    fn write(self, scalar: Scalar) -> Scalar {
        match scalar {
            Scalar::None | Scalar::Text => Ok(()),
            Scalar::Bool(value) => write!(self.text, "{value}"),
            Scalar::Int(value) => write!(self.text, "{value}"),
            Scalar::Double(value) => match special(value) {
                Some(name) => self.text.write_str(name),
                None => write!(self.text, "{value}"),
            },
        }
        .expect("a String takes all that is written");
        scalar
    }
}

impl<'de> DeserializeSeed<'de> for ScalarSeed<'_> {
    type Value = Scalar;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for ScalarSeed<'_> {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, truth value or text")
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
        Ok(self.write(Scalar::Bool(value)))
    }

    #[expect(clippy::cast_precision_loss, reason = "a double has what precision it has")]
    fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
        Ok(match i64::try_from(value) {
            Ok(value) if !self.double => self.write(Scalar::Int(value)),
            _ => self.write(Scalar::Double(value as f64)),
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "a double has what precision it has")]
    fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
        let double = self.double;
        Ok(self.write(if double { Scalar::Double(value as f64) } else { Scalar::Int(value) }))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
        Ok(self.write(Scalar::Double(value)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        let double = self.double;
        let number = if double {
            text.parse().map(Scalar::Double).ok()
        } else {
            text.parse().map(Scalar::Int).ok()
        };
        Ok(if let Some(number) = number {
            self.write(number)
        } else {
            self.text.push_str(text);
            Scalar::Text
        })
    }
}
