//! Trace and span identifiers from text or bytes.

use resus_model::{SpanId, TraceId};

/// What a value is, as an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading<I> {
    /// An identifier in its normal form; all zeroes too.
    Plain(I),
    /// An identifier written another way: with `0x`, dashes, or without leading zeroes.
    Lenient(I),
    /// Nothing: an empty text.
    Empty,
    /// Not an identifier.
    Wrong,
}

/// A kind of identifier.
pub(crate) trait Id: Copy {
    /// The invalid identifier.
    const ZERO: Self;
    /// Reads hex digits or bytes.
    fn read(text: &[u8], form: Form) -> Reading<Self>;
}

/// How identifiers are written in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A column of text: hex digits.
    Text,
    /// A column of bytes: the bytes themselves, or hex digits where there are twice as many.
    Bytes,
}

impl Id for TraceId {
    const ZERO: Self = Self::from_u128(0);

    #[inline]
    fn read(text: &[u8], form: Form) -> Reading<Self> {
        if let (Form::Bytes, Ok(bytes)) = (form, <[u8; 16]>::try_from(text)) {
            return Reading::Plain(Self::from_bytes(bytes));
        }
        match Self::from_hex(text) {
            Ok(id) => Reading::Plain(id),
            Err(_) => lenient(text, |digits| Self::from_hex(digits).ok()),
        }
    }
}

impl Id for SpanId {
    const ZERO: Self = Self::NONE;

    #[inline]
    fn read(text: &[u8], form: Form) -> Reading<Self> {
        if let (Form::Bytes, Ok(bytes)) = (form, <[u8; 8]>::try_from(text)) {
            return Reading::Plain(Self::from_bytes(bytes));
        }
        match Self::from_hex(text) {
            Ok(id) => Reading::Plain(id),
            Err(_) => lenient(text, |digits| {
                let fits = digits[..16].iter().all(|d| *d == b'0');
                fits.then(|| Self::from_hex(&digits[16..]).ok()).flatten()
            }),
        }
    }
}

/// Reads what is found in the wild: `0x` in front, dashes, leading zeroes left out. `parse` gets 32
/// digits.
#[cold]
fn lenient<I>(text: &[u8], parse: impl Fn(&[u8; 32]) -> Option<I>) -> Reading<I> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Reading::Empty;
    }
    let bare = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X")).unwrap_or(text);
    let mut digits = [b'0'; 32];
    let mut from = digits.len();
    for &digit in bare.iter().rev().filter(|d| **d != b'-') {
        if from == 0 {
            return Reading::Wrong;
        }
        from -= 1;
        digits[from] = digit;
    }
    if from == digits.len() {
        return Reading::Wrong;
    }
    parse(&digits).map_or(Reading::Wrong, Reading::Lenient)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_ids_are_read_in_every_form() {
        let id = TraceId::from_u128(0x5b8e_fff7_9803_8103_d269_b633_813f_c60c);
        let read = <TraceId as Id>::read;
        assert_eq!(read(b"5b8efff798038103d269b633813fc60c", Form::Text), Reading::Plain(id));
        assert_eq!(read(b"5B8EFFF798038103D269B633813FC60C", Form::Bytes), Reading::Plain(id));
        assert_eq!(read(&id.as_u128().to_be_bytes(), Form::Bytes), Reading::Plain(id));
        assert_eq!(read(b"0x5b8efff798038103d269b633813fc60c", Form::Text), Reading::Lenient(id));
        assert_eq!(read(b"5b8efff7-9803-8103-d269-b633813fc60c", Form::Text), Reading::Lenient(id));
        let short = TraceId::from_u128(0xd269_b633_813f_c60c);
        assert_eq!(read(b"d269b633813fc60c", Form::Text), Reading::Lenient(short));
        assert_eq!(read(b"", Form::Text), Reading::Empty);
        for wrong in [&b"0x"[..], b"-", b"x", b"5b8efff798038103d269b633813fc60c0", b"\xff\xfe"] {
            assert_eq!(read(wrong, Form::Text), Reading::Wrong, "{wrong:?}");
        }
    }

    #[test]
    fn span_ids_are_read_in_every_form() {
        let id = SpanId::from_u64(0xeee1_9b7e_c3c1_b174);
        let read = <SpanId as Id>::read;
        assert_eq!(read(b"eee19b7ec3c1b174", Form::Text), Reading::Plain(id));
        assert_eq!(read(b"EEE19B7EC3C1B174", Form::Bytes), Reading::Plain(id));
        assert_eq!(read(&id.as_u64().to_be_bytes(), Form::Bytes), Reading::Plain(id));
        assert_eq!(read(b"0xeee19b7ec3c1b174", Form::Text), Reading::Lenient(id));
        assert_eq!(read(b"b174", Form::Text), Reading::Lenient(SpanId::from_u64(0xb174)));
        assert_eq!(read(b"0000000000000000", Form::Text), Reading::Plain(SpanId::NONE));
        assert_eq!(read(b"1eee19b7ec3c1b174", Form::Text), Reading::Wrong);
    }
}
