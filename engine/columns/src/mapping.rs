//! Which column of a file stands for which field of the span schema, where the user says so.

use std::collections::BTreeMap;
use std::fmt;

use resus_model::schema::{self, Field};

/// Columns named by the user for fields of the span schema. What is not named is found by the names
/// of the span schema and of ClickHouse's `otel_traces`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    /// Column by field.
    columns: BTreeMap<&'static str, String>,
}

/// All that is wrong with a mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct MappingError {
    /// Each mistake, in the order of the pairs.
    pub mistakes: Vec<MappingMistake>,
}

/// One thing that is wrong with a mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingMistake {
    /// There is no `=`, or nothing on one side of it.
    #[error("`{0}` is not of the form column=field")]
    Form(String),
    /// The span schema has no such field.
    #[error("`{pair}` names the unknown field `{field}`{}", meant(field))]
    Field {
        /// The pair as written.
        pair: String,
        /// The unknown field.
        field: String,
    },
    /// A field is given twice.
    #[error("field `{field}` is mapped twice, to column `{first}` and to column `{second}`")]
    Twice {
        /// The field.
        field: &'static str,
        /// Its first column.
        first: String,
        /// Its second column.
        second: String,
    },
}

impl Mapping {
    /// Reads pairs of the form `column=field`. A column may hold a `=`: the last one counts. One
    /// column may stand for several fields.
    ///
    /// # Errors
    /// All pairs that are malformed, name an unknown field, or name a field again.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = &'a str>) -> Result<Self, MappingError> {
        let mut columns = BTreeMap::new();
        let mut mistakes = Vec::new();
        for pair in pairs {
            let sides = pair.rsplit_once('=').map(|(column, field)| (column.trim(), field.trim()));
            let Some((column, field)) = sides.filter(|(c, f)| !c.is_empty() && !f.is_empty())
            else {
                mistakes.push(MappingMistake::Form(pair.to_owned()));
                continue;
            };
            let Some(known) = schema::find(field).filter(|known| is_read(known)) else {
                let (pair, field) = (pair.to_owned(), field.to_owned());
                mistakes.push(MappingMistake::Field { pair, field });
                continue;
            };
            match columns.get(known.name) {
                Some(first) => mistakes.push(MappingMistake::Twice {
                    field: known.name,
                    first: String::clone(first),
                    second: column.to_owned(),
                }),
                None => {
                    columns.insert(known.name, column.to_owned());
                }
            }
        }
        if mistakes.is_empty() { Ok(Self { columns }) } else { Err(MappingError { mistakes }) }
    }

    /// The column that the user named for a field.
    pub(crate) fn column(&self, field: &str) -> Option<&str> {
        self.columns.get(field).map(String::as_str)
    }

    /// True when the user named nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("map columns: ")?;
        for (i, mistake) in self.mistakes.iter().enumerate() {
            let gap = if i == 0 { "" } else { "; " };
            write!(f, "{gap}{mistake}")?;
        }
        let unknown = |m: &MappingMistake| matches!(m, MappingMistake::Field { .. });
        if self.mistakes.iter().any(unknown) {
            let read = schema::FIELDS.iter().filter(|field| is_read(field));
            let names: Vec<&str> = read.map(|field| field.name).collect();
            write!(f, "; the fields are {}", names.join(", "))?;
        }
        Ok(())
    }
}

/// False for what files keep for people alone: no rule asks for it.
pub(crate) fn is_read(field: &Field) -> bool {
    !matches!(field.name, "events" | "resource_attributes" | "scope" | "status_message")
}

/// `, is FIELD meant?` where a known field is the same but for case, dashes and underscores.
fn meant(field: &str) -> String {
    let bare = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let wanted = bare(field);
    let found = schema::FIELDS.iter().find(|known| is_read(known) && bare(known.name) == wanted);
    found.map_or_else(String::new, |known| format!(", is `{}` meant?", known.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_and_the_last_equals_sign_counts() {
        let mapping = Mapping::parse(["traceID=trace_id", " a=b = service "]).expect("well formed");
        assert_eq!(mapping.column("trace_id"), Some("traceID"));
        assert_eq!(mapping.column("service"), Some("a=b"));
        assert_eq!(mapping.column("operation"), None);
        assert!(!mapping.is_empty());
        assert!(Mapping::parse([]).expect("nothing is fine").is_empty());
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let pairs =
            ["noequals", "x=", "a=traceId", "b=colour", "c=service", "d=service", "e=events"];
        let error = Mapping::parse(pairs).expect_err("six mistakes");
        assert_eq!(error.mistakes.len(), 6);
        let text = error.to_string();
        for part in [
            "`noequals` is not of the form column=field",
            "`x=` is not of the form column=field",
            "unknown field `traceId`, is `trace_id` meant?",
            "unknown field `colour`;",
            "unknown field `events`;",
            "field `service` is mapped twice, to column `c` and to column `d`",
            "the fields are trace_id, span_id, parent_span_id",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
