//! A collector as a child process: started on free ports, watched, ended.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use resus_load::Target;

/// A collector under test.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    /// Where it answers questions; rotel answers none.
    pub(crate) api: Option<SocketAddr>,
}

/// What a process has taken so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// User and system.
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_mib: f64,
    pub(crate) resident_mib: f64,
    pub(crate) files: u64,
    pub(crate) threads: u64,
}

/// Looks at a process through proc(5).
pub(crate) fn look(id: u32) -> Result<Taken> {
    let folder = format!("/proc/{id}");
    let read = |name| fs::read_to_string(format!("{folder}/{name}")).context("failed to read proc");
    let (stat, status) = (read("stat")?, read("status")?);
    let files = fs::read_dir(format!("{folder}/fd")).context("failed to read proc")?.count();
    // The program's name, in brackets, may hold blanks; utime and stime are fields 14 and 15.
    let behind = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = behind.split_whitespace().skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|n| n.parse::<f64>().ok()).sum();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    Ok(Taken {
        cpu_seconds: ticks / 100.0,
        peak_mib: field("VmHWM:").context("the kernel tells no peak memory")? / 1024.0,
        resident_mib: field("VmRSS:").unwrap_or_default() / 1024.0,
        files: files as u64,
        threads: field("Threads:").unwrap_or_default() as u64,
    })
}

/// A library to be loaded before all others, as `LD_PRELOAD` names it.
pub(crate) type Preload<'a> = Option<&'a str>;

impl Server {
    /// Starts `resus serve` with a configuration whose addresses are free ports.
    pub(crate) fn resus(program: &Path, folder: &Path, extra: &str) -> Result<Self> {
        let config = folder.join("resus.toml");
        let text = format!(
            "[receive]\ngrpc = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n{extra}\n\
             [api]\nlisten = \"127.0.0.1:0\"\n"
        );
        fs::write(&config, text).context("failed to write the configuration")?;
        let mut child = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("failed to start {}", program.display()))?;
        let stderr = child.stderr.take().context("its messages are piped")?;
        let (mut grpc, mut http, mut api, mut said) = (None, None, None, Vec::new());
        let mut lines = BufReader::new(stderr).lines();
        for line in lines.by_ref() {
            let line = line.context("failed to read what resus says")?;
            said.push(line.clone());
            let address = |behind: &str| {
                line.split_once(behind)
                    .and_then(|(_, rest)| rest.trim_end_matches('/').parse::<SocketAddr>().ok())
            };
            grpc = grpc.or_else(|| address("OTLP/gRPC at "));
            http = http.or_else(|| address("OTLP/HTTP at "));
            api = api.or_else(|| address("answering at http://"));
            if line.contains("keeping data in") {
                break;
            }
        }
        // What it says later is passed on, so that its pipe never fills.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                eprintln!("{line}");
            }
        });
        match (grpc, http) {
            (Some(grpc), Some(http)) => Ok(Self { child, http, grpc, api }),
            _ => {
                let _ = child.kill();
                bail!("failed to start resus: it said {}", said.join(" / "))
            }
        }
    }

    /// Starts the agent of rotel with the exporter that throws everything away.
    pub(crate) fn rotel(program: &Path, preload: Preload<'_>) -> Result<Self> {
        let (http, grpc) = (free_port()?, free_port()?);
        let mut command = Command::new(program);
        command
            .args(["start", "--exporter", "blackhole"])
            .args(["--otlp-http-endpoint", &http.to_string()])
            .args(["--otlp-grpc-endpoint", &grpc.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(library) = preload {
            command.env("LD_PRELOAD", library);
        }
        let child =
            command.spawn().with_context(|| format!("failed to start {}", program.display()))?;
        let server = Self { child, http, grpc, api: None };
        let begin = Instant::now();
        while std::net::TcpStream::connect(http).is_err() {
            if begin.elapsed() > Duration::from_secs(10) {
                bail!("failed to start rotel: nobody listens at {http} after 10 s");
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        Ok(server)
    }

    pub(crate) fn target(&self) -> Target {
        Target::new(Some(self.http), Some(self.grpc))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the process has taken so far.
    pub(crate) fn taken(&self) -> Result<Taken> {
        look(self.id())
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill().context("failed to kill the server")?;
        self.child.wait().context("failed to wait for the server")?;
        Ok(())
    }

    /// Asks it to end, and waits.
    pub(crate) fn end(mut self) -> Result<()> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().context("failed to run kill")?;
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().context("failed to wait")? {
                if !status.success() {
                    bail!("the server ended with {status}");
                }
                return Ok(());
            }
            if begin.elapsed() > Duration::from_secs(20) {
                self.kill()?;
                bail!("the server did not end within 20 s of SIGTERM");
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("failed to find a free port")?;
    listener.local_addr().context("failed to find a free port")
}
