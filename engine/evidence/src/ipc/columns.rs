//! Rows → named Arrow columns.

use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Int64Array, ListArray,
    PrimitiveArray, StringArray, StructArray, UInt64Array,
};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::{Field, FieldRef, Fields};
use resus_model::{Histogram, Tally, TraceId, Window};

use super::ToIpcError;

/// The name of the items of a list, as Arrow's own libraries call them.
pub(super) const ITEM: &str = "item";

/// Decimal digits that a sum of squared weights may have.
pub(super) const WEIGHT_DIGITS: u8 = 38;

/// Columns under way, all over the same rows.
pub(super) struct Columns<'a, T> {
    rows: &'a [T],
    done: Vec<(FieldRef, ArrayRef)>,
}

/// What turns the rows of a table into columns.
pub(super) type Made = Result<StructArray, ToIpcError>;

impl<'a, T> Columns<'a, T> {
    pub(super) const fn over(rows: &'a [T]) -> Self {
        Self { rows, done: Vec::new() }
    }

    /// The columns as one array of structs.
    pub(super) fn finish(self) -> Made {
        let (fields, arrays): (Vec<_>, Vec<_>) = self.done.into_iter().unzip();
        Ok(StructArray::try_new(Fields::from(fields), arrays, None)?)
    }

    fn put(&mut self, name: &'static str, nullable: bool, array: ArrayRef) {
        let field = Field::new(name, array.data_type().clone(), nullable);
        self.done.push((Arc::new(field), array));
    }

    fn numbers<P: ArrowPrimitiveType>(
        &mut self,
        name: &'static str,
        get: impl Fn(&'a T) -> P::Native,
    ) {
        let array = PrimitiveArray::<P>::from_iter_values(self.rows.iter().map(get));
        self.put(name, false, Arc::new(array));
    }

    pub(super) fn u8(&mut self, name: &'static str, get: impl Fn(&'a T) -> u8) {
        self.numbers::<UInt8Type>(name, get);
    }

    pub(super) fn u16(&mut self, name: &'static str, get: impl Fn(&'a T) -> u16) {
        self.numbers::<UInt16Type>(name, get);
    }

    pub(super) fn u32(&mut self, name: &'static str, get: impl Fn(&'a T) -> u32) {
        self.numbers::<UInt32Type>(name, get);
    }

    pub(super) fn u64(&mut self, name: &'static str, get: impl Fn(&'a T) -> u64) {
        self.numbers::<UInt64Type>(name, get);
    }

    pub(super) fn i64(&mut self, name: &'static str, get: impl Fn(&'a T) -> i64) {
        let array = Int64Array::from_iter_values(self.rows.iter().map(get));
        self.put(name, false, Arc::new(array));
    }

    pub(super) fn flag(&mut self, name: &'static str, get: impl Fn(&'a T) -> bool) {
        let array: BooleanArray = self.rows.iter().map(get).map(Some).collect();
        self.put(name, false, Arc::new(array));
    }

    pub(super) fn optional_u32(&mut self, name: &'static str, get: impl Fn(&'a T) -> Option<u32>) {
        let array: PrimitiveArray<UInt32Type> = self.rows.iter().map(get).collect();
        self.put(name, true, Arc::new(array));
    }

    pub(super) fn text<'t>(&mut self, name: &'static str, get: impl Fn(&'a T) -> &'t str)
    where
        'a: 't,
    {
        let array = StringArray::from_iter_values(self.rows.iter().map(get));
        self.put(name, false, Arc::new(array));
    }

    pub(super) fn trace_id(&mut self, name: &'static str, get: impl Fn(&'a T) -> TraceId) {
        let ids = self.rows.iter().flat_map(|row| get(row).as_u128().to_be_bytes());
        let bytes: Vec<u8> = ids.collect();
        let array = FixedSizeBinaryArray::new(16, Buffer::from_vec(bytes), None);
        self.put(name, false, Arc::new(array));
    }

    /// The three columns of a tally.
    pub(super) fn tally(&mut self, get: impl Fn(&'a T) -> Tally) -> Result<(), ToIpcError> {
        const SQUARES: &str = "weight_squared";
        self.u64("n", |row| get(row).n);
        self.u64("weight", |row| get(row).weight);
        let squares = self.rows.iter().map(|row| {
            let value = get(row).weight_squared;
            let fits =
                i128::try_from(value).ok().filter(|v| *v < 10_i128.pow(WEIGHT_DIGITS.into()));
            fits.ok_or(ToIpcError::TooHeavy { column: SQUARES, value })
        });
        let squares = Decimal128Array::from_iter_values(squares.collect::<Result<Vec<_>, _>>()?);
        let squares = squares.with_precision_and_scale(WEIGHT_DIGITS, 0)?;
        self.put(SQUARES, false, Arc::new(squares));
        Ok(())
    }

    /// A struct a row.
    pub(super) fn structure<I>(
        &mut self,
        name: &'static str,
        get: impl Fn(&'a T) -> I,
        fields: impl FnOnce(&[I]) -> Made,
    ) -> Result<(), ToIpcError> {
        let inner: Vec<I> = self.rows.iter().map(get).collect();
        self.put(name, false, Arc::new(fields(&inner)?));
        Ok(())
    }

    /// A window a row; null where there is none.
    pub(super) fn optional_window(
        &mut self,
        name: &'static str,
        get: impl Fn(&'a T) -> Option<Window>,
    ) -> Result<(), ToIpcError> {
        let windows: Vec<Option<Window>> = self.rows.iter().map(get).collect();
        let nulls: NullBuffer = windows.iter().map(Option::is_some).collect();
        let bound = |name: &str, get: &dyn Fn(&Window) -> u64| {
            let bounds = windows.iter().map(|w| w.as_ref().map_or(0, get));
            let array: ArrayRef = Arc::new(UInt64Array::from_iter_values(bounds));
            (Field::new(name, array.data_type().clone(), false), array)
        };
        let (fields, arrays): (Vec<_>, Vec<_>) =
            [bound("from_unix_nano", &|w| w.from), bound("to_unix_nano", &|w| w.to)]
                .into_iter()
                .unzip();
        let array = StructArray::try_new(Fields::from(fields), arrays, Some(nulls))?;
        self.put(name, true, Arc::new(array));
        Ok(())
    }

    /// A list of structs a row.
    pub(super) fn list<I, L: IntoIterator<Item = I>>(
        &mut self,
        name: &'static str,
        get: impl Fn(&'a T) -> L,
        item: impl FnOnce(&[I]) -> Made,
    ) -> Result<(), ToIpcError> {
        self.lists(name, get, |items| Ok(Arc::new(item(items)?) as ArrayRef))
    }

    /// A list of numbers a row.
    pub(super) fn u32_list(
        &mut self,
        name: &'static str,
        get: impl Fn(&'a T) -> &'a [u32],
    ) -> Result<(), ToIpcError> {
        self.lists(name, get, |items| {
            let numbers = items.iter().map(|n| **n);
            Ok(Arc::new(PrimitiveArray::<UInt32Type>::from_iter_values(numbers)) as ArrayRef)
        })
    }

    /// A list of texts a row.
    pub(super) fn text_list(
        &mut self,
        name: &'static str,
        get: impl Fn(&'a T) -> &'a [String],
    ) -> Result<(), ToIpcError> {
        self.lists(
            name,
            get,
            |items| Ok(Arc::new(StringArray::from_iter_values(items)) as ArrayRef),
        )
    }

    /// A histogram a row.
    pub(super) fn histogram(
        &mut self,
        name: &'static str,
        get: impl Fn(&'a T) -> &'a Histogram,
    ) -> Result<(), ToIpcError> {
        self.list(
            name,
            |row| get(row).counts(),
            |buckets| {
                let mut columns = Columns::over(buckets);
                columns.u16("bucket", |(bucket, _)| bucket.index());
                columns.u64("n", |(_, n)| *n);
                columns.finish()
            },
        )
    }

    /// A list of anything a row.
    pub(super) fn lists<I, L: IntoIterator<Item = I>>(
        &mut self,
        name: &'static str,
        get: impl Fn(&'a T) -> L,
        array: impl FnOnce(&[I]) -> Result<ArrayRef, ToIpcError>,
    ) -> Result<(), ToIpcError> {
        let too_many = || ToIpcError::TooManyItems { column: name };
        let mut items: Vec<I> = Vec::new();
        let mut offsets: Vec<i32> = Vec::with_capacity(self.rows.len() + 1);
        offsets.push(0);
        for row in self.rows {
            items.extend(get(row));
            offsets.push(i32::try_from(items.len()).map_err(|_| too_many())?);
        }
        let values = array(&items)?;
        let field = Arc::new(Field::new(ITEM, values.data_type().clone(), false));
        let lists = ListArray::try_new(field, OffsetBuffer::new(offsets.into()), values, None)?;
        self.put(name, false, Arc::new(lists));
        Ok(())
    }
}
