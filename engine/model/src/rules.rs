//! The rules by which spans become components and requests become passed or failed.
//!
//! They are few and closed on purpose: Evidence made under one set must not be merged with Evidence
//! made under another, so the set has a fingerprint that travels with the Evidence.

use std::fmt;

/// What a 4xx answer of a server means for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientErrors {
    /// The client's own doing: the request passed (OpenTelemetry's rule for SERVER spans).
    Pass,
    /// The request failed.
    Fail,
}

/// Label and identity rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// What a 4xx answer of a server means for the request.
    pub client_errors: ClientErrors,
    /// Replace identifiers in operation names (numbers, UUIDs, long hex) by `{}`.
    pub template_operations: bool,
}

impl Rules {
    /// OpenTelemetry's own rules: 4xx of a server passes; operation names are templated.
    pub const STANDARD: Self =
        Self { client_errors: ClientErrors::Pass, template_operations: true };

    /// The fingerprint of these rules. The number in it grows with every change of what is told
    /// apart by fixed lists, [`crate::attributes::ENTRY_ATTRIBUTES`] among them.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let Self { client_errors, template_operations } = self;
        let client_errors = match client_errors {
            ClientErrors::Pass => "pass",
            ClientErrors::Fail => "fail",
        };
        let templated = if *template_operations { "templated" } else { "verbatim" };
        Fingerprint(format!("resus-rules-2 http-4xx={client_errors} operations={templated}"))
    }
}

/// Names a set of rules in readable text: equal exactly when the rules are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Reads back a fingerprint that was written with an Evidence.
    #[must_use]
    pub const fn from_text(text: String) -> Self {
        Self(text)
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::{ENTRY_ATTRIBUTE_BYTES, ENTRY_ATTRIBUTES};

    #[test]
    fn the_number_in_the_fingerprint_belongs_to_one_list_of_attributes() {
        assert!(ENTRY_ATTRIBUTES.is_sorted());
        let known = "customer.id enduser.role feature_flag.result.variant graphql.operation.name \
                     http.route organization.id tenant tenant.id tenant_id";
        let why = "another list needs another number in the fingerprint";
        assert_eq!(
            (ENTRY_ATTRIBUTES.join(" ").as_str(), ENTRY_ATTRIBUTE_BYTES),
            (known, 64),
            "{why}"
        );
        let text = Rules::STANDARD.fingerprint();
        assert_eq!(text.as_str(), "resus-rules-2 http-4xx=pass operations=templated");
    }
}
