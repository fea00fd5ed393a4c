//! What attributes say of the roles that rules ask for; of several keys of one role the best wins.

use std::fmt::Write as _;

use resus_model::attributes::{self, Key, Role};
use resus_model::{Name, SpanRow};

use super::value::Value;
use crate::json_text::special;
use crate::ranks::Ranks;

/// The roles read so far, and by how good a key.
#[derive(Debug, Default)]
pub(super) struct Roles(Ranks);

impl Roles {
    /// Gives a value as text to a function, if its key is the best so far and there is a text.
    pub(super) fn take(&mut self, key: Key, value: Value<'_>, put: impl FnOnce(&[u8])) {
        if !self.0.beaten_by(key) {
            return;
        }
        with_text(value, |text| {
            if !text.is_empty() {
                put(text);
                self.0.set(key);
            }
        });
    }

    /// Puts a value into the row's column for its key, if that is the best so far and the value is of use.
    pub(super) fn take_of_span(
        &mut self,
        key: Key,
        value: Value<'_>,
        row: &mut SpanRow,
        intern: impl FnOnce(&[u8]) -> Name,
    ) {
        if !self.0.beaten_by(key) {
            return;
        }
        match key.role {
            Role::HttpStatus => {
                if let Some(code) = http_code(value) {
                    row.http_status = code;
                    self.0.set(key);
                }
            }
            Role::RpcStatus => {
                if let Some(code) = grpc_code(value) {
                    row.rpc_status = code;
                    self.0.set(key);
                }
            }
            Role::ErrorType => self.take(key, value, |text| row.error_type = intern(text)),
            Role::Peer => self.take(key, value, |text| row.peer = intern(text)),
            // These stand on the resource.
            Role::Service | Role::Namespace | Role::Instance | Role::Version | Role::Host => {}
        }
    }
}

/// Nearly all codes are whole numbers, which need not become text first.
fn http_code(value: Value<'_>) -> Option<u16> {
    match value {
        Value::Int(n) => u16::try_from(n).ok().filter(|n| (100..600).contains(n)),
        value => {
            with_text(value, |text| std::str::from_utf8(text).ok().and_then(attributes::http_code))
        }
    }
}

fn grpc_code(value: Value<'_>) -> Option<u8> {
    match value {
        Value::Int(n) => u8::try_from(n).ok().filter(|n| *n <= 16),
        value => {
            with_text(value, |text| std::str::from_utf8(text).ok().and_then(attributes::grpc_code))
        }
    }
}

/// Gives the text of a value to a function: of lists, maps and bytes the empty one, since they say
/// nothing that a role asks for.
fn with_text<T>(value: Value<'_>, f: impl FnOnce(&[u8]) -> T) -> T {
    let mut text = String::new();
    match value {
        Value::String(text) => return f(text),
        Value::Bool(value) => text.push_str(if value { "true" } else { "false" }),
        Value::Int(value) => write!(text, "{value}").expect("a String takes all that is written"),
        Value::Double(value) => match special(value) {
            Some(name) => text.push_str(name),
            None => write!(text, "{value}").expect("a String takes all that is written"),
        },
        Value::None | Value::Array(_) | Value::Map(_) | Value::Bytes(_) | Value::Pieces => {}
    }
    f(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_whole_numbers_are_those_of_their_texts() {
        for n in [-1, 0, 1, 16, 17, 99, 100, 599, 600, 65_535, 65_736, i64::MAX, i64::MIN] {
            let text = n.to_string();
            assert_eq!(http_code(Value::Int(n)), attributes::http_code(&text), "{n}");
            assert_eq!(grpc_code(Value::Int(n)), attributes::grpc_code(&text), "{n}");
        }
    }
}
