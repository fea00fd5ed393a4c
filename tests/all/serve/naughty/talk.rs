//! A collector with the clients that talk to it.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::bodies::{Place, Span, protobuf};
use super::client::{Answer, Http};
use super::{BEARER, GAUGE, PROTOBUF};
use crate::serve::Collector;

/// Everything happens soon, and names stay as they are.
pub(super) fn settings(folder: &Path) -> String {
    format!(
        "[receive]\ngrpc = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n\
         tokens = [\"a-token-of-the-tests\"]\n\
         [api]\nlisten = \"127.0.0.1:0\"\ntokens = [\"a-token-of-the-tests\"]\n\
         [store]\nfolder = \"{}\"\nsync = \"1ms\"\nsegment_age = \"1s\"\nseal_after = \"10ms\"\n\
         [rules]\nverbatim_operations = true\n\
         [metrics]\ngauges = [\"{GAUGE}\"]\n\
         [watch]\npane = \"1s\"\nevery = \"100ms\"\nlookback = \"10m\"\n\
         [assemble]\nidle = \"200ms\"\nsettle = \"10ms\"\nmax_age = \"1s\"\n",
        folder.join("data").display()
    )
}

/// A collector with the clients that talk to it.
pub(super) struct Talk {
    pub(super) collector: Collector,
    pub(super) receiver: Http,
    pub(super) api: Http,
    /// A client that sends nothing odd.
    good: Http,
    /// Spans that were taken.
    pub(super) taken: u64,
    /// When it was started, nanoseconds since the Unix epoch.
    pub(super) start: u64,
}

impl Talk {
    pub(super) fn begin(folder: &Path) -> Self {
        let collector = Collector::start(folder, &settings(folder));
        let (receiver, good) = (Http::new(collector.http), Http::new(collector.http));
        let mut api = Http::new(collector.api);
        let status = api.send("GET", b"/api/v1/status", BEARER.as_bytes(), b"").json();
        let start = status["started_unix_nano"].as_str().and_then(|at| at.parse().ok());
        Self { collector, receiver, api, good, taken: 0, start: start.expect("an instant") }
    }

    /// An answer of the API that is JSON.
    #[track_caller]
    pub(super) fn get(&mut self, path: &str) -> Value {
        let answer = self.api.send("GET", path.as_bytes(), BEARER.as_bytes(), b"");
        assert_eq!(answer.status, 200, "{path}");
        answer.json()
    }

    /// Asks until the answer is as wanted.
    #[track_caller]
    pub(super) fn until(&mut self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let answer = self.get(path);
            if wanted(&answer) {
                return answer;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "{answer:#}");
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Sends a body; gives the answer.
    #[track_caller]
    pub(super) fn post(&mut self, content_type: &str, body: &[u8]) -> Answer {
        let headers = format!("{BEARER}Content-Type: {content_type}\r\n");
        self.receiver.send("POST", b"/v1/traces", headers.as_bytes(), body)
    }

    /// Somebody else sends a span meanwhile, and is served.
    #[track_caller]
    pub(super) fn good(&mut self) {
        self.taken += 1;
        let headers = format!("{BEARER}Content-Type: {PROTOBUF}\r\n");
        let body = self.plain();
        let answer = self.good.send("POST", b"/v1/traces", headers.as_bytes(), &body);
        assert_eq!((answer.status, answer.body), (200, Vec::new()));
    }

    /// A request with a span like any other.
    pub(super) fn plain(&self) -> Vec<u8> {
        let (trace, id, start) = (u128::from(self.taken) << 64 | 1, 1, self.start);
        protobuf(&[Span { trace, id, start, text: |_| &b"plain"[..] }])
    }
}

/// The trace in which the texts of a request stand, by the way they came.
pub(super) const fn trace_of(way: usize, request: usize) -> u128 {
    ((way as u128 + 1) << 96) + request as u128 + 1
}

pub(super) fn spans_of<'a>(
    way: usize,
    request: usize,
    texts: &'a [String],
    start: u64,
) -> Vec<Span<impl Fn(Place) -> &'a [u8]>> {
    let span = |(n, text): (usize, _)| {
        let text: &'a String = text;
        let (trace, id) = (trace_of(way, request), n as u64 + 1);
        Span { trace, id, start: start + id, text: move |_| text.as_bytes() }
    };
    texts.iter().enumerate().map(span).collect()
}
