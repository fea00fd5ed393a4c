//! The formats of this crate as JSON Schema (draft 2020-12).

use serde_json::Value;

use crate::document::PlanDocument;
use crate::tree::RawTree;

/// The schema of `resus.plan/1`.
#[must_use]
pub fn plan_schema() -> Value {
    let mut schema = schemars::schema_for!(PlanDocument).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".to_owned(), "Restart plan, resus.plan/1".into());
    }
    sorted(schema)
}

/// The schema of a restart tree, version 1, as JSON that is equal to the TOML.
#[must_use]
pub fn tree_schema() -> Value {
    let mut schema = schemars::schema_for!(RawTree).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".to_owned(), "Restart tree, version 1".into());
    }
    sorted(schema)
}

/// The same value with keys in order, whichever map serde_json was built with.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<_> = object.into_iter().collect();
            entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    #[expect(clippy::disallowed_methods, reason = "a test may write the file it compares with")]
    fn check(schema: &Value, kept: &str, name: &str) {
        let text = format!("{:#}\n", schema);
        let path = format!("{}/../../docs/schemas/{name}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, &text).expect("the repository can be written");
            return;
        }
        assert!(
            text == kept,
            "docs/schemas/{name} is not what the types say; run `UPDATE_SCHEMAS=1 cargo test -p resus-plan schema`, look at the difference, and raise the format's version if it breaks readers"
        );
    }

    #[test]
    fn the_schemas_in_docs_are_those_of_the_types() {
        let plan = include_str!("../../../docs/schemas/plan.schema.json");
        check(&plan_schema(), plan, "plan.schema.json");
        let tree = include_str!("../../../docs/schemas/tree.schema.json");
        check(&tree_schema(), tree, "tree.schema.json");
    }
}
