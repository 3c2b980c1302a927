//! How things are measured: rounds in turns, medians, percentiles, memory.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use posesession::core::Skeleton;

use crate::Outcome;
use crate::frames::{Frames, long, max_error, next_random, recording};
use crate::peers::{Format, all, runtime};

/// What takes longer than this is done thrice only.
const SLOW: Duration = Duration::from_millis(1_500);
const FEW_ROUNDS: usize = 3;
const SAMPLE: Duration = Duration::from_micros(500);

/// Durations of one kind of work.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// The time below which so much of a hundred is, in milliseconds.
    pub fn percentile_ms(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }

    pub fn median_s(&self) -> f64 {
        self.percentile_ms(50) / 1e3
    }

    fn is_enough(&self) -> bool {
        self.0.len() >= FEW_ROUNDS && self.0.iter().min().is_some_and(|&fastest| fastest > SLOW)
    }
}

/// Runs some work and tells how long it took.
pub fn timed<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, Duration)> {
    let start = Instant::now();
    let result = work()?;
    Ok((result, start.elapsed()))
}

/// What was measured of one format.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    pub name: &'static str,
    pub bytes_33: f64,
    /// Of the file that is written to, where it is another one than is handed on.
    pub growing_bytes_33: f64,
    pub bytes_543: f64,
    pub write: Times,
    pub read: Times,
    pub seek_fresh: Times,
    pub seek_open: Times,
    pub write_bytes: f64,
    pub read_bytes: f64,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub frames: usize,
    pub rounds: usize,
    pub seeks: usize,
}

pub fn say(what: &str) {
    eprintln!("peers: {what}");
}

/// Measures sizes, speeds, seeks and memory of all formats, in turns.
pub fn formats(folder: &Path, extent: Extent, recordings: &[Frames; 2]) -> Outcome<Vec<Measured>> {
    let formats = all();
    let mut measured: Vec<_> =
        formats.iter().map(|format| Measured { name: format.name(), ..Measured::default() }).collect();
    for (format, measured) in formats.iter().zip(&mut measured) {
        say(&format!("size of {}", format.name()));
        measured.bytes_33 = bytes_a_frame(format.as_ref(), folder, &recordings[0])?;
        let store = folder.join("size");
        format.write(&store, &recordings[0])?;
        measured.growing_bytes_33 = size_of(&store) as f64 / recordings[0].len() as f64;
        remove(&store)?;
        measured.bytes_543 = bytes_a_frame(format.as_ref(), folder, &recordings[1])?;
    }
    let frames = long(&recordings[0], 0, extent.frames);
    let paths: Vec<_> = (0..formats.len()).map(|index| folder.join(format!("long_{index}"))).collect();
    for round in 1..=extent.rounds {
        say(&format!("round {round} of {}: writing and reading {} frames", extent.rounds, extent.frames));
        for ((format, measured), path) in formats.iter().zip(&mut measured).zip(&paths) {
            if !measured.write.is_enough() {
                remove(path)?;
                measured.write.push(timed(|| format.write(path, &frames))?.1);
            }
            if !measured.read.is_enough() {
                let (read, time) = timed(|| format.read(path, &frames.skeleton))?;
                measured.read.push(time);
                if round == 1 {
                    check(format.as_ref(), read, &frames)?;
                }
            }
        }
    }
    seeks(extent, &formats, &mut measured, &paths, &frames)?;
    for (index, (measured, path)) in measured.iter_mut().zip(&paths).enumerate() {
        say(&format!("memory of {}", measured.name));
        measured.read_bytes = in_child(["read", &index.to_string()], path, extent.frames)?;
        remove(path)?;
        measured.write_bytes = in_child(["write", &index.to_string()], path, extent.frames)?;
        remove(path)?;
    }
    Ok(measured)
}

/// Measures only seeks, in a session so long that its index counts.
pub fn long_seeks(folder: &Path, extent: Extent, recording: &Frames) -> Outcome<Vec<Measured>> {
    let formats: Vec<_> = all().into_iter().filter(|format| !format.is_bulky()).collect();
    let mut measured: Vec<_> =
        formats.iter().map(|format| Measured { name: format.name(), ..Measured::default() }).collect();
    let paths: Vec<_> = (0..formats.len()).map(|index| folder.join(format!("seek_{index}"))).collect();
    let frames = long(recording, 0, extent.frames);
    for (format, path) in formats.iter().zip(&paths) {
        say(&format!("writing {} frames: {}", extent.frames, format.name()));
        format.write(path, &frames)?;
    }
    seeks(extent, &formats, &mut measured, &paths, &frames)?;
    paths.iter().try_for_each(|path| remove(path))?;
    Ok(measured)
}

fn seeks(
    extent: Extent,
    formats: &[Box<dyn Format>],
    measured: &mut [Measured],
    paths: &[PathBuf],
    frames: &Frames,
) -> Outcome<()> {
    say(&format!("{} seeks in {} frames", extent.seeks, extent.frames));
    let mut random = 5;
    let mut place = || usize::try_from(next_random(&mut random) % frames.len() as u64).unwrap_or(0);
    for seek in 0..=extent.seeks {
        for ((format, measured), path) in formats.iter().zip(measured.iter_mut()).zip(paths) {
            let n = place();
            let fresh = timed(|| {
                let mut opened = format.open(path, &frames.skeleton)?;
                let values = opened.frame(n)?;
                Ok((opened, values))
            })?;
            let ((mut opened, values), fresh) = fresh;
            assert!((values[0] - frames.frame(n)[0]).abs() < 1e-4, "{} found another frame", format.name());
            let n = place();
            let (_, open) = timed(|| opened.frame(n))?;
            // The first one of a format loads its code.
            if seek > 0 {
                measured.seek_fresh.push(fresh);
                measured.seek_open.push(open);
            }
        }
    }
    Ok(())
}

/// Writes a real recording, as it is, and says how large the file is.
fn bytes_a_frame(format: &dyn Format, folder: &Path, frames: &Frames) -> Outcome<f64> {
    let path = folder.join("size");
    format.hand_on(&path, frames)?;
    let bytes = size_of(&path);
    check(format, format.read(&path, &frames.skeleton)?, frames)?;
    remove(&path)?;
    Ok(bytes as f64 / frames.len() as f64)
}

/// How large a file is, with what is beside it.
fn size_of(path: &Path) -> u64 {
    files_of(path).iter().map(|file| fs::metadata(file).map_or(0, |metadata| metadata.len())).sum()
}

/// A format that gives back other frames than it was given has not won anything.
fn check(format: &dyn Format, read: (Vec<i64>, Vec<f32>), written: &Frames) -> Outcome<()> {
    let (timestamps, values) = read;
    let read = Frames { skeleton: written.skeleton.clone(), timestamps, values };
    let bounds = format.is_bounded().then(max_error);
    Ok(read.compare(written, bounds.as_ref()).map_err(|what| format!("{}: {what}", format.name()))?)
}

/// A file, and what a database may have beside it.
fn files_of(path: &Path) -> [PathBuf; 4] {
    ["", "-wal", "-shm", "-journal"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

fn remove(path: &Path) -> Outcome<()> {
    for file in files_of(path) {
        match fs::remove_file(file) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Runs [`child`] in a process of its own, whose memory nothing else has used before.
fn in_child(work: [&str; 2], path: &Path, frames: usize) -> Outcome<f64> {
    let program = std::env::current_exe()?;
    let child = Command::new(program).arg("--child").args(work).arg(path).arg(frames.to_string()).output()?;
    let text = String::from_utf8(child.stdout)?;
    let bytes = text.trim().parse::<f64>();
    bytes.map_err(|_no_number| String::from_utf8_lossy(&child.stderr).into_owned().into())
}

/// Writes or reads once, and prints by how much the process' own memory grew at most, without the arrays of frames.
pub fn child(arguments: &[String]) -> Outcome<()> {
    let [work, format, path, frames] = arguments else {
        return Err("--child is for this program itself".into());
    };
    let formats = all();
    let format = formats.get(format.parse::<usize>()?).ok_or("no such format")?;
    let (path, count) = (Path::new(path), frames.parse::<usize>()?);
    let arrays = |frames: &Frames| (frames.values.len() * 4 + frames.timestamps.len() * 8) as u64;
    let grown = if work == "write" {
        let recording = runtime().block_on(recording("people_mediapipe_33.db"))?;
        let frames = long(&recording, 0, count);
        drop(recording);
        growth(|| format.write(path, &frames))?.1
    } else {
        let skeleton = Skeleton::preset("mediapipe_33")?;
        let ((timestamps, values), grown) = growth(|| format.read(path, &skeleton))?;
        grown.saturating_sub(arrays(&Frames { skeleton, timestamps, values }))
    };
    println!("{grown}");
    Ok(())
}

/// By how many bytes the process' own memory grows at most while `work` runs; files that are mapped don't count.
fn growth<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, u64)> {
    let before = own_memory();
    let (most, is_done) = (AtomicU64::new(before), AtomicBool::new(false));
    let result = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                most.fetch_max(own_memory(), Ordering::Relaxed);
                thread::sleep(SAMPLE);
            }
        });
        let result = work();
        is_done.store(true, Ordering::Relaxed);
        result
    })?;
    Ok((result, most.into_inner().saturating_sub(before)))
}

/// The process' memory in bytes, without files that are mapped.
pub fn own_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}
