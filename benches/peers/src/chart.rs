//! What was measured in, a picture out: bars side by side, as an SVG that is read on light and on dark pages.

use std::fmt::Write as _;

use crate::measure::Measured;
use crate::table::number;

/// What is drawn: too many bars say nothing.
const SHOWN: [(&str, &str); 8] = [
    ("posesession, bounded", "posesession, bounded"),
    ("posesession, lossless", "posesession, lossless"),
    ("Parquet zstd, byte-stream split", "Parquet zstd"),
    ("Arrow IPC zstd", "Arrow IPC zstd"),
    ("MCAP zstd, f32", "MCAP zstd"),
    ("MCAP, f32", "MCAP uncompressed"),
    ("SQLite, a row of f32 a frame", "SQLite row, f32"),
    ("SQLite, a row of JSON a frame", "SQLite row, JSON"),
];
const WIDTH: f64 = 920.0;
const NAMES_WIDTH: f64 = 172.0;
const PANEL_WIDTH: f64 = 172.0;
const PANEL_GAP: f64 = 14.0;
const ROW: f64 = 24.0;
const TOP: f64 = 76.0;
/// What is longer than so many times the others' longest is cut, and says so.
const CUT: f64 = 1.3;

const STYLE: &str = "
    text { font: 12px system-ui, sans-serif; fill: #24292f; }
    .title { font-size: 15px; font-weight: 600; }
    .small { font-size: 11px; fill: #57606a; }
    .ours { fill: #0969da; } .peer { fill: #9aa4af; }
    .us { font-weight: 600; } line { stroke: #9aa4af; }
    @media (prefers-color-scheme: dark) {
        text { fill: #e6edf3; } .small { fill: #9aa4af; }
        .ours { fill: #58a6ff; } .peer { fill: #6e7681; } line { stroke: #6e7681; }
    }
";

struct Panel {
    title: &'static str,
    unit: &'static str,
    value: fn(&Measured, f64) -> f64,
}

const PANELS: [Panel; 4] = [
    Panel { title: "Size", unit: "bytes a frame; less is better", value: |row, _| row.bytes_33 },
    Panel {
        title: "Bulk write, synced",
        unit: "1,000 frames/s; more is better",
        value: |row, frames| frames / row.write.median_s() / 1e3,
    },
    Panel {
        title: "Full read",
        unit: "1,000 frames/s; more is better",
        value: |row, frames| frames / row.read.median_s() / 1e3,
    },
    Panel {
        title: "Seek, fresh file",
        unit: "ms, median; less is better",
        value: |row, _| row.seek_fresh.percentile_ms(50),
    },
];

/// Draws the chart; `note` says on which machine and when.
pub fn draw(measured: &[Measured], frames: usize, note: &str) -> String {
    let rows: Vec<_> = SHOWN
        .iter()
        .filter_map(|(name, label)| Some((*label, measured.iter().find(|row| row.name == *name)?)))
        .collect();
    let height = TOP + ROW * rows.len() as f64 + 34.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" role=\"img\" \
         aria-label=\"posesession beside other formats: size, write, read, seek\">\n<style>{STYLE}</style>\n\
         <text class=\"title\" x=\"0\" y=\"16\">One person, 33 keypoints, 528 bytes of f32 a frame</text>\n"
    );
    for (place, (label, _)) in rows.iter().enumerate() {
        let y = TOP + ROW * place as f64 + 16.0;
        let class = if label.starts_with("posesession") { " class=\"us\"" } else { "" };
        let x = NAMES_WIDTH - 8.0;
        let _ = writeln!(svg, "<text{class} x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{label}</text>");
    }
    for (index, panel) in PANELS.iter().enumerate() {
        let x = NAMES_WIDTH + index as f64 * (PANEL_WIDTH + PANEL_GAP);
        let values: Vec<_> = rows.iter().map(|(_, row)| (panel.value)(row, frames as f64)).collect();
        draw_panel(&mut svg, panel, x, &values, &rows);
    }
    let y = height - 8.0;
    let _ = write!(svg, "<text class=\"small\" x=\"0\" y=\"{y}\">{note}</text>\n</svg>\n");
    svg
}

fn draw_panel(svg: &mut String, panel: &Panel, x: f64, values: &[f64], rows: &[(&str, &Measured)]) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (largest, second) = (sorted[sorted.len() - 1], sorted[sorted.len() - 2]);
    // One bar far beyond the others would leave nothing of them.
    let scale = if largest > 3.0 * second { second * CUT } else { largest };
    let room = PANEL_WIDTH - 52.0;
    let _ = writeln!(
        svg,
        "<text class=\"us\" x=\"{x}\" y=\"44\">{}</text><text class=\"small\" x=\"{x}\" y=\"60\">{}</text>",
        panel.title, panel.unit
    );
    let bottom = TOP + ROW * rows.len() as f64;
    let _ = writeln!(svg, "<line x1=\"{x}\" x2=\"{x}\" y1=\"{}\" y2=\"{bottom}\"/>", TOP - 4.0);
    for (place, (value, (label, _))) in values.iter().zip(rows).enumerate() {
        let top = TOP + ROW * place as f64 + 4.0;
        let width = (value / scale).min(1.0) * room;
        let class = if label.starts_with("posesession") { "ours" } else { "peer" };
        let cut = if *value > scale { " \u{2192}" } else { "" };
        let (bar_x, text_x, text_y) = (x + 1.0, x + width + 6.0, top + 12.0);
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{bar_x}\" y=\"{top}\" width=\"{width:.1}\" height=\"16\" rx=\"2\"/>\
             <text x=\"{text_x:.1}\" y=\"{text_y}\">{}{cut}</text>",
            number(*value)
        );
    }
}
