//! Columns of text and bytes, without hashing the same text twice.
//!
//! polars hands out texts as views of 16 bytes: a short text stands in the view itself, a longer one
//! is told by buffer and offset. Dictionary pages decode to views that are equal where the texts
//! are, so what was made of a text is remembered by its view.

use polars::prelude::{BinaryChunked, DataType, PolarsResult, Series};

/// Remembers what was made of a view, for as many views as it has slots. A newer view takes the
/// slot of an older one, so a column of a million distinct texts costs no more memory than one of ten.
pub(crate) struct Memo<V> {
    slots: Vec<(u128, V)>,
}

/// Slots are chosen by so many bits: enough for the names of a large system, and they stay in cache.
const MEMO_BITS: u32 = 11;

impl<V: Copy> Memo<V> {
    pub(crate) fn new(empty: V) -> Self {
        // No view is all ones: its text would be 4 GiB long.
        Self { slots: vec![(u128::MAX, empty); 1 << MEMO_BITS] }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the halves are mixed, and few bits kept")]
    pub(crate) fn get(&mut self, view: u128, make: impl FnOnce() -> V) -> V {
        let mixed = (view as u64).rotate_left(23) ^ ((view >> 64) as u64);
        let slot = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - MEMO_BITS);
        let slot = &mut self.slots[slot as usize];
        if slot.0 != view {
            *slot = (view, make());
        }
        slot.1
    }
}

/// The texts of a column as bytes; `None` for a column that holds nothing but nulls.
pub(crate) fn bytes(series: &Series) -> PolarsResult<Option<BinaryChunked>> {
    Ok(Some(match series.dtype() {
        DataType::Null => return Ok(None),
        DataType::Binary => series.binary()?.clone(),
        DataType::String => series.str()?.as_binary(),
        _ => series.cast(&DataType::String)?.str()?.as_binary(),
    }))
}

/// Makes a value of each text; `none` of a null. `make` is called once for most distinct texts, but
/// may be called again for the same one.
pub(crate) fn map<V: Copy>(
    texts: &BinaryChunked,
    none: V,
    mut make: impl FnMut(&[u8]) -> V,
) -> Vec<V> {
    if texts.null_count() == texts.len() {
        return vec![none; texts.len()];
    }
    let mut out = Vec::with_capacity(texts.len());
    for (chunk, array) in texts.chunks().iter().zip(texts.downcast_iter()) {
        let mut memo = Memo::new(none);
        let mut last = (u128::MAX, none);
        let mut value = |row: usize, view: u128| {
            if view != last.0 {
                last = (view, memo.get(view, || make(array.value(row))));
            }
            last.1
        };
        let views = array.views().iter().enumerate();
        match chunk.validity().filter(|valid| valid.unset_bits() > 0) {
            None => out.extend(views.map(|(row, view)| value(row, view.as_u128()))),
            Some(valid) => {
                out.extend(views.zip(valid.iter()).map(|((row, view), valid)| {
                    if valid { value(row, view.as_u128()) } else { none }
                }))
            }
        }
    }
    out
}

/// Visits each text in order, or null. `same` is true where the text is surely that of the visit
/// before, so that its outcome can be used again.
pub(crate) fn each(texts: &BinaryChunked, mut visit: impl FnMut(usize, Option<&[u8]>, bool)) {
    let mut first = 0;
    for (chunk, array) in texts.chunks().iter().zip(texts.downcast_iter()) {
        let valid = chunk.validity().filter(|valid| valid.unset_bits() > 0);
        let mut last = None;
        for (row, view) in array.views().iter().enumerate() {
            if valid.is_some_and(|valid| !valid.get_bit(row)) {
                visit(first + row, None, false);
                last = None;
                continue;
            }
            let view = Some(view.as_u128());
            visit(first + row, Some(array.value(row)), view == last);
            last = view;
        }
        first += array.len();
    }
}

/// A text for a message: what is not UTF-8 is replaced, and the rest of a long one left out.
pub(crate) fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(256)]);
    let short: String = text.chars().take(48).collect();
    let dots = if short.len() < text.len() { "..." } else { "" };
    format!("`{}{dots}`", short.escape_debug())
}

#[cfg(test)]
mod tests {
    use polars::prelude::{NamedFrom, PlSmallStr};

    use super::*;

    fn column(texts: &[Option<&str>]) -> BinaryChunked {
        let series = Series::new(PlSmallStr::from_static("x"), texts);
        bytes(&series).expect("text").expect("not null")
    }

    #[test]
    fn equal_texts_are_made_once_and_nulls_are_none() {
        let long = "a text that is longer than twelve bytes";
        let texts = column(&[Some("cart"), None, Some("cart"), Some(long), Some("")]);
        let mut made = Vec::new();
        let lengths = map(&texts, usize::MAX, |text| {
            made.push(text.to_vec());
            text.len()
        });
        assert_eq!(lengths, [4, usize::MAX, 4, long.len(), 0]);
        assert_eq!(made, [b"cart".to_vec(), long.as_bytes().to_vec(), Vec::new()]);
    }

    #[test]
    fn more_distinct_texts_than_slots_are_all_right() {
        let texts: Vec<String> = (0..20_000).map(|i| format!("operation {i} of many")).collect();
        let given: Vec<Option<&str>> =
            texts.iter().chain(&texts).map(|t| Some(t.as_str())).collect();
        let mut back = Vec::new();
        let numbers = map(&column(&given), 0, |text| {
            back.push(String::from_utf8(text.to_vec()).expect("UTF-8"));
            back.len() - 1
        });
        for (number, text) in numbers.iter().zip(given) {
            assert_eq!(Some(back[*number].as_str()), text);
        }
    }

    #[test]
    fn a_repeated_text_is_told_and_a_null_is_no_repetition() {
        let mut seen = Vec::new();
        let texts = column(&[None, None, Some("a"), Some("a"), Some("b"), None]);
        each(&texts, |row, text, same| seen.push((row, text.map(<[u8]>::len), same)));
        let same: Vec<bool> = seen.iter().map(|s| s.2).collect();
        assert_eq!(same, [false, false, false, true, false, false]);
        let rows: Vec<usize> = seen.iter().map(|s| s.0).collect();
        assert_eq!(rows, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_long_or_broken_text_is_cut_for_a_message() {
        assert_eq!(shown(b"a\nb"), "`a\\nb`");
        assert!(shown(&[b'x'; 500]).ends_with("x...`"));
        assert!(shown(&[0xff, b'a']).contains('a'));
    }
}
