//! What may be typed, and what it means.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use resus_columns::Mapping;
use resus_engine::Choice;
use resus_evidence::Windows;
use resus_model::{ClientErrors, Level, Role, Rules, Window};
use resus_suspects::{Coefficient, Config, Linkage, Method};

use crate::output::When;

/// What to read and how.
#[derive(Debug, Args)]
pub(crate) struct Reading {
    /// Span dumps: Parquet (span schema or ClickHouse otel_traces), OTLP JSON lines (plain, gzip,
    /// zstd); files, quoted globs, or - for standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<String>,
    /// Read a Parquet column as a field of the span schema, as in --map svc=service (repeatable)
    #[arg(long = "map", value_name = "COLUMN=FIELD")]
    pub(crate) map: Vec<String>,
    /// What a 4xx answer of a server means for the request
    #[arg(long, value_enum, default_value = "pass", value_name = "MEANING")]
    pub(crate) http_4xx: Http4xx,
    /// Keep operation names as they are: do not replace identifiers in them by {}
    #[arg(long)]
    pub(crate) verbatim_operations: bool,
    /// Threads to use [default: all cores]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
}

/// Which stretches of time to compare.
#[derive(Debug, Args)]
pub(crate) struct Stretches {
    /// The window to explain, as FROM..TO in Unix seconds or RFC 3339; a request belongs to the
    /// window in which it started
    #[arg(long, value_name = "FROM..TO")]
    pub(crate) window: Option<String>,
    /// A healthy window to compare with (repeatable; several tell how much healthy wanders)
    #[arg(long, value_name = "FROM..TO", requires = "window")]
    pub(crate) baseline: Vec<String>,
}

/// How to diagnose.
#[derive(Debug, Args)]
pub(crate) struct Diagnosing {
    /// At which grain to suspect
    #[arg(long, value_enum, default_value = "service")]
    pub(crate) level: LevelName,
    /// Which evidence decides
    #[arg(long, value_enum, default_value = "fused")]
    pub(crate) method: MethodName,
    /// Coefficient of presence, by which suspects are ranked where it decides: jaccard, ochiai, tarantula, dstar, op2,
    /// simple-matching, yule, hamann, dice
    #[arg(long, default_value = "ochiai", value_parser = coefficient)]
    pub(crate) coefficient: Coefficient,
    /// How clusters are joined: average (UPGMA), single, complete
    #[arg(long, default_value = "average", value_parser = linkage)]
    pub(crate) linkage: Linkage,
    /// Distance (0 to 1) at which the dendrogram is cut: where presence decides, suspects are what is
    /// in one cluster with the failures
    #[arg(long, value_name = "DISTANCE", default_value_t = Config::STANDARD.cut)]
    pub(crate) cut: f64,
    /// Restart tree (TOML); without one, a tree is inferred from the services seen
    #[arg(long, value_name = "FILE")]
    pub(crate) tree: Option<PathBuf>,
}

/// How to show the result.
#[derive(Debug, Args)]
pub(crate) struct Showing {
    /// How to print the result
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
    /// Write the result here instead of to standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Write the report as one self-contained HTML file, too
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// When to colour the table
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) color: When,
}

/// How to print the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people, at most 80 columns.
    Table,
    /// For programs; `resus schema analysis` prints its JSON Schema.
    Json,
    /// For people, one self-contained page.
    Html,
}

/// What a 4xx answer of a server means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Http4xx {
    /// The client's own doing: the request passed.
    Pass,
    /// The request failed.
    Fail,
}

/// Which evidence decides who is suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MethodName {
    /// All kinds: times, calls, errors, and presence where nothing else speaks.
    Fused,
    /// Presence alone, as in Pinpoint.
    Presence,
}

/// At which grain to suspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LevelName {
    /// Services.
    Service,
    /// Instances of services.
    Instance,
    /// Operations of services.
    Operation,
    /// Versions of services.
    Version,
    /// Hosts, with all that runs on them.
    Host,
}

// === impl Reading ===

impl Reading {
    /// Files read in the standard way.
    pub(crate) const fn of(files: Vec<String>) -> Self {
        Self {
            files,
            map: Vec::new(),
            http_4xx: Http4xx::Pass,
            verbatim_operations: false,
            threads: None,
        }
    }

    /// The label and identity rules.
    pub(crate) const fn rules(&self) -> Rules {
        let client_errors = match self.http_4xx {
            Http4xx::Pass => ClientErrors::Pass,
            Http4xx::Fail => ClientErrors::Fail,
        };
        Rules { client_errors, template_operations: !self.verbatim_operations }
    }

    /// How columns of Parquet files are to be read.
    pub(crate) fn mapping(&self) -> Result<Mapping> {
        Mapping::parse(self.map.iter().map(String::as_str)).context("failed to understand --map")
    }

    /// Sets the size of the thread pool.
    pub(crate) fn set_threads(&self) -> Result<()> {
        let Some(threads) = self.threads else { return Ok(()) };
        if threads == 0 {
            bail!("--threads 0: give at least 1");
        }
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .context("failed to start the threads")
    }
}

// === impl Stretches ===

impl Stretches {
    /// What to compare; windows are disjoint.
    pub(crate) fn choice(&self) -> Result<Choice> {
        let Some(window) = &self.window else { return Ok(Choice::Open) };
        let now = parse_window(window).with_context(|| format!("--window {window}"))?;
        let baseline: Vec<Window> = self
            .baseline
            .iter()
            .map(|text| parse_window(text).with_context(|| format!("--baseline {text}")))
            .collect::<Result<_>>()?;
        let mut all: Vec<_> = baseline.iter().map(|&w| (w, Role::Baseline)).collect();
        all.push((now, Role::Now));
        Windows::new(all)?;
        Ok(if baseline.is_empty() { Choice::Now(now) } else { Choice::Given { now, baseline } })
    }
}

fn parse_window(text: &str) -> Result<Window> {
    let Some((from, to)) = text.split_once("..") else {
        bail!("expected FROM..TO, as in 1700000000..1700000600");
    };
    let window = Window { from: parse_instant(from)?, to: parse_instant(to)? };
    if window.from >= window.to {
        bail!("the window ends before it begins: {from} is not before {to}");
    }
    Ok(window)
}

/// Unix seconds, with up to nine decimals, or RFC 3339; to nanoseconds since the epoch.
fn parse_instant(text: &str) -> Result<u64> {
    let text = text.trim();
    let wrong = || {
        anyhow!(
            "expected Unix seconds (1700000000.5) or RFC 3339 (2023-11-14T22:13:20Z), found {text:?}"
        )
    };
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !text.is_empty() {
        let (seconds, rest) = text.split_once('.').unwrap_or((text, ""));
        let seconds: u64 = seconds.parse().map_err(|_| wrong())?;
        if rest.len() > 9 || rest.contains('.') {
            return Err(wrong());
        }
        let nanos: u64 = format!("{rest:0<9}").parse().map_err(|_| wrong())?;
        return seconds
            .checked_mul(1_000_000_000)
            .and_then(|s| s.checked_add(nanos))
            .ok_or_else(|| anyhow!("{text} is later than nanoseconds can say (year 2554)"));
    }
    let instant: Timestamp = text.parse().map_err(|_| wrong())?;
    u64::try_from(instant.as_nanosecond()).map_err(|_| anyhow!("{text} is before 1970"))
}

// === impl Diagnosing ===

impl Diagnosing {
    /// The settings of the diagnosis.
    pub(crate) fn config(&self) -> Result<Config> {
        if !(0.0..=1.0).contains(&self.cut) {
            bail!("--cut {}: expected a distance from 0 to 1", self.cut);
        }
        let level = match self.level {
            LevelName::Service => Level::Service,
            LevelName::Instance => Level::Instance,
            LevelName::Operation => Level::Operation,
            LevelName::Version => Level::Version,
            LevelName::Host => Level::Host,
        };
        Ok(Config {
            level,
            method: match self.method {
                MethodName::Fused => Method::Fused,
                MethodName::Presence => Method::Presence,
            },
            coefficient: self.coefficient,
            linkage: self.linkage,
            cut: self.cut,
            ..Config::STANDARD
        })
    }
}

fn coefficient(text: &str) -> Result<Coefficient, String> {
    text.parse().map_err(|e: <Coefficient as std::str::FromStr>::Err| e.to_string())
}

fn linkage(text: &str) -> Result<Linkage, String> {
    text.parse().map_err(|e: <Linkage as std::str::FromStr>::Err| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_unix_seconds_or_rfc_3339() {
        let ok = |text: &str| parse_instant(text).expect(text);
        assert_eq!(ok("1700000000"), 1_700_000_000_000_000_000);
        assert_eq!(ok("1700000000.5"), 1_700_000_000_500_000_000);
        assert_eq!(ok("2023-11-14T22:13:20Z"), ok("1700000000"));
        assert_eq!(ok("2023-11-14T23:13:20+01:00"), ok("1700000000"));
        for text in ["", "yesterday", "1.2.3", "1700000000000000000000", "1.0123456789"] {
            assert!(parse_instant(text).is_err(), "{text}");
        }
    }

    #[test]
    fn windows_say_what_is_wrong_with_them() {
        assert_eq!(parse_window("1..2").expect("a window").nanos(), 1_000_000_000);
        for text in ["1", "2..1", "1..1", "a..b"] {
            assert!(parse_window(text).is_err(), "{text}");
        }
    }
}
