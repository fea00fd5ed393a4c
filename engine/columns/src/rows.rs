//! Columns of a part become a batch of spans, one column after the other.

use std::path::Path;

use polars::prelude::{PolarsError, Series};
use resus_model::attributes::{Role, grpc_code, http_code};
use resus_model::{
    Kind, Link, Name, Quality, SkipReason, SpanBatch, SpanId, SpanRow, Status, TraceId,
};

use crate::ReadError;
use crate::decode::{Decoder, Part};
use crate::ids::{Id, Reading};
use crate::layout::{Layout, ROLES};
use crate::lists::{self, Roles};
use crate::numbers::{self, Cell};
use crate::texts;

/// Reads a part. Only one of its columns is held by polars at any time.
pub(crate) fn read(
    path: &Path,
    layout: &Layout,
    decoder: &Decoder<'_>,
    part: Part,
    quality: &mut Quality,
) -> Result<SpanBatch, ReadError> {
    let mut rows = Rows {
        path,
        layout,
        decoder,
        part,
        quality,
        batch: SpanBatch::new(),
        rejected: Vec::new(),
    };
    for what in &layout.unused {
        rows.lenient(what, part.rows as u64);
    }
    rows.ids()?;
    rows.names()?;
    rows.times()?;
    rows.codes()?;
    let mut roles = rows.attributes()?;
    rows.resource(&mut roles)?;
    rows.answers(&mut roles)?;
    rows.events()?;
    rows.links()?;
    Ok(rows.finish())
}

struct Rows<'a> {
    path: &'a Path,
    layout: &'a Layout,
    decoder: &'a Decoder<'a>,
    part: Part,
    quality: &'a mut Quality,
    batch: SpanBatch,
    /// One a row once a row was left out; empty before.
    rejected: Vec<bool>,
}

impl<'a> Rows<'a> {
    /// The column for a field, with its name.
    fn column(&self, field: &str) -> Result<Option<(&'a str, Series)>, ReadError> {
        let Some(name) = self.layout.of(field) else { return Ok(None) };
        Ok(Some((name, self.decoder.column(name)?)))
    }

    /// Counts a leniency.
    fn lenient(&mut self, what: &str, times: u64) {
        if times == 0 {
            return;
        }
        match self.quality.lenient.get_mut(what) {
            Some(n) => *n += times,
            None => {
                self.quality.lenient.insert(what.to_owned(), times);
            }
        }
    }

    /// Leaves a row out, for the first reason found.
    fn reject(&mut self, row: usize, reason: SkipReason, what: impl FnOnce() -> String) {
        let Self { path, part, quality, rejected, .. } = self;
        rejected.resize(part.rows, false);
        if std::mem::replace(&mut rejected[row], true) {
            return;
        }
        quality.skip(reason, || {
            format!("{} row {}: {}", path.display(), part.first_row + row as u64, what())
        });
    }

    fn ids(&mut self) -> Result<(), ReadError> {
        let what = |column: &str, text: Option<&[u8]>, digits: usize| match text {
            None | Some([]) => format!("`{column}` is missing"),
            Some(text) => format!(
                "`{column}` is {}, expected {digits} hex digits or {} bytes, not all zero",
                texts::shown(text),
                digits / 2
            ),
        };
        self.batch.trace_id = self.identifiers("trace_id", |rows, row, column, text| {
            rows.reject(row, SkipReason::TraceId, || what(column, text, 32));
        })?;
        self.batch.span_id = self.identifiers("span_id", |rows, row, column, text| {
            rows.reject(row, SkipReason::SpanId, || what(column, text, 16));
        })?;
        let mut unread = 0;
        self.batch.parent_span_id = self.identifiers("parent_span_id", |_, _, _, text| {
            let is_none = text.is_none_or(|t| t.iter().all(|b| matches!(b, b'0' | 0 | b' ')));
            unread += u64::from(!is_none);
        })?;
        self.lenient("parent_span_id is no span id: read as none", unread);
        Ok(())
    }

    /// Reads identifiers; `none` is told of each that is missing, zero, or wrong.
    fn identifiers<I: Id + PartialEq>(
        &mut self,
        field: &str,
        mut none: impl FnMut(&mut Self, usize, &str, Option<&[u8]>),
    ) -> Result<Vec<I>, ReadError> {
        let Some((column, series)) = self.column(field)? else {
            return Ok(vec![I::ZERO; self.part.rows]);
        };
        let mut out: Vec<I> = Vec::with_capacity(self.part.rows);
        let mut lenient = 0;
        let texts = texts::bytes(&series).map_err(|e| self.decoder.error(column, e.to_string()))?;
        match texts {
            None => {
                out.resize(self.part.rows, I::ZERO);
                (0..self.part.rows).for_each(|row| none(self, row, column, None));
            }
            Some(texts) => {
                let form = lists::form(&series);
                let mut last = Reading::Empty;
                texts::each(&texts, |row, text, same| {
                    if !same {
                        last = text.map_or(Reading::Empty, |text| I::read(text, form));
                    }
                    let id = match last {
                        Reading::Plain(id) => id,
                        Reading::Lenient(id) => {
                            lenient += 1;
                            id
                        }
                        Reading::Empty | Reading::Wrong => I::ZERO,
                    };
                    if id == I::ZERO {
                        none(self, row, column, text);
                    }
                    out.push(id);
                });
            }
        }
        self.lenient("ids with 0x, dashes or too few digits", lenient);
        Ok(out)
    }

    fn names(&mut self) -> Result<(), ReadError> {
        self.batch.operation = self.interned("operation")?;
        for row in 0..self.part.rows {
            if self.batch.operation[row].is_none() {
                let column = self.layout.of("operation").unwrap_or("operation");
                self.reject(row, SkipReason::Operation, || format!("`{column}` is missing"));
            }
        }
        self.batch.trace_state = self.interned("trace_state")?;
        Ok(())
    }

    /// Names of a column of text; none where there is no such column.
    fn interned(&mut self, field: &str) -> Result<Vec<Name>, ReadError> {
        let Some((column, series)) = self.column(field)? else {
            return Ok(vec![Name::NONE; self.part.rows]);
        };
        let texts = texts::bytes(&series).map_err(|e| self.decoder.error(column, e.to_string()))?;
        let Some(texts) = texts else { return Ok(vec![Name::NONE; self.part.rows]) };
        let names = &mut self.batch.names;
        Ok(texts::map(&texts, Name::NONE, |text| match std::str::from_utf8(text) {
            Ok(text) => names.intern(text),
            Err(_) => names.intern(&String::from_utf8_lossy(text)),
        }))
    }

    fn times(&mut self) -> Result<(), ReadError> {
        self.batch.start_unix_nano = self.numbers("start_unix_nano", |rows, row, column, cell| {
            match cell {
                Cell::Whole(n) if n > 0 && u64::try_from(n).is_ok() => n as u64,
                _ => {
                    rows.reject(row, SkipReason::Start, || {
                        format!("`{column}` is {}, expected nanoseconds since 1970, above 0 and below 2^64", cell.shown())
                    });
                    0
                }
            }
        })?;
        self.batch.duration_ns = self.numbers("duration_ns", |rows, row, column, cell| {
            let number = if let Cell::Whole(n) = cell { i64::try_from(n).ok() } else { None };
            number.unwrap_or_else(|| {
                rows.reject(row, SkipReason::Duration, || {
                    format!("`{column}` is {}, expected whole nanoseconds below 2^63", cell.shown())
                });
                0
            })
        })?;
        let mut unread = 0;
        self.batch.received_unix_nano =
            self.numbers("received_unix_nano", |_, _, _, cell| or_zero(cell, &mut unread))?;
        self.lenient("received_unix_nano is no time: read as unknown", unread);
        Ok(())
    }

    /// Makes a value of each cell of a column of numbers; the default where there is no such column.
    fn numbers<V: Copy + Default>(
        &mut self,
        field: &str,
        mut make: impl FnMut(&mut Self, usize, &str, Cell<'_>) -> V,
    ) -> Result<Vec<V>, ReadError> {
        let Some((column, series)) = self.column(field)? else {
            return Ok(vec![V::default(); self.part.rows]);
        };
        let mut out = Vec::with_capacity(self.part.rows);
        let done = numbers::each(&series, |row, cell| out.push(make(self, row, column, cell)));
        done.map_err(|e| self.decoder.error(column, e.to_string()))?;
        Ok(out)
    }

    fn codes(&mut self) -> Result<(), ReadError> {
        let mut unread = 0;
        self.batch.flags = self.numbers("flags", |_, _, _, cell| or_zero(cell, &mut unread))?;
        self.lenient("flags is no number of 32 bits: read as 0", unread);

        self.batch.kind =
            self.known("kind", Kind::Unspecified, Kind::from_number, Kind::from_text)?;
        self.batch.status =
            self.known("status", Status::Absent, Status::from_number, Status::from_text)?;
        Ok(())
    }

    /// Values of a column of numbers or names; `none` where there is none, or none that is known.
    fn known<V: Copy>(
        &mut self,
        field: &str,
        none: V,
        from_number: impl Fn(i64) -> Option<V>,
        from_text: impl Fn(&str) -> Option<V>,
    ) -> Result<Vec<V>, ReadError> {
        let Some((column, series)) = self.column(field)? else {
            return Ok(vec![none; self.part.rows]);
        };
        let of_text = |text: &[u8]| match numbers::digits(text) {
            Cell::Missing => Some(none),
            Cell::Whole(n) => i64::try_from(n).ok().and_then(&from_number),
            Cell::Text(_) | Cell::Float(_) => std::str::from_utf8(text).ok().and_then(&from_text),
        };
        let broken = |e: PolarsError| self.decoder.error(column, e.to_string());
        let values: Vec<Option<V>> = if numbers::is_numeric(&series) {
            let mut values = Vec::with_capacity(self.part.rows);
            numbers::each(&series, |_, cell| {
                values.push(match cell {
                    Cell::Missing => Some(none),
                    Cell::Whole(n) => i64::try_from(n).ok().and_then(&from_number),
                    Cell::Text(_) | Cell::Float(_) => None,
                });
            })
            .map_err(broken)?;
            values
        } else {
            match texts::bytes(&series).map_err(broken)? {
                Some(texts) => texts::map(&texts, Some(none), of_text),
                None => return Ok(vec![none; self.part.rows]),
            }
        };
        let unread = values.iter().filter(|value| value.is_none()).count();
        let what = format!("{field} is not known: read as if there were none");
        self.lenient(&what, unread as u64);
        Ok(values.into_iter().map(|value| value.unwrap_or(none)).collect())
    }

    fn attributes(&mut self) -> Result<Roles, ReadError> {
        let mut roles = Roles::new(ROLES.map(|(_, field)| self.layout.of(field).is_none()));
        for map in &self.layout.attribute_maps {
            let series = self.decoder.column(&map.column)?;
            roles
                .read(&series, map.place, &mut self.batch.names)
                .map_err(|e| self.decoder.error(&map.column, e.to_string()))?;
        }
        Ok(roles)
    }

    /// The names of a field: from its column, else from attributes, else none.
    fn named(
        &mut self,
        field: &str,
        role: Role,
        roles: &mut Roles,
    ) -> Result<Vec<Name>, ReadError> {
        let names = roles.take(role);
        if names.is_empty() { self.interned(field) } else { Ok(names) }
    }

    fn resource(&mut self, roles: &mut Roles) -> Result<(), ReadError> {
        self.batch.service = self.named("service", Role::Service, roles)?;
        for row in 0..self.part.rows {
            if self.batch.service[row].is_none() {
                let column = self.layout.of("service").unwrap_or("service.name");
                self.reject(row, SkipReason::Service, || format!("`{column}` is missing"));
            }
        }
        self.batch.namespace = self.named("namespace", Role::Namespace, roles)?;
        self.batch.instance = self.named("instance", Role::Instance, roles)?;
        self.batch.version = self.named("version", Role::Version, roles)?;
        self.batch.host = self.named("host", Role::Host, roles)?;
        Ok(())
    }

    fn answers(&mut self, roles: &mut Roles) -> Result<(), ReadError> {
        self.batch.error_type = self.named("error_type", Role::ErrorType, roles)?;
        self.batch.peer = self.named("peer", Role::Peer, roles)?;

        let http = roles.take(Role::HttpStatus);
        let mut unread = 0;
        self.batch.http_status = if http.is_empty() {
            self.numbers("http_status", |_, _, _, cell| {
                let code = match cell {
                    Cell::Missing | Cell::Whole(0) => return 0,
                    Cell::Whole(n) => u16::try_from(n).ok().filter(|n| (100..600).contains(n)),
                    Cell::Text(_) | Cell::Float(_) => None,
                };
                unread += u64::from(code.is_none());
                code.unwrap_or(0)
            })?
        } else {
            self.coded(&http, 0, http_code)
        };
        self.lenient("http_status is not from 100 to 599: read as none", unread);

        let rpc = roles.take(Role::RpcStatus);
        let mut unread = 0;
        let absent = self.layout.of("rpc_status").is_none();
        self.batch.rpc_status = if rpc.is_empty() {
            self.numbers("rpc_status", |_, _, _, cell| {
                let code = match cell {
                    Cell::Missing => return SpanRow::NO_RPC,
                    Cell::Whole(n) => u8::try_from(n).ok().filter(|n| *n <= 16),
                    Cell::Text(text) => std::str::from_utf8(text).ok().and_then(grpc_code),
                    Cell::Float(_) => None,
                };
                unread += u64::from(code.is_none());
                code.unwrap_or(SpanRow::NO_RPC)
            })?
        } else {
            self.coded(&rpc, SpanRow::NO_RPC, grpc_code)
        };
        if rpc.is_empty() && absent {
            self.batch.rpc_status.fill(SpanRow::NO_RPC);
        }
        self.lenient("rpc_status is no gRPC code: read as none", unread);
        Ok(())
    }

    /// Codes of names, each distinct name being parsed once.
    fn coded<V: Copy>(&self, names: &[Name], none: V, parse: impl Fn(&str) -> Option<V>) -> Vec<V> {
        let mut known: Vec<Option<V>> = vec![None; self.batch.names.len()];
        let code = |name: &Name| {
            let slot = &mut known[name.index()];
            *slot.get_or_insert_with(|| parse(self.batch.names.text(*name)).unwrap_or(none))
        };
        names.iter().map(code).collect()
    }

    fn events(&mut self) -> Result<(), ReadError> {
        let mut unread = 0;
        self.batch.error_event_count =
            self.numbers("error_event_count", |_, _, _, cell| or_zero(cell, &mut unread))?;
        self.batch.exception_event_count = match &self.layout.event_names {
            Some(column) => lists::exception_events(&self.decoder.column(column)?)
                .map_err(|e| self.decoder.error(column, e.to_string()))?,
            None => {
                self.numbers("exception_event_count", |_, _, _, cell| or_zero(cell, &mut unread))?
            }
        };
        self.lenient("event count is no number of 32 bits: read as 0", unread);
        Ok(())
    }

    fn links(&mut self) -> Result<(), ReadError> {
        let (decoder, layout) = (self.decoder, self.layout);
        let (mut links, mut unread) = (Vec::new(), 0);
        let mut visit = |row: usize, link: Option<(TraceId, SpanId)>| match link {
            Some((trace_id, span_id)) => {
                let row = u32::try_from(row).expect("a part has fewer than 2^32 rows");
                links.push(Link { row, trace_id, span_id });
            }
            None => unread += 1,
        };
        if let Some((column, series)) = self.column("links")? {
            lists::links(&series, &mut visit).map_err(|e| decoder.error(column, e.to_string()))?;
        } else if let Some(lists) = &layout.link_lists {
            let (traces, spans) = (decoder.column(&lists.traces)?, decoder.column(&lists.spans)?);
            lists::paired_links(&traces, &spans, &mut visit)
                .map_err(|e| decoder.error(&lists.traces, e.to_string()))?;
        }
        self.batch.links = links;
        self.lenient("links without a readable trace and span id: left out", unread);
        Ok(())
    }

    /// The batch without the rows left out.
    fn finish(self) -> SpanBatch {
        let Self { mut batch, rejected, .. } = self;
        if !rejected.contains(&true) {
            return batch;
        }
        let SpanBatch {
            names: _,
            trace_id,
            span_id,
            parent_span_id,
            flags,
            trace_state,
            service,
            namespace,
            instance,
            version,
            host,
            operation,
            kind,
            status,
            start_unix_nano,
            duration_ns,
            received_unix_nano,
            http_status,
            rpc_status,
            error_type,
            peer,
            error_event_count,
            exception_event_count,
            links,
            // Not filled here.
            attributes: _,
            attribute_ends: _,
            events: _,
            event_ends: _,
            resource_attributes: _,
            scope: _,
            status_message: _,
        } = &mut batch;
        let out = rejected.as_slice();
        keep(trace_id, out);
        keep(span_id, out);
        keep(parent_span_id, out);
        keep(flags, out);
        for column in
            [trace_state, service, namespace, instance, version, host, operation, error_type, peer]
        {
            keep(column, out);
        }
        keep(kind, out);
        keep(status, out);
        keep(start_unix_nano, out);
        keep(duration_ns, out);
        keep(received_unix_nano, out);
        keep(http_status, out);
        keep(rpc_status, out);
        keep(error_event_count, out);
        keep(exception_event_count, out);
        renumber(links, out);
        batch
    }
}

/// A whole number of any width as a narrower one; 0 where it is missing, and counted where it does
/// not fit.
fn or_zero<N: TryFrom<i128> + Default>(cell: Cell<'_>, unread: &mut u64) -> N {
    let number = match cell {
        Cell::Missing => return N::default(),
        Cell::Whole(n) => N::try_from(n).ok(),
        Cell::Float(_) | Cell::Text(_) => None,
    };
    *unread += u64::from(number.is_none());
    number.unwrap_or_default()
}

/// Drops the values of rows that are left out.
fn keep<V>(column: &mut Vec<V>, rejected: &[bool]) {
    let mut rejected = rejected.iter();
    column.retain(|_| rejected.next() == Some(&false));
}

/// Drops the links of rows that are left out and renumbers the others.
fn renumber(links: &mut Vec<Link>, rejected: &[bool]) {
    if links.is_empty() {
        return;
    }
    let mut kept = 0;
    let new_row: Vec<Option<u32>> = rejected
        .iter()
        .map(|&out| {
            let row = kept;
            kept += u32::from(!out);
            (!out).then_some(row)
        })
        .collect();
    links.retain_mut(|link| match new_row[link.row as usize] {
        Some(row) => {
            link.row = row;
            true
        }
        None => false,
    });
}
