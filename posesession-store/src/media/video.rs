//! A session's video: segments in while it is recorded, byte ranges out when it is joined.

use std::ops::Range;

use bytes::Bytes;
use futures::stream::BoxStream;
use posesession_core::SessionId;

use super::error::MediaError;
use super::{MediaStore, name};

/// What a video's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VideoType {
    /// WebM, as most browsers record.
    Webm,
    /// MP4, as Safari records.
    Mp4,
}

impl VideoType {
    /// Returns the file name's extension.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Webm => "webm",
            Self::Mp4 => "mp4",
        }
    }

    /// Returns the media type for HTTP.
    #[must_use]
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Webm => "video/webm",
            Self::Mp4 => "video/mp4",
        }
    }

    /// Returns the type that a media type such as `video/webm;codecs=vp9` or a path such as `.../video.mp4` means.
    #[must_use]
    pub fn of(mime_or_path: &str) -> Option<Self> {
        let essence = mime_or_path.split(';').next().unwrap_or_default().trim();
        [Self::Webm, Self::Mp4].into_iter().find(|video| {
            let extension = essence.rsplit_once('.').map(|(_, extension)| extension);
            essence.eq_ignore_ascii_case(video.mime()) || extension == Some(video.extension())
        })
    }
}

/// A session's video in one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedVideo {
    /// Where it is within the media store: the session's `video_file_path`.
    pub path: String,
    /// How long it is, in bytes.
    pub length: u64,
    /// What is missing, if the video ends before its last segment.
    pub gap: Option<VideoGap>,
    /// Whether it was rewritten so that it seeks, its cuts taken out; if not, it is as it came.
    pub is_rewritten: bool,
}

/// Bytes of a video that never came. What came behind them is kept as segments: a player can't use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoGap {
    /// The offset of the first missing byte.
    pub start: u64,
    /// The offset of the next byte that is there.
    pub end: u64,
}

impl MediaStore {
    /// Puts a piece of a video as it comes in, `offset` bytes behind the video's start; it is durable on return.
    /// Pieces may overlap and come in any order.
    ///
    /// # Errors
    ///
    /// [`MediaError::Backend`].
    pub async fn put_video_segment(
        &self,
        session: SessionId,
        offset: u64,
        bytes: Bytes,
    ) -> Result<(), MediaError> {
        if bytes.is_empty() {
            return Ok(());
        }
        // The length is part of the name, so that a shorter repetition can't replace a longer segment.
        let path = name::object(session, &format!("video/{offset:020}-{:010}", bytes.len()))?;
        self.put(&path, bytes, "put a video segment").await
    }

    /// Returns up to which byte the pieces of a video that is not joined yet reach without a gap: where its upload goes on.
    ///
    /// # Errors
    ///
    /// [`MediaError::Backend`].
    pub async fn video_upload_len(&self, session: SessionId) -> Result<u64, MediaError> {
        let mut end = 0;
        for segment in self.segments(session).await? {
            if segment.bytes.start <= end {
                end = end.max(segment.bytes.end);
            }
        }
        Ok(end)
    }

    /// Returns the length of a joined video, in bytes. `path` is the session's `video_file_path`.
    ///
    /// # Errors
    ///
    /// [`MediaError::NotFound`], [`MediaError::BadName`], [`MediaError::Backend`].
    pub async fn video_len(&self, path: &str) -> Result<u64, MediaError> {
        self.length(&name::recorded(path)?, "read a video's length").await
    }

    /// Returns bytes of a joined video as a stream, so that a long range needs little memory. `path` is the session's
    /// `video_file_path`.
    ///
    /// # Errors
    ///
    /// [`MediaError::NotFound`], [`MediaError::OutOfRange`], [`MediaError::BadName`], [`MediaError::Backend`].
    pub async fn read_video_range(
        &self,
        path: &str,
        bytes: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, MediaError>>, MediaError> {
        let whole = name::recorded(path)?;
        let length = self.length(&whole, "read a video").await?;
        if bytes.end > length {
            return Err(MediaError::OutOfRange { path: path.to_owned(), length, end: bytes.end });
        }
        self.stream(&whole, bytes, "read a video").await
    }
}
