//! The collector from outside: started on free ports, sent to, asked, killed.

mod answers;
mod conformance;
mod kill;
mod live;
mod naughty;
mod onward;
mod sdk;
#[path = "../../benches/stored.rs"]
mod stored;
mod switches;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use resus_load::Target;
use serde_json::Value;

/// A running collector. Dropped, it is killed.
pub(crate) struct Collector {
    child: Child,
    messages: BufReader<ChildStderr>,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) api: SocketAddr,
}

impl Collector {
    /// Starts it with its data in a folder; `extra` goes into the configuration.
    #[track_caller]
    pub(crate) fn start(folder: &Path, extra: &str) -> Self {
        let config = folder.join("resus.toml");
        let mut text = extra.to_owned();
        // Whoever brings a section of these has its own addresses.
        if !text.contains("[receive]") {
            text.push_str("\n[receive]\ngrpc = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n");
        }
        if !text.contains("[api]") {
            text.push_str("\n[api]\nlisten = \"127.0.0.1:0\"\n");
        }
        if !text.contains("[store]") {
            text.push_str(&format!("\n[store]\nfolder = \"{}\"\n", folder.join("data").display()));
        }
        std::fs::write(&config, text).expect("the folder is writable");
        let mut child = Command::new(env!("CARGO_BIN_EXE_resus"))
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut messages = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut said = String::new();
        while !said.contains("keeping data in") {
            let read = messages.read_line(&mut said).expect("messages are UTF-8");
            assert!(read > 0, "it ended before it was ready:\n{said}");
        }
        let address = |before: &str| {
            let (_, rest) = said.split_once(before).unwrap_or_else(|| panic!("{before}\n{said}"));
            let text = rest.lines().next().expect("there is a line").trim_end_matches('/');
            text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
        };
        let (grpc, http) = (address("OTLP/gRPC at "), address("OTLP/HTTP at "));
        let api = address("answering at http://");
        Self { child, messages, grpc, http, api }
    }

    pub(crate) fn target(&self) -> Target {
        Target::new(Some(self.http), Some(self.grpc))
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Asks it to end; gives how it ended and what it said since it was ready.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().expect("kill is there");
        assert!(asked.success());
        let mut said = String::new();
        self.messages.read_to_string(&mut said).expect("messages are UTF-8");
        (self.child.wait().expect("it ends"), said)
    }

    /// Asks the API; gives status and body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        ask(self.api, "GET", path, "")
    }

    #[track_caller]
    pub(crate) fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("the answer is JSON")
    }

    /// Asks until an answer is as wanted, for at most so many seconds.
    #[track_caller]
    pub(crate) fn until(&self, path: &str, seconds: u64, wanted: impl Fn(&Value) -> bool) -> Value {
        let begin = Instant::now();
        loop {
            let (_, body) = self.get(path);
            let answer = serde_json::from_str(&body).expect("the answer is JSON");
            if wanted(&answer) {
                return answer;
            }
            assert!(begin.elapsed() < Duration::from_secs(seconds), "{answer:#}");
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request of HTTP/1.1 over a connection of its own.
pub(crate) fn ask(at: SocketAddr, method: &str, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).expect("the request is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the answer comes");
    let answer = String::from_utf8(answer).expect("the answer is UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("there is a head");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, body.to_owned())
}

/// Runs what waits.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(future)
}
