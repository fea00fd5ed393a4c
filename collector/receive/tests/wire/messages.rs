//! Protobuf messages taken apart without knowing their types.

/// A field's value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, in its order.
#[derive(Debug)]
pub(crate) struct Fields<'a>(Vec<(u64, Value<'a>)>);

pub(crate) fn fields(mut bytes: &[u8]) -> Fields<'_> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = match key & 7 {
            0 => Value::Number(varint(&mut bytes)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).expect("short");
                let (head, tail) = bytes.split_at(length);
                bytes = tail;
                Value::Bytes(head)
            }
            other => panic!("no answer has a field of wire type {other}"),
        };
        found.push((key >> 3, value));
    }
    Fields(found)
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&first, rest) = bytes.split_first().expect("a varint");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first < 0x80 {
            return value;
        }
    }
    panic!("a varint of over ten bytes");
}

impl<'a> Fields<'a> {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn only(&self, field: u64) -> Option<&Value<'a>> {
        let mut with = self.0.iter().filter(|(n, _)| *n == field);
        let found = with.next();
        assert!(with.next().is_none(), "field {field} occurs twice");
        found.map(|(_, value)| value)
    }

    pub(crate) fn number(&self, field: u64) -> Option<u64> {
        match self.only(field)? {
            Value::Number(n) => Some(*n),
            Value::Bytes(_) => panic!("field {field} is not a number"),
        }
    }

    pub(crate) fn bytes(&self, field: u64) -> Option<&'a [u8]> {
        match self.only(field)? {
            Value::Bytes(bytes) => Some(bytes),
            Value::Number(_) => panic!("field {field} is a number"),
        }
    }

    pub(crate) fn text(&self, field: u64) -> Option<String> {
        Some(String::from_utf8(self.bytes(field)?.to_vec()).expect("UTF-8"))
    }
}
