//! The bytes of a WebSocket as they are read: the same bytes out, and which frames they are.
//!
//! The layer above sees whole messages alone. Frames that never make one, because they are empty, or controls, or endless, would
//! pass it unseen.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many fragments a message may have, however small they are.
const FREE_FRAGMENTS: u64 = 1_024;
/// How many bytes each further fragment must bring, on average.
const BYTES_A_FRAGMENT: u64 = 16;
/// How many control frames are taken between two of [`Meter::take_heard`].
const MAX_CONTROL_FRAMES: u32 = 2_000;
/// The longest control frame (RFC 6455, section 5.5).
const MAX_CONTROL_BYTES: u64 = 125;
const LONGEST_HEADER: usize = 14;

/// A stream whose frames are counted while they are read.
#[derive(Debug)]
pub(super) struct Meter<S> {
    stream: S,
    /// What was read before the stream was a WebSocket's, and is not taken yet: even empty it would hold the buffer that it came in.
    early: Option<Bytes>,
    frames: Frames,
}

/// What a peer does that no well-meaning one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Misuse {
    #[error("a message came in too many small fragments")]
    TooManyFragments,
    #[error("too many control frames came")]
    TooManyControlFrames,
    #[error("a control frame has at most 125 bytes")]
    LongControlFrame,
}

impl<S> Meter<S> {
    pub(super) fn new(stream: S, early: Bytes) -> Self {
        Self { stream, early: Some(early).filter(|early| !early.is_empty()), frames: Frames::default() }
    }

    /// Returns the stream itself: what is read from it passes unseen.
    pub(super) fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Returns the number of the message of which a part has come, if one has begun and is not whole.
    pub(super) fn begun_message(&self) -> Option<u64> {
        self.frames.is_within().then_some(self.frames.whole_messages)
    }

    /// Returns whether a whole frame has come since this was asked last.
    pub(super) fn take_heard(&mut self) -> bool {
        self.frames.control_frames = 0;
        std::mem::take(&mut self.frames.heard)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Meter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, early, frames } = &mut *self;
        let before = buf.filled().len();
        match early.take() {
            None => ready!(Pin::new(stream).poll_read(cx, buf))?,
            Some(mut unread) => {
                let taken = unread.split_to(unread.len().min(buf.remaining()));
                buf.put_slice(&taken);
                *early = Some(unread).filter(|unread| !unread.is_empty());
            }
        }
        let taken = frames.take(&buf.filled()[before..]);
        Poll::Ready(taken.map_err(|misuse| io::Error::new(io::ErrorKind::InvalidData, misuse)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Meter<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Where in which frame the bytes are (RFC 6455, section 5.2).
#[derive(Debug, Default)]
struct Frames {
    header: [u8; LONGEST_HEADER],
    header_len: usize,
    payload_left: u64,
    ends_message: bool,
    /// Of the message that is not whole yet.
    fragments: u64,
    bytes: u64,
    whole_messages: u64,
    control_frames: u32,
    heard: bool,
}

impl Frames {
    fn is_within(&self) -> bool {
        self.header_len > 0 || self.fragments > 0
    }

    fn take(&mut self, mut read: &[u8]) -> Result<(), Misuse> {
        while !read.is_empty() {
            if self.payload_left > 0 {
                let count = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(read.len());
                self.payload_left -= count as u64;
                read = &read[count..];
            } else {
                self.header[self.header_len] = read[0];
                self.header_len += 1;
                read = &read[1..];
                if self.header_len < self.wanted_header() {
                    continue;
                }
                self.begin_frame()?;
            }
            if self.payload_left == 0 {
                self.end_frame();
            }
        }
        Ok(())
    }

    /// How long the header is, as far as can be told.
    fn wanted_header(&self) -> usize {
        if self.header_len < 2 {
            return 2;
        }
        let length = match self.header[1] & 0x7f {
            127 => 8,
            126 => 2,
            _ => 0,
        };
        let mask = if self.header[1] & 0x80 != 0 { 4 } else { 0 };
        2 + length + mask
    }

    fn begin_frame(&mut self) -> Result<(), Misuse> {
        let long = |bytes: &[u8]| bytes.iter().fold(0, |length, &byte| length << 8 | u64::from(byte));
        self.payload_left = match self.header[1] & 0x7f {
            127 => long(&self.header[2..10]),
            126 => long(&self.header[2..4]),
            short => u64::from(short),
        };
        let is_control = self.header[0] & 0x08 != 0;
        self.ends_message = !is_control && self.header[0] & 0x80 != 0;
        if is_control {
            self.control_frames += 1;
            if self.payload_left > MAX_CONTROL_BYTES {
                return Err(Misuse::LongControlFrame);
            }
            if self.control_frames > MAX_CONTROL_FRAMES {
                return Err(Misuse::TooManyControlFrames);
            }
        } else {
            self.fragments += 1;
            self.bytes = self.bytes.saturating_add(self.payload_left);
            if self.fragments > FREE_FRAGMENTS + self.bytes / BYTES_A_FRAGMENT {
                return Err(Misuse::TooManyFragments);
            }
        }
        Ok(())
    }

    fn end_frame(&mut self) {
        self.header_len = 0;
        self.heard = true;
        if std::mem::take(&mut self.ends_message) {
            self.whole_messages += 1;
            (self.fragments, self.bytes) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A masked frame.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            short @ 0..126 => bytes.push(0x80 | u8::try_from(short).unwrap()),
            long @ 126..65_536 => {
                bytes.push(0xfe);
                bytes.extend(u16::try_from(long).unwrap().to_be_bytes());
            }
            longest => {
                bytes.push(0xff);
                bytes.extend((longest as u64).to_be_bytes());
            }
        }
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn messages_are_counted_however_their_bytes_are_cut() {
        let mut sent = Vec::new();
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            sent.extend(frame(0x82, &vec![7; length]));
            sent.extend(frame(0x01, &vec![7; length]));
            sent.extend(frame(0x89, b"ping"));
            sent.extend(frame(0x80, b""));
        }
        for size in [1, 2, 3, 5, 7, 64, 4_096, sent.len()] {
            let mut frames = Frames::default();
            for piece in sent.chunks(size) {
                frames.take(piece).unwrap();
            }
            assert_eq!((frames.whole_messages, frames.is_within()), (12, false), "in pieces of {size}");
        }
    }

    #[test]
    fn a_message_is_begun_from_its_first_byte_to_its_last() {
        let mut frames = Frames::default();
        for byte in [frame(0x01, b"a"), frame(0x00, b"b"), frame(0x80, b"c")].concat() {
            assert_eq!(frames.whole_messages, 0);
            frames.take(&[byte]).unwrap();
            assert!(frames.is_within() || frames.whole_messages == 1);
        }
        assert!(!frames.is_within());
    }

    #[test]
    fn fragments_that_bring_nothing_are_refused_and_small_ones_are_not() {
        let mut empty = Frames::default();
        empty.take(&frame(0x01, b"")).unwrap();
        let taken = (1..2_000).position(|_| empty.take(&frame(0x00, b"")).is_err());
        assert_eq!(taken, Some(1_023));
        let mut small = Frames::default();
        small.take(&frame(0x02, &[1; 64])).unwrap();
        for _ in 0..100_000 {
            small.take(&frame(0x00, &[1; 64])).unwrap();
        }
    }

    #[test]
    fn control_frames_are_limited_in_size_and_number() {
        let mut frames = Frames::default();
        assert_eq!(frames.take(&frame(0x89, &[0; 126])), Err(Misuse::LongControlFrame));
        let mut meter = Meter::new((), Bytes::new());
        for _ in 0..3 {
            for _ in 0..MAX_CONTROL_FRAMES {
                meter.frames.take(&frame(0x8a, b"pong")).unwrap();
            }
            assert!(meter.take_heard());
            assert!(!meter.take_heard());
        }
        let all: Vec<u8> = (0..=MAX_CONTROL_FRAMES).flat_map(|_| frame(0x89, b"")).collect();
        assert_eq!(meter.frames.take(&all), Err(Misuse::TooManyControlFrames));
    }
}
