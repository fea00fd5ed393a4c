//! What the tests send, and how it is answered.

use hyper::header::HeaderValue;

use super::bodies::{Place, Span, gauges, in_json, protobuf};
use super::client::{Answer, Grpc, TRACES};
use super::talk::{Talk, spans_of};
use super::texts::NO_TEXTS;
use super::{BEARER, CUT, CUT_TRACE, GAUGE, JSON, PROTOBUF, REFUSED_TRACE, TOGETHER};
use crate::serve::block_on;

/// Sends every text over every transport and in every encoding.
pub(super) fn send_texts(talk: &mut Talk, texts: &[String]) {
    for (request, texts) in texts.chunks(TOGETHER).enumerate() {
        let body = protobuf(&spans_of(0, request, texts, talk.start));
        let answer = talk.post(PROTOBUF, &body);
        assert_eq!((answer.status, answer.body), (200, Vec::new()), "{texts:?}");
        talk.good();
        let body = in_json(&spans_of(1, request, texts, talk.start)).to_string();
        let answer = talk.post(JSON, body.as_bytes());
        assert_eq!((answer.status, answer.body), (200, b"{}".to_vec()), "{texts:?}");
        talk.good();
        talk.taken += 2 * texts.len() as u64;
    }
    let metrics = gauges(GAUGE, texts, talk.start).to_string();
    let headers = format!("{BEARER}Content-Type: {JSON}\r\n");
    let answer = talk.receiver.send("POST", b"/v1/metrics", headers.as_bytes(), metrics.as_bytes());
    assert_eq!((answer.status, answer.body), (200, b"{}".to_vec()));
    let start = talk.start;
    block_on(async {
        let mut grpc = Grpc::open(talk.collector.grpc).await;
        for (request, texts) in texts.chunks(TOGETHER).enumerate() {
            let body = protobuf(&spans_of(2, request, texts, start));
            let reply = grpc.call(TRACES, &[bearer("a-token-of-the-tests")], &body).await;
            assert_eq!(reply.code, 0, "{texts:?}: {reply:?}");
        }
    });
    talk.taken += texts.len() as u64;
}

pub(super) fn bearer(token: &str) -> (&'static str, HeaderValue) {
    ("authorization", format!("Bearer {token}").parse().expect("a token is a header's value"))
}

/// What is no text is refused wherever it stands, also beside a span that is as it should be.
pub(super) fn send_no_texts(talk: &mut Talk) {
    let start = talk.start;
    let body = |place: Place, bytes: &'static [u8]| {
        let text = move |bad: bool| move |at| if bad && at == place { bytes } else { &b"kept"[..] };
        let span = |id, bad| Span { trace: REFUSED_TRACE, id, start, text: text(bad) };
        protobuf(&[span(1, false), span(2, true)])
    };
    for bytes in NO_TEXTS {
        for place in Place::ALL {
            let answer = talk.post(PROTOBUF, &body(place, bytes));
            assert_eq!(answer.status, 400, "{bytes:?} as {place:?}");
            assert!(answer.is_status(PROTOBUF, 3), "{bytes:?} as {place:?}: {answer:?}");
        }
        talk.good();
    }
    // What is no JSON.
    for bytes in [&b"\\u12"[..], b"\\x41", b"\0", b"a\nb", b"\x1b[2J", b"\"", b"\\"] {
        let answer = talk.post(JSON, &json_with(REFUSED_TRACE, 1, start, bytes));
        assert_eq!(answer.status, 400, "{bytes:?}");
        assert!(answer.is_status(JSON, 3), "{bytes:?}: {answer:?}");
    }
    talk.good();
    block_on(async {
        let mut grpc = Grpc::open(talk.collector.grpc).await;
        for bytes in NO_TEXTS {
            for place in Place::ALL {
                let token = [bearer("a-token-of-the-tests")];
                let reply = grpc.call(TRACES, &token, &body(place, bytes)).await;
                assert_eq!(reply.code, 3, "{bytes:?} as {place:?}");
                assert!(reply.is_told(), "{bytes:?} as {place:?}: {reply:?}");
            }
        }
    });
    talk.good();
}

/// A request in JSON with these bytes in every place, as they are.
pub(super) fn json_with(trace: u128, id: u64, start: u64, bytes: &[u8]) -> Vec<u8> {
    let text = in_json(&[Span { trace, id, start, text: |_| &b"<here>"[..] }]).to_string();
    let parts: Vec<&[u8]> = text.split("<here>").map(str::as_bytes).collect();
    parts.join(bytes)
}

pub(super) fn send_cut_texts(talk: &mut Talk) {
    for (id, bytes) in (1..).zip(CUT) {
        let answer = talk.post(JSON, &json_with(CUT_TRACE, id, talk.start + id, bytes));
        assert_eq!((answer.status, answer.body), (200, b"{}".to_vec()), "{bytes:?}");
        talk.taken += 1;
    }
}

/// In headers: nobody looks at most of them, and as tokens they are wrong.
pub(super) fn send_as_headers(talk: &mut Talk, texts: &[String]) {
    let body = talk.plain();
    for text in texts {
        let headers = format!(
            "{BEARER}Content-Type: {PROTOBUF}\r\nUser-Agent: {text}\r\ntracestate: {text}\r\n"
        );
        let answer = talk.receiver.send("POST", b"/v1/traces", headers.as_bytes(), b"");
        assert!(answer.status == 200 || is_no_http(&answer), "{text:?}: {answer:?}");
        let token = format!("Authorization: Bearer {text}\r\nContent-Type: {PROTOBUF}\r\n");
        let answer = talk.receiver.send("POST", b"/v1/traces", token.as_bytes(), &body);
        let told = answer.status == 401 && answer.is_status(PROTOBUF, 16);
        assert!(told || is_no_http(&answer), "{text:?}: {answer:?}");
        let answer = talk.api.send("GET", b"/api/v1/status", token.as_bytes(), b"");
        assert!(answer.status == 401 || is_no_http(&answer), "{text:?}: {answer:?}");
    }
    talk.good();
    block_on(async {
        let mut grpc = Grpc::open(talk.collector.grpc).await;
        for text in texts {
            // Clients cannot send others.
            let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) else { continue };
            let headers = [bearer("a-token-of-the-tests"), ("user-agent", value)];
            let reply = grpc.call(TRACES, &headers, b"").await;
            assert_eq!(reply.code, 0, "{text:?}: {reply:?}");
            let token = HeaderValue::from_bytes(format!("Bearer {text}").as_bytes());
            let token = token.expect("its end is a header's value");
            let reply = grpc.call(TRACES, &[("authorization", token)], &body).await;
            assert_eq!(reply.code, 16, "{text:?}: {reply:?}");
        }
    });
}

/// Whether this answers what is no HTTP.
pub(super) fn is_no_http(answer: &Answer) -> bool {
    answer.status == 400 && answer.content_type.is_empty()
}

/// In paths and queries, as they are and escaped.
pub(super) fn send_in_urls(talk: &mut Talk, texts: &[String]) {
    let types = format!("{BEARER}Content-Type: {JSON}\r\n");
    let headers = types.as_bytes();
    for text in texts {
        let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for text in [text, &escaped] {
            for path in ["/v1/traces/", "/v1/traces?level="] {
                let target = format!("{path}{text}");
                let answer = talk.receiver.send("POST", target.as_bytes(), headers, b"{}");
                let told = match answer.status {
                    200 => answer.body == b"{}",
                    404 => answer.is_status(JSON, 12),
                    _ => is_no_http(&answer),
                };
                assert!(told, "{target:?}: {answer:?}");
            }
            for path in ["traces/", "classes?level="] {
                let target = format!("/api/v1/{path}{text}");
                let answer = talk.api.send("GET", target.as_bytes(), headers, b"");
                let told = match answer.status {
                    200 => answer.json().is_object(),
                    400 | 404 if !is_no_http(&answer) => answer.json()["error"].is_string(),
                    _ => is_no_http(&answer),
                };
                assert!(told, "{target:?}: {answer:?}");
            }
        }
    }
    talk.good();
}
