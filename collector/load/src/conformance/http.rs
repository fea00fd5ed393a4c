//! What HTTP asks of whoever speaks it: types, methods, framing, connections.

use std::time::Duration;

use bytes::Bytes;

use super::Weight::{Must, Robust, Should};
use super::cases::alive;
use super::judge::{BAD, Encoding, TOO_LARGE, Want, http_in_words};
use super::payload::{good, good_json};
use super::suite::{Ask, Suite, judge_http, within};
use crate::grpc::Channel;
use crate::http1::Answer;

const PROTOBUF: Encoding = Encoding::Protobuf;
const JSON: Encoding = Encoding::Json;

pub(crate) async fn run(suite: &mut Suite<'_>) {
    if suite.target.http.is_none() {
        return suite.skip("http".to_owned(), Must, "the target has no HTTP address");
    }
    types(suite).await;
    paths_and_methods(suite).await;
    framing(suite).await;
    connections(suite).await;
    expect_continue(suite).await;
    http2(suite).await;
    alive(suite, "http").await;
}

async fn types(suite: &mut Suite<'_>) {
    let typed = |value: &str, body| {
        Ask::traces(PROTOBUF, body).without("Content-Type").with("Content-Type", value)
    };
    for (name, value, encoding) in [
        ("type-with-charset", "application/json; charset=utf-8", JSON),
        ("type-with-charset-tight", "application/json;charset=\"UTF-8\"", JSON),
        ("type-in-capitals", "Application/JSON", JSON),
        ("type-in-capitals", "APPLICATION/X-PROTOBUF", PROTOBUF),
        ("type-with-parameter", "application/x-protobuf; v=1", PROTOBUF),
    ] {
        let body = if encoding == JSON { good_json() } else { good() };
        let id = (format!("http/{}/{name}", encoding.name()), Should);
        let sent = format!("a good request, Content-Type: {value}");
        suite.check_http(id, &sent, (typed(value, body), encoding), Want::Success).await;
    }
    let refused = Want::RefusedBare(&[415, 400]);
    for (name, value) in [
        ("type-text", "text/plain"),
        ("type-broken", "application"),
        ("type-like", "application/jsonp"),
    ] {
        let id = (format!("http/{name}"), Must);
        let sent = format!("a good request, Content-Type: {value}");
        suite.check_http(id, &sent, (typed(value, good_json()), JSON), refused).await;
    }
    let ask = Ask::traces(PROTOBUF, good()).without("Content-Type");
    let id = ("http/type-absent".to_owned(), Must);
    suite.check_http(id, "a good request without Content-Type", (ask, PROTOBUF), refused).await;
    let mut ask = Ask::traces(JSON, good_json()).without("Content-Type");
    ask.headers =
        vec![("cONTENT-tYPE", "application/json".to_owned()), ("ACCEPT", "*/*".to_owned())];
    let id = ("http/json/header-case".to_owned(), Must);
    suite.check_http(id, "header names in mixed case", (ask, JSON), Want::Success).await;
    let ask = Ask::traces(JSON, good_json()).with("Accept", "application/x-protobuf");
    let id = ("http/json/accept-other".to_owned(), Must);
    let sent = "JSON from a client that would accept protobuf: the request's type wins";
    suite.check_http(id, sent, (ask, JSON), Want::Success).await;
}

async fn paths_and_methods(suite: &mut Suite<'_>) {
    for encoding in Encoding::BOTH {
        let body = if encoding == JSON { good_json() } else { good() };
        let ask = Ask::post("/v1/nothing", encoding, body);
        let id = (format!("http/{}/unknown-path", encoding.name()), Must);
        let want = Want::Refused(&[404], &[]);
        suite.check_http(id, "a good request to /v1/nothing", (ask, encoding), want).await;
    }
    let ask = Ask::post("/v1/traces?source=test", PROTOBUF, good());
    let id = ("http/query".to_owned(), Should);
    suite
        .check_http(id, "a good request to /v1/traces?source=test", (ask, PROTOBUF), Want::Success)
        .await;
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let mut ask = Ask::traces(PROTOBUF, if method == "PUT" { good() } else { Vec::new() });
        ask.method = method;
        let found = suite.http(ask).await.and_then(|answer| {
            let allow = answer.header("allow").unwrap_or("(not said)");
            let words = format!("{}, Allow: {allow}", answer.status);
            let listed = allow.to_ascii_uppercase().contains("POST");
            // OPTIONS may be answered for its own sake.
            let fine = answer.status == 405 && listed || method == "OPTIONS" && answer.status < 300;
            if fine { Ok(words) } else { Err(words) }
        });
        let id = (format!("http/method-{}", method.to_ascii_lowercase()), Should);
        let expected = "405 with Allow: POST (RFC 9110, 15.5.6)";
        suite.note(id, &format!("{method} /v1/traces"), expected, found);
    }
}

async fn framing(suite: &mut Suite<'_>) {
    for encoding in Encoding::BOTH {
        let body = if encoding == JSON { good_json() } else { good() };
        let id = (format!("http/{}/chunked", encoding.name()), Must);
        let ask = Ask::traces(encoding, body).chunked(7);
        let sent = "a good request in chunks of 7 bytes with extensions and a trailer";
        suite.check_http(id, sent, (ask, encoding), Want::Success).await;
    }
    // Whether it answers or hangs up: it must not take the bytes for a request.
    let raw = [
        (
            "bad-chunk-size",
            Must,
            "a chunk whose size is no number",
            "POST /v1/traces HTTP/1.1\r\nHost: c\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        ),
        (
            "two-lengths",
            Must,
            "two different Content-Length (RFC 9112, 6.3)",
            "POST /v1/traces HTTP/1.1\r\nHost: c\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}\n",
        ),
        (
            "negative-length",
            Must,
            "a Content-Length below zero",
            "POST /v1/traces HTTP/1.1\r\nHost: c\r\nContent-Type: application/json\r\nContent-Length: -2\r\n\r\n{}",
        ),
        ("no-http", Robust, "a line that is no request line", "HELO collector\r\n\r\n"),
    ];
    for (name, weight, sent, bytes) in raw {
        let found = refuses(suite, bytes).await;
        suite.note((format!("http/{name}"), weight), sent, "400, or the connection closed", found);
    }
    let begin = "POST /v1/traces HTTP/1.1\r\nHost: c\r\n";
    let head = format!("{begin}X-Long: {}\r\n\r\n", "a".repeat(2 << 20));
    let found = refuses(suite, &head).await;
    let sent = "a header of 2 MiB";
    suite.note(
        ("http/long-header".to_owned(), Robust),
        sent,
        "431 or 400, or the connection closed",
        found,
    );
    let mut head = begin.to_owned();
    (0..10_000).for_each(|n| head += &format!("X-{n}: a\r\n"));
    head += "\r\n";
    let found = refuses(suite, &head).await;
    suite.note(
        ("http/many-headers".to_owned(), Robust),
        "10,000 headers",
        "431 or 400, or the connection closed",
        found,
    );
}

/// Sends bytes; `Ok` where they are refused as malformed or the connection is closed.
async fn refuses(suite: &Suite<'_>, request: &str) -> Result<String, String> {
    let credentials = match &suite.target.token {
        Some(token) => format!("Host: c\r\nAuthorization: Bearer {token}\r\n"),
        None => "Host: c\r\n".to_owned(),
    };
    let request = request.replacen("Host: c\r\n", &credentials, 1);
    let mut connection = suite.connect().await?;
    match tokio::time::timeout(suite.target.patience, connection.exchange(request.as_bytes())).await
    {
        Ok(Ok(answer)) if [400, 431].contains(&answer.status) => Ok(answer.status.to_string()),
        Ok(Ok(answer)) => Err(answer.status.to_string()),
        Ok(Err(error)) => Ok(error.to_string()),
        Err(_) => Err(format!("no answer within {:?}", suite.target.patience)),
    }
}

async fn connections(suite: &mut Suite<'_>) {
    let good_ask = suite.authorized(Ask::traces(PROTOBUF, good()));
    let errors = [
        ("bad-data", Ask::traces(PROTOBUF, vec![0xff; 8])),
        ("bad-json", Ask::traces(JSON, b"{".to_vec())),
        (
            "wrong-type",
            Ask::traces(PROTOBUF, good())
                .without("Content-Type")
                .with("Content-Type", "text/plain"),
        ),
        ("unknown-path", Ask::post("/v1/nothing", PROTOBUF, good())),
    ];
    for (name, ask) in errors {
        let ask = suite.authorized(ask);
        let found = match after(suite, &[ask.bytes(), good_ask.bytes()].concat(), 2, false).await {
            Ok(answers) => judge_http(Ok(answers[1].clone()), PROTOBUF, Want::Success),
            // An error may end the connection, if it says so.
            Err((answers, _)) if answers.last().is_some_and(Answer::closes) => {
                Ok("the connection closed, as announced".to_owned())
            }
            Err((_, why)) => Err(why),
        };
        suite.note(
            (format!("http/keep-alive-after-{name}"), Should),
            "a bad request and a good one on the same connection",
            "an error, then 200; or Connection: close with the error",
            found,
        );
    }
    let twenty = good_ask.bytes().repeat(20);
    let found = match after(suite, &twenty, 20, false).await {
        Ok(answers) => answers
            .iter()
            .find(|answer| !Want::Success.allows_http(answer, PROTOBUF))
            .map_or_else(|| Ok("20 times 200".to_owned()), |bad| Err(http_in_words(bad, PROTOBUF))),
        Err((answers, why)) => Err(format!("{} answers, then {why}", answers.len())),
    };
    let sent = "20 good requests without waiting for answers (RFC 9112, 9.3.2)";
    suite.note(("http/pipelining".to_owned(), Must), sent, "20 times 200", found);
    let last = good_ask.with("Connection", "close").bytes();
    let found = match after(suite, &last, 1, true).await {
        Ok(answers) => judge_http(Ok(answers[0].clone()), PROTOBUF, Want::Success),
        Err((_, why)) => Err(why),
    };
    let sent = "a good request with Connection: close";
    suite.note(
        ("http/connection-close".to_owned(), Must),
        sent,
        "200, then the connection closed",
        found,
    );
}

/// Sends bytes and reads so many answers; with `closed` the connection must end then.
async fn after(
    suite: &Suite<'_>,
    bytes: &[u8],
    count: usize,
    closed: bool,
) -> Result<Vec<Answer>, (Vec<Answer>, String)> {
    let mut answers = Vec::new();
    let mut work = async || {
        let mut connection = suite.connect().await?;
        within(suite.target.patience, connection.send(bytes)).await?;
        for _ in 0..count {
            answers.push(within(suite.target.patience, connection.answer()).await?);
        }
        if closed {
            let end = tokio::time::timeout(Duration::from_secs(2), connection.closed());
            end.await.map_err(|_| "the connection stays open")?;
        }
        Ok::<_, String>(())
    };
    match work().await {
        Ok(()) => Ok(answers),
        Err(why) => Err((answers, why)),
    }
}

async fn expect_continue(suite: &mut Suite<'_>) {
    let ask = suite.authorized(Ask::traces(PROTOBUF, good()).with("Expect", "100-continue"));
    let work = async {
        let mut connection = suite.connect().await?;
        connection.send(&ask.head()).await.map_err(|error| error.to_string())?;
        // curl waits for a second, then sends the body all the same.
        let waited = tokio::time::timeout(Duration::from_secs(1), connection.head()).await;
        connection.send(&ask.body).await.map_err(|error| error.to_string())?;
        let answer = within(suite.target.patience, connection.answer()).await?;
        let words = judge_http(Ok(answer), PROTOBUF, Want::Success)?;
        match waited {
            Ok(Ok((100, _))) => Ok(format!("100, then {words}")),
            Ok(Ok((status, _))) => Err(format!("{status}, then {words}")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("nothing for a second, then {words}")),
        }
    };
    let found = work.await;
    let sent = "a head with Expect: 100-continue, the body after the answer to it";
    suite.note(
        ("http/expect-continue".to_owned(), Must),
        sent,
        "100, then 200 (RFC 9110, 10.1.1)",
        found,
    );
    let Some(limit) = suite.target.limit else { return };
    let mut ask =
        suite.authorized(Ask::traces(PROTOBUF, Vec::new()).with("Expect", "100-continue"));
    ask.length = Some(limit + 1);
    let work = async {
        let mut connection = suite.connect().await?;
        connection.send(&ask.head()).await.map_err(|error| error.to_string())?;
        let answer = within(suite.target.patience, connection.answer()).await?;
        let interim = answer.interim.contains(&100);
        let words = judge_http(Ok(answer), PROTOBUF, TOO_LARGE)?;
        if interim { Err(format!("100, then {words}")) } else { Ok(words) }
    };
    let found = work.await;
    let sent = "a head with Expect: 100-continue that announces more than the limit";
    let expected =
        "413 with a google.rpc.Status in the request's content type, without 100 before it";
    suite.note(("http/expect-over-limit".to_owned(), Robust), sent, expected, found);
}

/// HTTP/2 with prior knowledge on the HTTP address. OTLP leaves it to the server.
async fn http2(suite: &mut Suite<'_>) {
    let Some(address) = suite.target.http else { return };
    for (name, body, want) in
        [("http2", good(), Want::Success), ("http2-bad-data", vec![0xff; 8], BAD)]
    {
        let name = format!("http/{name}");
        let call = async {
            let channel = Channel::open(address).await?;
            let mut head = suite.head(&channel, "/v1/traces");
            let kind = http::HeaderValue::from_static(PROTOBUF.content_type());
            head.headers_mut().insert("content-type", kind);
            channel.call(head, Bytes::from(body)).await
        };
        match within(suite.target.patience, call).await {
            Err(_) => suite.skip(name, Robust, "the HTTP address does not speak HTTP/2"),
            Ok(reply) => {
                let answer = Answer::of_http2(reply.http_status, &reply.headers, reply.body);
                let found = judge_http(Ok(answer), PROTOBUF, want);
                suite.note((name, Robust), "a request over HTTP/2", &want.in_words(false), found);
            }
        }
    }
}
