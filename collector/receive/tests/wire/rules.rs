//! The rules of OTLP 1.11 on what a client is told, each over every transport and encoding.

use std::time::Duration;

use hyper::Method;
use resus_receive::{
    Answer, Compression, Encoding, Limits, ListenerConfig, Outcome, Protocols, Signal,
};

use crate::client::{Call, Verdict, Way, talk};
use crate::door::{Door, answering, config, open};

const BODY: &[u8] = b"spans, for all that the door knows";

fn http(way: Way, status: u16) -> u16 {
    if way == Way::Grpc { 200 } else { status }
}

#[tokio::test]
async fn every_signal_arrives_whole_and_success_leaves_partial_success_unset() {
    let door = open();
    for way in Way::ALL {
        for signal in Signal::ALL {
            let call = Call::new(way, signal, Compression::None, BODY);
            let reply = call.send(door.address()).await;
            let empty: &[u8] = match way {
                Way::Grpc => &[0; 5],
                _ if way.encoding() == Encoding::Json => b"{}",
                _ => b"",
            };
            assert_eq!(reply.body, empty, "{way:?} {signal:?}");
            let verdict = reply.verdict(way, Some(signal));
            assert_eq!(verdict, Verdict { status: 200, ..Verdict::default() });
            let seen = door.seen().pop().expect("handed over");
            assert_eq!(
                (seen.signal, seen.encoding, seen.transport, seen.compression),
                (signal, way.encoding(), way.transport(), Compression::None)
            );
            assert_eq!(seen.body, BODY);
            assert_eq!(seen.raw, BODY);
            assert!(seen.peer.address.ip().is_loopback() && seen.peer.identity.is_none());
        }
    }
    let stats = door.meter.read();
    assert_eq!(door.counted(Outcome::Accepted), 15);
    assert_eq!(stats.received_bytes, 15 * BODY.len() as u64);
    assert_eq!(stats.inflated_bytes, stats.received_bytes);
    assert_eq!(stats.in_flight_bytes, 0);
}

#[tokio::test]
async fn an_empty_request_is_a_success() {
    let door = open();
    for way in Way::ALL {
        let verdict = Call::spans(way, b"").verdict(door.address()).await;
        assert_eq!(verdict, Verdict { status: 200, ..Verdict::default() }, "{way:?}");
        assert_eq!(door.seen().pop().expect("handed over").body, b"".as_slice());
    }
}

#[tokio::test]
async fn a_part_that_was_rejected_is_counted_in_a_200() {
    let door = answering(|| Answer::Partial { rejected: 3, message: "three \"too\" old\n".into() });
    for way in Way::ALL {
        for signal in Signal::ALL {
            let call = Call::new(way, signal, Compression::None, BODY);
            let verdict = call.verdict(door.address()).await;
            let partial = Some((3, "three \"too\" old\n".to_owned()));
            assert_eq!(verdict, Verdict { status: 200, partial, ..Verdict::default() }, "{way:?}");
        }
    }
    assert_eq!(door.counted(Outcome::Partial), 15);
}

#[tokio::test]
async fn a_warning_rejects_nothing_and_says_something() {
    let door = answering(|| Answer::Warning { message: "deprecated".into() });
    for way in Way::ALL {
        let verdict = Call::spans(way, BODY).verdict(door.address()).await;
        let partial = Some((0, "deprecated".to_owned()));
        assert_eq!(verdict, Verdict { status: 200, partial, ..Verdict::default() }, "{way:?}");
    }
    assert_eq!(door.counted(Outcome::Accepted), 5);
}

#[tokio::test]
async fn a_partial_success_without_content_is_a_full_one() {
    let door = answering(|| Answer::Partial { rejected: 0, message: String::new() });
    for way in Way::ALL {
        let verdict = Call::spans(way, BODY).verdict(door.address()).await;
        assert_eq!(verdict, Verdict { status: 200, ..Verdict::default() }, "{way:?}");
    }
}

#[tokio::test]
async fn bad_data_is_not_retryable_and_carries_a_bad_request() {
    let door = answering(|| Answer::BadData { message: "field 3, 50 % ä".into() });
    for way in Way::ALL {
        let verdict = Call::spans(way, BODY).verdict(door.address()).await;
        let message = "field 3, 50 % ä".to_owned();
        let violation = Some(message.clone());
        let status = http(way, 400);
        assert_eq!(
            verdict,
            Verdict { status, code: 3, message, violation, ..Verdict::default() },
            "{way:?}"
        );
    }
}

#[tokio::test]
async fn too_large_for_the_handler_is_not_retryable() {
    let door = answering(|| Answer::TooLarge { message: "many spans".into() });
    for way in Way::ALL {
        let verdict = Call::spans(way, BODY).verdict(door.address()).await;
        let (status, message) = (http(way, 413), "many spans".to_owned());
        assert_eq!(verdict, Verdict { status, code: 8, message, ..Verdict::default() }, "{way:?}");
    }
}

#[tokio::test]
async fn overload_and_unavailability_are_retryable_and_say_when() {
    let retry_after = Duration::from_millis(1500);
    let answers: [fn(Duration, String) -> Answer; 2] = [
        |retry_after, message| Answer::Busy { retry_after, message },
        |retry_after, message| Answer::Unavailable { retry_after, message },
    ];
    for answer in answers {
        let door = answering(move || answer(retry_after, "later".into()));
        for way in Way::ALL {
            let verdict = Call::spans(way, BODY).verdict(door.address()).await;
            let expected = Verdict {
                status: http(way, 503),
                code: 14,
                message: "later".into(),
                retry: Some(retry_after),
                retry_after: (way != Way::Grpc).then_some(2),
                ..Verdict::default()
            };
            assert_eq!(verdict, expected, "{way:?}");
        }
    }
}

#[tokio::test]
async fn a_retry_after_is_at_least_a_second_over_http() {
    let door = answering(|| Answer::Busy { retry_after: Duration::ZERO, message: "x".into() });
    for way in Way::ALL {
        let verdict = Call::spans(way, BODY).verdict(door.address()).await;
        assert_eq!(verdict.retry, Some(Duration::ZERO), "{way:?}");
        assert_eq!(verdict.retry_after, (way != Way::Grpc).then_some(1), "{way:?}");
    }
}

#[tokio::test]
async fn a_fault_of_ours_is_internal_and_a_panic_harms_nobody_else() {
    let door = answering(|| Answer::Internal);
    for way in Way::ALL {
        let verdict = Call::spans(way, BODY).verdict(door.address()).await;
        assert_eq!((verdict.status, verdict.code), (http(way, 500), 13), "{way:?}");
    }
    let door = Door::new(vec![config()], &Limits::STANDARD, |incoming| {
        assert!(incoming.body != BODY, "told to panic at once");
        Box::pin(async move {
            assert!(incoming.body != b"late".as_slice(), "told to panic later");
            Answer::Accepted
        })
    });
    for way in Way::ALL {
        for body in [BODY, b"late"] {
            let verdict = Call::spans(way, body).verdict(door.address()).await;
            assert_eq!((verdict.status, verdict.code), (http(way, 500), 13), "{way:?}");
        }
        let verdict = Call::spans(way, b"fine").verdict(door.address()).await;
        assert_eq!((verdict.status, verdict.code), (200, 0), "{way:?}");
    }
    // The same connection goes on as well.
    let text = post("/v1/traces", "application/json", "late")
        + &post("/v1/traces", "application/json", "fine")
            .replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let answers = talk(door.address(), &text).await;
    assert_eq!(crate::client::statuses(&answers), [500, 200]);
    assert_eq!(door.meter.read().in_flight_bytes, 0);
}

fn post(path: &str, media: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: door\r\ncontent-type: {media}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn long_messages_are_cut_so_that_answers_stay_short() {
    let long = "ä".repeat(5 << 20);
    let answers: [fn(String) -> Answer; 5] = [
        |message| Answer::BadData { message },
        |message| Answer::Warning { message },
        |message| Answer::Partial { rejected: 1, message },
        |message| Answer::TooLarge { message },
        |message| Answer::Busy { retry_after: Duration::from_secs(1), message },
    ];
    for answer in answers {
        let message = long.clone();
        let door = answering(move || answer(message.clone()));
        for way in Way::ALL {
            let reply = Call::spans(way, BODY).send(door.address()).await;
            let headers: usize = reply
                .headers
                .iter()
                .map(|(name, value)| name.as_str().len() + value.len() + 32)
                .sum();
            assert!(reply.body.len() < 4096 && headers < 8192, "{way:?} {headers}");
            let verdict = reply.verdict(way, Some(Signal::Traces));
            let told = verdict.partial.map_or(verdict.message, |(_, message)| message);
            assert!(told.len() > 900 && told.ends_with("ä..."), "{way:?}");
        }
    }
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_not_found() {
    let door = open();
    for way in Way::ALL {
        let paths = if way == Way::Grpc {
            vec![
                "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
                "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
                "/v1/traces",
            ]
        } else {
            vec!["/", "/v1/traces/", "/v1development/profiles", "/V1/traces"]
        };
        for path in paths {
            let verdict = Call::spans(way, BODY).path(path).verdict(door.address()).await;
            assert_eq!((verdict.status, verdict.code), (http(way, 404), 12), "{way:?} {path}");
        }
    }
    assert!(door.seen().is_empty());
}

#[tokio::test]
async fn a_query_behind_the_path_is_ignored() {
    let door = open();
    for way in Way::ALL.into_iter().filter(|way| *way != Way::Grpc) {
        let reply = Call::spans(way, BODY).path("/v1/traces?tenant=a").send(door.address()).await;
        assert_eq!(reply.status, 200, "{way:?}");
    }
}

#[tokio::test]
async fn only_post_is_allowed() {
    let door = open();
    for way in Way::ALL.into_iter().filter(|way| *way != Way::Grpc) {
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
            let reply = Call::spans(way, b"").method(method).send(door.address()).await;
            assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")), "{way:?}");
            assert!(reply.verdict(way, None).message.contains("POST"));
        }
        let reply = Call::spans(way, b"").method(Method::HEAD).send(door.address()).await;
        assert_eq!((reply.status, reply.body.len()), (405, 0));
    }
}

#[tokio::test]
async fn content_types_may_have_parameters_and_must_be_one_of_the_two() {
    let door = open();
    for way in [Way::Http1(Encoding::Json), Way::Http2(Encoding::Json)] {
        for media in
            ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"]
        {
            let call = Call::spans(way, BODY).header("content-type", media);
            assert_eq!(call.verdict(door.address()).await.status, 200, "{media}");
        }
        for media in
            ["text/plain", "application/protobuf", "application/jsonx", "application/grpc-web", ""]
        {
            let call = Call::spans(way, BODY).header("content-type", media);
            let verdict = call.verdict(door.address()).await;
            assert_eq!((verdict.status, verdict.code), (415, 3), "{media}");
        }
        let mut call = Call::spans(way, BODY);
        call.headers.clear();
        assert_eq!(call.verdict(door.address()).await.status, 415);
    }
    let call = Call::spans(Way::Grpc, BODY).header("content-type", "application/grpc+proto");
    assert_eq!(call.verdict(door.address()).await.code, 0);
    let call = Call::spans(Way::Grpc, BODY).header("content-type", "application/grpc+json");
    assert_eq!(call.verdict(door.address()).await.code, 12);
}

#[tokio::test]
async fn a_port_for_one_protocol_says_so_to_the_other() {
    let only =
        |grpc: bool| ListenerConfig { protocols: Protocols { grpc, http: !grpc }, ..config() };
    let door = Door::new(vec![only(true), only(false)], &Limits::STANDARD, |_| {
        Box::pin(async { Answer::Accepted })
    });
    for way in Way::ALL {
        let grpc = way == Way::Grpc;
        let good = Call::spans(way, BODY).verdict(door.addresses[usize::from(!grpc)]).await;
        assert_eq!((good.status, good.code), (200, 0), "{way:?}");
        let bad = Call::spans(way, BODY).verdict(door.addresses[usize::from(grpc)]).await;
        assert_eq!((bad.status, bad.code), (http(way, 415), 12), "{way:?}");
        assert!(bad.message.contains("this port speaks OTLP/"), "{}", bad.message);
    }
}
