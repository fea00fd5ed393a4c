//! How is a protobuf message laid out, field by field?
//!
//! Reading tells where a field lies, which no decoder does; writing can produce what no encoder does.

/// Fields of a message, in order. Ends at the first thing that is no field.
pub(crate) struct Fields<'a> {
    message: &'a [u8],
    at: usize,
}

/// One field as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// A varint.
    Varint(u64),
    /// Eight, four, or a stated number of bytes: where they begin and end in the message.
    Bytes(usize, usize),
}

impl<'a> Fields<'a> {
    pub(crate) const fn new(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }

    /// Whether all that was read were fields, to the last byte.
    pub(crate) const fn at_end(&self) -> bool {
        self.at == self.message.len()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.message.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

impl Iterator for Fields<'_> {
    type Item = (u64, Value);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.varint()?;
        let length = match tag & 7 {
            0 => return Some((tag >> 3, Value::Varint(self.varint()?))),
            1 => 8,
            2 => usize::try_from(self.varint()?).ok()?,
            5 => 4,
            _ => return None,
        };
        let from = self.at;
        self.at = from.checked_add(length).filter(|end| *end <= self.message.len())?;
        Some((tag >> 3, Value::Bytes(from, self.at)))
    }
}

/// The bytes of the first field with that number.
pub(crate) fn bytes_of(message: &[u8], number: u64) -> Option<&[u8]> {
    Fields::new(message).find_map(|(n, value)| match value {
        Value::Bytes(from, to) if n == number => message.get(from..to),
        _ => None,
    })
}

/// The number in the first field with that number; 0, protobuf's default, where it is absent.
pub(crate) fn varint_of(message: &[u8], number: u64) -> u64 {
    Fields::new(message)
        .find_map(|(n, value)| match value {
            Value::Varint(value) if n == number => Some(value),
            _ => None,
        })
        .unwrap_or_default()
}

/// Writes a message.
#[derive(Debug, Clone, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn varint(mut self, number: u64, value: u64) -> Self {
        self.raw(number << 3);
        self.raw(value);
        self
    }

    pub(crate) fn fixed64(mut self, number: u64, value: u64) -> Self {
        self.raw(number << 3 | 1);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, number: u64, bytes: &[u8]) -> Self {
        self.raw(number << 3 | 2);
        self.raw(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn message(self, number: u64, inner: Self) -> Self {
        self.bytes(number, &inner.0)
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }

    fn raw(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let inner = Writer::default().varint(1, 300);
        let message = Writer::default().message(3, inner).fixed64(7, 5).varint(9, u64::MAX).done();
        let fields: Vec<_> = Fields::new(&message).collect();
        assert_eq!(
            fields,
            [(3, Value::Bytes(2, 5)), (7, Value::Bytes(6, 14)), (9, Value::Varint(u64::MAX))]
        );
        assert_eq!(varint_of(bytes_of(&message, 3).unwrap(), 1), 300);
        assert_eq!(varint_of(&message, 1), 0);
        assert_eq!(bytes_of(&message, 4), None);
    }

    #[test]
    fn a_cut_message_ends_early() {
        let message = Writer::default().varint(1, 1).bytes(2, b"abc").done();
        for end in 0..message.len() {
            assert!(Fields::new(&message[..end]).count() < 2);
        }
    }
}
