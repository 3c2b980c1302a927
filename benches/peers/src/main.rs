//! posesession beside other formats: the same frames, the same process, one table.
//!
//! `make bench-peers`. What is compared how stands in `README.md` of this folder.

mod frames;
mod parallel;
mod peers;
mod measure;
mod durable;
mod growth;
mod table;
mod chart;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::Utc;
use tempfile::TempDir;

use crate::measure::{Extent, say};
use crate::peers::runtime;

/// What can fail here is told to whoever runs it.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const HELP: &str = "\
usage: posesession-peers [--quick] [--long] [--docs FOLDER] [--only PART]...

  --quick         fewer frames and rounds: to see that all works, not to quote
  --long          the growing session up to 10,000,000 frames instead of 1,000,000 (4 GB of disk, some minutes more)
  --docs FOLDER   write benchmarks.md and images/benchmarks.svg there
  --only PART     formats, seeks, durable or growth; without --docs
";

#[derive(Debug, Default)]
struct Options {
    quick: bool,
    long: bool,
    docs: Option<PathBuf>,
    only: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--long" => options.long = true,
                "--docs" => options.docs = Some(arguments.next().ok_or(HELP)?.into()),
                "--only" => options.only.push(arguments.next().ok_or(HELP)?.clone()),
                _ => return Err(HELP.into()),
            }
        }
        Ok(options)
    }

    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        println!("{HELP}");
        return Ok(());
    }
    if let Some((_, rest)) = arguments.split_first().filter(|(first, _)| *first == "--child") {
        return measure::child(rest);
    }
    let options = Options::parse(&arguments)?;
    run(&options)
}

fn run(options: &Options) -> Outcome<()> {
    // Beside the program, which is on a disk: the system's temporary folder may be in memory.
    let program = std::env::current_exe()?;
    let folder = TempDir::new_in(program.parent().unwrap_or(Path::new(".")))?;
    let wait = runtime();
    let recordings = [
        wait.block_on(frames::recording("people_mediapipe_33.db"))?,
        wait.block_on(frames::recording("people_holistic_543.db"))?,
    ];
    let quick = options.quick;
    let extent = Extent {
        frames: if quick { 10_000 } else { 100_000 },
        rounds: if quick { 1 } else { 7 },
        seeks: if quick { 50 } else { 500 },
    };
    let mut tables = Vec::new();
    let mut chart = None;
    if options.wants("growth") {
        let most = if options.long {
            10_000_000
        } else if quick {
            10_000
        } else {
            1_000_000
        };
        let decades = wait.block_on(growth::measure(folder.path(), &recordings[0], most))?;
        tables.push(table::growth(&decades));
        fs::remove_file(folder.path().join("growth.db"))?;
    }
    if options.wants("formats") {
        let measured = measure::formats(folder.path(), extent, &recordings)?;
        chart = Some(chart::draw(&measured, extent.frames, &note()));
        tables.insert(0, table::formats(&measured, extent.frames));
    }
    if options.wants("seeks") {
        let extent = Extent { frames: 10 * extent.frames, ..extent };
        let measured = measure::long_seeks(folder.path(), extent, &recordings[0])?;
        tables.push(table::long_seeks(&measured, extent.frames));
    }
    if options.wants("durable") {
        let long = Arc::new(frames::long(&recordings[0], 0, extent.frames));
        let (sessions, batches) = if quick { (100, 16) } else { (1_000, 64) };
        let measured = durable::measure(folder.path(), &long, sessions, batches)?;
        tables.push(table::durable(&measured, sessions, durable::BATCH_FRAMES));
    }
    println!("{}\n", note());
    tables.iter().for_each(|table| println!("{}", table.text()));
    if let (Some(docs), Some(chart)) = (&options.docs, chart) {
        write_docs(docs, &tables, &chart)?;
    }
    Ok(())
}

/// Where and when this was measured.
fn note() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let system = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{} of {}, Linux {}, {}; make bench-peers",
        match parallel::threads() {
            1 => "1 core".to_owned(),
            cores => format!("{cores} shared cores"),
        },
        model.unwrap_or("an unknown processor"),
        system.trim(),
        Utc::now().format("%Y-%m-%d")
    )
}

/// Replaces what stands between the marks of `benchmarks.md`, and the chart.
fn write_docs(docs: &Path, tables: &[table::Table], chart: &str) -> Outcome<()> {
    const BEGIN: &str = "<!-- make bench-peers writes from here -->";
    const END: &str = "<!-- to here -->";
    let page = docs.join("benchmarks.md");
    let text = fs::read_to_string(&page)?;
    let (before, rest) = text.split_once(BEGIN).ok_or("benchmarks.md has no begin mark")?;
    let (_, after) = rest.split_once(END).ok_or("benchmarks.md has no end mark")?;
    let tables: Vec<_> = tables.iter().map(table::Table::markdown).collect();
    fs::write(&page, format!("{before}{BEGIN}\n\n{}.\n\n{}\n{END}{after}", note(), tables.join("\n")))?;
    fs::write(docs.join("images/benchmarks.svg"), chart)?;
    say(&format!("wrote {} and images/benchmarks.svg", page.display()));
    Ok(())
}
