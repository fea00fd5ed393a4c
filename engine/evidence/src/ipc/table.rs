//! A table of a file, column by column, each value checked against what its column may hold.

use std::fmt::Display;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use arrow_buffer::ScalarBuffer;
use arrow_schema::Field;
use resus_model::{Bucket, Histogram, Tally, TraceId};

use super::FromIpcError;
use super::columns::{ITEM, WEIGHT_DIGITS};

/// What the counts of one column may add up to in one Evidence.
///
/// Counts are added when Evidences are merged, and 2^48 leaves room for 65,536 files that are at
/// the bound. At a million requests a second it is reached after nine years, and no window is that
/// long; a larger number is damage.
const MOST_COUNTED: u64 = 1 << 48;

/// A table that others point into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) table: &'static str,
    pub(super) rows: usize,
}

/// Rows of one table of one Evidence. Its columns were checked to be there and of their type.
#[derive(Debug)]
pub(super) struct Table {
    evidence: usize,
    path: String,
    columns: StructArray,
}

impl Table {
    /// The table of one row that is an Evidence.
    pub(super) fn of_evidence(evidence: usize, row: RecordBatch) -> Self {
        Self { evidence, path: String::new(), columns: row.into() }
    }

    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// The error that says which value is wrong.
    pub(super) fn wrong(
        &self,
        column: &str,
        row: usize,
        expected: impl Into<String>,
        found: impl Display,
    ) -> FromIpcError {
        FromIpcError::Value {
            evidence: self.evidence,
            table: self.path.clone(),
            column: column.to_owned(),
            row,
            expected: expected.into(),
            found: found.to_string(),
        }
    }

    fn nullable(&self, column: &str) -> &ArrayRef {
        self.columns.column_by_name(column).expect("columns were compared with the schema")
    }

    fn column(&self, column: &str) -> Result<&ArrayRef, FromIpcError> {
        let array = self.nullable(column);
        match first_null(array) {
            Some(row) => Err(self.wrong(column, row, "a value", "null")),
            None => Ok(array),
        }
    }

    fn numbers<P: ArrowPrimitiveType>(
        &self,
        column: &str,
    ) -> Result<ScalarBuffer<P::Native>, FromIpcError> {
        Ok(self.column(column)?.as_primitive::<P>().values().clone())
    }

    pub(super) fn u32s(&self, column: &str) -> Result<ScalarBuffer<u32>, FromIpcError> {
        self.numbers::<UInt32Type>(column)
    }

    pub(super) fn u64s(&self, column: &str) -> Result<ScalarBuffer<u64>, FromIpcError> {
        self.numbers::<UInt64Type>(column)
    }

    pub(super) fn i64s(&self, column: &str) -> Result<ScalarBuffer<i64>, FromIpcError> {
        self.numbers::<Int64Type>(column)
    }

    pub(super) fn flags(&self, column: &str) -> Result<Vec<bool>, FromIpcError> {
        let array = self.column(column)?.as_boolean();
        Ok((0..array.len()).map(|row| array.value(row)).collect())
    }

    pub(super) fn texts(&self, column: &str) -> Result<Vec<String>, FromIpcError> {
        let array = self.column(column)?.as_string::<i32>();
        Ok((0..array.len()).map(|row| array.value(row).to_owned()).collect())
    }

    pub(super) fn trace_ids(&self, column: &str) -> Result<Vec<TraceId>, FromIpcError> {
        let array = self.column(column)?.as_fixed_size_binary();
        let id = |row| TraceId::from_bytes(array.value(row).try_into().expect("16 bytes a value"));
        Ok((0..array.len()).map(id).collect())
    }

    /// Counts, which must not add up to more than is believable.
    pub(super) fn counts(&self, column: &str) -> Result<ScalarBuffer<u64>, FromIpcError> {
        let counts = self.u64s(column)?;
        let mut sum = 0_u64;
        for (row, &n) in counts.iter().enumerate() {
            sum = sum.saturating_add(n);
            if sum > MOST_COUNTED {
                let expected = format!("counts that add up to at most {MOST_COUNTED}");
                return Err(self.wrong(column, row, expected, n));
            }
        }
        Ok(counts)
    }

    /// Row numbers of another table.
    pub(super) fn indexes(
        &self,
        column: &str,
        target: Target,
    ) -> Result<ScalarBuffer<u32>, FromIpcError> {
        let numbers = self.u32s(column)?;
        for (row, &n) in numbers.iter().enumerate() {
            self.check_index(column, row, n, target)?;
        }
        Ok(numbers)
    }

    /// Row numbers of another table, or nothing.
    pub(super) fn optional_indexes(
        &self,
        column: &str,
        target: Target,
    ) -> Result<Vec<Option<u32>>, FromIpcError> {
        let array = self.nullable(column).as_primitive::<UInt32Type>();
        for (row, n) in array.iter().enumerate() {
            if let Some(n) = n {
                self.check_index(column, row, n, target)?;
            }
        }
        Ok(array.iter().collect())
    }

    fn check_index(
        &self,
        column: &str,
        row: usize,
        n: u32,
        target: Target,
    ) -> Result<(), FromIpcError> {
        let Target { table, rows } = target;
        if (n as usize) < rows {
            return Ok(());
        }
        Err(self.wrong(column, row, format!("a row of {table}, which has {rows}"), n))
    }

    /// Numbers that stand for something.
    pub(super) fn enums<T>(
        &self,
        column: &str,
        expected: &str,
        read: impl Fn(u8) -> Option<T>,
    ) -> Result<Vec<T>, FromIpcError> {
        let numbers = self.numbers::<UInt8Type>(column)?;
        let read = |(row, &n)| read(n).ok_or_else(|| self.wrong(column, row, expected, n));
        numbers.iter().enumerate().map(read).collect()
    }

    /// Words that stand for something.
    pub(super) fn words<T: Copy>(
        &self,
        column: &str,
        words: &[(&'static str, T)],
    ) -> Result<Vec<T>, FromIpcError> {
        let read = |(row, text): (usize, String)| {
            let found = words.iter().find(|(word, _)| *word == text);
            found.map(|(_, value)| *value).ok_or_else(|| {
                let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let expected = format!("one of {}", all.join(", "));
                self.wrong(column, row, expected, format!("`{}`", text.escape_debug()))
            })
        };
        self.texts(column)?.into_iter().enumerate().map(read).collect()
    }

    pub(super) fn tallies(&self) -> Result<Vec<Tally>, FromIpcError> {
        const SQUARES: &str = "weight_squared";
        let counts = self.counts("n")?;
        let weights = self.u64s("weight")?;
        let squares = self.numbers::<Decimal128Type>(SQUARES)?;
        let most = 10_u128.pow(WEIGHT_DIGITS.into());
        let tally = |row: usize| {
            let square = u128::try_from(squares[row]).ok().filter(|v| *v < most);
            let weight_squared = square.ok_or_else(|| {
                let expected = format!("a number of at most {WEIGHT_DIGITS} digits, not below 0");
                self.wrong(SQUARES, row, expected, squares[row])
            })?;
            Ok(Tally { n: counts[row], weight: weights[row], weight_squared })
        };
        (0..self.len()).map(tally).collect()
    }

    pub(super) fn histograms(&self, column: &str) -> Result<Vec<Histogram>, FromIpcError> {
        let buckets = self.lists(column, |t| {
            let indexes = t.numbers::<UInt16Type>("bucket")?;
            let counts = t.counts("n")?;
            let bucket = |(row, (&index, &n))| match Bucket::from_index(index) {
                Some(bucket) => Ok((bucket, n)),
                None => Err(t.wrong("bucket", row, "a number of a bucket, 0 to 975", index)),
            };
            indexes.iter().zip(&counts).enumerate().map(bucket).collect()
        })?;
        Ok(buckets.into_iter().map(Histogram::from_counts).collect())
    }

    /// Lists of row numbers of another table.
    pub(super) fn index_lists(
        &self,
        column: &str,
        target: Target,
    ) -> Result<Vec<Vec<u32>>, FromIpcError> {
        self.lists(column, |t| Ok(t.indexes(ITEM, target)?.to_vec()))
    }

    /// The only list of a table of one row.
    pub(super) fn list<T>(
        &self,
        column: &str,
        read: impl FnOnce(&Self) -> Result<Vec<T>, FromIpcError>,
    ) -> Result<Vec<T>, FromIpcError> {
        Ok(self.lists(column, read)?.into_iter().flatten().collect())
    }

    /// A list a row. `read` gets the items of all rows as one table, and returns one value an item;
    /// items that are no structs stand in a column called `item`.
    pub(super) fn lists<T>(
        &self,
        column: &str,
        read: impl FnOnce(&Self) -> Result<Vec<T>, FromIpcError>,
    ) -> Result<Vec<Vec<T>>, FromIpcError> {
        let array = self.column(column)?.as_list::<i32>();
        let offsets = array.value_offsets();
        let at = |i: usize| usize::try_from(offsets[i]).expect("arrow checks offsets");
        let (from, to) = (at(0), at(self.len()));
        let values = array.values().slice(from, to - from);
        if let Some(row) = first_null(&values) {
            return Err(self.wrong(column, row, "items without nulls", "null"));
        }
        let columns = match values.as_struct_opt() {
            Some(structs) => structs.clone(),
            None => {
                let field = Field::new(ITEM, values.data_type().clone(), true);
                StructArray::from(vec![(field.into(), values)])
            }
        };
        let path = self.path_to(column);
        let items = read(&Self { evidence: self.evidence, path, columns })?;
        debug_assert_eq!(items.len(), to - from, "one value an item");
        let mut items = items.into_iter();
        let list = |row| items.by_ref().take(at(row + 1) - at(row)).collect();
        Ok((0..self.len()).map(list).collect())
    }

    /// The struct of each row.
    pub(super) fn structure(&self, column: &str) -> Result<Self, FromIpcError> {
        let columns = self.column(column)?.as_struct().clone();
        Ok(Self { evidence: self.evidence, path: self.path_to(column), columns })
    }

    /// The struct of a table of one row, unless it is null.
    pub(super) fn optional_structure(&self, column: &str) -> Option<Self> {
        let columns = self.nullable(column).as_struct().clone();
        let there = columns.len() == 1 && columns.is_valid(0);
        there.then(|| Self { evidence: self.evidence, path: self.path_to(column), columns })
    }

    fn path_to(&self, column: &str) -> String {
        match (self.path.as_str(), column) {
            ("", column) => column.to_owned(),
            (path, ITEM) => path.to_owned(),
            (path, column) => format!("{path}.{column}"),
        }
    }
}

fn first_null(array: &ArrayRef) -> Option<usize> {
    if array.null_count() == 0 {
        return None;
    }
    (0..array.len()).find(|&row| array.is_null(row))
}
