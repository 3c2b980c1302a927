//! The bytes of a WebSocket as they are read: the same bytes out, and which frames they are.
//!
//! The layer above sees whole messages alone. Frames that never make one, because they are empty, or controls, or endless, would
//! pass it unseen.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

use super::MAX_MESSAGE_BYTES;

/// How many fragments a message may have, however small they are.
const FREE_FRAGMENTS: u64 = 1_024;
/// How many bytes each further fragment must bring, on average.
const BYTES_A_FRAGMENT: u64 = 16;
/// How many bytes of a message are read whatever others send.
const FREE_BYTES: u64 = 256 << 10;
/// How many bytes the longer messages of all connections of the process may have together before they are whole.
const ROOM_BYTES: u64 = 256 << 20;
/// In which steps that is given out.
const ROOM_STEP: u64 = 64 << 10;
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
    room: PollSemaphore,
    /// The room of the message that is being read, by its number.
    held: Option<(u64, OwnedSemaphorePermit)>,
}

/// What is left of [`ROOM_BYTES`], in steps.
fn room() -> Arc<Semaphore> {
    static ROOM: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
        Arc::new(Semaphore::new(usize::try_from(ROOM_BYTES / ROOM_STEP).unwrap_or(usize::MAX)))
    });
    Arc::clone(&ROOM)
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
        Self::within(room(), stream, early)
    }

    fn within(room: Arc<Semaphore>, stream: S, early: Bytes) -> Self {
        let early = Some(early).filter(|early| !early.is_empty());
        Self { stream, early, frames: Frames::default(), room: PollSemaphore::new(room), held: None }
    }

    /// Waits until there is room for the message that has begun. Without this bound, a thousand clients that each leave a message of
    /// 16 MiB unfinished would take 16 GiB.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // What is longer is refused by the layer above.
        let bytes = self.frames.bytes.min(MAX_MESSAGE_BYTES as u64);
        if bytes <= FREE_BYTES {
            return Poll::Ready(());
        }
        let wanted = bytes.div_ceil(ROOM_STEP);
        let has = self.held.as_ref().map_or(0, |(_, permit)| permit.num_permits() as u64);
        let Some(more) = u32::try_from(wanted.saturating_sub(has)).ok().filter(|&more| more > 0) else {
            return Poll::Ready(());
        };
        let Some(permit) = ready!(self.room.poll_acquire_many(cx, more)) else { return Poll::Ready(()) };
        match &mut self.held {
            Some((_, held)) => held.merge(permit),
            None => self.held = Some((self.frames.whole_messages, permit)),
        }
        Poll::Ready(())
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
        ready!(self.poll_room(cx));
        let Self { stream, early, frames, held, .. } = &mut *self;
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
        held.take_if(|(of, _)| *of != frames.whole_messages);
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
    use std::time::Duration;

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

    #[tokio::test]
    async fn long_messages_wait_for_room_and_short_ones_do_not() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
        let room = Arc::new(Semaphore::new(8));
        let (long, short) = (frame(0x82, &vec![7; 400 << 10]), frame(0x82, &vec![7; 200 << 10]));
        let mut meters = Vec::new();
        let mut senders = Vec::new();
        for _ in 0..3 {
            let (sender, receiver) = duplex(1 << 20);
            senders.push(sender);
            meters.push(Meter::within(Arc::clone(&room), receiver, Bytes::new()));
        }
        let mut bytes = vec![0; long.len()];
        // The first one's message has come but for its last byte: it keeps seven of eight steps.
        senders[0].write_all(&long[..long.len() - 1]).await.unwrap();
        let begun = meters[0].read(&mut bytes[..64]).await.unwrap();
        meters[0].read_exact(&mut bytes[..long.len() - 1 - begun]).await.unwrap();
        assert_eq!(room.available_permits(), 1);
        // Of the second one's only the beginning is read, up to where its length is known.
        senders[1].write_all(&long).await.unwrap();
        let begun = meters[1].read(&mut bytes[..64]).await.unwrap();
        let waits = tokio::time::timeout(Duration::from_millis(50), meters[1].read(&mut bytes)).await;
        assert!(waits.is_err(), "there is no room");
        // The third one's is short.
        senders[2].write_all(&short).await.unwrap();
        meters[2].read_exact(&mut bytes[..short.len()]).await.unwrap();
        senders[0].write_all(&long[long.len() - 1..]).await.unwrap();
        meters[0].read_exact(&mut bytes[..1]).await.unwrap();
        assert_eq!(meters[0].frames.whole_messages, 1);
        assert_eq!(room.available_permits(), 1, "what the first one had is the second one's");
        meters[1].read_exact(&mut bytes[..long.len() - begun]).await.unwrap();
        assert_eq!((meters[1].frames.whole_messages, room.available_permits()), (1, 8));
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
