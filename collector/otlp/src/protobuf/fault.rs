//! Why bytes are not OTLP protobuf, and where.

use std::fmt::Write as _;

use super::schema::{Form, Message};
use super::wire::{LENGTH, Reader};

/// Why a body is not OTLP protobuf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("decode OTLP protobuf at byte {offset}{}{path}: {message}", if path.is_empty() { "" } else { ", " })]
pub struct ProtobufError {
    /// Where in the body, in bytes from its beginning.
    pub offset: usize,
    /// The field, as far as it is known: `resourceSpans[3].scopeSpans[0].spans[7].name`.
    pub path: String,
    /// What was found and what was expected.
    pub message: String,
    /// What kind of fault it is.
    pub kind: ProtobufErrorKind,
}

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtobufErrorKind {
    /// It, or a message in it, ends in the middle of a field, or a length goes beyond the end.
    Truncated,
    /// A varint has more than 64 bits.
    Varint,
    /// A key has more than 32 bits, the field number 0, or a wire type that there is not.
    Key,
    /// A known field has another wire type than it should.
    WireType,
    /// A group ends that did not begin, or another one than began last.
    Group,
    /// A text is not UTF-8.
    Text,
    /// Messages stand inside each other more than 100 levels deep.
    Depth,
}

impl ProtobufErrorKind {
    const fn message(self) -> &'static str {
        match self {
            Self::Truncated => "found the end in the middle of a field, expected all of it",
            Self::Varint => "found a varint of more than 64 bits, expected at most 64",
            Self::Key => {
                "found a key that no field can have, expected a field number and wire type"
            }
            Self::WireType => "found another wire type than the field has",
            Self::Group => "found the end of a group that did not begin here",
            Self::Text => "found bytes that are not UTF-8, expected a text",
            Self::Depth => "found more than 100 messages inside each other, expected a few",
        }
    }
}

/// A fault as it is met: where, as an address, and what. What a person reads is found out only
/// when there is one, so that walking a good body keeps no account of where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    address: usize,
    kind: ProtobufErrorKind,
}

impl Fault {
    #[cold]
    pub(super) fn at(place: &[u8], kind: ProtobufErrorKind) -> Self {
        Self { address: place.as_ptr().addr(), kind }
    }

    /// The error for a fault that was met in a body of a message.
    #[cold]
    pub(super) fn in_body(self, body: &[u8], message: &'static Message) -> ProtobufError {
        let Self { address, kind } = self;
        let offset = address.saturating_sub(body.as_ptr().addr()).min(body.len());
        ProtobufError {
            offset,
            path: path(body, message, offset),
            message: kind.message().to_owned(),
            kind,
        }
    }
}

/// The way down to the field in which an offset lies. All before it has been read once and is right.
fn path(body: &[u8], message: &'static Message, offset: usize) -> String {
    let (mut path, mut inside, mut message, mut start) = (String::new(), body, message, 0);
    while let Some((field, index, value, at)) = field_at(inside, message, offset - start) {
        let dot = if path.is_empty() { "" } else { "." };
        write!(path, "{dot}{}", field.name).expect("a String takes all that is written");
        if field.repeated {
            write!(path, "[{index}]").expect("a String takes all that is written");
        }
        let Form::Message(inner) = field.form else { break };
        (inside, message) = (value, inner);
        start += at;
        if offset < start {
            break;
        }
    }
    path
}

/// The field of a message in which an offset lies: what it is, how many of it came before, its value
/// (all that is left, where its length is wrong), and where the value begins.
fn field_at<'a>(
    bytes: &'a [u8],
    message: &'static Message,
    offset: usize,
) -> Option<(&'static super::schema::Field, usize, &'a [u8], usize)> {
    let mut reader = Reader::new(bytes);
    let mut counts = [0_usize; 32];
    loop {
        let key = reader.key().ok()??;
        let field = message.field(key >> 3);
        let before = reader;
        let value = if key & 7 == LENGTH { reader.bytes().ok() } else { None };
        let whole = value.is_some() || (key & 7 != LENGTH && reader.skip(key, 2).is_ok());
        let end = bytes.len() - reader.rest().len();
        if !whole || offset < end || reader.rest().is_empty() {
            let value = value.unwrap_or_else(|| before.rest());
            let at = value.as_ptr().addr() - bytes.as_ptr().addr();
            let field = field?;
            return Some((field, counts[field.tag as usize % 32], value, at));
        }
        if let Some(field) = field {
            counts[field.tag as usize % 32] += 1;
        }
    }
}
