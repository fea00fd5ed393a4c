//! What this process takes, as the kernel tells (Linux: proc(5)); noughts elsewhere.

use std::fs;

/// What a process takes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) resident_bytes: u64,
    pub(crate) open_files: u64,
    pub(crate) threads: u64,
    /// User and system.
    pub(crate) cpu_seconds: f64,
}

/// Clock ticks a second: `sysconf(_SC_CLK_TCK)` is 100 on every Linux there is.
const TICKS: f64 = 100.0;

pub(crate) fn usage() -> Usage {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let open_files = fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64);
    Usage { open_files, ..parse(&status, &stat) }
}

fn parse(status: &str, stat: &str) -> Usage {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    // The name of the program, in brackets, may hold blanks; utime and stime are the 14th and 15th field.
    let behind = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = behind.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok());
    Usage {
        resident_bytes: field("VmRSS:").unwrap_or(0) * 1024,
        open_files: 0,
        threads: field("Threads:").unwrap_or(0),
        cpu_seconds: ticks.sum::<f64>() / TICKS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_from_what_the_kernel_writes() {
        let status = "Name:\tresus\nVmRSS:\t   2048 kB\nThreads:\t7\n";
        let stat = "12 (a (b) c) S 1 1 1 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 7 0 100 1 2";
        let expected =
            Usage { resident_bytes: 2 << 20, open_files: 0, threads: 7, cpu_seconds: 2.0 };
        assert_eq!(parse(status, stat), expected);
        assert_eq!(parse("", ""), Usage::default());
    }
}
