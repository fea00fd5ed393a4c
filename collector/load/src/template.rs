//! How does the next body come from the one before without encoding it anew?
//!
//! Ids and times of a span have fixed lengths, so they can be overwritten where they stand.

use prost::Message as _;

use crate::body::{self, Shape, ShapeError};
use crate::ids::Ids;
use crate::wire::{Fields, Value};

/// A body of some shape, and the places in it where ids and times stand.
#[derive(Debug, Clone)]
pub struct Template {
    bytes: Vec<u8>,
    places: Vec<Place>,
    ids: Ids,
}

/// Where one span keeps what differs from request to request.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    row: u32,
    trace_at: u32,
    span_at: u32,
    /// 0: the span is a root. No field begins at 0.
    parent_at: u32,
    parent_row: u32,
    /// 1: the parent came with the request before.
    parent_back: u32,
    start_at: u32,
    end_at: u32,
    started_ago: u64,
    ended_ago: u64,
}

impl Template {
    /// Encodes a body of that shape.
    ///
    /// # Errors
    /// A number of the shape is out of range.
    pub fn new(shape: &Shape, seed: u64) -> Result<Self, ShapeError> {
        let ids = shape.ids(seed)?;
        let (request, rows) = body::build(shape, &ids);
        let bytes = request.encode_to_vec();
        let places = spans(&bytes)
            .zip(rows)
            .map(|(span, row)| {
                let mut place = Place {
                    row: row.row,
                    parent_row: row.parent.map_or(0, |(parent, _)| parent),
                    parent_back: row.parent.map_or(0, |(_, before)| u32::from(before)),
                    started_ago: row.started_ago,
                    ended_ago: row.ended_ago,
                    ..Place::default()
                };
                for (number, value) in Fields::new(&bytes[span.0..span.1]) {
                    let Value::Bytes(from, _) = value else { continue };
                    let at = (span.0 + from) as u32;
                    match number {
                        1 => place.trace_at = at,
                        2 => place.span_at = at,
                        4 => place.parent_at = at,
                        7 => place.start_at = at,
                        8 => place.end_at = at,
                        _ => {}
                    }
                }
                place
            })
            .collect();
        Ok(Self { bytes, places, ids })
    }

    /// A body as `ExportTraceServiceRequest` in protobuf; its ids and times are those of no request
    /// until [`fill`](Self::fill) has been over a copy.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The ids that `fill` writes.
    #[must_use]
    pub const fn ids(&self) -> Ids {
        self.ids
    }

    /// Makes `body`, a copy of [`bytes`](Self::bytes), the body of the request with that number, with
    /// times shortly before `now` (nanoseconds of Unix time). What was filled in before is overwritten.
    ///
    /// # Panics
    /// `body` is shorter than the template.
    pub fn fill(&self, body: &mut [u8], request: u64, now: u64) {
        let body = &mut body[..self.bytes.len()];
        for place in &self.places {
            write(body, place.trace_at, self.ids.trace(request, place.row));
            write(body, place.span_at, self.ids.span(request, place.row));
            write(body, place.start_at, now.saturating_sub(place.started_ago).to_le_bytes());
            write(body, place.end_at, now.saturating_sub(place.ended_ago).to_le_bytes());
            if place.parent_at > 0 {
                let with = request.wrapping_sub(u64::from(place.parent_back));
                write(body, place.parent_at, self.ids.span(with, place.parent_row));
            }
        }
    }
}

fn write<const N: usize>(body: &mut [u8], at: u32, bytes: [u8; N]) {
    let at = at as usize;
    body[at..at + N].copy_from_slice(&bytes);
}

/// Where the spans of a request lie, in order.
fn spans(request: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let within = move |outer: (usize, usize), number: u64| {
        Fields::new(&request[outer.0..outer.1]).filter_map(move |(n, value)| match value {
            Value::Bytes(from, to) if n == number => Some((outer.0 + from, outer.0 + to)),
            _ => None,
        })
    };
    within((0, request.len()), 1).flat_map(move |r| within(r, 2)).flat_map(move |s| within(s, 2))
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use proptest::prelude::*;

    use super::*;

    fn decoded(body: &[u8]) -> Vec<Span> {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        let scopes = request.resource_spans.into_iter().flat_map(|r| r.scope_spans);
        scopes.flat_map(|s| s.spans).collect()
    }

    fn filled(template: &Template, request: u64, now: u64) -> Vec<Span> {
        let mut body = template.bytes().to_vec();
        template.fill(&mut body, 77, 1);
        template.fill(&mut body, request, now);
        decoded(&body)
    }

    proptest! {
        #[test]
        fn a_filled_body_decodes_to_the_spans_it_should_hold(
            spans in 1u32..200, services in 1u32..8, split in 0.0..=1.0f64, request in 1u64..1 << 30,
        ) {
            let shape = Shape { spans, services, split, ..Shape::typical(spans) };
            let template = Template::new(&shape, 3).unwrap();
            let ids = template.ids();
            let found = filled(&template, request, 2_000_000_000_000);
            prop_assert_eq!(found.len(), spans as usize);
            let mut rows: Vec<u32> = Vec::new();
            for span in &found {
                let (of, row) = ids.find(span.span_id.as_slice().try_into().unwrap()).unwrap();
                prop_assert_eq!(of, request);
                prop_assert_eq!(&span.trace_id, &ids.trace(request, row).to_vec());
                prop_assert!(span.start_time_unix_nano < span.end_time_unix_nano);
                prop_assert!(span.end_time_unix_nano < 2_000_000_000_000);
                if !span.parent_span_id.is_empty() {
                    let parent = span.parent_span_id.as_slice().try_into().unwrap();
                    let (of, parent) = ids.find(parent).unwrap();
                    prop_assert_eq!(&span.trace_id, &ids.trace(of, parent).to_vec());
                    prop_assert!(of == request || of + 1 == request);
                }
                rows.push(row);
            }
            rows.sort_unstable();
            prop_assert_eq!(rows, (0..spans).collect::<Vec<_>>());
        }
    }
}
