//! Values that may be left out: `""` is none.

use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeValue;

use super::address::{Endpoint, EndpointFault, Listen};
use super::entry::Entry;
use super::keys::Value;
use super::mistake::MistakeKind;
use super::value::{ADDRESS, parse_path, set, string};

/// A path, or nothing.
pub(super) struct OptionalPath<'a>(pub(super) &'a mut Option<PathBuf>);

/// Where to listen, or nothing.
pub(super) struct OptionalAddress<'a>(pub(super) &'a mut Option<Listen>);

/// Where to send, or nothing.
pub(super) struct OptionalEndpoint<'a>(pub(super) &'a mut Option<Endpoint>);

impl Value for OptionalPath<'_> {
    fn expected(&self) -> String {
        "a path, or `\"\"` for none".to_owned()
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let Some(text) = entry.text(written) else { return };
        set(self.0, optional(&text, parse_path), written, entry);
    }

    fn show(&self) -> String {
        self.0.as_ref().map_or_else(|| string(""), |path| string(path.display()))
    }
}

impl Value for OptionalAddress<'_> {
    fn expected(&self) -> String {
        format!("{ADDRESS}, or `\"\"` for none")
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let Some(text) = entry.text(written) else { return };
        set(self.0, optional(&text, Listen::parse), written, entry);
    }

    fn show(&self) -> String {
        self.0.as_ref().map_or_else(|| string(""), string)
    }
}

impl Value for OptionalEndpoint<'_> {
    fn expected(&self) -> String {
        "an address such as `http://collector:4318` or `https://example.com/otlp`, or `\"\"` for none"
            .to_owned()
    }

    fn set(&mut self, written: &Spanned<DeValue<'_>>, entry: &mut Entry<'_>) {
        let Some(text) = entry.text(written) else { return };
        let key = entry.key.to_owned();
        if text.is_empty() {
            *self.0 = None;
            return;
        }
        match Endpoint::parse(&text) {
            Ok(endpoint) => *self.0 = Some(endpoint),
            Err(EndpointFault::Form) => entry.unexpected(written),
            Err(EndpointFault::Credentials) => {
                entry.refuse(written.span(), MistakeKind::Credentials { key });
            }
            Err(EndpointFault::SignalPath) => {
                entry.refuse(written.span(), MistakeKind::SignalPath { key, found: text });
            }
        }
    }

    fn show(&self) -> String {
        self.0.as_ref().map_or_else(|| string(""), string)
    }
}

/// Nothing for an empty text, else what it says.
fn optional<T>(text: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    if text.is_empty() { Some(None) } else { parse(text).map(Some) }
}
