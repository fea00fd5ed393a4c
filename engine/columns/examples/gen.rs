use arrow_array::builder::*;
use arrow_array::*;
use std::sync::Arc;
fn main() {
    let n: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let group: usize = std::env::args().nth(3).unwrap().parse().unwrap();
    let mix = |i: u64| (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
    let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let mut out: Option<parquet::arrow::ArrowWriter<std::fs::File>> = None;
    let mut at = 0;
    while at < n {
        let m = (n - at).min(100_000);
        let r = at..at + m;
        let text = |f: &dyn Fn(u64) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(r.clone().map(f))) };
        let mut res = MapBuilder::new(Some(names.clone()), StringBuilder::new(), StringBuilder::new());
        let mut att = MapBuilder::new(Some(names.clone()), StringBuilder::new(), StringBuilder::new());
        let mut ev = ListBuilder::new(StringBuilder::new());
        for i in r.clone() {
            for (k, v) in [("service.name", format!("service-{}", i % 30)), ("service.instance.id", format!("instance-of-service-{}-{}", i % 30, i % 7)), ("k8s.pod.name", format!("service-{}-7d9f8b-{}", i % 30, i % 7)), ("k8s.node.name", format!("node-{}", i % 5)), ("telemetry.sdk.language", "go".into()), ("telemetry.sdk.name", "opentelemetry".into()), ("service.version", "1.2.3".into()), ("os.description", "Alpine Linux 3.18.0 (Linux buildkitsandbox 5.15)".into())] {
                res.keys().append_value(k); res.values().append_value(v);
            }
            res.append(true).unwrap();
            for (k, v) in [("http.request.method", "GET".to_string()), ("url.full", format!("http://shop.example/cart/{:x}/items?page={}", mix(i), i % 10)), ("http.response.status_code", "200".into()), ("server.address", format!("host-{}", i % 30)), ("server.port", "8080".into()), ("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36".into()), ("thread.id", format!("{}", i % 64))] {
                att.keys().append_value(k); att.values().append_value(v);
            }
            att.append(true).unwrap();
            if i % 50 == 0 { ev.values().append_value("exception"); }
            ev.append(true);
        }
        let cols: Vec<(&str, ArrayRef)> = vec![
            ("Timestamp", Arc::new(TimestampNanosecondArray::from_iter_values(r.clone().map(|i| 1_700_000_000_000_000_000 + (i * 1000) as i64)).with_timezone("UTC"))),
            ("TraceId", text(&|i| format!("{:016x}{:016x}", mix(i / 15), mix(i / 15 + 7)))),
            ("SpanId", text(&|i| format!("{:016x}", mix(i)))),
            ("ParentSpanId", text(&|i| if i % 15 == 0 { String::new() } else { format!("{:016x}", mix(i - 1)) })),
            ("TraceState", text(&|_| String::new())),
            ("SpanName", text(&|i| format!("GET /api/operation/{}", i % 300))),
            ("SpanKind", text(&|i| ["Server", "Client", "Internal"][(i % 3) as usize].into())),
            ("ServiceName", text(&|i| format!("service-{}", i % 30))),
            ("ResourceAttributes", Arc::new(res.finish())),
            ("SpanAttributes", Arc::new(att.finish())),
            ("Duration", Arc::new(UInt64Array::from_iter_values(r.clone().map(|i| mix(i) % 10_000_000)))),
            ("StatusCode", text(&|i| if i % 100 == 0 { "Error".into() } else { "Unset".into() })),
            ("Events.Name", Arc::new(ev.finish())),
        ];
        let b = RecordBatch::try_from_iter(cols).unwrap();
        let w = out.get_or_insert_with(|| {
            let p = parquet::file::properties::WriterProperties::builder().set_compression(parquet::basic::Compression::ZSTD(Default::default())).set_max_row_group_row_count(Some(group)).build();
            parquet::arrow::ArrowWriter::try_new(std::fs::File::create(std::env::args().nth(1).unwrap()).unwrap(), b.schema(), Some(p)).unwrap()
        });
        w.write(&b).unwrap();
        at += m;
    }
    out.unwrap().close().unwrap();
}
