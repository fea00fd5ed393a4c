//! Where does output go? Results to standard output or a file, the rest to standard error.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::report::{Colour, clean_lines};

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless the environment says NO_COLOR or TERM=dumb.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl When {
    /// Decides for standard output.
    pub(crate) fn decide(self) -> Colour {
        let wanted = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
            }
        };
        if wanted { Colour::Always } else { Colour::Never }
    }
}

/// Writes a result to a file or, without one, to standard output.
///
/// A reader that has seen enough (`| head`) is no error.
pub(crate) fn write(bytes: &[u8], file: Option<&Path>) -> Result<()> {
    if let Some(path) = file {
        return fs::write(path, bytes)
            .with_context(|| format!("failed to write {}: choose another --out", path.display()));
    }
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("failed to write to standard output"),
    }
}

/// Says something beside the result. It may quote files and senders, and steers no terminal.
pub(crate) fn say(text: &str) {
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{}", clean_lines(text));
}

/// A library's error as the program's: messages of libraries fit after "failed to".
pub(crate) fn failed(error: impl std::error::Error) -> anyhow::Error {
    anyhow::anyhow!("failed to {error}")
}

/// Says why a command failed.
pub(crate) fn failure(error: &anyhow::Error) {
    let mut text = format!("resus: {error}");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("\n  because: {cause}"));
    }
    say(&text);
}

/// A spinner on standard error while reading; nothing where that is no terminal.
pub(crate) fn progress() -> indicatif::ProgressBar {
    if !io::stderr().is_terminal() {
        return indicatif::ProgressBar::hidden();
    }
    let bar = indicatif::ProgressBar::new_spinner();
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    bar
}
