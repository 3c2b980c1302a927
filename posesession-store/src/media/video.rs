//! A session's video: segments in while it is recorded, one object out when it is finished.

use std::ops::Range;

use bytes::Bytes;
use futures::stream::{BoxStream, TryStreamExt as _};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStoreExt as _, WriteMultipart};
use posesession_core::SessionId;

use super::{MediaError, MediaStore, failed, name};

/// How many parts of a joined video may be under way to the store at once; each has 5 MiB.
const PARTS_UNDER_WAY: usize = 2;

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
}

/// Bytes of a video that never came. What came behind them is kept as segments: a player can't use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoGap {
    /// The offset of the first missing byte.
    pub start: u64,
    /// The offset of the next byte that is there.
    pub end: u64,
}

/// A stretch of the video that lies in an object.
#[derive(Debug)]
struct Piece {
    path: ObjectPath,
    bytes: Range<u64>,
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

    /// Joins the video's segments into one object, up to the first gap; returns nothing if there is no video.
    ///
    /// The joined video is durable before its segments are erased, and joining again continues where it ended, so a
    /// call that broke off is repeated. Needs little memory, however long the video is.
    ///
    /// # Errors
    ///
    /// [`MediaError::Backend`]; all segments are still there.
    pub async fn join_video(
        &self,
        session: SessionId,
        video: VideoType,
    ) -> Result<Option<JoinedVideo>, MediaError> {
        let whole = name::object(session, &format!("video.{}", video.extension()))?;
        let joined_before = match self.length(&whole, "join a video").await {
            Ok(length) => length,
            Err(MediaError::NotFound { .. }) => 0,
            Err(error) => return Err(error),
        };
        let segments = self.segments(session).await?;
        let mut pieces = vec![Piece { path: whole.clone(), bytes: 0..joined_before }];
        let mut length = joined_before;
        let mut gap = None;
        for segment in &segments {
            if segment.bytes.start > length {
                gap = Some(VideoGap { start: length, end: segment.bytes.start });
                break;
            }
            if segment.bytes.end > length {
                let skipped = length - segment.bytes.start;
                let bytes = skipped..segment.bytes.end - segment.bytes.start;
                pieces.push(Piece { path: segment.path.clone(), bytes });
                length = segment.bytes.end;
            }
        }
        if length == 0 {
            return Ok(gap.map(|gap| JoinedVideo { path: whole.to_string(), length, gap: Some(gap) }));
        }
        if length > joined_before {
            self.write_joined(&whole, &pieces).await?;
        }
        for segment in segments.iter().filter(|segment| segment.bytes.end <= length) {
            match self.objects.delete(&segment.path).await {
                Err(error) if !matches!(error, object_store::Error::NotFound { .. }) => {
                    return Err(failed(&segment.path, "erase a joined segment", error));
                }
                _ => {}
            }
        }
        Ok(Some(JoinedVideo { path: whole.to_string(), length, gap }))
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

    async fn write_joined(&self, whole: &ObjectPath, pieces: &[Piece]) -> Result<(), MediaError> {
        let upload = self.objects.put_multipart(whole).await;
        let upload = upload.map_err(|error| failed(whole, "join a video", error))?;
        let mut writer = WriteMultipart::new(upload);
        let copied = self.copy_pieces(whole, pieces, &mut writer).await;
        if let Err(error) = copied {
            // The cause is what the caller needs to know; a part that can't be taken back is the store's to clean up.
            let _aborted = writer.abort().await;
            return Err(error);
        }
        writer.finish().await.map(drop).map_err(|error| failed(whole, "join a video", error))
    }

    async fn copy_pieces(
        &self,
        whole: &ObjectPath,
        pieces: &[Piece],
        writer: &mut WriteMultipart,
    ) -> Result<(), MediaError> {
        for piece in pieces {
            let mut bytes = self.stream(&piece.path, piece.bytes.clone(), "join a video").await?;
            while let Some(next) = bytes.try_next().await? {
                let ready = writer.wait_for_capacity(PARTS_UNDER_WAY).await;
                ready.map_err(|error| failed(whole, "join a video", error))?;
                writer.put(next);
            }
        }
        Ok(())
    }

    /// Lists the segments by their offsets.
    async fn segments(&self, session: SessionId) -> Result<Vec<Piece>, MediaError> {
        let folder = name::object(session, "video")?;
        let objects: Vec<_> = self
            .objects
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(|error| failed(&folder, "list video segments", error))?;
        let mut segments: Vec<_> = objects
            .into_iter()
            .filter_map(|object| {
                let (offset, _) = object.location.filename()?.split_once('-')?;
                let start: u64 = offset.parse().ok()?;
                let bytes = start..start.checked_add(object.size)?;
                Some(Piece { path: object.location, bytes })
            })
            .collect();
        segments.sort_by_key(|segment| (segment.bytes.start, segment.bytes.end));
        Ok(segments)
    }
}
