//! What did a command cost? CPU seconds and peak memory, as the operating system accounts them.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use wait4::Wait4;

/// What a command cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// User and system time of all its threads, seconds.
    pub(crate) cpu_seconds: f64,
    /// Largest resident set, MiB.
    pub(crate) peak_mib: f64,
}

/// Runs a command, its output thrown away.
pub(crate) fn of(command: &[&str]) -> Result<Usage> {
    let Some((program, arguments)) = command.split_first() else { bail!("expected a command") };
    let mut child = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("failed to start {program}"))?;
    let used = child.wait4().with_context(|| format!("failed to wait for {program}"))?;
    // 0, 2 and 3 are answers, 1 is an error.
    if used.status.code().is_none_or(|code| code == 1) {
        bail!("{program} failed: {}", used.status);
    }
    let cpu = used.rusage.utime + used.rusage.stime;
    Ok(Usage {
        cpu_seconds: cpu.as_secs_f64(),
        peak_mib: used.rusage.maxrss as f64 / (1024.0 * 1024.0),
    })
}

/// Lets the peak of this process's memory begin anew with what it holds now.
pub(crate) fn reset_peak() -> Result<()> {
    std::fs::write("/proc/self/clear_refs", "5").context("failed to reset the peak of memory")
}

/// What this process has cost so far, as Linux tells it; CPU to the hundredth of a second.
pub(crate) fn own() -> Result<Usage> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name in parentheses may hold spaces; user and system time are fields 14 and 15.
    let after = stat.rsplit_once(')').context("a name in parentheses")?.1;
    let ticks: Vec<f64> = after.split_whitespace().skip(11).take(2).flat_map(str::parse).collect();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).context("a VmHWM line")?;
    let kib: f64 = peak.trim().trim_end_matches(" kB").parse()?;
    Ok(Usage { cpu_seconds: ticks.iter().sum::<f64>() / 100.0, peak_mib: kib / 1024.0 })
}
