//! Canonical JSON (RFC 8785): one text a value, so that equal content has equal hashes.
//!
//! Values hashed here hold no floats and no integers beyond 2^53, so RFC 8785's rules for numbers
//! come down to plain decimal. Keys are ASCII, so its order by UTF-16 units is the order of bytes.

use std::fmt::Write as _;

use serde_json::Value;

/// The canonical text of a value.
pub(crate) fn json(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            // Sorted here and not by trust: a feature of serde_json that any crate of a build may
            // switch on keeps keys in order of insertion.
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (i, (key, value)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                scalar(&Value::String(key.clone()), out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => scalar(value, out),
    }
}

fn scalar(value: &Value, out: &mut String) {
    debug_assert!(!value.is_f64(), "hashed content holds no floats");
    let _ = write!(out, "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth_and_nothing_is_spaced() {
        let value = serde_json::json!({"b": [1, {"z": null, "a": "é\n\"\u{1}"}], "a": true});
        assert_eq!(json(&value), r#"{"a":true,"b":[1,{"a":"é\n\"\u0001","z":null}]}"#);
    }
}
