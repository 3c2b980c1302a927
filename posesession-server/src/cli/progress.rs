//! How far long work is, drawn on stderr where somebody sees it.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use posesession_store::Progress;

/// A bar of bytes. Where stderr is no terminal, nothing is drawn.
pub(super) fn bytes_bar(label: &str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_message(label.to_owned());
    bar.set_style(style("{msg:24!} {wide_bar} {bytes:>10} of {total_bytes} {eta:>4}"));
    bar
}

/// A count of frames that has no end yet.
pub(super) fn frames_spinner(label: &str) -> ProgressBar {
    let bar = ProgressBar::no_length().with_message(label.to_owned());
    bar.set_style(style("{spinner} {msg:24!} {human_pos} frames in {elapsed}"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Makes what a transfer calls to move a bar.
pub(super) fn moving(bar: &ProgressBar) -> impl FnMut(Progress) + Send {
    let bar = bar.clone();
    move |progress| {
        bar.set_length(progress.total_bytes);
        bar.set_position(progress.done_bytes);
    }
}

/// A template is checked by a test, and shown plainly if it were wrong.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_wrong| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_right() {
        for template in [
            "{msg:24!} {wide_bar} {bytes:>10} of {total_bytes} {eta:>4}",
            "{spinner} {msg:24!} {human_pos} frames in {elapsed}",
        ] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
