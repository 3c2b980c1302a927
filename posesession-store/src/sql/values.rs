//! Values as they stand in columns, the same in all SQL stores.

use chrono::{DateTime, Utc};
use posesession_core::{Encoding, Layout, LayoutPart, QualityReport};

/// Writes a layout as it stands in a column, such as `33x4+21x4`.
pub(crate) fn layout_text(layout: &Layout) -> String {
    let parts: Vec<_> = layout.parts.iter().map(|p| format!("{}x{}", p.keypoints, p.channels)).collect();
    parts.join("+")
}

pub(crate) fn layout(text: &str) -> Option<Layout> {
    let part = |part: &str| {
        let (keypoints, channels) = part.split_once('x')?;
        Some(LayoutPart { keypoints: keypoints.parse().ok()?, channels: channels.parse().ok()? })
    };
    Some(Layout { parts: text.split('+').map(part).collect::<Option<_>>()? })
}

/// Writes a report as it stands in a column.
pub(crate) fn report_json(report: Option<&QualityReport>) -> Option<String> {
    // Counts and finite numbers by name: nothing that could fail.
    report.and_then(|report| serde_json::to_string(report).ok())
}

/// Writes the bounds of an encoding as they stand in a column.
pub(crate) fn max_error_json(encoding: &Encoding) -> Option<String> {
    // An object of names and finite numbers is always JSON.
    encoding.max_error().and_then(|max_error| serde_json::to_string(max_error).ok())
}

/// Writes an encoding as it stands in one column.
pub(crate) fn encoding_json(encoding: &Encoding) -> Option<String> {
    serde_json::to_string(encoding).ok()
}

/// Reads the encoding to which a session is being recoded. One that can't be read is taken for another one: bounds are added
/// once too often then, and still hold.
pub(crate) fn recoding_of(text: Option<&str>) -> Option<Encoding> {
    text.and_then(|text| serde_json::from_str(text).ok())
}

/// Reads an encoding from its two columns.
pub(crate) fn encoding(codec: &str, max_error: Option<&str>) -> Result<Encoding, String> {
    let max_error = max_error.map(serde_json::from_str).transpose();
    let max_error = max_error.map_err(|error| format!("the column `max_error`: {error}"))?;
    Encoding::from_parts(Some(codec), max_error).map_err(|error| format!("the column `codec`: {error}"))
}

pub(crate) fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// A count as a signed column keeps it. Counts are far below the limit: frames and bytes of one session.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use posesession_core::Skeleton;

    use super::*;

    #[test]
    fn layouts_round_trip() {
        for preset in ["mediapipe_33", "mediapipe_holistic_543", "hand_21"] {
            let layout_of = Skeleton::preset(preset).unwrap().layout();
            assert_eq!(layout(&layout_text(&layout_of)), Some(layout_of));
        }
        for broken in ["", "3", "3x", "3x4+", "70000x4", "-1x4"] {
            assert_eq!(layout(broken), None, "{broken}");
        }
    }
}
