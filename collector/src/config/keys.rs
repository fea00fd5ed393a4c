//! How one goes through a configuration.
//!
//! A section names each of its keys once, with the value and what it may be. The reader goes through
//! them to set the values, the printer to show them; so the two cannot differ.

use toml::Spanned;
use toml::de::DeValue;

use super::entry::Entry;
use super::mistake::MistakeKind;

/// A table of the file.
pub(super) trait Section {
    /// Goes through all keys, in the order in which they are documented: values first, then
    /// sections inside it, then what must hold among them.
    fn keys(&mut self, keys: &mut dyn Keys);
}

/// One who goes through a configuration.
pub(super) trait Keys {
    /// A key with its value.
    fn key(&mut self, name: &'static str, value: &mut dyn Value);

    /// A section inside this one.
    fn part(&mut self, name: &'static str, part: &mut dyn Section);

    /// What must hold among keys, named from this section on. It is not asked when one of them is
    /// already known to be wrong. The mistake stands at the first of them that is in the file.
    fn rule(&mut self, keys: &[&str], holds: bool, broken: MistakeKind);

    /// A key of this section that is given in vain unless others are given too. Where one is missing,
    /// all of them are known to be wrong from then on.
    fn needs(&mut self, given: (&str, bool), needed: &[(&str, bool)]);
}

/// What stands at a key.
pub(super) trait Value {
    /// What may be written there, as in the documents; fits after "expected".
    fn expected(&self) -> String;

    /// Takes what was written, or tells the entry what is wrong with it and stays as it is.
    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>);

    /// How it is written in TOML, with secrets as `***`.
    fn show(&self) -> String;
}
