//! Recorded video, rewritten as it is after its recording ended.

// Private in their crate, compiled from where they stand: they are links.
mod recorded_video;
mod webm;

use bytes::Bytes;
use posesession_core::Timestamp;
pub(crate) use posesession_store::VideoType;

use crate::heap::bounded;
use recorded_video::{RecordedVideo, VideoCut};

/// Rewrites a video at once and in pieces. The first bytes say how long the pieces are and what is cut out.
pub fn webm(data: &[u8]) {
    let Some((&[piece, at, length], video)) = data.split_first_chunk::<3>() else { return };
    let mut recorded = RecordedVideo::of_type("video/webm");
    if at > 0 {
        let cut = |byte: u8| Timestamp::from_micros(i64::from(byte.cast_signed()) * 20_000);
        recorded.cuts.push(VideoCut { at: cut(at), length: cut(length) });
    }
    let whole = bounded(video.len(), 64, || rewrite(&recorded, video, video.len()));
    let in_pieces = rewrite(&recorded, video, usize::from(piece) + 1);
    assert_eq!(whole.is_some(), in_pieces.is_some());
    let (Some(whole), Some(in_pieces)) = (whole, in_pieces) else { return };
    assert_eq!(whole, in_pieces);
    assert_eq!(self::webm::source_bytes(&whole), Some(video.len() as u64), "a rewritten video says so");
    // What was rewritten is a video itself.
    rewrite(&RecordedVideo::of_type("video/webm"), &whole, whole.len()).expect("what was rewritten is read");
}

fn rewrite(recorded: &RecordedVideo, video: &[u8], piece: usize) -> Option<Vec<u8>> {
    let mut rewriter = self::webm::Rewriter::new(recorded);
    let mut clusters: Vec<Bytes> = Vec::new();
    for bytes in video.chunks(piece.max(1)) {
        rewriter.push(bytes, &mut clusters).ok()?;
    }
    let end = rewriter.finish(&mut clusters).ok()?;
    clusters.extend(end.last);
    let body = clusters.concat();
    assert_eq!(body.len() as u64, end.cluster_bytes);
    Some([end.front.to_vec(), body].concat())
}
