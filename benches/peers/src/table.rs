//! What was measured in, tables out: aligned for a terminal, and as Markdown.

use crate::durable::Durable;
use crate::growth::Decade;
use crate::measure::Measured;

/// A table of texts.
pub struct Table {
    pub title: String,
    pub headers: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn text(&self) -> String {
        let columns = self.headers.len();
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.headers[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let line = |cells: &[String]| {
            let cells = cells.iter().zip(&widths).enumerate();
            let padded = cells.map(|(column, (cell, &width))| match column {
                0 => format!("{cell:width$}"),
                _ => format!("{cell:>width$}"),
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let headers: Vec<_> = self.headers.iter().map(ToString::to_string).collect();
        let rows: Vec<_> = self.rows.iter().map(|row| line(row)).collect();
        format!("{}\n\n{}\n{}\n", self.title, line(&headers), rows.join("\n"))
    }

    pub fn markdown(&self) -> String {
        let rows: Vec<_> = self.rows.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
        let rule = format!("| --- |{}", " ---: |".repeat(self.headers.len() - 1));
        format!("{}\n\n| {} |\n{rule}\n{}\n", self.title, self.headers.join(" | "), rows.join("\n"))
    }
}

/// A number as a person reads it: three digits, thousands apart.
pub fn number(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.2}");
    }
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// A value and how many times that of posesession it is.
fn with_ratio(value: f64, ours: f64) -> String {
    format!("{} ({:.2} x)", number(value), value / ours)
}

/// The formats beside each other; ratios are to posesession's first row.
pub fn formats(measured: &[Measured], frames: usize) -> Table {
    let ours = &measured[0];
    let rows = measured.iter().map(|row| {
        let a_second = |seconds: f64| frames as f64 / seconds / 1e3;
        let seek = |times: fn(&Measured) -> &crate::measure::Times| {
            let (p50, p99) = (times(row).percentile_ms(50), times(row).percentile_ms(99));
            format!("{p50:.3} / {p99:.3} ({:.2} x)", p50 / times(ours).percentile_ms(50))
        };
        vec![
            row.name.to_owned(),
            with_ratio(row.bytes_33, ours.bytes_33),
            with_ratio(row.bytes_543, ours.bytes_543),
            with_ratio(a_second(row.write.median_s()), a_second(ours.write.median_s())),
            with_ratio(a_second(row.read.median_s()), a_second(ours.read.median_s())),
            seek(|row| &row.seek_fresh),
            seek(|row| &row.seek_open),
            format!("{} / {}", number(row.write_bytes / 1e6), number(row.read_bytes / 1e6)),
        ]
    });
    Table {
        title: format!(
            "Sizes: real recordings. Speeds: {} frames of MediaPipe 33, 528 bytes each. In brackets: how many times \
             posesession's, lossless. Its sizes are those of session files; in a store that has nothing else: {} and {} \
             bytes a frame.",
            number(frames as f64),
            number(ours.growing_bytes_33),
            number(measured[1].growing_bytes_33),
        ),
        headers: vec![
            "",
            "bytes/frame, 33",
            "bytes/frame, 543",
            "write, 1,000 frames/s",
            "read, 1,000 frames/s",
            "seek, fresh file, p50 / p99 ms",
            "seek, open file, p50 / p99 ms",
            "memory of write / read, MB",
        ],
        rows: rows.collect(),
    }
}

/// Seeks in a long session.
pub fn long_seeks(measured: &[Measured], frames: usize) -> Table {
    let rows = measured.iter().map(|row| {
        let times = |times: &crate::measure::Times, ours: &crate::measure::Times| {
            let (p50, p99) = (times.percentile_ms(50), times.percentile_ms(99));
            format!("{p50:.3} / {p99:.3} ({:.2} x)", p50 / ours.percentile_ms(50))
        };
        let ours = &measured[0];
        vec![
            row.name.to_owned(),
            times(&row.seek_fresh, &ours.seek_fresh),
            times(&row.seek_open, &ours.seek_open),
        ]
    });
    Table {
        title: format!("Seek to a random frame of {}.", number(frames as f64)),
        headers: vec!["", "fresh file, p50 / p99 ms", "open file, p50 / p99 ms"],
        rows: rows.collect(),
    }
}

/// Many recordings at once.
pub fn durable(measured: &[Durable], sessions: usize, batch: usize) -> Table {
    let rows = measured.iter().map(|row| {
        vec![
            row.name.to_owned(),
            with_ratio(row.frames_per_s(), measured[0].frames_per_s()),
            number(row.ack.percentile_ms(50)),
            number(row.ack.percentile_ms(99)),
        ]
    });
    Table {
        title: format!(
            "{} sessions at once, each batch of {batch} frames on the disk before its acknowledgement; posesession's \
             compaction is part of the time.",
            number(sessions as f64)
        ),
        headers: vec!["", "frames/s", "ack p50 ms", "ack p99 ms"],
        rows: rows.collect(),
    }
}

/// One session that grows.
pub fn growth(decades: &[Decade]) -> Table {
    let first = &decades[0];
    let rows = decades.iter().map(|decade| {
        vec![
            number(decade.frames as f64),
            with_ratio(decade.record_us, first.record_us),
            with_ratio(decade.record_cpu_us, first.record_cpu_us),
            with_ratio(decade.replay_us, first.replay_us),
            number(decade.list_ms),
            format!("{:.3} / {:.3}", decade.seek.percentile_ms(50), decade.seek.percentile_ms(99)),
            number(decade.memory as f64 / 1e6),
            format!("{:.2} / {:.2}", decade.ack_quiet.percentile_ms(50), decade.ack_quiet.percentile_ms(99)),
            format!(
                "{:.2} / {:.2}",
                decade.ack_compacting.percentile_ms(50),
                decade.ack_compacting.percentile_ms(99)
            ),
        ]
    });
    Table {
        title: "One session that grows; in brackets: how many times that of the first row.".to_owned(),
        headers: vec![
            "frames",
            "record, us/frame",
            "its CPU, us/frame",
            "replay, us/frame",
            "list, ms",
            "seek p50 / p99 ms",
            "memory, MB",
            "another's ack p50 / p99 ms",
            "while compacted",
        ],
        rows: rows.collect(),
    }
}
