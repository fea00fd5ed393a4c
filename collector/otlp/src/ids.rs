//! Trace and span ids in the spellings found in the wild.
//!
//! OTLP JSON writes ids as hex text of either case. Beside it there are base64 (what generic protobuf
//! printers make of bytes), `0x` prefixes, dashes as in UUIDs, trace ids of 8 bytes, and arrays of
//! integers. All lead to the same bytes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use resus_model::{SpanId, TraceId};

use crate::tally::{Lenient, Tally};

/// What the text of an id was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Id<T> {
    /// Missing, empty or all zeroes: OTLP's ways to say *none*.
    None,
    /// Not an id in any spelling.
    Unreadable,
    /// An id other than zero.
    Of(T),
}

impl<T> Id<T> {
    /// The id if there is one.
    pub(crate) fn present(self) -> Option<T> {
        match self {
            Self::Of(id) => Some(id),
            Self::None | Self::Unreadable => None,
        }
    }
}

pub(crate) fn trace_id(text: &[u8], tally: &mut Tally) -> Id<TraceId> {
    // The one spelling that OTLP allows comes first: it is nearly always this one.
    if let Ok(id) = TraceId::from_hex(text) {
        return if id.is_zero() { Id::None } else { Id::Of(id) };
    }
    if text.is_empty() {
        return Id::None;
    }
    if tally.is_strict() {
        return Id::Unreadable;
    }
    if let Some(bytes) = from_base64(text, tally) {
        return trace_id_of_bytes(bytes.as_slice(), tally);
    }
    let bare = Bare::of(text, tally);
    match (TraceId::from_hex(bare.digits()), SpanId::from_hex(bare.digits())) {
        (Ok(id), _) if id.is_zero() => Id::None,
        (Ok(id), _) => Id::Of(id),
        (_, Ok(half)) => padded(half, tally),
        _ => Id::Unreadable,
    }
}

pub(crate) fn span_id(text: &[u8], tally: &mut Tally) -> Id<SpanId> {
    if let Ok(id) = SpanId::from_hex(text) {
        return if id.is_none() { Id::None } else { Id::Of(id) };
    }
    if text.is_empty() {
        return Id::None;
    }
    if tally.is_strict() {
        return Id::Unreadable;
    }
    if let Some(bytes) = from_base64(text, tally) {
        return span_id_of_bytes(bytes.as_slice());
    }
    match SpanId::from_hex(Bare::of(text, tally).digits()) {
        Ok(id) if id.is_none() => Id::None,
        Ok(id) => Id::Of(id),
        Err(_) => Id::Unreadable,
    }
}

pub(crate) fn trace_id_of_bytes(bytes: &[u8], tally: &mut Tally) -> Id<TraceId> {
    if bytes.iter().all(|&b| b == 0) {
        return Id::None;
    }
    if let Ok(all) = <[u8; 16]>::try_from(bytes) {
        return Id::Of(TraceId::from_bytes(all));
    }
    match <[u8; 8]>::try_from(bytes) {
        Ok(half) => padded(SpanId::from_bytes(half), tally),
        Err(_) => Id::Unreadable,
    }
}

pub(crate) fn span_id_of_bytes(bytes: &[u8]) -> Id<SpanId> {
    if bytes.iter().all(|&b| b == 0) {
        return Id::None;
    }
    <[u8; 8]>::try_from(bytes).map_or(Id::Unreadable, |all| Id::Of(SpanId::from_bytes(all)))
}

/// A trace id of 8 bytes is the right half of one of 16, as W3C Trace Context says.
fn padded(half: SpanId, tally: &mut Tally) -> Id<TraceId> {
    if half.is_none() {
        return Id::None;
    }
    tally.lenient(Lenient::ShortTraceId);
    Id::Of(TraceId::from_u128(u128::from(half.as_u64())))
}

/// At most 16 bytes, without a heap object.
struct Bytes {
    all: [u8; 18],
    len: usize,
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        &self.all[..self.len]
    }
}

/// 16 bytes in base64 are 24 characters that end in `==`, 8 bytes are 12 that end in `=`. No hex
/// spelling looks like that, so that there is nothing to guess.
fn from_base64(text: &[u8], tally: &mut Tally) -> Option<Bytes> {
    let right = match text.len() {
        24 => text.ends_with(b"=="),
        12 => text.ends_with(b"="),
        _ => false,
    };
    if !right {
        return None;
    }
    let mut all = [0; 18];
    let len = STANDARD
        .decode_slice(text, &mut all)
        .or_else(|_| URL_SAFE.decode_slice(text, &mut all))
        .ok()?;
    tally.lenient(Lenient::Base64Id);
    Some(Bytes { all, len })
}

/// An id's text without prefix and dashes.
struct Bare {
    digits: [u8; 32],
    /// More than 32 when there were too many digits.
    len: usize,
}

impl Bare {
    fn of(text: &[u8], tally: &mut Tally) -> Self {
        let rest = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X"));
        let mut bare = Self { digits: [0; 32], len: 0 };
        let mut dashes = false;
        for &c in rest.unwrap_or(text) {
            if c == b'-' {
                dashes = true;
                continue;
            }
            if let Some(slot) = bare.digits.get_mut(bare.len) {
                *slot = c;
            }
            bare.len += 1;
        }
        // Counted only where it led to an id, or a plain mistake would be taken for a habit.
        let right = matches!(bare.len, 16 | 32) && bare.digits().iter().all(u8::is_ascii_hexdigit);
        if right && rest.is_some() {
            tally.lenient(Lenient::IdPrefix);
        }
        if right && dashes {
            tally.lenient(Lenient::IdDashes);
        }
        bare
    }

    fn digits(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use resus_model::Quality;

    use super::*;

    const TRACE: u128 = 0x5b8e_fff7_9803_8103_d269_b633_813f_c60c;
    const SPAN: u64 = 0xeee1_9b7e_c3c1_b174;

    #[track_caller]
    fn check_trace(text: &str, expected: Id<TraceId>, counted: &[&str]) {
        let mut tally = Tally::default();
        assert_eq!(trace_id(text.as_bytes(), &mut tally), expected, "{text}");
        check_counted(tally, counted);
    }

    #[track_caller]
    fn check_span(text: &str, expected: Id<SpanId>, counted: &[&str]) {
        let mut tally = Tally::default();
        assert_eq!(span_id(text.as_bytes(), &mut tally), expected, "{text}");
        check_counted(tally, counted);
    }

    #[track_caller]
    fn check_counted(mut tally: Tally, expected: &[&str]) {
        let mut quality = Quality::default();
        tally.drain_into(&mut quality);
        assert_eq!(quality.lenient.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn trace_ids_are_read_in_every_spelling() {
        let id = Id::Of(TraceId::from_u128(TRACE));
        let half = Id::Of(TraceId::from_u128(u128::from(SPAN)));
        check_trace("5b8efff798038103d269b633813fc60c", id, &[]);
        check_trace("5B8EFFF798038103D269B633813FC60C", id, &[]);
        check_trace("W47/95gDgQPSabYzgT/GDA==", id, &["base64 ids"]);
        check_trace("W47_95gDgQPSabYzgT_GDA==", id, &["base64 ids"]);
        check_trace("0x5b8efff798038103d269b633813fc60c", id, &["ids with 0x prefix"]);
        check_trace("5b8efff7-9803-8103-d269-b633813fc60c", id, &["ids with dashes"]);
        check_trace("eee19b7ec3c1b174", half, &["8-byte trace ids"]);
        check_trace("0xeee19b7ec3c1b174", half, &["8-byte trace ids", "ids with 0x prefix"]);
        check_trace("7uGbfsPBsXQ=", half, &["8-byte trace ids", "base64 ids"]);
    }

    #[test]
    fn span_ids_are_read_in_every_spelling() {
        let id = Id::Of(SpanId::from_u64(SPAN));
        check_span("eee19b7ec3c1b174", id, &[]);
        check_span("EEE19B7EC3C1B174", id, &[]);
        check_span("7uGbfsPBsXQ=", id, &["base64 ids"]);
        check_span("0xeee19b7ec3c1b174", id, &["ids with 0x prefix"]);
        check_span("eee19b7e-c3c1b174", id, &["ids with dashes"]);
    }

    #[test]
    fn none_and_nonsense_are_told_apart() {
        for zero in ["", "00000000000000000000000000000000", "0000000000000000"] {
            check_trace(zero, Id::None, &[]);
        }
        check_span("0000000000000000", Id::None, &[]);
        check_trace("AAAAAAAAAAAAAAAAAAAAAA==", Id::None, &["base64 ids"]);
        for wrong in ["5b8e", "zz8efff798038103d269b633813fc60c", "0x", "-", &"a".repeat(64)] {
            check_trace(wrong, Id::Unreadable, &[]);
            check_span(wrong, Id::Unreadable, &[]);
        }
        // An id of X-Ray and an id of a trace where a span's is expected.
        check_trace("1-5759e988-bd862e3fe1be46a994272793", Id::Unreadable, &[]);
        check_span("5b8efff798038103d269b633813fc60c", Id::Unreadable, &[]);
    }

    #[test]
    fn bytes_are_read_as_they_are() {
        let mut tally = Tally::default();
        let id = trace_id_of_bytes(&TRACE.to_be_bytes(), &mut tally);
        assert_eq!(id, Id::Of(TraceId::from_u128(TRACE)));
        assert_eq!(span_id_of_bytes(&SPAN.to_be_bytes()), Id::Of(SpanId::from_u64(SPAN)));
        assert_eq!(span_id_of_bytes(&[]), Id::None);
        assert_eq!(span_id_of_bytes(&[1, 2]), Id::Unreadable);
        assert_eq!(trace_id_of_bytes(&[0; 16], &mut tally), Id::None);
    }
}
