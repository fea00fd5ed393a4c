//! Which component does a span belong to? Distinct operations, resources and marks, by number.

use std::borrow::Cow;
use std::hash::Hash;

use hashbrown::HashMap;
use resus_model::{Interner, Name, Rules};
use rustc_hash::FxBuildHasher;

use crate::weight::{threshold_of, weight_by};

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
    /// Sampling threshold of W3C `tracestate`, as hex digits: the rest of that text differs from
    /// trace to trace and says nothing about the request.
    pub threshold: Name,
    /// `error.type`.
    pub error_type: Name,
    /// Callee as the caller names it.
    pub peer: Name,
    /// The set of attributes of a span that may be an entry span, of those that are counted by value:
    /// see [`Vocabulary::attributes`].
    pub attributes: Name,
    /// OTLP span flags.
    pub flags: u32,
    /// Links to other traces.
    pub links: u32,
}

/// The service and operation that stand for those for which there was no room.
pub(crate) const OVERFLOW: &str = "__overflow__";

/// How many services, and operations of each, a vocabulary has room for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caps {
    pub(crate) services: u32,
    pub(crate) operations_per_service: u32,
}

enum Room {
    Is,
    NotForOperation,
    NotForService,
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
    /// The operation stands for those for which there was no room.
    pub(crate) overflowed: Vec<bool>,
    caps: Option<Caps>,
    /// How many operations each service has; counted only where there are caps.
    per_service: HashMap<(Name, Name), u32, FxBuildHasher>,
    text_bytes: usize,
    operation_index: HashMap<OperationName, u32, FxBuildHasher>,
    resource_index: HashMap<Resource, u32, FxBuildHasher>,
    mark_index: HashMap<Mark, u32, FxBuildHasher>,
}

impl Vocabulary {
    /// One that has room for so many services and operations, and no more.
    pub(crate) fn capped(caps: Caps) -> Self {
        Self { caps: Some(caps), ..Self::default() }
    }

    /// About how many bytes it holds, its indexes included.
    pub(crate) fn bytes(&self) -> usize {
        // Index entries with their control byte at a load of about two thirds.
        let names = self.text_bytes + self.names.len() * (4 + 8);
        let operations = self.operations.len() * (size_of::<OperationName>() * 5 / 2 + 10);
        let resources = self.resources.len() * (size_of::<Resource>() * 5 / 2 + 8);
        let marks = self.marks.len() * (size_of::<Mark>() * 5 / 2 + 8 + 8);
        names + operations + resources + marks
    }

    /// Service, namespace and operation of an id.
    #[must_use]
    pub fn operation(&self, id: OperationId) -> OperationName {
        self.operations[id.index()]
    }

    /// The name of a text.
    pub(crate) fn intern(&mut self, text: &str) -> Name {
        let before = self.names.len();
        let name = self.names.intern(text);
        if self.names.len() > before {
            self.text_bytes += text.len();
        }
        name
    }

    /// The name of the sampling threshold in a `tracestate`.
    pub(crate) fn intern_threshold(&mut self, trace_state: &str) -> Name {
        self.intern(threshold_of(trace_state))
    }

    /// The number of an operation whose span name is not templated yet.
    pub(crate) fn intern_operation(
        &mut self,
        service: &str,
        namespace: &str,
        operation: &str,
        rules: &Rules,
    ) -> OperationId {
        let operation =
            if rules.template_operations { template(operation) } else { Cow::Borrowed(operation) };
        let (service, namespace, operation) = match self.room_for(service, namespace, &operation) {
            Room::Is => (service, namespace, operation.as_ref()),
            Room::NotForOperation => (service, namespace, OVERFLOW),
            Room::NotForService => (OVERFLOW, "", OVERFLOW),
        };
        let name = OperationName {
            service: self.intern(service),
            namespace: self.intern(namespace),
            operation: self.intern(operation),
        };
        let id = number(&mut self.operation_index, &mut self.operations, name);
        if self.unnamed.len() < self.operations.len() {
            self.unnamed.push(service.starts_with("unknown_service"));
            self.overflowed.push(operation == OVERFLOW);
            // What stands for the others takes no room.
            if self.caps.is_some() && service != OVERFLOW {
                let known = self.per_service.entry((name.service, name.namespace)).or_default();
                *known += u32::from(operation != OVERFLOW);
            }
        }
        OperationId(id)
    }

    /// Whether an operation is known or may still become so. What is refused leaves no text behind.
    fn room_for(&self, service: &str, namespace: &str, operation: &str) -> Room {
        let Some(caps) = self.caps else { return Room::Is };
        let key = self.names.get(service).zip(self.names.get(namespace));
        let Some(&operations) = key.and_then(|key| self.per_service.get(&key)) else {
            let full = self.per_service.len() >= caps.services as usize;
            return if full { Room::NotForService } else { Room::Is };
        };
        if operations < caps.operations_per_service {
            return Room::Is;
        }
        let known = key.zip(self.names.get(operation)).is_some_and(|((service, namespace), op)| {
            self.operation_index.contains_key(&OperationName { service, namespace, operation: op })
        });
        if known { Room::Is } else { Room::NotForOperation }
    }

    pub(crate) fn intern_resource(&mut self, resource: Resource) -> u32 {
        number(&mut self.resource_index, &mut self.resources, resource)
    }

    pub(crate) fn intern_mark(&mut self, mark: Mark) -> u32 {
        let id = number(&mut self.mark_index, &mut self.marks, mark);
        if self.weights.len() < self.marks.len() {
            self.weights.push(weight_by(self.names.text(mark.threshold)));
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
