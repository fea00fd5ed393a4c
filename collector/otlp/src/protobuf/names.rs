//! Texts that come again and again: attribute keys and the values that are interned. A few bytes of each
//! choose a slot of a small table; a text that is in its slot needs no hash and no search.

use resus_model::attributes::{self, Key, Place};
use resus_model::{Interner, Name};

/// Slots of a table. Services use some tens of keys and operations.
const SLOTS: usize = 256;

/// The slot of a text. Names of attributes and operations mostly differ in their length, in what they
/// begin with, or in what they end with.
#[inline]
fn slot(text: &[u8]) -> usize {
    // 2^64 divided by the golden ratio: its multiples are spread well (Knuth, TAOCP 3, 6.4).
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let ends = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(23)
        }
        _ => text.iter().fold(0, |all, &byte| (all << 8) | u64::from(byte)),
    };
    ((ends ^ text.len() as u64).wrapping_mul(SPREAD) >> 56) as usize
}

/// What the keys met last ask for. A key has two slots beside each other, so that two keys of one slot do
/// not drive each other out; the one used last is looked at first.
#[derive(Debug)]
pub(super) struct Keys<'a>([(&'a [u8], Option<Key>); SLOTS]);

impl<'a> Keys<'a> {
    pub(super) const fn new() -> Self {
        Self([(&[], None); SLOTS])
    }

    /// The known key of a text that was checked, if it is one of a place.
    #[inline]
    pub(super) fn key(&mut self, text: &'a [u8], place: Place) -> Option<Key> {
        let Self(slots) = self;
        let at = slot(text);
        if slots[at].0 != text {
            let (first, second) = (slots[at], slots[at ^ 1]);
            let found = if second.0 == text { second } else { (text, known(text)) };
            (slots[at], slots[at ^ 1]) = (found, first);
        }
        slots[at].1.filter(|key| key.place == place)
    }
}

#[inline(never)]
fn known(text: &[u8]) -> Option<Key> {
    std::str::from_utf8(text).ok().and_then(attributes::key)
}

/// The names met last, kept in the same way.
#[derive(Debug)]
pub(super) struct Names([Name; SLOTS]);

impl Names {
    pub(super) const fn new() -> Self {
        Self([Name::NONE; SLOTS])
    }

    /// The name of a text that was checked.
    #[inline]
    pub(super) fn intern(&mut self, text: &[u8], names: &mut Interner) -> Name {
        let Self(slots) = self;
        let at = slot(text);
        if names.text(slots[at]).as_bytes() != text {
            let (first, second) = (slots[at], slots[at ^ 1]);
            let known = names.text(second).as_bytes() == text;
            let found = if known { second } else { intern(text, names) };
            (slots[at], slots[at ^ 1]) = (found, first);
        }
        slots[at]
    }
}

#[inline(never)]
fn intern(text: &[u8], names: &mut Interner) -> Name {
    names.intern(std::str::from_utf8(text).expect("texts were checked when they were read"))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_kept_changes_no_answer(
            texts in vec("[a-c]{0,2}|http\\.status_code|peer\\.service|[a-z.]{8,9}", 0..300),
        ) {
            let (mut keys, mut names, mut interner) = (Keys::new(), Names::new(), Interner::new());
            for text in &texts {
                let expected = attributes::key(text).filter(|key| key.place == Place::Span);
                prop_assert_eq!(keys.key(text.as_bytes(), Place::Span), expected);
                prop_assert_eq!(keys.key(text.as_bytes(), Place::Resource), None);
                let name = names.intern(text.as_bytes(), &mut interner);
                prop_assert_eq!(interner.text(name), text);
                prop_assert_eq!(interner.get(text), Some(name));
            }
        }
    }
}
