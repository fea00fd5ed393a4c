//! Arrow arrays of a segment → spans as columns of ours: the way back of `record_batch`.

use arrow_array::{
    Array, ArrayRef, RecordBatch,
    cast::AsArray as _,
    types::{ArrowPrimitiveType, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type},
};
use arrow_schema::DataType;
use resus_model::{Interner, Kind, Link, Name, SpanBatch, SpanId, SpanRow, Status, TraceId};

use super::SegmentFault;

/// Appends spans to a batch that keeps everything: attributes, events, resource attributes, scope,
/// message.
pub(super) fn append(batch: &mut SpanBatch, rows: &RecordBatch) -> Result<(), SegmentFault> {
    let columns = Columns(rows);
    let trace_ids = columns.trace_ids("trace_id")?;
    let span_ids = columns.span_ids("span_id")?;
    let parents = columns.span_ids("parent_span_id")?;
    let starts = columns.numbers::<UInt64Type>("start_unix_nano")?;
    let durations = columns.numbers::<Int64Type>("duration_ns")?;
    let arrivals = columns.numbers::<UInt64Type>("received_unix_nano")?;
    let flags = columns.numbers::<UInt32Type>("flags")?;
    let kinds = columns.numbers::<UInt8Type>("kind")?;
    let statuses = columns.numbers::<UInt8Type>("status")?;
    let http = columns.numbers::<UInt16Type>("http_status")?;
    let rpc = columns.numbers::<UInt8Type>("rpc_status")?;
    let errors = columns.numbers::<UInt32Type>("error_event_count")?;
    let exceptions = columns.numbers::<UInt32Type>("exception_event_count")?;
    let names = &mut batch.names;
    let mut names_of = |name| columns.names(name, names);
    let trace_states = names_of("trace_state")?;
    let services = names_of("service")?;
    let namespaces = names_of("namespace")?;
    let instances = names_of("instance")?;
    let versions = names_of("version")?;
    let hosts = names_of("host")?;
    let operations = names_of("operation")?;
    let error_types = names_of("error_type")?;
    let peers = names_of("peer")?;
    let resources = names_of("resource_attributes")?;
    let scopes = names_of("scope")?;
    let messages = names_of("status_message")?;
    for i in 0..rows.num_rows() {
        batch.push(&SpanRow {
            trace_id: trace_ids[i].unwrap_or_default(),
            span_id: span_ids[i].unwrap_or_default(),
            parent_span_id: parents[i].unwrap_or_default(),
            flags: flags[i].unwrap_or_default(),
            trace_state: trace_states[i],
            service: services[i],
            namespace: namespaces[i],
            instance: instances[i],
            version: versions[i],
            host: hosts[i],
            operation: operations[i],
            kind: kinds[i].and_then(|n| Kind::from_number(n.into())).unwrap_or_default(),
            status: statuses[i]
                .and_then(|n| Status::from_number(n.into()))
                .unwrap_or(Status::Absent),
            start_unix_nano: starts[i].unwrap_or_default(),
            duration_ns: durations[i].unwrap_or_default(),
            received_unix_nano: arrivals[i].unwrap_or_default(),
            http_status: http[i].unwrap_or_default(),
            rpc_status: rpc[i].unwrap_or(SpanRow::NO_RPC),
            error_type: error_types[i],
            peer: peers[i],
            error_event_count: errors[i].unwrap_or_default(),
            exception_event_count: exceptions[i].unwrap_or_default(),
        });
    }
    columns.texts("attributes", |text| batch.push_attributes(text))?;
    columns.texts("events", |text| batch.push_events(text))?;
    batch.resource_attributes.extend(resources);
    batch.scope.extend(scopes);
    batch.status_message.extend(messages);
    columns.links(batch)
}

/// Takes back the columns in which nothing is kept.
pub(super) fn drop_what_was_not_kept(batch: &mut SpanBatch) {
    if batch.attributes.is_empty() {
        batch.attribute_ends.clear();
    }
    if batch.events.is_empty() {
        batch.event_ends.clear();
    }
    for column in [&mut batch.resource_attributes, &mut batch.scope, &mut batch.status_message] {
        if column.iter().all(|name| name.is_none()) {
            column.clear();
        }
    }
}

/// Identifiers of traces, in either encoding; `None` where there is none.
pub(super) fn trace_ids(column: &ArrayRef) -> Option<Vec<Option<TraceId>>> {
    identifiers(
        column,
        |bytes| Some(TraceId::from_bytes(bytes.try_into().ok()?)),
        |text| TraceId::from_hex(text).ok(),
    )
}

fn span_ids(column: &ArrayRef) -> Option<Vec<Option<SpanId>>> {
    identifiers(
        column,
        |bytes| Some(SpanId::from_bytes(bytes.try_into().ok()?)),
        |text| SpanId::from_hex(text).ok(),
    )
}

fn identifiers<I>(
    column: &ArrayRef,
    from_bytes: impl Fn(&[u8]) -> Option<I>,
    from_hex: impl Fn(&[u8]) -> Option<I>,
) -> Option<Vec<Option<I>>> {
    match column.data_type() {
        DataType::FixedSizeBinary(_) => {
            let ids = column.as_fixed_size_binary().iter();
            Some(ids.map(|bytes| bytes.and_then(&from_bytes)).collect())
        }
        DataType::Utf8 => {
            let ids = column.as_string::<i32>().iter();
            Some(ids.map(|text| text.and_then(|text| from_hex(text.as_bytes()))).collect())
        }
        _ => None,
    }
}

/// The columns of some rows. One that is missing is null all over: an older release did not have it.
struct Columns<'a>(&'a RecordBatch);

impl Columns<'_> {
    fn wrong(&self, name: &str) -> SegmentFault {
        let found = self.0.column_by_name(name).map(|column| column.data_type().to_string());
        SegmentFault::Form(match found {
            Some(found) => format!("its column {name} holds {found}"),
            None => format!("it has no column {name}"),
        })
    }

    fn trace_ids(&self, name: &str) -> Result<Vec<Option<TraceId>>, SegmentFault> {
        let ids = self.0.column_by_name(name).and_then(trace_ids);
        ids.ok_or_else(|| self.wrong(name))
    }

    fn span_ids(&self, name: &str) -> Result<Vec<Option<SpanId>>, SegmentFault> {
        let ids = self.0.column_by_name(name).and_then(span_ids);
        ids.ok_or_else(|| self.wrong(name))
    }

    fn numbers<T: ArrowPrimitiveType>(
        &self,
        name: &str,
    ) -> Result<Vec<Option<T::Native>>, SegmentFault> {
        let Some(column) = self.0.column_by_name(name) else {
            return Ok(vec![None; self.0.num_rows()]);
        };
        let numbers = column.as_primitive_opt::<T>().ok_or_else(|| self.wrong(name))?;
        Ok(numbers.iter().collect())
    }

    fn names(&self, name: &str, names: &mut Interner) -> Result<Vec<Name>, SegmentFault> {
        let mut column = Vec::with_capacity(self.0.num_rows());
        self.texts(name, |text| column.push(names.intern(text)))?;
        Ok(column)
    }

    fn texts(&self, name: &str, mut take: impl FnMut(&str)) -> Result<(), SegmentFault> {
        let Some(column) = self.0.column_by_name(name) else {
            (0..self.0.num_rows()).for_each(|_| take(""));
            return Ok(());
        };
        let texts = column.as_string_opt::<i32>().ok_or_else(|| self.wrong(name))?;
        texts.iter().for_each(|text| take(text.unwrap_or("")));
        Ok(())
    }

    /// Appends the links of the rows, which are the last of the batch.
    fn links(&self, batch: &mut SpanBatch) -> Result<(), SegmentFault> {
        let Some(column) = self.0.column_by_name("links") else { return Ok(()) };
        let wrong = || self.wrong("links");
        let lists = column.as_list_opt::<i32>().ok_or_else(wrong)?;
        let targets = lists.values().as_struct_opt().ok_or_else(wrong)?;
        let traces = targets.column_by_name("trace_id").and_then(trace_ids).ok_or_else(wrong)?;
        let spans = targets.column_by_name("span_id").and_then(span_ids).ok_or_else(wrong)?;
        let first = batch.len() - self.0.num_rows();
        for (i, ends) in lists.offsets().windows(2).enumerate() {
            if lists.is_null(i) {
                continue;
            }
            let row = u32::try_from(first + i).map_err(|_| wrong())?;
            for at in ends[0]..ends[1] {
                let at = usize::try_from(at).map_err(|_| wrong())?;
                batch.links.push(Link {
                    row,
                    trace_id: traces[at].unwrap_or_default(),
                    span_id: spans[at].unwrap_or_default(),
                });
            }
        }
        Ok(())
    }
}
