//! Which component goes with the failing requests, and what is the smallest restart that cures it?
//!
//! The `resus` program: it parses what was typed, runs one command, and turns its end into an exit
//! code. 0: healthy or done. 1: any error, wrong usage too. 2: suspects. 3: no verdict.

mod commands;
mod config;
mod input;
mod options;
mod output;
mod replay;
mod report;
mod serve;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use commands::Command;

/// Many small buffers come and go on many threads: with it a span costs the collector half as much.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Finds the component that goes with failing requests, and the smallest restart that cures it.
#[derive(Debug, Parser)]
#[command(name = "resus", version, about, max_term_width = 100, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // Where not even this can be printed there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(u8::from(!asked));
        }
    };
    match commands::run(arguments.command) {
        Ok(end) => ExitCode::from(end.code()),
        Err(error) => {
            output::failure(&error);
            ExitCode::from(1)
        }
    }
}
