//! Columns of lists: maps of attributes, names of events, links.

use polars::prelude::{BinaryChunked, DataType, ListChunked, PolarsResult, Series};
use resus_model::attributes::{self, Key, Place, Role};
use resus_model::{Interner, Name, SpanId, TraceId};

use crate::ids::{Form, Id, Reading};
use crate::layout::LINK_FIELDS;
use crate::texts;

/// Lists of one column as one flat series and the stretch of it that each row owns.
struct Flat {
    lists: ListChunked,
}

impl Flat {
    fn new(series: &Series) -> PolarsResult<Self> {
        Ok(Self { lists: series.list()?.rechunk().into_owned() })
    }

    fn items(&self) -> Series {
        self.lists.get_inner()
    }

    /// Visits the stretch of each row in order; that of a null is empty.
    fn each(&self, mut visit: impl FnMut(usize, std::ops::Range<usize>)) {
        let mut first = 0;
        for (chunk, array) in self.lists.chunks().iter().zip(self.lists.downcast_iter()) {
            let valid = chunk.validity().filter(|valid| valid.unset_bits() > 0);
            for (row, (from, len)) in array.offsets().offset_and_length_iter().enumerate() {
                let has = valid.is_none_or(|valid| valid.get_bit(row));
                visit(first + row, from..if has { from + len } else { from });
            }
            first += array.len();
        }
    }
}

/// What attributes said about the spans of a part: for each role a name a span, [`Name::NONE`]
/// where none of the role's keys was there.
pub(crate) struct Roles {
    columns: [Vec<Name>; Role::COUNT],
    /// Rank of the key that each name came from, [`u8::MAX`] for none.
    ranks: [Vec<u8>; Role::COUNT],
    wanted: [bool; Role::COUNT],
}

impl Roles {
    /// Asks for roles. Others are passed over.
    pub(crate) fn new(wanted: [bool; Role::COUNT]) -> Self {
        Self { columns: Default::default(), ranks: Default::default(), wanted }
    }

    /// The names of a role; empty where no map was read for it.
    pub(crate) fn take(&mut self, role: Role) -> Vec<Name> {
        std::mem::take(&mut self.columns[role.index()])
    }

    /// Reads one column of maps. `place` says whose attributes they are; `None`: of both.
    pub(crate) fn read(
        &mut self,
        series: &Series,
        place: Option<Place>,
        names: &mut Interner,
    ) -> PolarsResult<()> {
        let flat = Flat::new(series)?;
        let pair = flat.items().struct_()?.fields_as_series();
        let (Some(keys), Some(values)) = (pair.first(), pair.get(1)) else { return Ok(()) };
        let (Some(keys), Some(values)) = (texts::bytes(keys)?, texts::bytes(values)?) else {
            return Ok(());
        };
        let wanted = self.wanted;
        let keys: Vec<Option<Key>> = texts::map(&keys, None, |text| {
            let key = attributes::key(std::str::from_utf8(text).ok()?)?;
            let here = place.is_none_or(|place| place == key.place);
            (here && wanted[key.role.index()]).then_some(key)
        });
        let mut values = Values::new(&values, names);
        for role in (0..Role::COUNT).filter(|&role| wanted[role]) {
            self.columns[role].resize(series.len(), Name::NONE);
            self.ranks[role].resize(series.len(), u8::MAX);
        }
        flat.each(|row, items| {
            for item in items {
                let Some(key) = keys[item] else { continue };
                let role = key.role.index();
                if key.rank < self.ranks[role][row] {
                    let value = values.get(item);
                    if !value.is_none() {
                        self.ranks[role][row] = key.rank;
                        self.columns[role][row] = value;
                    }
                }
            }
        });
        Ok(())
    }
}

/// Interns values, few of which are asked for.
struct Values<'a> {
    texts: &'a BinaryChunked,
    names: &'a mut Interner,
    memo: texts::Memo<Name>,
}

impl<'a> Values<'a> {
    fn new(texts: &'a BinaryChunked, names: &'a mut Interner) -> Self {
        Self { texts, names, memo: texts::Memo::new(Name::NONE) }
    }

    /// The name of an item. The items of one chunk of lists lie in one chunk.
    fn get(&mut self, item: usize) -> Name {
        let Self { texts, names, memo } = self;
        let Some(array) = texts.downcast_iter().next() else { return Name::NONE };
        let Some(text) = array.get(item) else { return Name::NONE };
        memo.get(array.views()[item].as_u128(), || names.intern(&String::from_utf8_lossy(text)))
    }
}

/// How many events of each span record an exception.
pub(crate) fn exception_events(series: &Series) -> PolarsResult<Vec<u32>> {
    let flat = Flat::new(series)?;
    let mut counts = vec![0_u32; series.len()];
    let Some(names) = texts::bytes(&flat.items())? else { return Ok(counts) };
    let exception =
        texts::map(&names, false, |text| text == attributes::EXCEPTION_EVENT.as_bytes());
    flat.each(|row, items| {
        for item in items {
            counts[row] += u32::from(exception[item]);
        }
    });
    Ok(counts)
}

/// Visits each link in order of rows; `None` for one whose identifiers cannot be read.
pub(crate) type OnLink<'a> = dyn FnMut(usize, Option<(TraceId, SpanId)>) + 'a;

/// Reads links from one list of structs.
pub(crate) fn links(series: &Series, visit: &mut OnLink<'_>) -> PolarsResult<()> {
    let flat = Flat::new(series)?;
    let items = flat.items();
    if items.is_empty() {
        return Ok(());
    }
    let structs = items.struct_()?;
    let fields = structs.fields_as_series();
    let field = |name: &str| fields.iter().find(|f| f.name() == name);
    let pair = LINK_FIELDS.iter().find_map(|(trace, span)| Some((field(trace)?, field(span)?)));
    let Some((traces, spans)) = pair else { return Ok(()) };
    let (traces, spans) = (ids::<TraceId>(traces)?, ids::<SpanId>(spans)?);
    flat.each(|row, items| {
        for item in items {
            visit(row, traces[item].zip(spans[item]));
        }
    });
    Ok(())
}

/// Reads links from two lists of equal length; what one has more than the other cannot be read.
pub(crate) fn paired_links(
    traces: &Series,
    spans: &Series,
    visit: &mut OnLink<'_>,
) -> PolarsResult<()> {
    let (traces, spans) = (Flat::new(traces)?, Flat::new(spans)?);
    let (trace_ids, span_ids) = (ids::<TraceId>(&traces.items())?, ids::<SpanId>(&spans.items())?);
    let mut of_spans = Vec::with_capacity(spans.lists.len());
    spans.each(|_, items| of_spans.push(items));
    traces.each(|row, of_traces| {
        let of_spans = of_spans[row].clone();
        for i in 0..of_traces.len().max(of_spans.len()) {
            let trace = of_traces.clone().nth(i).and_then(|item| trace_ids[item]);
            let span = of_spans.clone().nth(i).and_then(|item| span_ids[item]);
            visit(row, trace.zip(span));
        }
    });
    Ok(())
}

/// Identifiers of a column; `None` for what is none.
fn ids<I: Id + PartialEq>(series: &Series) -> PolarsResult<Vec<Option<I>>> {
    let Some(texts) = texts::bytes(series)? else { return Ok(vec![None; series.len()]) };
    let form = form(series);
    Ok(texts::map(&texts, None, |text| match I::read(text, form) {
        Reading::Plain(id) | Reading::Lenient(id) if id != I::ZERO => Some(id),
        _ => None,
    }))
}

/// How identifiers are written in a column.
pub(crate) fn form(series: &Series) -> Form {
    if matches!(series.dtype(), DataType::Binary) { Form::Bytes } else { Form::Text }
}
