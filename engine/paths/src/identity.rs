//! Which component does a span belong to? Distinct operations, resources and marks, by number.

use std::borrow::Cow;
use std::hash::Hash;

use hashbrown::HashMap;
use resus_model::{Interner, Name, Rules};
use rustc_hash::FxBuildHasher;

use crate::weight::weight_of;

/// An operation in a [`Vocabulary`], numbered by first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub(crate) u32);

impl OperationId {
    /// Its number, an index below [`Vocabulary::operations`]' length.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// Service, namespace and (templated) operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OperationName {
    /// `service.name`.
    pub service: Name,
    /// `service.namespace`.
    pub namespace: Name,
    /// Span name, identifiers replaced by `{}` where the rules say so.
    pub operation: Name,
}

/// Where a span ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Resource {
    /// `service.instance.id` or what stands for it.
    pub instance: Name,
    /// `service.version`.
    pub version: Name,
    /// `host.name` or node.
    pub host: Name,
}

/// What few spans differ in: kept once for all spans that agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Mark {
    /// W3C `tracestate`.
    pub trace_state: Name,
    /// `error.type`.
    pub error_type: Name,
    /// Callee as the caller names it.
    pub peer: Name,
    /// OTLP span flags.
    pub flags: u32,
    /// Links to other traces.
    pub links: u32,
}

/// Everything that paths speak of by number.
#[derive(Debug, Default)]
pub struct Vocabulary {
    /// All texts.
    pub names: Interner,
    /// All operations.
    pub operations: Vec<OperationName>,
    /// All resources.
    pub resources: Vec<Resource>,
    /// All marks.
    pub marks: Vec<Mark>,
    /// Sampling weight of each mark's tracestate, times 2^16.
    pub(crate) weights: Vec<u64>,
    /// The operation belongs to a service that its SDK was never told the name of.
    pub(crate) unnamed: Vec<bool>,
    operation_index: HashMap<OperationName, u32, FxBuildHasher>,
    resource_index: HashMap<Resource, u32, FxBuildHasher>,
    mark_index: HashMap<Mark, u32, FxBuildHasher>,
}

impl Vocabulary {
    /// Service, namespace and operation of an id.
    #[must_use]
    pub fn operation(&self, id: OperationId) -> OperationName {
        self.operations[id.index()]
    }

    /// The number of an operation whose span name is not templated yet.
    pub(crate) fn intern_operation(&mut self, raw: OperationName, rules: &Rules) -> OperationId {
        let mut name = raw;
        if rules.template_operations {
            let text = self.names.text(raw.operation);
            if let Cow::Owned(templated) = template(text) {
                name.operation = self.names.intern(&templated);
            }
        }
        let id = number(&mut self.operation_index, &mut self.operations, name);
        if self.unnamed.len() < self.operations.len() {
            self.unnamed.push(self.names.text(name.service).starts_with("unknown_service"));
        }
        OperationId(id)
    }

    pub(crate) fn intern_resource(&mut self, resource: Resource) -> u32 {
        number(&mut self.resource_index, &mut self.resources, resource)
    }

    pub(crate) fn intern_mark(&mut self, mark: Mark) -> u32 {
        let id = number(&mut self.mark_index, &mut self.marks, mark);
        if self.weights.len() < self.marks.len() {
            self.weights.push(weight_of(self.names.text(mark.trace_state)));
        }
        id
    }
}

fn number<T: Copy + Eq + Hash>(
    index: &mut HashMap<T, u32, FxBuildHasher>,
    list: &mut Vec<T>,
    value: T,
) -> u32 {
    *index.entry(value).or_insert_with(|| {
        list.push(value);
        u32::try_from(list.len() - 1).expect("fewer than 2^32 distinct values fit in memory")
    })
}

/// Replaces what looks like an identifier in an operation's name by `{}`.
///
/// A fixed rule, not learned from data, so that it gives the same name everywhere: UUIDs; hex of at
/// least 8 digits with a decimal digit among them; whole numbers of at least 4 digits, or of any
/// length after `/`, `=` or `:`. Words between delimiters are looked at one by one.
#[must_use]
pub fn template(text: &str) -> Cow<'_, str> {
    let is_word =
        |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || b == b'.' || b >= 128;
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut i, mut copied) = (0, 0);
    while i < bytes.len() {
        if !is_word(bytes[i]) {
            i += 1;
            continue;
        }
        let from = i;
        while i < bytes.len() && is_word(bytes[i]) {
            i += 1;
        }
        let before = from.checked_sub(1).map(|at| bytes[at]);
        if is_identifier(&bytes[from..i], before) {
            out.push_str(&text[copied..from]);
            out.push_str("{}");
            copied = i;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

fn is_identifier(word: &[u8], before: Option<u8>) -> bool {
    if word.iter().all(u8::is_ascii_digit) {
        return word.len() >= 4 || matches!(before, Some(b'/' | b'=' | b':'));
    }
    if !word.iter().any(u8::is_ascii_digit) {
        return false;
    }
    if word.len() == 36 && [8, 13, 18, 23].iter().all(|&at| word[at] == b'-') {
        return word.iter().all(|&b| b == b'-' || b.is_ascii_hexdigit());
    }
    word.len() >= 8 && word.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &str) {
        assert_eq!(template(text), expect);
    }

    #[test]
    fn identifiers_in_names_are_replaced_and_nothing_else_is() {
        check("GET /items/42", "GET /items/{}");
        check("GET /items/42/bids/7?page=3", "GET /items/{}/bids/{}?page={}");
        check("GET /v1/users/{id}", "GET /v1/users/{id}");
        check("load 6f1c2e7a-9a55-4a53-8b1c-2f9f1f1c9d3e", "load {}");
        check("key:deadbeef01", "key:{}");
        check("key deadbeef", "key deadbeef");
        check("oteldemo.CartService/GetItem", "oteldemo.CartService/GetItem");
        check("step 2", "step 2");
        check("order 20231", "order {}");
        check("größe/9", "größe/{}");
        check("", "");
        check("10.0.0.1", "10.0.0.1");
    }
}
