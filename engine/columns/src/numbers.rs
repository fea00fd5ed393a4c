//! Columns of numbers, whatever their width: integers, whole floats, digits as text, times, durations.

use polars::prelude::{ChunkedArray, DataType, PolarsNumericType, PolarsResult, Series, TimeUnit};

use crate::texts;

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    /// Null, or an empty text.
    Missing,
    /// A whole number; of times and durations, nanoseconds.
    Whole(i128),
    /// A float that is not a whole number, or not finite.
    Float(f64),
    /// A text that is not a whole number.
    Text(&'a [u8]),
}

impl Cell<'_> {
    /// The value for a message.
    pub(crate) fn shown(self) -> String {
        match self {
            Cell::Missing => "missing".to_owned(),
            Cell::Whole(n) => n.to_string(),
            Cell::Float(x) => x.to_string(),
            Cell::Text(text) => texts::shown(text),
        }
    }
}

/// Visits each value in order.
///
/// # Errors
/// When polars cannot cast the column, which the check of types should have told before.
pub(crate) fn each(series: &Series, mut visit: impl FnMut(usize, Cell<'_>)) -> PolarsResult<()> {
    match series.dtype() {
        DataType::Null => (0..series.len()).for_each(|row| visit(row, Cell::Missing)),
        DataType::Int8 => whole(series.i8()?, 1, visit),
        DataType::Int16 => whole(series.i16()?, 1, visit),
        DataType::Int32 => whole(series.i32()?, 1, visit),
        DataType::Int64 => whole(series.i64()?, 1, visit),
        DataType::UInt8 => whole(series.u8()?, 1, visit),
        DataType::UInt16 => whole(series.u16()?, 1, visit),
        DataType::UInt32 => whole(series.u32()?, 1, visit),
        DataType::UInt64 => whole(series.u64()?, 1, visit),
        DataType::Float32 => float(series.f32()?, visit),
        DataType::Float64 => float(series.f64()?, visit),
        DataType::Datetime(unit, _) => whole(series.datetime()?.physical(), nanos(*unit), visit),
        DataType::Duration(unit) => whole(series.duration()?.physical(), nanos(*unit), visit),
        _ => {
            if let Some(texts) = texts::bytes(series)? {
                texts::each(&texts, |row, text, _| visit(row, text.map_or(Cell::Missing, digits)));
            }
        }
    }
    Ok(())
}

/// True for a column of numbers as such, false for one of texts.
pub(crate) fn is_numeric(series: &Series) -> bool {
    series.dtype().is_primitive_numeric()
}

/// Nanoseconds in a unit.
const fn nanos(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Nanoseconds => 1,
        TimeUnit::Microseconds => 1_000,
        TimeUnit::Milliseconds => 1_000_000,
    }
}

fn whole<T>(numbers: &ChunkedArray<T>, scale: i128, mut visit: impl FnMut(usize, Cell<'_>))
where
    T: PolarsNumericType,
    T::Native: Into<i128>,
{
    let mut first = 0;
    for (chunk, array) in numbers.chunks().iter().zip(numbers.downcast_iter()) {
        let values = array.values().iter().enumerate();
        match chunk.validity().filter(|valid| valid.unset_bits() > 0) {
            None => values.for_each(|(row, &n)| visit(first + row, Cell::Whole(n.into() * scale))),
            Some(valid) => values.zip(valid.iter()).for_each(|((row, &n), valid)| {
                let cell = if valid { Cell::Whole(n.into() * scale) } else { Cell::Missing };
                visit(first + row, cell);
            }),
        }
        first += array.len();
    }
}

fn float<T>(numbers: &ChunkedArray<T>, mut visit: impl FnMut(usize, Cell<'_>))
where
    T: PolarsNumericType,
    T::Native: Into<f64>,
{
    for (row, x) in numbers.iter().enumerate() {
        visit(row, x.map_or(Cell::Missing, |x| whole_float(x.into())));
    }
}

#[expect(clippy::cast_possible_truncation, reason = "whole and well below 2^127")]
fn whole_float(x: f64) -> Cell<'static> {
    if x.fract() == 0.0 && x.abs() < 1e30 { Cell::Whole(x as i128) } else { Cell::Float(x) }
}

/// Reads digits.
pub(crate) fn digits(text: &[u8]) -> Cell<'_> {
    let trimmed = text.trim_ascii();
    if trimmed.is_empty() {
        return Cell::Missing;
    }
    let number = std::str::from_utf8(trimmed).ok().and_then(|t| t.parse().ok());
    number.map_or(Cell::Text(text), Cell::Whole)
}

#[cfg(test)]
mod tests {
    use polars::prelude::{IntoSeries, NamedFrom, PlSmallStr};

    use super::*;

    #[track_caller]
    fn check(series: &Series, expect: &[&str]) {
        let mut seen = Vec::new();
        each(series, |row, cell| {
            assert_eq!(row, seen.len());
            seen.push(cell.shown());
        })
        .expect("castable");
        assert_eq!(seen, expect);
    }

    #[test]
    fn every_kind_of_number_is_read() {
        let name = PlSmallStr::from_static("x");
        check(&Series::new(name.clone(), [-3_i8, 7]), &["-3", "7"]);
        check(
            &Series::new(name.clone(), [Some(u64::MAX), None]),
            &["18446744073709551615", "missing"],
        );
        check(
            &Series::new(name.clone(), [1.75e18, 0.5, f64::NAN, f64::NEG_INFINITY, 1e300]),
            &["1750000000000000000", "0.5", "NaN", "-inf", &1e300_f64.to_string()],
        );
        check(
            &Series::new(name.clone(), [" 12", "-4", "", "1e3"]),
            &["12", "-4", "missing", "`1e3`"],
        );
        check(&Series::new_null(name, 2), &["missing", "missing"]);
    }

    #[test]
    fn times_and_durations_become_nanoseconds() {
        let numbers = Series::new(PlSmallStr::from_static("x"), [5_i64]);
        let of = |unit| numbers.i64().expect("i64").clone().into_datetime(unit, None).into_series();
        check(&of(TimeUnit::Nanoseconds), &["5"]);
        check(&of(TimeUnit::Microseconds), &["5000"]);
        check(&of(TimeUnit::Milliseconds), &["5000000"]);
        let duration = numbers.i64().expect("i64").clone().into_duration(TimeUnit::Milliseconds);
        check(&duration.into_series(), &["5000000"]);
    }
}
