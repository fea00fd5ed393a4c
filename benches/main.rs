//! How good and how fast is it, held against what a user would take instead?
//!
//! One program, a bench a subcommand; each prints its parameters and its figures. None is a test:
//! figures are compared by people, in review.
//!
//! - `dump`: analysing a million traces against merely reading their columns.
//! - `curve`: accuracy against false positives over the cut, for faults of 1 to 4 components.
//! - `accuracy`: how often the right component is named first, for faults of every kind.
//! - `cost`: spans per CPU-second of the collector, beside rotel.
//! - `load`: a steady load against a collector that runs already, and what that takes meanwhile.
//! - `day`: a healthy day in virtual time: how many false alarms?
//! - `detect`: after how many seconds is a component that begins to fail the first suspect?
//! - `live`: the same once, over OTLP and by the clock.
//! - `soak`: an hour of steady load: do memory, descriptors, threads and the disk stay as they are?
//! - `overload`: ten times the load while the disk stands still (by the script `benches/stall`).
//! - `kill`: the collector killed again and again under load: is all there that it acknowledged?

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what a bench does")]

mod accuracy;
mod cost;
mod curve;
mod day;
mod detect;
mod dump;
mod kill;
mod live;
mod load;
mod options;
mod overload;
mod server;
mod soak;
mod stored;
mod usage;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["dump"] => dump::run(1_000_000),
        ["dump", requests] => dump::run(requests.parse()?),
        ["curve"] => curve::run(100),
        ["curve", cases] => curve::run(cases.parse()?),
        ["accuracy", "cost"] => accuracy::cost::run(),
        ["accuracy", options @ ..] => accuracy::run(&accuracy::Options::parse(options)?),
        ["cost", options @ ..] => cost::run(&cost::Options::parse(options)?),
        ["load", options @ ..] => load::run(&load::Options::parse(options)?),
        ["day", options @ ..] => day::run(&day::Options::parse(options)?),
        ["detect", options @ ..] => detect::run(&detect::Options::parse(options)?),
        ["live", options @ ..] => live::run(&live::Options::parse(options)?),
        ["kill", options @ ..] => kill::run(&kill::Options::parse(options)?),
        ["soak", options @ ..] => soak::run(&soak::Options::parse(options)?),
        ["overload", options @ ..] => overload::run(&overload::Options::parse(options)?),
        ["read", files @ ..] => dump::read(files),
        _ => bail!(
            "expected one of: accuracy [cost], dump [REQUESTS], curve [CASES], cost, day, detect, live, kill, load, overload, soak"
        ),
    }
}
