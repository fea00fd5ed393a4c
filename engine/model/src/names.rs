//! Interned names: every distinct text is kept once and spoken of by number.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

/// A text in an [`Interner`]. Numbers follow the order of first sight, so they mean nothing outside
/// their interner and are never ranked or printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Name(u32);

impl Name {
    /// The empty text, which stands for *absent*. It has this number in every interner.
    pub const NONE: Self = Self(0);

    /// Its number, an index below [`Interner::len`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// True for the empty text.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// A table of distinct texts.
#[derive(Debug, Clone)]
pub struct Interner {
    /// End of each text in `bytes`; text `i` begins where `i - 1` ends.
    ends: Vec<u32>,
    text: String,
    index: HashTable<u32>,
}

impl Default for Interner {
    fn default() -> Self {
        Self::new()
    }
}

impl Interner {
    /// A table that holds the empty text alone.
    #[must_use]
    pub fn new() -> Self {
        Self { ends: vec![0], text: String::new(), index: HashTable::new() }
    }

    /// The name of a text, made if it is new.
    ///
    /// # Panics
    /// When the texts together exceed 4 GiB.
    pub fn intern(&mut self, text: &str) -> Name {
        if text.is_empty() {
            return Name::NONE;
        }
        let hash = FxBuildHasher.hash_one(text);
        let Self { ends, text: all, index } = self;
        if let Some(&found) = index.find(hash, |&i| slice(ends, all, i) == text) {
            return Name(found);
        }
        let id = u32::try_from(ends.len()).expect("fewer than 2^32 names fit in 4 GiB of text");
        all.push_str(text);
        ends.push(u32::try_from(all.len()).expect("names are limited to 4 GiB of text"));
        index.insert_unique(hash, id, |&i| FxBuildHasher.hash_one(slice(ends, all, i)));
        Name(id)
    }

    /// The name of a text if it is known.
    #[must_use]
    pub fn get(&self, text: &str) -> Option<Name> {
        if text.is_empty() {
            return Some(Name::NONE);
        }
        let hash = FxBuildHasher.hash_one(text);
        self.index.find(hash, |&i| slice(&self.ends, &self.text, i) == text).map(|&i| Name(i))
    }

    /// The text of a name.
    ///
    /// # Panics
    /// When the name comes from a larger interner.
    #[must_use]
    pub fn text(&self, name: Name) -> &str {
        slice(&self.ends, &self.text, name.0)
    }

    /// How many names there are, the empty one included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True when only the empty text is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.len() == 1
    }

    /// All names in order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Name, &str)> {
        (0..self.ends.len()).map(|i| {
            let name = Name(u32::try_from(i).expect("names are numbered by u32"));
            (name, self.text(name))
        })
    }
}

fn slice<'a>(ends: &[u32], text: &'a str, i: u32) -> &'a str {
    let i = i as usize;
    let from = if i == 0 { 0 } else { ends[i - 1] as usize };
    &text[from..ends[i] as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_one_name_and_the_empty_text_is_none() {
        let mut names = Interner::new();
        let a = names.intern("cart");
        let b = names.intern("checkout");
        assert_eq!(names.intern("cart"), a);
        assert_ne!(a, b);
        assert_eq!(names.intern(""), Name::NONE);
        assert_eq!(names.text(a), "cart");
        assert_eq!(names.text(b), "checkout");
        assert_eq!(names.text(Name::NONE), "");
        assert_eq!(names.get("nobody"), None);
        assert_eq!(names.len(), 3);
    }
}
