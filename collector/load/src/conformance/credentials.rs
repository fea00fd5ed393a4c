//! Whether nobody without the token gets in, on any endpoint.

use http::HeaderValue;

use super::Weight::{Must, Should};
use super::cases::alive;
use super::judge::{Encoding, Want};
use super::payload::{SPAN, TRACE, logs, metrics, span, traces};
use super::suite::{Ask, Suite, judge_grpc, judge_http, within};
use crate::grpc::{LOGS, METRICS, TRACES, frame};
use crate::status::grpc;

/// The service that occurs only in what must be refused.
const SERVICE: &str = "must-not-be-stored";

/// Values of `Authorization` that must not do, and what is wrong with them.
fn wrong(token: &str) -> Vec<(&'static str, Option<String>)> {
    let cut: String = token.chars().take(token.chars().count().saturating_sub(1)).collect();
    vec![
        ("no credentials", None),
        ("an empty value", Some(String::new())),
        ("the scheme alone", Some("Bearer".to_owned())),
        ("an empty token", Some("Bearer ".to_owned())),
        ("another token", Some("Bearer not-the-token".to_owned())),
        ("the token less its last letter", Some(format!("Bearer {cut}"))),
        ("the token and a letter", Some(format!("Bearer {token}x"))),
        ("the token in another case", Some(format!("Bearer {}", swapped(token)))),
        ("another scheme", Some(format!("Basic {token}"))),
        ("no scheme", Some(token.to_owned())),
    ]
}

fn swapped(token: &str) -> String {
    let swap = |c: char| {
        if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    };
    token.chars().map(swap).collect()
}

pub(crate) async fn run(suite: &mut Suite<'_>) {
    let Some(token) = suite.target.token.clone() else {
        return suite.skip("credentials".to_owned(), Must, "the target asks for no token");
    };
    let endpoints = [
        ("traces", "/v1/traces", TRACES, traces(SERVICE, [span(&TRACE, &SPAN)])),
        ("metrics", "/v1/metrics", METRICS, metrics(SERVICE)),
        ("logs", "/v1/logs", LOGS, logs(SERVICE)),
    ];
    for (number, (what, value)) in wrong(&token).into_iter().enumerate() {
        // A token without letters has no other case.
        if value.as_deref() == Some(format!("Bearer {token}").as_str()) {
            continue;
        }
        for (signal, path, method, body) in &endpoints {
            let name = format!("{signal}-{number}");
            if suite.target.http.is_some() {
                over_http(suite, &name, what, (*path, body), value.as_deref()).await;
            }
            if suite.target.grpc.is_some() {
                over_grpc(suite, &name, what, (*method, body), value.as_deref()).await;
            }
        }
    }
    lower_case_scheme(suite, &token).await;
    alive(suite, "credentials").await;
}

async fn over_http(
    suite: &mut Suite<'_>,
    name: &str,
    what: &str,
    (path, body): (&'static str, &[u8]),
    value: Option<&str>,
) {
    let encoding = Encoding::Protobuf;
    let mut ask = Ask::post(path, encoding, body.to_vec());
    if let Some(value) = value {
        ask = ask.with("Authorization", value);
    }
    let want = Want::Refused(&[401, 403], &[]);
    let answer = async {
        let mut connection = suite.connect().await?;
        within(suite.target.patience, connection.exchange(&ask.bytes())).await
    };
    let answer = answer.await;
    let found = answer.clone().and_then(|answer| {
        let challenge = answer.header("www-authenticate").map(str::to_owned);
        let status = answer.status;
        let words = judge_http(Ok(answer), encoding, want)?;
        match challenge {
            None if status == 401 => Err(format!("{words}, without WWW-Authenticate")),
            _ => Ok(words),
        }
    });
    let expected =
        format!("{}, WWW-Authenticate with 401 (RFC 9110, 15.5.2)", want.in_words(false));
    let name = format!("http/credentials-{name}");
    let sent = format!("{what}, to {path}");
    suite.note((name.clone(), Must), &sent, &expected, found);
    if let Ok(answer) = answer {
        suite.note_error_body(&name, &sent, &answer, encoding);
    }
}

async fn over_grpc(
    suite: &mut Suite<'_>,
    name: &str,
    what: &str,
    (method, body): (&str, &[u8]),
    value: Option<&str>,
) {
    let want = Want::Refused(&[], &[grpc::UNAUTHENTICATED, grpc::PERMISSION_DENIED]);
    let reply = async {
        let channel = suite.channel().await?;
        let mut head = channel.head(method);
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            head.headers_mut().insert("authorization", value);
        }
        within(suite.target.patience, channel.call(head, frame(false, body))).await
    };
    let found = judge_grpc(reply.await, want);
    suite.note(
        (format!("grpc/credentials-{name}"), Must),
        &format!("{what}, to {method}"),
        &want.in_words(true),
        found,
    );
}

/// The scheme's case does not matter (RFC 9110, 11.1).
async fn lower_case_scheme(suite: &mut Suite<'_>, token: &str) {
    if suite.target.http.is_none() {
        return;
    }
    let encoding = Encoding::Protobuf;
    let body = traces("conformance", [span(&TRACE, &SPAN)]);
    let ask = Ask::traces(encoding, body).with("Authorization", &format!("bearer {token}"));
    let answer = async {
        let mut connection = suite.connect().await?;
        within(suite.target.patience, connection.exchange(&ask.bytes())).await
    };
    let found = judge_http(answer.await, encoding, Want::Success);
    let id = ("http/credentials-scheme-case".to_owned(), Should);
    suite.note(
        id,
        "the right token, its scheme in small letters",
        &Want::Success.in_words(false),
        found,
    );
}
