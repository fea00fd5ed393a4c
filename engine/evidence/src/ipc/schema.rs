//! Does a file have the columns of the format? Order, nullability and metadata are free, names and
//! types are not.

use arrow_schema::{DataType, Fields};

use super::FromIpcError;

/// Compares the columns that a file has with those it should have, deeply.
pub(super) fn check(expected: &Fields, found: &Fields) -> Result<(), FromIpcError> {
    check_fields("", expected, found)
}

fn check_fields(table: &str, expected: &Fields, found: &Fields) -> Result<(), FromIpcError> {
    let path = |column: &str| {
        if table.is_empty() { column.to_owned() } else { format!("{table}.{column}") }
    };
    for field in expected {
        let column = path(field.name());
        let mut same_name = found.iter().filter(|f| f.name() == field.name());
        let found = same_name.next().ok_or_else(|| FromIpcError::Column {
            column: column.clone(),
            expected: kind(field.data_type()),
            found: "no such column".to_owned(),
        })?;
        if same_name.next().is_some() {
            return Err(FromIpcError::Column {
                column,
                expected: "one column of that name".to_owned(),
                found: "several".to_owned(),
            });
        }
        check_type(column, field.data_type(), found.data_type())?;
    }
    match found.iter().find(|f| expected.iter().all(|e| e.name() != f.name())) {
        None => Ok(()),
        Some(unknown) => Err(FromIpcError::Column {
            column: path(unknown.name()),
            expected: "no such column in this version".to_owned(),
            found: kind(unknown.data_type()),
        }),
    }
}

fn check_type(column: String, expected: &DataType, found: &DataType) -> Result<(), FromIpcError> {
    match (expected, found) {
        (e, f) if kind(e) != kind(f) => {
            Err(FromIpcError::Column { column, expected: kind(e), found: kind(f) })
        }
        (DataType::List(e), DataType::List(f)) => check_type(column, e.data_type(), f.data_type()),
        (DataType::Struct(e), DataType::Struct(f)) => check_fields(&column, e, f),
        _ => Ok(()),
    }
}

/// A type in a word or two: what is inside a list or struct is told by the name of the column.
fn kind(data_type: &DataType) -> String {
    match data_type {
        DataType::List(item) => format!("List of {}", kind(item.data_type())),
        DataType::LargeList(item) => format!("LargeList of {}", kind(item.data_type())),
        DataType::Struct(_) => "Struct".to_owned(),
        DataType::Dictionary(_, values) => format!("Dictionary of {}", kind(values)),
        other => other.to_string(),
    }
}
