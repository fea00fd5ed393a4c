//! What was written at a key: its text with references resolved, and what is wrong with it.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::mistake::{MistakeKind, SecretFault};
use super::reference::{Fault, Outside, resolve};

/// Longest piece of a file that a message quotes, in characters.
const QUOTED: usize = 60;

/// A key as it is read.
pub(super) struct Entry<'a> {
    /// From the root on, as `receive.tls.key`.
    pub(super) key: &'a str,
    /// What may be written there.
    pub(super) expected: String,
    /// The whole file.
    pub(super) file: &'a str,
    /// What references may reach.
    pub(super) outside: Outside<'a>,
    /// What is wrong, and where.
    pub(super) mistakes: Vec<(Range<usize>, MistakeKind)>,
}

impl Entry<'_> {
    /// The text of a string, `${env:…}` resolved; `None` once it is refused.
    pub(super) fn text(&mut self, written: &Spanned<DeValue<'_>>) -> Option<String> {
        let DeValue::String(text) = written.get_ref() else {
            self.unexpected(written);
            return None;
        };
        match resolve(text, self.outside, false) {
            Ok(text) => Some(text),
            Err(faults) => {
                self.references(written.span(), faults);
                None
            }
        }
    }

    /// The text of a secret, `${env:…}` and `${file:…}` resolved; `None` once it is refused. No
    /// mistake quotes it.
    pub(super) fn secret(
        &mut self,
        key: &str,
        written: &Spanned<DeValue<'_>>,
        check: impl FnOnce(&str) -> Result<(), SecretFault>,
    ) -> Option<String> {
        let fault = match written.get_ref() {
            DeValue::String(text) => match resolve(text, self.outside, true) {
                Ok(text) => match check(&text) {
                    Ok(()) => return Some(text),
                    Err(fault) => fault,
                },
                Err(faults) => {
                    self.references(written.span(), faults);
                    return None;
                }
            },
            other => SecretFault::NotText { found: kind(other) },
        };
        self.refuse(written.span(), MistakeKind::Secret { key: key.to_owned(), fault });
        None
    }

    /// Refuses a value that is not what may be written there.
    pub(super) fn unexpected(&mut self, written: &Spanned<DeValue<'_>>) {
        let span = written.span();
        let found = match written.get_ref() {
            value @ (DeValue::Array(_) | DeValue::Table(_)) => kind(value).to_owned(),
            DeValue::String(text) => match resolve(text, self.outside, false) {
                // Both, since either may be what is wrong.
                Ok(resolved) if resolved != **text => {
                    format!("{} from {}", quoted(&resolved), quoted(text))
                }
                Ok(_) | Err(_) => quoted(text),
            },
            _ => cut(self.file.get(span.clone()).unwrap_or("something else")),
        };
        let (key, expected) = (self.key.to_owned(), self.expected.clone());
        self.refuse(span, MistakeKind::Value { key, found, expected });
    }

    /// Refuses a value for a reason of its own.
    pub(super) fn refuse(&mut self, span: Range<usize>, kind: MistakeKind) {
        self.mistakes.push((span, kind));
    }

    fn references(&mut self, span: Range<usize>, faults: Vec<Fault>) {
        for fault in faults {
            let kind = MistakeKind::Reference { key: self.key.to_owned(), fault };
            self.refuse(span.clone(), kind);
        }
    }
}

/// What kind of value it is.
pub(super) const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "an instant",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn quoted(text: &str) -> String {
    cut(&format!("{text:?}"))
}

/// A text, cut where it becomes too long for a message.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
