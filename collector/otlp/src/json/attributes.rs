//! Attributes: of a resource, a span, an event. Only those are looked at that a role asks for; the
//! values of all others are passed over, whatever is in them.

use std::fmt::{self, Write as _};

use resus_model::Name;
use resus_model::attributes::{self, Key, Place, Role};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::Decoder;
use super::object::{Field, Object, One, field, skip};
use super::scalar::{Text, unicode};

/// What has been read of a role so far: the rank of its key, so that a better key wins whatever
/// the order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ranks([u8; Role::COUNT]);

impl Ranks {
    pub(super) const NONE: Self = Self([u8::MAX; Role::COUNT]);

    /// True when nothing as good has been read. Of two equal keys the first stays.
    const fn beaten_by(self, key: Key) -> bool {
        key.rank < self.0[key.role.index()]
    }

    const fn set(&mut self, key: Key) {
        self.0[key.role.index()] = key.rank;
    }
}

/// Whose attributes these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Resource,
    Span,
    Event,
}

/// What to do with the value of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The key has not been read yet: it stands behind the value.
    Unknown,
    Nothing,
    Role(Key),
    Level,
}

impl Wanted {
    fn of(owner: Owner, key: &[u8]) -> Self {
        let Ok(key) = std::str::from_utf8(key) else { return Self::Nothing };
        let place = match owner {
            Owner::Event if attributes::EVENT_LEVELS.contains(&key) => return Self::Level,
            Owner::Event => return Self::Nothing,
            Owner::Resource => Place::Resource,
            Owner::Span => Place::Span,
        };
        match attributes::key(key) {
            Some(key) if key.place == place => Self::Role(key),
            _ => Self::Nothing,
        }
    }
}

/// An attribute: `{"key": "http.route", "value": {"stringValue": "/cart"}}`.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyValue {
    owner: Owner,
    wanted: Wanted,
}

impl KeyValue {
    pub(super) const fn of(owner: Owner) -> Self {
        Self { owner, wanted: Wanted::Unknown }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum KeyValueKey {
    Key,
    Value,
}

impl Object for KeyValue {
    type Key = KeyValueKey;

    const FIELDS: &'static [Field<KeyValueKey>] =
        &[field("key", "", KeyValueKey::Key), field("value", "", KeyValueKey::Value)];

    const EXPECTED: &'static str = "an attribute with key and value";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: KeyValueKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        match key {
            KeyValueKey::Key => {
                let owner = self.owner;
                let wanted = map.next_value_seed(Text(|text: &[u8]| Wanted::of(owner, text)))?;
                self.wanted = wanted.unwrap_or(Wanted::Nothing);
                Ok(())
            }
            KeyValueKey::Value if self.wanted == Wanted::Nothing => skip(map),
            KeyValueKey::Value => map.next_value_seed(One(AnyValue, decoder)),
        }
    }

    fn end(self, decoder: &mut Decoder<'_>) {
        // The scratch is left empty for the next attribute, which may have no value.
        match self.wanted {
            Wanted::Role(key) => take(key, decoder),
            Wanted::Level => decoder.event.error |= attributes::is_error_level(&decoder.value),
            Wanted::Unknown | Wanted::Nothing => {}
        }
        decoder.value.clear();
    }
}

/// Puts the value just read into the column of its role, if it is of use there.
fn take(key: Key, decoder: &mut Decoder<'_>) {
    let Decoder { batch, row, value, span_ranks, resource_ranks, resource, .. } = decoder;
    let ranks = match key.place {
        Place::Span => span_ranks,
        Place::Resource => resource_ranks,
    };
    if value.is_empty() || !ranks.beaten_by(key) {
        return;
    }
    let column: &mut Name = match key.role {
        Role::HttpStatus => {
            if let Some(code) = attributes::http_code(value) {
                row.http_status = code;
                ranks.set(key);
            }
            return;
        }
        Role::RpcStatus => {
            if let Some(code) = attributes::grpc_code(value) {
                row.rpc_status = code;
                ranks.set(key);
            }
            return;
        }
        Role::ErrorType => &mut row.error_type,
        Role::Peer => &mut row.peer,
        Role::Service => &mut resource.service,
        Role::Namespace => &mut resource.namespace,
        Role::Instance => &mut resource.instance,
        Role::Version => &mut resource.version,
        Role::Host => &mut resource.host,
    };
    *column = batch.names.intern(value);
    ranks.set(key);
}

/// A value: `{"stringValue": "/cart"}`. A text, number or truth value goes as text into
/// [`Decoder::value`]; lists, maps and bytes say nothing that a role asks for.
struct AnyValue;

#[derive(Debug, Clone, Copy)]
enum AnyValueKey {
    String,
    Scalar,
}

impl Object for AnyValue {
    type Key = AnyValueKey;

    const FIELDS: &'static [Field<AnyValueKey>] = &[
        field("stringValue", "string_value", AnyValueKey::String),
        field("intValue", "int_value", AnyValueKey::Scalar),
        field("boolValue", "bool_value", AnyValueKey::Scalar),
        field("doubleValue", "double_value", AnyValueKey::Scalar),
    ];

    const EXPECTED: &'static str = "a value as {\"stringValue\": ...} or the like";

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: AnyValueKey,
        map: &mut A,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), A::Error> {
        match key {
            AnyValueKey::String => {
                let Decoder { value, tally, .. } = decoder;
                map.next_value_seed(Text(|text: &[u8]| {
                    value.clear();
                    value.push_str(&unicode(text, tally));
                }))?;
                Ok(())
            }
            AnyValueKey::Scalar => {
                decoder.value.clear();
                map.next_value_seed(ScalarText(&mut decoder.value))
            }
        }
    }
}

/// Writes a number or truth value as text; a text, in which 64-bit numbers come, as it is.
struct ScalarText<'a>(&'a mut String);

impl ScalarText<'_> {
    fn write<E>(self, value: impl fmt::Display) -> Result<(), E> {
        write!(self.0, "{value}").expect("a String takes all that is written");
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for ScalarText<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for ScalarText<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, truth value or text")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.write(value)
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.write(value)
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.write(value)
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.write(value)
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.0.push_str(value);
        Ok(())
    }
}
