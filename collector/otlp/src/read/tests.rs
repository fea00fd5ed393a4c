use std::io::{self, Write as _};

use resus_model::SkipReason;

use super::*;

/// An object with spans of these numbers.
fn object(spans: std::ops::Range<u64>) -> String {
    let spans: Vec<_> = spans
        .map(|n| {
            format!(
                r#"{{"traceId":"{:032x}","spanId":"{:016x}","name":"GET /\"cart\"[{{","startTimeUnixNano":"{}","endTimeUnixNano":"{}"}}"#,
                n + 1,
                n + 1,
                n + 10,
                n + 20
            )
        })
        .collect();
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"cart"}}}}]}},"scopeSpans":[{{"spans":[{}]}}]}}]}}"#,
        spans.join(",")
    )
}

/// The same text with every bracket and comma on a line of its own, strings left alone.
fn pretty(text: &str) -> String {
    let mut out = String::new();
    let (mut in_text, mut escaped) = (false, false);
    for c in text.chars() {
        if !in_text && "{}[],".contains(c) {
            out.push('\n');
            out.push(c);
            out.push_str("\r\n  ");
        } else {
            out.push(c);
        }
        in_text ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
    }
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("in memory")
}

fn framed(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for payload in payloads {
        bytes.extend(u32::try_from(payload.len()).expect("short").to_be_bytes());
        bytes.extend(payload);
    }
    bytes
}

/// Gives at most so many bytes at a time.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.1.min(into.len());
        let (piece, rest) = self.0.split_at(n.min(self.0.len()));
        into[..piece.len()].copy_from_slice(piece);
        self.0 = rest;
        Ok(piece.len())
    }
}

/// All spans' numbers, in order, and what came of it.
fn all(bytes: &[u8], piece: usize) -> (Vec<u64>, Quality, Result<(), ReadError>) {
    let (mut starts, mut quality) = (Vec::new(), Quality::default());
    let mut sink = |batch: SpanBatch| {
        assert!(!batch.is_empty());
        starts.extend(batch.start_unix_nano.iter().map(|start| start - 10));
    };
    let result = read(Pieces(bytes, piece), "dump.jsonl", &mut sink, &mut quality);
    (starts, quality, result)
}

#[track_caller]
fn check(bytes: &[u8], spans: u64) {
    for piece in [usize::MAX, 7, 1] {
        let (starts, quality, result) = all(bytes, piece);
        result.expect("right");
        assert_eq!(starts, (0..spans).collect::<Vec<_>>(), "in pieces of {piece}");
        assert_eq!(quality, Quality::default());
    }
}

/// The error, whatever the pieces, and that so many spans came before it.
#[track_caller]
fn fault(bytes: &[u8], spans: u64) -> ReadError {
    let (_, _, whole) = all(bytes, usize::MAX);
    let (starts, _, result) = all(bytes, 3);
    let error = result.expect_err("broken");
    assert_eq!(starts, (0..spans).collect::<Vec<_>>(), "spans before the fault are handed over");
    assert_eq!(error.spans, spans);
    assert_eq!(error.to_string(), whole.expect_err("broken").to_string());
    error
}

#[test]
fn objects_are_read_however_they_are_laid_out() {
    let (a, b, c) = (object(0..2), object(2..3), object(3..6));
    for text in [
        format!("{a}\n{b}\n{c}\n"),
        format!("{a}\r\n\r\n{b}\n{c}"),
        format!("{a}{b}{c}"),
        format!(" {a} {b}\n{c}{{}}"),
        format!("[{a},{b},{c}]"),
        format!("[\n{a}\n,\n{b},{c}\n]\n"),
        format!("[{a}]\n[{b},{c}]\n[]"),
        format!("[[{a}],[{b},{c}]]"),
        format!("{a}\n[{b}]\n{c}\n"),
        pretty(&format!("{a}{b}{c}")),
        pretty(&format!("[{a},{b},{c}]")),
        format!("{a}\n{}{c}", pretty(&b)),
        format!("{a}\n{{\n}}\n{b}\n{c}"),
        format!("{{\"trace\":{a}}}\n{{\"result\":{b}}}\n{}", c.replace("resourceSpans", "batches")),
    ] {
        check(text.as_bytes(), 6);
    }
}

#[test]
fn compressed_files_are_read() {
    let (a, b) = (object(0..3), object(3..5));
    let text = format!("{a}\n{b}\n");
    check(&gzip(text.as_bytes()), 5);
    check(&zstd(text.as_bytes()), 5);
    // Several members, as `cat a.gz b.gz` makes them.
    let (first, second) = (format!("{a}\n"), format!("{b}\n"));
    check(&[gzip(first.as_bytes()), gzip(second.as_bytes())].concat(), 5);
    check(&[zstd(first.as_bytes()), zstd(second.as_bytes())].concat(), 5);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4][..], &zstd(text.as_bytes())];
    check(&skippable.concat(), 5);
}

#[test]
fn framed_records_are_read() {
    let (a, b) = (object(0..3).into_bytes(), object(3..5).into_bytes());
    check(&framed(&[zstd(&a), zstd(&b)]), 5);
    check(&framed(&[a.clone(), b.clone()]), 5);
    check(&framed(&[a.clone(), Vec::new(), [&b[..], b"\n"].concat()]), 5);
    check(&framed(&[[&a[..], &b[..]].concat()]), 5);
    check(&gzip(&framed(&[zstd(&a), b])), 5);
}

#[test]
fn batches_are_bounded_and_rows_of_links_start_anew() {
    let link = r#""links":[{"traceId":"00000000000000000000000000000001","spanId":"0000000000000002"}],"name""#;
    let text: String = (0..70)
        .map(|n| object(n * 1000..(n + 1) * 1000).replace("\"name\"", link) + "\n")
        .collect();
    let mut lengths = Vec::new();
    let mut quality = Quality::default();
    let mut sink = |batch: SpanBatch| {
        let rows: Vec<_> = batch.links.iter().map(|link| link.row as usize).collect();
        assert_eq!(rows, (0..batch.len()).collect::<Vec<_>>());
        assert_eq!(batch.names.len(), 3, "each batch has names of its own");
        lengths.push(batch.len());
    };
    read(text.as_bytes(), "dump.jsonl", &mut sink, &mut quality).expect("right");
    assert_eq!(lengths, [66_000, 4000]);
}

#[test]
fn a_line_longer_than_the_limit_is_read() {
    let padding = "x".repeat(LINE_LIMIT + 5);
    let long = object(0..1).replacen('{', &format!("{{\"padding\":\"{padding}\","), 1);
    let text = format!("{long}\n{}\n", object(1..2));
    let (starts, _, result) = all(text.as_bytes(), usize::MAX);
    result.expect("right");
    assert_eq!(starts, [0, 1]);
}

#[test]
fn odd_things_are_counted_with_file_and_record() {
    let first = object(0..1) + "\n";
    let second = object(1..3).replacen("00000002\",\"name", "\",\"name", 1);
    let text = format!("\u{feff}{first}{second}\n{{\"resourceLogs\":[]}}\n");
    let (starts, quality, result) = all(text.as_bytes(), usize::MAX);
    result.expect("right");
    assert_eq!(starts, [0, 2]);
    let place = format!(
        "dump.jsonl, record at byte {}: resourceSpans[0].scopeSpans[0].spans[0].spanId",
        3 + first.len()
    );
    assert_eq!(quality.skipped[&SkipReason::SpanId], (1, place));
    assert_eq!(quality.lenient["byte order mark"], 1);
    assert_eq!(quality.lenient["records of logs, metrics or profiles"], 1);
}

#[test]
fn a_broken_record_names_field_offset_and_what_to_do() {
    let good = object(0..2) + "\n";
    let bad = object(2..4).replace("\"13\"", "true");
    let at = good.len() + bad.find("true").expect("put in") + 3;
    for rest in ["\n", &format!("\n{}\n", object(4..5))] {
        let error = fault(format!("{good}{bad}{rest}").as_bytes(), 2);
        assert_eq!(
            error.to_string(),
            format!(
                "read dump.jsonl at byte {at}, resourceSpans[0].scopeSpans[0].spans[1].startTimeUnixNano: \
                 invalid type: boolean `true`, expected nanoseconds since the Unix epoch as a number or \
                 decimal text; 2 spans were read before it; correct or remove the record that begins \
                 at byte {}",
                good.len()
            )
        );
    }
    // In a printed object and in a list the offset counts from the file's beginning just so.
    let printed = format!("[{good},\n {bad}]");
    let error = fault(printed.as_bytes(), 2);
    assert_eq!(error.offset as usize, printed.find("true").expect("put in") + 3);
}

#[test]
fn a_file_that_is_cut_off_says_so() {
    let (a, b) = (object(0..2), object(2..4));
    let text = format!("{a}\n{b}\n");
    for cut in [a.len() + 2, a.len() + 40, text.len() - 2] {
        let error = fault(&text.as_bytes()[..cut], 2);
        assert!(error.is_cut_off(), "{error}");
        assert_eq!(error.offset as usize, cut - 1, "{error}");
        let wanted = format!(
            "the file ends in the middle of the record that begins at byte {}; 2 spans were read before it; \
             copy the file again, or keep its whole records, the first {} bytes",
            a.len() + 1,
            a.len() + 1
        );
        assert!(error.to_string().ends_with(&wanted), "{error}");
        // With a newline behind the cut it is the same.
        assert!(fault(&[&text.as_bytes()[..cut], b"\n"].concat(), 2).is_cut_off());
    }
    assert!(fault(&text.as_bytes()[..9], 0).is_cut_off());
    assert!(fault(format!("[{a},").as_bytes(), 2).is_cut_off());
    assert!(fault(pretty(&a).trim_end_matches("}\r\n  ").as_bytes(), 0).is_cut_off());
    let frames = framed(&[zstd(a.as_bytes()), zstd(b.as_bytes())]);
    for cut in [3, 6 + zstd(a.as_bytes()).len(), frames.len() - 1] {
        let error = fault(&frames[..cut], if cut == 3 { 0 } else { 2 });
        if cut > 3 {
            assert!(error.is_cut_off(), "{error}");
        }
    }
    // The whole compressed.
    let big: Vec<u8> = (0..200).flat_map(|n| (object(n..n + 1) + "\n").into_bytes()).collect();
    for compressed in [gzip(&big), zstd(&big)] {
        let (starts, _, result) = all(&compressed[..compressed.len() - 40], 100);
        let error = result.expect_err("cut");
        assert_eq!(error.spans as usize, starts.len());
        assert!(error.to_string().contains("the file was cut off"), "{error}");
        assert!(error.to_string().ends_with("test the file and copy it again"), "{error}");
    }
}

#[test]
fn files_of_something_else_are_refused_with_a_word_of_what_they_are() {
    for (bytes, part) in [
        (&b""[..], "the file is empty"),
        (b" \n\r\n", "the file is empty"),
        (b"PAR1\x15\x04\x15", "found Parquet"),
        (b"ARROW1\0\0", "found an Arrow file"),
        (b"PK\x03\x04\x14\0\0\0", "found a zip archive"),
        (b"\xff\xfe{\0\"\0r\0", "found UTF-16 text"),
        (b"\x0a\x90\x03\x0a\x20\x0a\x1e\x0a", "found OTLP protobuf"),
        (b"\0\0\0\x06\x0a\x04\x0a\x02\x0a\0", "found OTLP protobuf"),
        (b"traceID,spanID\n1,2\n", "found text"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0", "found binary data"),
        (b"\x80", "found binary data"),
        (br#"{"data":[{"traceID":"1","spans":[]}]}"#, "this is the JSON of Jaeger's API or page"),
        (br#"[{"traceId":"1","id":"2"}]"#, "this is Zipkin JSON"),
        (br#"{"traceEvents":[]}"#, "this is a Chrome trace"),
        (br#"{"foo":[]}"#, "found the key `foo`, expected resourceSpans; "),
        (br#"{"resourceMetrics":[]}"#, "found logs, metrics or profiles"),
        (br#"{"resourceSpans":7}"#, "invalid type: integer `7`"),
        (b"{\"a\x00", "the file ends in the middle"),
        (b"{\x01\x02garbage}", "key must be a string"),
        (b"[{} {}]", "expected `,` or `]`"),
        (b"[,]", "expected value"),
    ] {
        let error = fault(bytes, 0);
        assert!(error.to_string().contains(part), "{error}");
        assert!(error.to_string().contains("; no span was read before it; "), "{error}");
    }
    for bytes in [gzip(b""), zstd(b"")] {
        assert!(matches!(*fault(&bytes, 0).kind, ReadErrorKind::Empty));
    }
    let twice = gzip(&gzip(object(0..1).as_bytes()));
    assert!(fault(&twice, 0).to_string().contains("compressed twice"));
}

#[test]
fn frames_that_are_none_are_refused() {
    let a = zstd(object(0..2).as_bytes());
    let good = framed(std::slice::from_ref(&a));
    let error = fault(&[&good[..], &[0xff; 12]].concat(), 2);
    assert_eq!(error.offset as usize, good.len());
    let text = error.to_string();
    assert!(text.contains("found a length of 4294967295 bytes before a framed record"), "{text}");
    let mut broken = a.clone();
    broken[8] ^= 0x55;
    broken.truncate(20);
    let error = fault(&[good.clone(), framed(&[broken])].concat(), 2);
    assert!(error.to_string().contains("does not decompress"), "{error}");
    let error = fault(&[good.clone(), framed(&[b"xyz".to_vec()])].concat(), 2);
    assert!(matches!(*error.kind, ReadErrorKind::FramePayload), "{error}");
    let bad = object(2..3).replace("\"12\"", "true");
    let error = fault(&[good.clone(), framed(&[zstd(bad.as_bytes())])].concat(), 2);
    let within = bad.find("true").expect("put in") + 3;
    assert!(
        error.to_string().starts_with(&format!(
            "read dump.jsonl at byte {}, byte {within} within the framed record, resourceSpans[0].scopeSpans[0].spans[0].startTimeUnixNano: ",
            good.len()
        )),
        "{error}"
    );
}

#[test]
fn what_cannot_be_read_is_said() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk on fire"))
        }
    }
    let mut quality = Quality::default();
    let error = read(Failing, "x", &mut |_| {}, &mut quality).expect_err("fails");
    assert_eq!(
        error.to_string(),
        "read x at byte 0: disk on fire; no span was read before it; see that the file can be read"
    );
}

mod mutated {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Whatever is done to a file, reading ends with spans or an error, never a panic, and does not
        /// depend on how the bytes arrive.
        #[test]
        fn broken_bytes_end_in_an_answer_that_does_not_depend_on_pieces(
            form in 0..4_usize,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..4),
            piece in 1..50_usize,
        ) {
            let (a, b) = (object(0..2), object(2..3));
            let mut bytes = match form {
                0 => format!("{a}\n{b}\n").into_bytes(),
                1 => format!("[{a},\n{b}]").into_bytes(),
                2 => framed(&[a.into_bytes(), zstd(b.as_bytes())]),
                _ => pretty(&format!("{a}{b}")).into_bytes(),
            };
            for (at, byte, change) in changes {
                let at = at.index(bytes.len());
                match change {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => bytes.truncate(at + 1),
                }
            }
            let (starts, quality, result) = all_rows(&bytes, usize::MAX);
            let (again, quality_again, result_again) = all_rows(&bytes, piece);
            prop_assert_eq!(&starts, &again);
            prop_assert_eq!(quality, quality_again);
            prop_assert_eq!(result.clone().err(), result_again.err());
            prop_assert!(starts.len() <= 3);
        }
    }

    fn all_rows(bytes: &[u8], piece: usize) -> (Vec<u64>, Quality, Result<(), String>) {
        let (mut starts, mut quality) = (Vec::new(), Quality::default());
        let mut sink = |batch: SpanBatch| starts.extend(batch.start_unix_nano);
        let result = read(Pieces(bytes, piece), "dump", &mut sink, &mut quality);
        (starts, quality, result.map_err(|error| error.to_string()))
    }
}
