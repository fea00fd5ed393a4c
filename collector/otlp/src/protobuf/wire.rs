//! The wire format of protobuf: varints, keys, lengths. Nothing is copied; what is read are slices of the body.
//!
//! What is refused is what prost refuses, the reader that most OTLP servers of this language use: a
//! varint over 64 bits, a key over 32 bits, field number 0, an unknown wire type, a length beyond the
//! end, a group that is not closed by its own number, more than 100 messages inside each other.
//! (Protocol Buffers documentation, "Encoding".)

use super::fault::{Fault, ProtobufErrorKind};

/// How many messages may stand inside the outermost one, as in prost.
pub(super) const DEPTH: u32 = 100;

/// The wire types, as numbered on the wire.
pub(super) const VARINT: u32 = 0;
pub(super) const FIXED64: u32 = 1;
pub(super) const LENGTH: u32 = 2;
const START_GROUP: u32 = 3;
const END_GROUP: u32 = 4;
pub(super) const FIXED32: u32 = 5;

/// The key of a field as it stands on the wire.
pub(super) const fn key(tag: u32, wire_type: u32) -> u32 {
    (tag << 3) | wire_type
}

/// The fields of one message that have not been read yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The key of the next field; `None` at the end. Only its size is checked: a key that is none of
    /// those that are known goes to [`Reader::skip`], which checks the rest.
    #[inline]
    pub(super) fn key(&mut self) -> Result<Option<u32>, Fault> {
        let Some((&first, tail)) = self.rest.split_first() else { return Ok(None) };
        if first < 0x80 {
            self.rest = tail;
            return Ok(Some(u32::from(first)));
        }
        self.long_key().map(Some)
    }

    fn long_key(&mut self) -> Result<u32, Fault> {
        let at = self.rest;
        let key = self.varint()?;
        u32::try_from(key).map_err(|_| Fault::at(at, ProtobufErrorKind::Key))
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Fault> {
        match self.rest {
            [byte, tail @ ..] if *byte < 0x80 => {
                self.rest = tail;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0_u64;
        for (i, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                // The tenth byte holds the 64th bit and nothing else.
                if i == 9 && byte > 1 {
                    break;
                }
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        let kind = if self.rest.len() < 10 {
            ProtobufErrorKind::Truncated
        } else {
            ProtobufErrorKind::Varint
        };
        Err(Fault::at(self.rest, kind))
    }

    /// What a length stands before: a text, bytes, or a message.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let at = self.rest;
        let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        let Some((bytes, tail)) = self.rest.split_at_checked(length) else {
            return Err(Fault::at(at, ProtobufErrorKind::Truncated));
        };
        self.rest = tail;
        Ok(bytes)
    }

    #[inline]
    pub(super) fn fixed64(&mut self) -> Result<u64, Fault> {
        self.fixed().map(u64::from_le_bytes)
    }

    #[inline]
    pub(super) fn fixed32(&mut self) -> Result<u32, Fault> {
        self.fixed().map(u32::from_le_bytes)
    }

    #[inline]
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let Some((bytes, tail)) = self.rest.split_first_chunk() else {
            return Err(Fault::at(self.rest, ProtobufErrorKind::Truncated));
        };
        self.rest = tail;
        Ok(*bytes)
    }

    /// Passes over a field that is not known, whose key was read last, in a message that may hold
    /// `depth` more levels.
    pub(super) fn skip(&mut self, key: u32, depth: u32) -> Result<(), Fault> {
        self.known_wire_type(key)?;
        if depth == 0 {
            return Err(Fault::at(self.rest, ProtobufErrorKind::Depth));
        }
        match key & 7 {
            VARINT => self.varint().map(drop),
            FIXED64 => self.fixed64().map(drop),
            LENGTH => self.bytes().map(drop),
            FIXED32 => self.fixed32().map(drop),
            START_GROUP => self.skip_group(key >> 3, depth),
            _ => Err(Fault::at(self.rest, ProtobufErrorKind::Group)),
        }
    }

    /// Refuses field number 0 and the wire types 6 and 7.
    pub(super) fn known_wire_type(&self, key: u32) -> Result<(), Fault> {
        if key & 7 > FIXED32 || key >> 3 == 0 {
            return Err(Fault::at(self.rest, ProtobufErrorKind::Key));
        }
        Ok(())
    }

    fn skip_group(&mut self, tag: u32, depth: u32) -> Result<(), Fault> {
        loop {
            let at = self.rest;
            let Some(key) = self.key()? else {
                return Err(Fault::at(at, ProtobufErrorKind::Truncated));
            };
            self.known_wire_type(key)?;
            if key & 7 == END_GROUP {
                if key >> 3 == tag {
                    return Ok(());
                }
                return Err(Fault::at(at, ProtobufErrorKind::Group));
            }
            self.skip(key, depth - 1)?;
        }
    }

    /// The next field and goes past it; `None` at the end and at a fault.
    fn field(&mut self) -> Option<(u32, Self)> {
        let key = self.key().ok()??;
        let field = *self;
        self.skip(key, DEPTH).ok()?;
        Some((key, field))
    }

    /// What has not been read yet; at a fault, where it stands.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// The fields of a message that was checked before: key and value, the latter at the beginning of
/// what the reader reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(Reader<'a>);

impl<'a> Fields<'a> {
    pub(super) const fn of(message: &'a [u8]) -> Self {
        Self(Reader::new(message))
    }

    /// The values of one key, which is that of messages, texts or bytes.
    pub(super) fn messages(self, wanted: u32) -> impl Iterator<Item = &'a [u8]> {
        self.filter(move |(key, _)| *key == wanted).filter_map(|(_, mut field)| field.bytes().ok())
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Reader<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.field()
    }
}
