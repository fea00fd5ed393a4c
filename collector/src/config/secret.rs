//! Values that are never shown, and the keys that hold them.

use std::collections::BTreeMap;
use std::fmt;

use toml::Spanned;
use toml::de::DeValue;

use super::entry::{Entry, cut, kind};
use super::keys::Value;
use super::mistake::{MistakeKind, SecretFault};
use super::value::toml_key;

/// What stands in the place of a secret wherever one would be shown.
pub(super) const HIDDEN: &str = "***";

/// Fewest characters of a token: 16 of an alphabet of 64 are 96 bits, which nobody guesses.
const TOKEN_LEAST: usize = 16;

/// Most characters of a secret. Servers commonly take header lines of 8 KiB.
const MOST: usize = 8_000;

/// Header fields that belong to the sender itself: it writes them for every request.
const OWN_HEADERS: [&str; 9] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// A text that is shown as `***`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text itself, for those who send or compare it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(HIDDEN)
    }
}

/// Bearer tokens (RFC 6750).
pub(super) struct Tokens<'a>(pub(super) &'a mut Vec<Secret>);

impl Value for Tokens<'_> {
    fn expected(&self) -> String {
        format!("a list of secrets, each of {TOKEN_LEAST} to {MOST} characters")
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let key = entry.key.to_owned();
        let DeValue::Array(items) = written.get_ref() else {
            let fault = SecretFault::NotAList { found: kind(written.get_ref()) };
            return entry.refuse(written.span(), MistakeKind::Secret { key, fault });
        };
        *self.0 =
            items.iter().filter_map(|item| entry.secret(&key, item, token)).map(Secret).collect();
    }

    fn show(&self) -> String {
        format!("[{}]", vec![format!("\"{HIDDEN}\""); self.0.len()].join(", "))
    }
}

/// Header fields (RFC 9110), whose values are secrets.
pub(super) struct Headers<'a>(pub(super) &'a mut BTreeMap<String, Secret>);

impl Value for Headers<'_> {
    fn expected(&self) -> String {
        "a table of header fields, each value a secret".to_owned()
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let DeValue::Table(fields) = written.get_ref() else {
            let (key, found) = (entry.key.to_owned(), kind(written.get_ref()));
            let fault = SecretFault::NotATable { found };
            return entry.refuse(written.span(), MistakeKind::Secret { key, fault });
        };
        let mut headers = BTreeMap::new();
        for (name, value) in fields {
            let key = format!("{}.{}", entry.key, cut(&toml_key(name.get_ref())));
            let lower = name.get_ref().to_ascii_lowercase();
            let fault = if !is_header_name(&lower) {
                Some(SecretFault::HeaderName)
            } else if OWN_HEADERS.contains(&lower.as_str()) {
                Some(SecretFault::OwnHeader)
            } else if headers.contains_key(&lower) {
                Some(SecretFault::Twice)
            } else {
                None
            };
            if let Some(fault) = fault {
                entry.refuse(name.span(), MistakeKind::Secret { key: key.clone(), fault });
            }
            if let Some(text) = entry.secret(&key, value, header) {
                headers.insert(lower, Secret(text));
            }
        }
        *self.0 = headers;
    }

    fn show(&self) -> String {
        if self.0.is_empty() {
            return "{}".to_owned();
        }
        let fields: Vec<String> =
            self.0.keys().map(|name| format!("{} = \"{HIDDEN}\"", toml_key(name))).collect();
        format!("{{ {} }}", fields.join(", "))
    }
}

/// RFC 9110, section 5.6.2.
fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn token(text: &str) -> Result<(), SecretFault> {
    plain(text)?;
    if text.len() < TOKEN_LEAST {
        return Err(SecretFault::Short { length: text.len(), least: TOKEN_LEAST });
    }
    let body = text.trim_end_matches('=');
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
    if body.is_empty() || !body.bytes().all(is_token) {
        return Err(SecretFault::TokenCharacters);
    }
    Ok(())
}

fn header(text: &str) -> Result<(), SecretFault> {
    plain(text)?;
    let inside = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ' || b == b'\t');
    if !inside || text.trim() != text {
        return Err(SecretFault::Characters);
    }
    Ok(())
}

fn plain(text: &str) -> Result<(), SecretFault> {
    if text.is_empty() {
        return Err(SecretFault::Empty);
    }
    if text == HIDDEN {
        return Err(SecretFault::Hidden);
    }
    if text.len() > MOST {
        return Err(SecretFault::Long { most: MOST });
    }
    Ok(())
}
