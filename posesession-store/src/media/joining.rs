//! A video's segments in, one object that can be played and sought out.

use std::ops::Range;

use bytes::Bytes;
use futures::stream::TryStreamExt as _;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStoreExt as _, WriteMultipart};
use posesession_core::SessionId;

use super::error::{MediaError, failed};
use super::webm::{self, Odd, Rewriter, Rewritten};
use super::{JoinedVideo, MediaStore, RecordedVideo, VideoGap, VideoType, name};

/// How many parts of a joined video may be under way to the store at once; each has 5 MiB.
const PARTS_UNDER_WAY: usize = 2;
/// How many bytes of a video are read at once.
const READ_BYTES: u64 = 4 * 1024 * 1024;

const JOIN: &str = "join a video";

/// A piece of the video as it came in, an object of its own.
#[derive(Debug)]
pub(super) struct Segment {
    path: ObjectPath,
    /// Where it lies in the video.
    pub(super) bytes: Range<u64>,
}

/// A stretch of the video that lies in an object.
#[derive(Debug)]
struct Piece {
    path: ObjectPath,
    /// Where it lies in the object.
    bytes: Range<u64>,
}

/// What there is of a video from its start to the first gap.
#[derive(Debug)]
struct Source {
    pieces: Vec<Piece>,
    length: u64,
    gap: Option<VideoGap>,
}

impl Source {
    /// Goes on after what was joined before with the segments, which are sorted by their start.
    fn new(joined: Option<Piece>, segments: &[Segment]) -> Self {
        let mut length = joined.as_ref().map_or(0, |joined| joined.bytes.end);
        let mut pieces: Vec<_> = joined.into_iter().collect();
        let mut gap = None;
        for segment in segments {
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
        Self { pieces, length, gap }
    }
}

impl MediaStore {
    /// Joins the video's segments into one object, up to the first gap; returns nothing if there is no video.
    ///
    /// A WebM is rewritten on the way, without transcoding: it gets its duration and an index, so that it seeks over HTTP, it
    /// begins at 0 with its first picture, and its cuts are taken out. One that broke off ends with its last whole picture.
    /// What isn't understood is joined as it came, and that is logged. Needs little memory, however long the video is.
    ///
    /// The joined video is durable before its segments are erased, and joining again continues where it ended, so a call that
    /// broke off is repeated. A WebM with a gap keeps its segments, to be joined again once it is filled. A rewritten one
    /// without is finished: what comes later stays a segment.
    ///
    /// # Errors
    ///
    /// [`MediaError::Backend`]; all segments are still there.
    pub async fn join_video(
        &self,
        session: SessionId,
        video: &RecordedVideo,
    ) -> Result<Option<JoinedVideo>, MediaError> {
        let container = video.container();
        let whole = name::object(session, &format!("video.{}", container.extension()))?;
        let present = match self.length(&whole, JOIN).await {
            Ok(length) => length,
            Err(MediaError::NotFound { .. }) => 0,
            Err(error) => return Err(error),
        };
        let segments = self.segments(session).await?;
        let rewritten_from = self.rewritten_from(&whole, present).await?;
        let joined = Piece { path: whole.clone(), bytes: 0..present };
        let source = Source::new((present > 0 && rewritten_from.is_none()).then_some(joined), &segments);
        let path = whole.to_string();
        if let Some(done) = rewritten_from
            && source.length <= done
        {
            let next = segments.iter().map(|segment| segment.bytes.start).find(|&start| start > done);
            let gap = next.map(|end| VideoGap { start: done, end });
            if gap.is_none() {
                self.erase(&segments, done).await?;
            }
            return Ok(Some(JoinedVideo { path, length: present, gap, is_rewritten: true }));
        }
        let Source { length, gap, .. } = source;
        if length == 0 {
            return Ok(gap.map(|gap| JoinedVideo { path, length, gap: Some(gap), is_rewritten: false }));
        }
        if container == VideoType::Webm {
            match self.rewrite(&whole, &source, video).await? {
                Ok(length) => {
                    if gap.is_none() {
                        self.erase(&segments, source.length).await?;
                    }
                    return Ok(Some(JoinedVideo { path, length, gap, is_rewritten: true }));
                }
                Err(reason) => {
                    tracing::warn!(%session, %reason, "the video is kept as it came: players may not seek in it");
                }
            }
        }
        if length > present {
            let mut upload = self.begin_upload(&whole).await?;
            let copied = self.copy(&whole, &source, &mut upload).await;
            end_upload(&whole, upload, copied).await?;
        }
        self.erase(&segments, length).await?;
        Ok(Some(JoinedVideo { path, length, gap, is_rewritten: false }))
    }

    /// Returns how long the video was that the joined one was rewritten from; none if there is none, or it is as it came.
    async fn rewritten_from(&self, whole: &ObjectPath, present: u64) -> Result<Option<u64>, MediaError> {
        if present == 0 {
            return Ok(None);
        }
        let start = self.read(whole, 0..present.min(webm::START_BYTES)).await?;
        Ok(webm::source_bytes(&start))
    }

    /// Writes the video so that it seeks and returns its new length, or why it is to be left as it came.
    async fn rewrite(
        &self,
        whole: &ObjectPath,
        source: &Source,
        video: &RecordedVideo,
    ) -> Result<Result<u64, Odd>, MediaError> {
        let plan = match self.go_through(whole, source, video, None).await? {
            Ok(plan) => plan,
            Err(odd) => return Ok(Err(odd)),
        };
        let mut upload = self.begin_upload(whole).await?;
        let written = self.write_planned(whole, source, video, &plan, &mut upload).await;
        end_upload(whole, upload, written).await?;
        Ok(Ok(plan.front.len() as u64 + plan.cluster_bytes))
    }

    async fn write_planned(
        &self,
        whole: &ObjectPath,
        source: &Source,
        video: &RecordedVideo,
        plan: &Rewritten,
        upload: &mut WriteMultipart,
    ) -> Result<(), MediaError> {
        send(whole, upload, plan.front.clone()).await?;
        if self.go_through(whole, source, video, Some(upload)).await?.as_ref() == Ok(plan) {
            return Ok(());
        }
        let changed = "the video changed while it was being rewritten";
        Err(MediaError::Backend { operation: JOIN, source: changed.into() })
    }

    /// Goes once through the video and writes its clusters, if there is something to write to.
    async fn go_through(
        &self,
        whole: &ObjectPath,
        source: &Source,
        video: &RecordedVideo,
        mut upload: Option<&mut WriteMultipart>,
    ) -> Result<Result<Rewritten, Odd>, MediaError> {
        let mut rewriter = Rewriter::new(video);
        let mut clusters = Vec::new();
        for (path, bytes) in reads(source) {
            let bytes = self.read(path, bytes).await?;
            if let Err(odd) = rewriter.push(&bytes, &mut clusters) {
                return Ok(Err(odd));
            }
            for cluster in clusters.drain(..) {
                if let Some(upload) = &mut upload {
                    send(whole, upload, cluster).await?;
                }
            }
        }
        let rewritten = rewriter.finish(&mut clusters);
        let last = rewritten.as_ref().ok().and_then(|rewritten| rewritten.last.clone());
        if let Some(upload) = upload {
            for cluster in clusters.into_iter().chain(last) {
                send(whole, upload, cluster).await?;
            }
        }
        Ok(rewritten)
    }

    /// Writes the video as it came.
    async fn copy(
        &self,
        whole: &ObjectPath,
        source: &Source,
        upload: &mut WriteMultipart,
    ) -> Result<(), MediaError> {
        for (path, bytes) in reads(source) {
            let bytes = self.read(path, bytes).await?;
            send(whole, upload, bytes).await?;
        }
        Ok(())
    }

    async fn read(&self, path: &ObjectPath, bytes: Range<u64>) -> Result<Bytes, MediaError> {
        self.objects.get_range(path, bytes).await.map_err(|error| failed(path, JOIN, error))
    }

    async fn begin_upload(&self, whole: &ObjectPath) -> Result<WriteMultipart, MediaError> {
        let upload = self.objects.put_multipart(whole).await;
        upload.map(WriteMultipart::new).map_err(|error| failed(whole, JOIN, error))
    }

    /// Erases the segments that end by `length`.
    async fn erase(&self, segments: &[Segment], length: u64) -> Result<(), MediaError> {
        for segment in segments.iter().filter(|segment| segment.bytes.end <= length) {
            match self.objects.delete(&segment.path).await {
                Err(error) if !matches!(error, object_store::Error::NotFound { .. }) => {
                    return Err(failed(&segment.path, "erase a joined segment", error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Lists the segments by their offsets.
    pub(super) async fn segments(&self, session: SessionId) -> Result<Vec<Segment>, MediaError> {
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
                Some(Segment { path: object.location, bytes })
            })
            .collect();
        segments.sort_by_key(|segment| (segment.bytes.start, segment.bytes.end));
        Ok(segments)
    }
}

/// Cuts the pieces of a video into reads of bounded length.
fn reads(source: &Source) -> impl Iterator<Item = (&ObjectPath, Range<u64>)> {
    source.pieces.iter().flat_map(|Piece { path, bytes }| {
        let end = bytes.end;
        let starts = (0..).map(|n| bytes.start + n * READ_BYTES).take_while(move |&start| start < end);
        starts.map(move |start| (path, start..end.min(start + READ_BYTES)))
    })
}

async fn send(whole: &ObjectPath, upload: &mut WriteMultipart, bytes: Bytes) -> Result<(), MediaError> {
    let ready = upload.wait_for_capacity(PARTS_UNDER_WAY).await;
    ready.map_err(|error| failed(whole, JOIN, error))?;
    upload.put(bytes);
    fail_point!("during_media_put");
    Ok(())
}

/// Makes what was written durable under its name, or takes it back if it is not all there.
async fn end_upload(
    whole: &ObjectPath,
    upload: WriteMultipart,
    written: Result<(), MediaError>,
) -> Result<(), MediaError> {
    if let Err(error) = written {
        // The cause is what the caller needs to know; a part that can't be taken back is the store's to clean up.
        let _aborted = upload.abort().await;
        return Err(error);
    }
    upload.finish().await.map(drop).map_err(|error| failed(whole, JOIN, error))
}
