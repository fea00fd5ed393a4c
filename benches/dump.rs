//! Analysing a dump against merely reading it.
//!
//! The yardstick is polars reading, in the same run, the very columns that the analysis reads. The
//! dump is made by the generator (`million`), as one file and as 100 files over which the spans of
//! every trace are dealt.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use resus_columns::Mapping;
use resus_datasets::{presets, write_parquet};
use resus_store::WriterOptions;

use crate::usage;

const SEED: u64 = 1;
const ROUNDS: usize = 3;

/// Prints CPU seconds, peak memory and ratio for dumps of so many requests.
pub(crate) fn run(requests: u64) -> Result<()> {
    let this = std::env::current_exe()?;
    let folder = this.parent().context("this program lies in a folder")?;
    let resus = folder.join("resus");
    ensure!(
        resus.exists(),
        "build the program first: cargo build --release -p resus -p resus-benches"
    );
    let data = folder.join("bench-data");
    std::fs::create_dir_all(&data)?;
    println!("scenario million, seed {SEED}, {requests} requests, {ROUNDS} rounds");
    println!("files  what              cpu s   peak MiB   ratio of cpu");
    for files in [1, 100] {
        let paths = make(&data, requests, files)?;
        let names: Vec<&str> = paths.iter().filter_map(|p| p.to_str()).collect();
        for _ in 0..ROUNDS {
            let this = this.to_str().context("the path is text")?;
            let mut command = vec![this, "read"];
            command.extend(&names);
            let read = usage::of(&command)?;
            let mut command = vec![resus.to_str().context("the path is text")?, "analyze"];
            command.extend(&names);
            command.extend(["--format", "json"]);
            let analysed = usage::of(&command)?;
            let ratio = analysed.cpu_seconds / read.cpu_seconds;
            let line = |what, u: usage::Usage| {
                format!("{files:5}  {what:15} {:7.2} {:10.0}", u.cpu_seconds, u.peak_mib)
            };
            println!("{}", line("polars, read", read));
            println!("{}   {ratio:.2}", line("resus analyze", analysed));
        }
    }
    Ok(())
}

/// Makes the dump, unless it is there from an earlier run.
fn make(data: &Path, requests: u64, files: usize) -> Result<Vec<PathBuf>> {
    let paths: Vec<PathBuf> =
        (0..files).map(|i| data.join(format!("{requests}-{files}-{i:03}.parquet"))).collect();
    if paths.iter().all(|p| p.exists()) {
        return Ok(paths);
    }
    let scenario = presets::by_name("million", SEED, Some(requests)).context("a known name")?;
    write_parquet(&scenario, &paths, WriterOptions::STANDARD, |_| {})?;
    Ok(paths)
}

/// Merely reads the columns that an analysis reads.
pub(crate) fn read(files: &[&str]) -> Result<()> {
    let mapping = Mapping::default();
    for name in files {
        let columns = resus_columns::open(Path::new(name), &mapping)?.columns().to_vec();
        let rows = resus_columns::read_columns_only(Path::new(name), &columns)?;
        ensure!(rows > 0, "{name} holds no row");
    }
    Ok(())
}
