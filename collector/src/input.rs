//! What lies behind the names that were typed? Files, globs and standard input → gathered spans.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use resus_columns::Mapping;
use resus_engine::{Gather, Gathered};
use resus_model::{Quality, SpanBatch};

use crate::options::Reading;
use crate::output;
use crate::replay::Recording;

/// Where spans go while they are read.
trait Sink: Send {
    fn take(&mut self, batch: SpanBatch, quality: &Quality);
}

impl Sink for Gather {
    fn take(&mut self, batch: SpanBatch, quality: &Quality) {
        self.push(&batch);
        self.quality().merge(quality);
    }
}

impl Sink for Recording {
    fn take(&mut self, batch: SpanBatch, quality: &Quality) {
        if !batch.is_empty() {
            self.batches.push(batch);
        }
        self.quality.merge(quality);
    }
}

/// Reads everything that was named, by trace.
pub(crate) fn gather(reading: &Reading) -> Result<Gathered> {
    let gathered = read_all(reading, Gather::new(reading.rules()))?.seal();
    if gathered.quality().spans == 0 {
        bail!("{}", nothing(&reading.files, gathered.quality()));
    }
    Ok(gathered)
}

/// Reads everything that was named, as it is.
pub(crate) fn spans(reading: &Reading) -> Result<Recording> {
    let recording = read_all(reading, Recording::default())?;
    if recording.batches.is_empty() {
        bail!("{}", nothing(&reading.files, &recording.quality));
    }
    Ok(recording)
}

fn read_all<S: Sink>(reading: &Reading, sink: S) -> Result<S> {
    reading.set_threads()?;
    let mapping = reading.mapping()?;
    let files = expand(&reading.files)?;
    let sink = Mutex::new(sink);
    let bar = output::progress();
    for file in &files {
        bar.set_message(format!("reading {}", file.display()));
        read(file, &mapping, &sink)?;
    }
    bar.finish_and_clear();
    Ok(sink.into_inner().expect("no reader panicked with the lock held"))
}

/// Says that there was no span, and why every record was left out.
fn nothing(names: &[String], quality: &Quality) -> String {
    let mut text = format!("failed to find a span in {}", names.join(", "));
    if quality.skipped.is_empty() {
        text.push_str(": it holds no record; was the right file or time exported?");
        return text;
    }
    text.push_str(&format!(": all {} records were left out", quality.skipped_total()));
    for (reason, (count, example)) in &quality.skipped {
        text.push_str(&format!("\n  {count} for `{}`, as in {example}", reason.field()));
    }
    text.push_str("\n  correct the field on export, or name another column by --map column=field");
    text
}

/// Files and globs → paths, each once, in the order typed; what a glob finds in order of name.
fn expand(names: &[String]) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for name in names {
        if name == "-" || Path::new(name).exists() {
            files.push(name.into());
            continue;
        }
        let pattern = glob::glob(name).with_context(|| format!("failed to read glob {name:?}"))?;
        let before = files.len();
        for found in pattern {
            files.push(found.with_context(|| format!("failed to look for {name:?}"))?);
        }
        if files.len() == before {
            bail!("failed to open {name}: no such file, and no file matches it as a glob");
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|f| seen.insert(f.clone()));
    Ok(files)
}

fn read<S: Sink>(file: &Path, mapping: &Mapping, sink: &Mutex<S>) -> Result<()> {
    if file == Path::new("-") {
        return read_standard_input(mapping, sink);
    }
    if file.is_dir() {
        bail!(
            "failed to read {}: it is a folder; name its files, as in '{}/*'",
            file.display(),
            file.display()
        );
    }
    let mut start = [0_u8; 4];
    let mut source =
        File::open(file).with_context(|| format!("failed to open {}", file.display()))?;
    let got = read_start(&mut source, &mut start)
        .with_context(|| format!("failed to read {}", file.display()))?;
    if got == 0 {
        bail!("failed to read {}: the file is empty (0 bytes)", file.display());
    }
    if &start == b"PAR1" {
        return read_parquet(file, mapping, sink);
    }
    if file.extension().is_some_and(|e| e == "parquet") {
        // Let the reader say what is wrong with it.
        return read_parquet(file, mapping, sink);
    }
    read_json((&start[..got]).chain(source), &file.display().to_string(), sink)
}

fn read_start(source: &mut impl Read, start: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < start.len() {
        match source.read(&mut start[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

/// Parquet has its table of contents at the end, so from a pipe it is put into a file first.
fn read_standard_input<S: Sink>(mapping: &Mapping, sink: &Mutex<S>) -> Result<()> {
    let mut source = io::stdin().lock();
    let mut start = [0_u8; 4];
    let got = read_start(&mut source, &mut start).context("failed to read standard input")?;
    if got == 0 {
        bail!("failed to read standard input: nothing came (0 bytes)");
    }
    let mut whole = (&start[..got]).chain(source);
    if &start == b"PAR1" {
        let mut spool = tempfile::NamedTempFile::new().context("failed to make a spool file")?;
        io::copy(&mut whole, &mut spool).context("failed to spool standard input")?;
        return read_parquet(spool.path(), mapping, sink);
    }
    read_json(whole, "standard input", sink)
}

fn read_parquet<S: Sink>(file: &Path, mapping: &Mapping, sink: &Mutex<S>) -> Result<()> {
    let file = resus_columns::open(file, mapping).map_err(output::failed)?;
    (0..file.parts()).into_par_iter().try_for_each(|part| {
        let mut quality = Quality::default();
        let batch = file.read(part, &mut quality).map_err(output::failed)?;
        push(sink, batch, &quality);
        Ok(())
    })
}

fn read_json<S: Sink>(source: impl Read, name: &str, sink: &Mutex<S>) -> Result<()> {
    let mut quality = Quality::default();
    let mut take = |batch: SpanBatch| push(sink, batch, &Quality::default());
    let end = resus_otlp::read(source, name, &mut take, &mut quality);
    push(sink, SpanBatch::new(), &quality);
    end.map_err(output::failed)
}

fn push<S: Sink>(sink: &Mutex<S>, batch: SpanBatch, quality: &Quality) {
    sink.lock().expect("no reader panicked with the lock held").take(batch, quality);
}
