//! What did a command cost? CPU seconds and peak memory, as the operating system accounts them.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};

/// What a command cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// User and system time of all its threads, seconds.
    pub(crate) cpu_seconds: f64,
    /// Largest resident set, MiB.
    pub(crate) peak_mib: f64,
}

/// Runs a command in a process of its own whose children are nothing else, so that the accounting
/// of children is that of the command.
pub(crate) fn of(command: &[&str]) -> Result<Usage> {
    let this = std::env::current_exe().context("failed to find this program")?;
    let output = Command::new(this)
        .arg("measure")
        .args(command)
        .stderr(Stdio::inherit())
        .output()
        .context("failed to start the measuring process")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures = text.lines().last().and_then(|line| line.split_once(' '));
    let Some((cpu, peak)) = figures.filter(|_| output.status.success()) else {
        bail!("failed to measure {command:?}: {text}");
    };
    Ok(Usage { cpu_seconds: cpu.parse()?, peak_mib: peak.parse()? })
}

/// Runs a command, its output thrown away, and prints CPU seconds and peak MiB.
pub(crate) fn measure(command: &[&str]) -> Result<()> {
    let Some((program, arguments)) = command.split_first() else { bail!("expected a command") };
    let status = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("failed to start {program}"))?;
    // 0, 2 and 3 are answers, 1 is an error.
    if status.code().is_none_or(|code| code == 1) {
        bail!("{program} failed: {status}");
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6;
    let cpu = seconds(usage.user_time()) + seconds(usage.system_time());
    println!("{cpu} {}", usage.max_rss() as f64 / 1024.0);
    Ok(())
}
