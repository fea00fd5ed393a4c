//! Attributes as they stand on the wire: a key and a value of one of several forms.

use super::fault::Fault;
use super::schema::{self, Message, enter, valid};
use super::utf8::Utf8;
use super::wire::{DEPTH, FIXED64, Fields, LENGTH, Reader, VARINT, key};
use crate::json_text::{JsonText, MAX_DEPTH};

const KEY: u32 = key(1, LENGTH);
const VALUE: u32 = key(2, LENGTH);

const STRING: u32 = key(1, LENGTH);
const BOOL: u32 = key(2, VARINT);
const INT: u32 = key(3, VARINT);
const DOUBLE: u32 = key(4, FIXED64);
const ARRAY: u32 = key(5, LENGTH);
const KVLIST: u32 = key(6, LENGTH);
const BYTES: u32 = key(7, LENGTH);
const STRING_INDEX: u32 = key(8, VARINT);

const VALUES: u32 = key(1, LENGTH);

/// A value; lists and maps as the bytes of their message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    /// There is none, or it is an index into a table of texts, which traces do not have.
    None,
    String(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
    Array(&'a [u8]),
    Map(&'a [u8]),
    Bytes(&'a [u8]),
    /// It came in several pieces, which protobuf joins: see [`joined_attribute`]. No writer in use does that.
    Pieces,
}

/// Reads an attribute and checks all of it. The message may hold `depth` more levels, at least two.
#[inline]
pub(super) fn attribute<'a>(
    bytes: &'a [u8],
    depth: u32,
    utf8: &mut Utf8<'a>,
) -> Result<(&'a [u8], Value<'a>), Fault> {
    if let Some((key, value)) = short_attribute(bytes) {
        // Of a text all bytes are looked at together; a number may hold any.
        let text = if let Value::String(_) = value { bytes } else { key };
        if utf8.is_ascii(text) {
            return Ok((key, value));
        }
    }
    checked_attribute(bytes, depth, utf8)
}

/// Reads an attribute as nearly all are: a key and then a text or whole number, each short and once.
#[inline]
fn short_attribute(bytes: &[u8]) -> Option<(&[u8], Value<'_>)> {
    const KEY_BYTE: u8 = KEY as u8;
    const VALUE_BYTE: u8 = VALUE as u8;
    const STRING_BYTE: u8 = STRING as u8;
    const INT_BYTE: u8 = INT as u8;
    let (&[KEY_BYTE, length @ 0..0x80], rest) = bytes.split_first_chunk()? else { return None };
    let (key, rest) = rest.split_at_checked(length.into())?;
    let (&[VALUE_BYTE, length @ 0..0x80], value) = rest.split_first_chunk()? else { return None };
    if value.len() != usize::from(length) {
        return None;
    }
    match value {
        [STRING_BYTE, length @ 0..0x80, text @ ..] if text.len() == usize::from(*length) => {
            Some((key, Value::String(text)))
        }
        [INT_BYTE, n @ 0..0x80] => Some((key, Value::Int((*n).into()))),
        [INT_BYTE, low @ 0x80..=0xff, high @ 0..0x80] => {
            Some((key, Value::Int(i64::from(low & 0x7f) | (i64::from(*high) << 7))))
        }
        _ => None,
    }
}

/// Kept apart, so that the way that is nearly always taken stays short.
#[inline(never)]
fn checked_attribute<'a>(
    bytes: &'a [u8],
    depth: u32,
    utf8: &mut Utf8<'a>,
) -> Result<(&'a [u8], Value<'a>), Fault> {
    any_attribute::<true>(bytes, depth, utf8)
}

/// Reads an attribute of any form and, if asked, checks all of it.
fn any_attribute<'a, const CHECK: bool>(
    bytes: &'a [u8],
    depth: u32,
    utf8: &mut Utf8<'a>,
) -> Result<(&'a [u8], Value<'a>), Fault> {
    let mut reader = Reader::new(bytes);
    let (mut name, mut value, mut values): (&[u8], _, _) = (&[], Value::None, 0);
    while let Some(key) = reader.key()? {
        match key {
            KEY => name = text::<CHECK>(&mut reader, utf8)?,
            VALUE => {
                let depth = enter(depth, reader.rest())?;
                value = any_value::<CHECK>(reader.bytes()?, depth, utf8)?;
                values += 1;
            }
            _ => schema::KEY_VALUE.check_field(key, &mut reader, depth, utf8)?,
        }
    }
    Ok((name, if values > 1 { Value::Pieces } else { value }))
}

/// Reads a value and, if asked, checks all of it. The message may hold `depth` more levels.
#[inline]
pub(super) fn any_value<'a, const CHECK: bool>(
    bytes: &'a [u8],
    depth: u32,
    utf8: &mut Utf8<'a>,
) -> Result<Value<'a>, Fault> {
    let mut reader = Reader::new(bytes);
    let mut value = Value::None;
    while let Some(key) = reader.key()? {
        value = match key {
            STRING => Value::String(text::<CHECK>(&mut reader, utf8)?),
            BOOL => Value::Bool(reader.varint()? != 0),
            INT => Value::Int(reader.varint()?.cast_signed()),
            DOUBLE => Value::Double(f64::from_bits(reader.fixed64()?)),
            BYTES => Value::Bytes(reader.bytes()?),
            ARRAY => {
                let values = message::<CHECK>(&schema::ARRAY_VALUE, &mut reader, depth, utf8)?;
                match value {
                    Value::Array(_) | Value::Pieces => Value::Pieces,
                    _ => Value::Array(values),
                }
            }
            KVLIST => {
                let values = message::<CHECK>(&schema::KEY_VALUE_LIST, &mut reader, depth, utf8)?;
                match value {
                    Value::Map(_) | Value::Pieces => Value::Pieces,
                    _ => Value::Map(values),
                }
            }
            STRING_INDEX => reader.varint().map(|_| Value::None)?,
            _ => {
                schema::ANY_VALUE.check_field(key, &mut reader, depth, utf8)?;
                value
            }
        };
    }
    Ok(value)
}

#[inline]
fn text<'a, const CHECK: bool>(
    reader: &mut Reader<'a>,
    utf8: &mut Utf8<'a>,
) -> Result<&'a [u8], Fault> {
    let text = reader.bytes()?;
    if CHECK { valid(text, utf8) } else { Ok(text) }
}

fn message<'a, const CHECK: bool>(
    kind: &Message,
    reader: &mut Reader<'a>,
    depth: u32,
    utf8: &mut Utf8<'a>,
) -> Result<&'a [u8], Fault> {
    let depth = enter(depth, reader.rest())?;
    let bytes = reader.bytes()?;
    if CHECK {
        kind.check(bytes, depth, utf8)?;
    }
    Ok(bytes)
}

/// The value of an attribute whose value came in pieces, as one piece. All was checked before.
///
/// Protobuf joins messages that stand for one field: of a list or map all elements count, of
/// anything else the last value; and a value of another form replaces what came before.
pub(super) fn joined_attribute(attribute: &[u8]) -> Vec<u8> {
    let values: Vec<&[u8]> = Fields::of(attribute).messages(VALUE).collect();
    joined(&values.concat())
}

/// A value that came in pieces as one piece: see [`joined_attribute`].
fn joined(value: &[u8]) -> Vec<u8> {
    let (mut last, mut pieces) = (0, Vec::new());
    for (key, mut field) in Fields::of(value) {
        if !matches!(key, STRING | BOOL | INT | DOUBLE | ARRAY | KVLIST | BYTES | STRING_INDEX) {
            continue;
        }
        let before = field.rest();
        if !matches!(key, ARRAY | KVLIST) || key != last {
            pieces.clear();
        }
        if let ARRAY | KVLIST = key {
            pieces.extend_from_slice(field.bytes().unwrap_or_default());
        } else if field.skip(key, DEPTH).is_ok() {
            pieces.extend_from_slice(&before[..before.len() - field.rest().len()]);
        }
        last = key;
    }
    // All keys of a value are one byte.
    let mut whole = vec![u8::try_from(last).unwrap_or_default()];
    if let ARRAY | KVLIST = last {
        let mut length = pieces.len();
        while length >= 0x80 {
            whole.push(0x80 | u8::try_from(length & 0x7f).unwrap_or_default());
            length >>= 7;
        }
        whole.push(u8::try_from(length).unwrap_or_default());
    }
    whole.extend_from_slice(&pieces);
    whole
}

/// Reads an attribute that was checked before.
pub(super) fn known_attribute(bytes: &[u8]) -> (&[u8], Value<'_>) {
    let mut unused = Utf8::of(bytes);
    any_attribute::<false>(bytes, DEPTH, &mut unused).unwrap_or((&[], Value::None))
}

/// The key of an attribute that was checked before.
pub(super) fn text_of_key(bytes: &[u8]) -> &[u8] {
    Fields::of(bytes).messages(KEY).last().unwrap_or_default()
}

/// Reads a value that was checked before.
fn known(value: &[u8]) -> Value<'_> {
    any_value::<false>(value, DEPTH, &mut Utf8::of(value)).unwrap_or(Value::None)
}

/// Calls a function with a value, joined if it came in pieces.
pub(super) fn with_joined<T>(
    value: Value<'_>,
    attribute: &[u8],
    f: impl FnOnce(Value<'_>) -> T,
) -> T {
    if value == Value::Pieces { f(known(&joined_attribute(attribute))) } else { f(value) }
}

/// Writes a value that was checked before. `depth` lists and maps are around it.
pub(super) fn write(value: Value<'_>, depth: u32, json: &mut JsonText) {
    match value {
        Value::None | Value::Pieces => json.null(),
        Value::String(text) => json.string(text),
        Value::Bool(value) => json.bool(value),
        Value::Int(value) => json.int(value),
        Value::Double(value) => json.double(value),
        Value::Bytes(bytes) => json.base64(bytes),
        Value::Array(_) | Value::Map(_) if depth >= MAX_DEPTH => {
            json.cut();
        }
        Value::Array(values) => {
            json.begin_list();
            for element in Fields::of(values).messages(VALUES) {
                json.next_element();
                match known(element) {
                    Value::Pieces => write(known(&joined(element)), depth + 1, json),
                    value => write(value, depth + 1, json),
                }
            }
            json.end_list();
        }
        Value::Map(values) => {
            let mut open = json.open();
            for entry in Fields::of(values).messages(VALUES) {
                let (key, value) = known_attribute(entry);
                if json.key(&mut open, key) {
                    with_joined(value, entry, |value| write(value, depth + 1, json));
                }
            }
            json.close(open);
        }
    }
}
