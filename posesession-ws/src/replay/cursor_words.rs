//! Between the protocol's words and the cursor's.

use posesession_core::{
    CursorError, LoopMode, Marker, MarkerKind, PlaybackRange, PlaybackState, ReplayCursor, SeekMode,
    SeekTarget, SessionExtent, SessionRecording, Timestamp,
};

use crate::protocol::{CommandId, ErrorCode, ProtocolError, SeekCommand, SetRange, StateMessage};

pub(super) fn extent(session: &SessionRecording) -> SessionExtent {
    SessionExtent {
        frame_count: session.frame_count,
        duration: session.duration,
        live: session.status.is_live(),
    }
}

pub(super) fn state_message(state: PlaybackState, id: Option<CommandId>, server_time: f64) -> StateMessage {
    StateMessage {
        id,
        status: state.status.as_str().to_owned(),
        timestamp: state.timestamp,
        frame_number: state.frame_number,
        rate: state.rate,
        epoch: state.epoch,
        server_time,
        cause: state.cause,
    }
}

/// Reads where a seek goes. A marker is found by its label, the first of several.
pub(super) fn seek_target(
    seek: &SeekCommand,
    markers: &[Marker],
) -> Result<(SeekTarget, SeekMode), ProtocolError> {
    let mode = match seek.mode.as_deref() {
        None | Some("before") => SeekMode::Before,
        Some("nearest") => SeekMode::Nearest,
        Some("exact") => SeekMode::Exact,
        Some(other) => {
            let message = format!("`{other}` is no mode of a seek: use before, nearest or exact");
            return Err(ProtocolError::new(ErrorCode::BadMessage, message));
        }
    };
    let target = match (seek.timestamp, seek.frame_number, seek.fraction, seek.marker.as_deref()) {
        (Some(timestamp), None, None, None) => SeekTarget::Timestamp(timestamp),
        (None, Some(frame_number), None, None) => SeekTarget::Frame(frame_number),
        (None, None, Some(fraction), None) => SeekTarget::Fraction(fraction),
        (None, None, None, Some(label)) => {
            let mut user_markers = markers.iter().filter(|marker| marker.kind == MarkerKind::User);
            let found = user_markers.find(|marker| marker.label == label);
            let message = format!("the session has no marker `{label}`");
            let missing = || ProtocolError::new(ErrorCode::MarkerNotFound, message);
            SeekTarget::Timestamp(found.ok_or_else(missing)?.timestamp)
        }
        _ => {
            let message = "a seek needs exactly one of `timestamp`, `frame_number`, `fraction`, `marker`";
            return Err(ProtocolError::new(ErrorCode::BadMessage, message));
        }
    };
    Ok((target, mode))
}

/// Completes a range with what is set already; without any field it is the whole session, played once.
pub(super) fn range(
    set: &SetRange,
    cursor: &ReplayCursor,
) -> Result<(Option<PlaybackRange>, LoopMode), ProtocolError> {
    let whole = *set == SetRange::default();
    let loop_mode = match set.loop_mode.as_deref() {
        None if whole => LoopMode::None,
        None => cursor.loop_mode(),
        Some("none") => LoopMode::None,
        Some("loop") => LoopMode::Loop,
        Some("ping_pong") => LoopMode::PingPong,
        Some(other) => {
            let message = format!("`{other}` is no loop: use none, loop or ping_pong");
            return Err(ProtocolError::new(ErrorCode::BadMessage, message));
        }
    };
    let range = match (set.start, set.end) {
        (None, None) if whole => None,
        (None, None) => cursor.range(),
        (start, end) => Some(PlaybackRange {
            start: start.or(cursor.range().map(|range| range.start)).unwrap_or(Timestamp::ZERO),
            end: end.or(cursor.range().map(|range| range.end)).unwrap_or(cursor.extent().duration),
        }),
    };
    Ok((range, loop_mode))
}

pub(super) fn cursor_error(error: &CursorError) -> ProtocolError {
    let code = match error {
        CursorError::NoFrames => ErrorCode::BadState,
        CursorError::FrameNotFound { .. } => ErrorCode::FrameNotFound,
        CursorError::ChunkDoesNotCover { .. } => ErrorCode::Storage,
        _ => ErrorCode::OutOfRange,
    };
    ProtocolError::new(code, error.to_string())
}
