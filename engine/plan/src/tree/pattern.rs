//! Which component belongs to which cell?
//!
//! A pattern matches a component when every key it gives matches; a key that the component does not
//! have matches nothing. A component may match several cells along one line from the root, and the
//! deepest of them is its cell.

use std::fmt;

use resus_model::Component;

use super::raw::RawPattern;
use crate::glob::Glob;

/// Everything by which a component can be told. Absent ones match no pattern that asks for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity<'a> {
    /// `service.namespace`; empty where there is none.
    pub namespace: &'a str,
    /// `service.name`.
    pub service: &'a str,
    /// The operation.
    pub operation: Option<&'a str>,
    /// `service.instance.id`, or what stands for it.
    pub instance: Option<&'a str>,
    /// `service.version`.
    pub version: Option<&'a str>,
    /// `host.name`, or the node.
    pub host: Option<&'a str>,
}

impl<'a> From<&'a Component> for Identity<'a> {
    fn from(component: &'a Component) -> Self {
        let Component { service, namespace, operation, instance, version, host } = component;
        Self {
            namespace,
            service,
            operation: operation.as_deref(),
            instance: instance.as_deref(),
            version: version.as_deref(),
            host: host.as_deref(),
        }
    }
}

/// A pattern of a cell, checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    keys: [Option<Glob>; KEYS.len()],
}

/// The keys of a pattern, in the order in which they are shown.
const KEYS: [&str; 6] = ["service", "namespace", "operation", "instance", "version", "host"];
const INSTANCE: usize = 3;

/// Why a pattern is none.
pub(crate) enum PatternError {
    Empty,
    Key(&'static str, String),
}

impl Pattern {
    pub(crate) fn new(raw: RawPattern) -> Result<Self, PatternError> {
        let RawPattern { service, namespace, operation, instance, version, host } = raw;
        let mut keys = [const { None }; KEYS.len()];
        let texts = [service, namespace, operation, instance, version, host];
        for ((slot, text), key) in keys.iter_mut().zip(texts).zip(KEYS) {
            // An empty namespace is one: that of services which state none.
            let empty = |text: &str| text.is_empty() && key != "namespace";
            if let Some(text) = text {
                let glob = Glob::parse(&text).filter(|_| !empty(&text));
                *slot = Some(glob.ok_or(PatternError::Key(key, text))?);
            }
        }
        if keys.iter().all(Option::is_none) { Err(PatternError::Empty) } else { Ok(Self { keys }) }
    }

    /// True when every key given matches.
    #[must_use]
    pub fn matches(&self, identity: &Identity<'_>) -> bool {
        let Identity { namespace, service, operation, instance, version, host } = *identity;
        let texts = [Some(service), Some(namespace), operation, instance, version, host];
        self.keys.iter().zip(texts).all(|(glob, text)| match (glob, text) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(glob), Some(text)) => glob.matches(text),
        })
    }

    /// True when everything this one matches is matched by the other one too.
    pub(crate) fn implies(&self, other: &Self) -> bool {
        self.keys.iter().zip(&other.keys).all(|(own, other)| match (own, other) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(other)) => other.contains(own),
        })
    }

    /// True when it tells instances apart.
    pub(crate) const fn names_instances(&self) -> bool {
        self.keys[INSTANCE].is_some()
    }

    /// True when each key given matches one of the texts seen for it.
    pub(crate) fn fits(&self, seen: &[Vec<&str>; KEYS.len()]) -> bool {
        self.keys.iter().zip(seen).all(|(glob, texts)| match glob {
            None => true,
            Some(glob) => texts.iter().any(|text| glob.matches(text)),
        })
    }

    /// Keys given, with their patterns as written.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'static str, &str)> {
        KEYS.into_iter()
            .zip(&self.keys)
            .filter_map(|(key, glob)| glob.as_ref().map(|glob| (key, glob.as_str())))
    }
}

impl fmt::Display for Pattern {
    /// As the tree writes it: `{ service = "cart" }`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries: Vec<_> =
            self.entries().map(|(key, glob)| format!("{key} = {glob:?}")).collect();
        write!(f, "{{ {} }}", entries.join(", "))
    }
}
