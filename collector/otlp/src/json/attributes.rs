//! Attributes: of a resource, a span, an event. Where only the rules are served, only those are looked at
//! that a role asks for; the values of all others are passed over, whatever is in them.

use resus_model::Name;
use resus_model::attributes::{self, Key, Place, Role};
use serde::de::MapAccess;

use super::Decoder;
use super::object::{Field, Object, One, field, skip};
use super::scalar::{Text, unicode};
use super::texts::Owner;
use super::values::AnyValue;
use crate::json_text::Mark;
use crate::logs::tells_exception;

/// What to do with the value of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The key has not been read yet: it stands behind the value.
    Unknown,
    Nothing,
    Role(Key),
    Level,
    /// Nothing: that there is such a key is enough.
    Exception,
}

impl Wanted {
    fn of(owner: Owner, key: &[u8]) -> Self {
        let Ok(key) = std::str::from_utf8(key) else { return Self::Nothing };
        let place = match owner {
            Owner::Event if attributes::EVENT_LEVELS.contains(&key) => return Self::Level,
            Owner::Log if tells_exception(key.as_bytes()) => return Self::Exception,
            Owner::Event | Owner::Log | Owner::Point => return Self::Nothing,
            Owner::Resource => Place::Resource,
            Owner::Span => Place::Span,
        };
        match attributes::key(key) {
            Some(key) if key.place == place => Self::Role(key),
            _ => Self::Nothing,
        }
    }
}

/// An attribute, `{"key": "http.route", "value": {"stringValue": "/cart"}}`, or an entry of a map in
/// an attribute's value, which looks the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyValue {
    owner: Owner,
    /// How many lists and maps are around its value.
    depth: u32,
    wanted: Wanted,
    /// Whether the key was written, and if so, whether it was the first of its name.
    key: Option<bool>,
    /// Where the value was written.
    value: Option<Mark>,
}

impl KeyValue {
    /// An attribute.
    pub(super) const fn of(owner: Owner) -> Self {
        Self { owner, depth: 0, wanted: Wanted::Unknown, key: None, value: None }
    }

    /// An entry of a map. No role asks for it.
    pub(super) const fn inside(owner: Owner, depth: u32) -> Self {
        Self { owner, depth, wanted: Wanted::Nothing, key: None, value: None }
    }

    /// Writes the key read last, before the value if that is there already.
    fn write_key(&mut self, decoder: &mut Decoder<'_>) {
        let Decoder { texts, key, .. } = decoder;
        let (json, open) = texts.of(self.owner, self.depth);
        let new = match self.value {
            None => json.key(open, key.as_bytes()),
            Some(value) => json.key_before(value, open, key.as_bytes()),
        };
        self.key = Some(new);
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
        let everything = decoder.texts.writes(self.owner);
        match key {
            KeyValueKey::Key => {
                let (owner, depth) = (self.owner, self.depth);
                let Decoder { key, tally, .. } = decoder;
                let wanted = map.next_value_seed(Text(|text: &[u8]| {
                    if everything {
                        key.clear();
                        key.push_str(&unicode(text, tally));
                    }
                    if depth == 0 { Wanted::of(owner, text) } else { Wanted::Nothing }
                }))?;
                self.wanted = wanted.unwrap_or(Wanted::Nothing);
                if everything && wanted.is_some() && self.key.is_none() {
                    self.write_key(decoder);
                }
                Ok(())
            }
            KeyValueKey::Value if everything => {
                let mark = decoder.texts.of(self.owner, self.depth).0.mark();
                let any = AnyValue::written(self.owner, self.depth);
                map.next_value_seed(One(any, decoder))?;
                if self.value.is_some() || self.key == Some(false) {
                    decoder.texts.of(self.owner, self.depth).0.rewind(mark);
                } else {
                    self.value = Some(mark);
                }
                Ok(())
            }
            KeyValueKey::Value if matches!(self.wanted, Wanted::Nothing | Wanted::Exception) => {
                skip(map)
            }
            KeyValueKey::Value => map.next_value_seed(One(AnyValue::read(), decoder)),
        }
    }

    fn end(mut self, decoder: &mut Decoder<'_>) {
        if decoder.texts.writes(self.owner) {
            if self.key.is_none() {
                decoder.key.clear();
                self.write_key(decoder);
            }
            if self.value.is_none() && self.key == Some(true) {
                decoder.texts.of(self.owner, self.depth).0.null();
            }
        }
        // The scratch is left empty for the next attribute, which may have no value.
        match self.wanted {
            Wanted::Role(key) => take(key, decoder),
            Wanted::Level => decoder.event.error |= attributes::is_error_level(&decoder.value),
            Wanted::Exception => decoder.logs.exception_attribute = true,
            Wanted::Unknown | Wanted::Nothing => {}
        }
        if self.depth == 0 {
            decoder.value.clear();
        }
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
    let column: Option<&mut Name> = match key.role {
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
        Role::ErrorType => Some(&mut row.error_type),
        Role::Peer => Some(&mut row.peer),
        role => resource.name_mut(role),
    };
    if let Some(column) = column {
        *column = batch.names.intern(value);
        ranks.set(key);
    }
}
