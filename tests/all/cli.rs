//! The program from outside: what is typed, what is printed, how it ends.

mod analyze;
mod broken;
mod options;
mod proof;
mod replay;
mod same_answer;
mod spans;
mod tree;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// The exit codes that the program promises.
pub(crate) const HEALTHY: i32 = 0;
pub(crate) const ERROR: i32 = 1;
pub(crate) const SUSPECTS: i32 = 2;
pub(crate) const NO_VERDICT: i32 = 3;

/// Runs the program.
pub(crate) fn resus(arguments: &[&str]) -> Ran {
    run(arguments, &[])
}

/// Runs the program with variables set.
pub(crate) fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_resus"))
        .args(arguments)
        .env_remove("NO_COLOR")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    Ran(output)
}

/// How a run ended and what it printed.
pub(crate) struct Ran(pub(crate) Output);

impl Ran {
    #[track_caller]
    pub(crate) fn code(self, expect: i32) -> Self {
        let code = self.0.status.code();
        assert_eq!(code, Some(expect), "{}\n{}", self.stdout(), self.stderr());
        self
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).expect("output is UTF-8")
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).expect("output is UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.0.stdout).expect("output is JSON")
    }

    /// The JSON as text, without the report on the reading.
    pub(crate) fn answer(&self) -> String {
        let mut json = self.json();
        let object = json.as_object_mut().expect("an object");
        assert!(object.remove("quality").is_some(), "there is a quality report");
        serde_json::to_string_pretty(&json).expect("JSON prints")
    }
}

/// A small sample of the auction house with its fault: made once, read by many tests.
pub(crate) struct Sample {
    folder: TempDir,
    truth: Value,
}

impl Sample {
    pub(crate) fn get() -> &'static Self {
        static SAMPLE: OnceLock<Sample> = OnceLock::new();
        SAMPLE.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a folder");
            let path = |name: &str| folder.path().join(name).display().to_string();
            let (out, truth) = (path("sample.parquet"), path("truth.json"));
            let few =
                ["generate", "sample", "--requests", "4000", "--out", &out, "--truth", &truth];
            resus(&few).code(HEALTHY);
            let text = std::fs::read_to_string(&truth).expect("the truth was written");
            Self { truth: serde_json::from_str(&text).expect("it is JSON"), folder }
        })
    }

    pub(crate) fn spans(&self) -> String {
        self.folder.path().join("sample.parquet").display().to_string()
    }

    /// The true fault as a window, and four healthy windows before it.
    pub(crate) fn windows(&self) -> Vec<String> {
        let nanos = |value: &Value| value.as_u64().expect("a number");
        let fault = &self.truth["faults"][0];
        let from = nanos(&fault["from_unix_nano"]) / 1_000_000_000;
        let start = nanos(&self.truth["start_unix_nano"]) / 1_000_000_000;
        let end = nanos(&self.truth["last_arrival_unix_nano"]) / 1_000_000_000 + 1;
        let quarter = (from - start) / 4;
        let mut words = vec!["--window".to_owned(), format!("{from}..{end}")];
        for i in 0..4 {
            let (a, b) = (start + i * quarter, start + (i + 1) * quarter);
            words.extend(["--baseline".to_owned(), format!("{a}..{b}")]);
        }
        words
    }
}

/// Analyses with further arguments, as JSON.
pub(crate) fn analyze_json(file: &str, more: &[&str]) -> Ran {
    let mut arguments = vec!["analyze", file, "--format", "json"];
    arguments.extend(more);
    resus(&arguments)
}

pub(crate) fn as_words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

pub(crate) fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).expect("the file was written")
}
