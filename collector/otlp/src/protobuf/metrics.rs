//! Metrics. All of a request is checked first; then points are counted, and those of wanted metrics read.

use resus_model::Interner;
use resus_model::attributes::{Place, Role};

use super::fault::Fault;
use super::names::Keys;
use super::roles::Roles;
use super::schema;
use super::utf8::Utf8;
use super::value::{self, known_attribute};
use super::wire::{DEPTH, FIXED64, Fields, LENGTH, VARINT, key};
use crate::json_text::JsonText;
use crate::metrics::{DELTA, Gauge, Point};
use crate::sender::{Sender, UNKNOWN_SERVICE};

/// Lists of points stand under this key in metrics of all kinds.
const DATA_POINTS: u32 = key(1, LENGTH);

const GAUGE: u32 = key(5, LENGTH);
const SUM: u32 = key(7, LENGTH);
const HISTOGRAM: u32 = key(9, LENGTH);
const EXPONENTIAL_HISTOGRAM: u32 = key(10, LENGTH);
const SUMMARY: u32 = key(11, LENGTH);

/// Reads a request of metrics; gives the points of the wanted ones, and how many there were in all.
pub(super) fn metrics(body: &[u8], wanted: &[&str]) -> Result<(Vec<Gauge>, u64), Fault> {
    const RESOURCE_METRICS: u32 = key(1, LENGTH);
    const SCOPE_METRICS: u32 = key(2, LENGTH);
    const METRICS: u32 = key(2, LENGTH);
    schema::METRICS.check(body, DEPTH, &mut Utf8::of(body))?;
    let (mut gauges, mut points) = (Vec::new(), 0);
    for resource_metrics in Fields::of(body).messages(RESOURCE_METRICS) {
        let first = gauges.len();
        for scope_metrics in Fields::of(resource_metrics).messages(SCOPE_METRICS) {
            for metric in Fields::of(scope_metrics).messages(METRICS) {
                points += read(metric, wanted, &mut gauges);
            }
        }
        if gauges.len() > first {
            let (service, instance) = sender(resource_metrics);
            for gauge in &mut gauges[first..] {
                (gauge.service, gauge.instance) = (service.clone(), instance.clone());
            }
        }
    }
    Ok((gauges, points))
}

/// Service and instance of the resource.
fn sender(resource_metrics: &[u8]) -> (String, String) {
    const RESOURCE: u32 = key(1, LENGTH);
    const ATTRIBUTES: u32 = key(1, LENGTH);
    let (mut sender, mut roles, mut keys) = (Sender::default(), Roles::default(), Keys::new());
    let mut names = Interner::new();
    for resource in Fields::of(resource_metrics).messages(RESOURCE) {
        for bytes in Fields::of(resource).messages(ATTRIBUTES) {
            let (text, value) = known_attribute(bytes);
            if let Some(key) = keys.key(text, Place::Resource) {
                value::with_joined(value, bytes, |value| {
                    roles.take(key, value, |text| {
                        let text = std::str::from_utf8(text).expect("texts were checked");
                        if let Some(name) = sender.name_mut(key.role) {
                            *name = names.intern(text);
                        }
                    });
                });
            }
        }
    }
    let text = |role: Role| sender.name_mut(role).map_or("", |name| names.text(*name)).to_owned();
    let [service, instance] = [Role::Service, Role::Instance].map(text);
    (if service.is_empty() { UNKNOWN_SERVICE.to_owned() } else { service }, instance)
}

/// Reads a metric; gives how many points it has.
fn read(metric: &[u8], wanted: &[&str], gauges: &mut Vec<Gauge>) -> u64 {
    const NAME: u32 = key(1, LENGTH);
    const TEMPORALITY: u32 = key(2, VARINT);
    let mut name: &[u8] = &[];
    // A metric has one kind of data: of several the last, which may come in pieces.
    let mut kind = 0;
    let mut pieces = Vec::new();
    for (key, mut field) in Fields::of(metric) {
        match key {
            NAME => name = field.bytes().unwrap_or_default(),
            GAUGE | SUM | HISTOGRAM | EXPONENTIAL_HISTOGRAM | SUMMARY => {
                if key != kind {
                    kind = key;
                    pieces.clear();
                }
                pieces.push(field.bytes().unwrap_or_default());
            }
            _ => {}
        }
    }
    let lists = pieces.iter().flat_map(|piece| Fields::of(piece).messages(DATA_POINTS));
    let temporality = pieces.iter().flat_map(|piece| Fields::of(piece));
    let temporality = temporality.filter(|(key, _)| *key == TEMPORALITY).last();
    let delta = temporality.is_some_and(|(_, mut field)| field.varint().ok() == Some(DELTA as u64));
    let kept = (kind == GAUGE || (kind == SUM && !delta))
        && wanted.iter().any(|wanted| wanted.as_bytes() == name);
    if !kept {
        return lists.count() as u64;
    }
    let name = std::str::from_utf8(name).expect("texts were checked");
    let mut points = 0;
    for bytes in lists {
        points += 1;
        gauges.extend(gauge(bytes, name));
    }
    points
}

/// Reads a number point, if it has a number. Who sends is filled in later.
fn gauge(bytes: &[u8], name: &str) -> Option<Gauge> {
    const TIME: u32 = key(3, FIXED64);
    const AS_DOUBLE: u32 = key(4, FIXED64);
    const AS_INT: u32 = key(6, FIXED64);
    const ATTRIBUTES: u32 = key(7, LENGTH);
    const FLAGS: u32 = key(8, VARINT);
    let mut point = Point::default();
    let mut json = JsonText::default();
    let mut open = json.open();
    for (key, mut field) in Fields::of(bytes) {
        match key {
            TIME => point.unix_nano = field.fixed64().unwrap_or_default(),
            AS_DOUBLE => point.value = field.fixed64().ok().map(f64::from_bits),
            #[expect(
                clippy::cast_precision_loss,
                reason = "a gauge has what precision a double has"
            )]
            AS_INT => point.value = field.fixed64().ok().map(|n| n.cast_signed() as f64),
            #[expect(clippy::cast_possible_truncation, reason = "protobuf says so")]
            FLAGS => point.flags = field.varint().unwrap_or_default() as u32,
            ATTRIBUTES => {
                let bytes = field.bytes().unwrap_or_default();
                let (text, value) = known_attribute(bytes);
                if json.key(&mut open, text) {
                    value::with_joined(value, bytes, |value| value::write(value, 0, &mut json));
                }
            }
            _ => {}
        }
    }
    json.close(open);
    Some(Gauge {
        service: String::new(),
        instance: String::new(),
        name: name.to_owned(),
        attributes: json.as_str().to_owned(),
        unix_nano: point.unix_nano,
        value: point.finite()?,
    })
}
