//! The pieces of a video file that the server has not stored yet. Pieces in, the same in order out, again after each break.

use std::collections::VecDeque;

use bytes::Bytes;

#[derive(Debug, Default)]
pub(super) struct VideoBuffer {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// How many of the pieces the present connection has been sent.
    sent: usize,
    stored_bytes: u64,
}

#[derive(Debug)]
struct Piece {
    end: u64,
    message: Bytes,
}

impl VideoBuffer {
    pub(super) fn push(&mut self, end: u64, message: Bytes) {
        self.bytes += message.len();
        self.pieces.push_back(Piece { end, message });
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets the pieces that are stored whole.
    pub(super) fn ack(&mut self, stored_bytes: u64) {
        self.stored_bytes = self.stored_bytes.max(stored_bytes);
        while let Some(piece) = self.pieces.pop_front_if(|piece| piece.end <= stored_bytes) {
            self.bytes -= piece.message.len();
            self.sent = self.sent.saturating_sub(1);
        }
    }

    /// Returns the next piece for the present connection.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        let piece = self.pieces.get(self.sent)?;
        self.sent += 1;
        Some(piece.message.clone())
    }

    /// Begins anew: there is a new connection.
    pub(super) fn rewind(&mut self) {
        self.sent = 0;
    }

    pub(super) fn is_sent(&self) -> bool {
        self.sent == self.pieces.len()
    }

    pub(super) fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stay_until_they_are_stored_whole() {
        let mut video = VideoBuffer::default();
        for (end, text) in [(3, "abc"), (5, "de"), (6, "f")] {
            video.push(end, Bytes::from_static(text.as_bytes()));
        }
        assert_eq!(video.next(), Some(Bytes::from_static(b"abc")));
        assert_eq!(video.next(), Some(Bytes::from_static(b"de")));
        video.ack(4);
        assert_eq!((video.bytes(), video.is_sent()), (3, false));
        video.rewind();
        assert_eq!(video.next(), Some(Bytes::from_static(b"de")));
        assert_eq!(video.next(), Some(Bytes::from_static(b"f")));
        video.ack(6);
        assert_eq!((video.bytes(), video.is_sent(), video.stored_bytes()), (0, true, 6));
    }
}
