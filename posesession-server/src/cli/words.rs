//! Numbers and texts as people read them.

use chrono::{DateTime, Local, Utc};
use posesession_core::{Encoding, Timestamp};

/// Says when, by the clock of where the user is.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string()
}

/// Says how long: `4.2 s`, `3:05`, `1:02:03`.
pub(super) fn length(duration: Timestamp) -> String {
    let micros = duration.as_micros().max(0);
    if micros < 60_000_000 {
        return format!("{}.{} s", micros / 1_000_000, micros / 100_000 % 10);
    }
    let secs = micros / 1_000_000;
    match secs / 3600 {
        0 => format!("{}:{:02}", secs / 60, secs % 60),
        hours => format!("{hours}:{:02}:{:02}", secs / 60 % 60, secs % 60),
    }
}

/// Says how many bytes: `12 B`, `3.4 MiB`.
pub(super) fn bytes(count: u64) -> String {
    let (mut whole, mut tenths, mut unit) = (count, 0, 0);
    while whole >= 1024 && unit < 4 {
        tenths = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit += 1;
    }
    match ["B", "KiB", "MiB", "GiB", "TiB"].get(unit) {
        Some(&"B") | None => format!("{count} B"),
        Some(name) => format!("{whole}.{tenths} {name}"),
    }
}

/// Says how many frames.
pub(super) fn frames(count: u64) -> String {
    if count == 1 { "1 frame".to_owned() } else { format!("{count} frames") }
}

/// Says how a session is encoded, and how exact that is.
pub(super) fn encoding(encoding: &Encoding) -> String {
    let Some(max_error) = encoding.max_error() else {
        return format!("{}, lossless", encoding.name());
    };
    let bounds: Vec<_> =
        max_error.channels().map(|(name, bound)| format!("{bound:?} in {}", line(name))).collect();
    format!("{}, off by at most {}", encoding.name(), bounds.join(", "))
}

/// Puts a text into one line, without what a terminal would take for commands.
pub(super) fn line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_sizes_read_well() {
        let secs = |secs: f64| length(Timestamp::from_secs_f64(secs).unwrap());
        assert_eq!([secs(0.0), secs(4.26), secs(185.9), secs(3723.0)], ["0.0 s", "4.2 s", "3:05", "1:02:03"]);
        assert_eq!(
            [bytes(0), bytes(1023), bytes(1536), bytes(5 << 30)],
            ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]
        );
        assert_eq!(line("a\u{1b}[31m\nb"), "a [31m b");
    }
}
