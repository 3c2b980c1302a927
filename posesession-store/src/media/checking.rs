//! Looks at media as they lie there. Paths in, what is there out.

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;
use futures::stream::TryStreamExt as _;
use object_store::path::Path as ObjectPath;

use super::error::{MediaError, failed};
use super::webm::{self, Rewriter};
use super::{MediaObject, MediaStore, RecordedVideo, VideoType, name};

/// What a look at a video found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VideoCheck {
    /// How many bytes were read.
    pub(crate) bytes: u64,
    /// What is wrong with it, if anything is.
    pub(crate) wrong: Option<String>,
}

impl MediaStore {
    /// Reads bytes of an object.
    pub(crate) async fn object_bytes(
        &self,
        object: &MediaObject,
        range: Range<u64>,
    ) -> Result<Bytes, MediaError> {
        self.read_range(&object.path, range, "read a media object").await
    }

    /// Reads a video from its start to its end and checks that it is one of its type. One that was rewritten here is also as long
    /// as it says, and all its pictures are found.
    pub(crate) async fn check_video(&self, path: &str) -> Result<VideoCheck, MediaError> {
        const OPERATION: &str = "read a video";
        let whole = name::recorded(path)?;
        let length = self.length(&whole, OPERATION).await?;
        let container = VideoType::of(path).unwrap_or(VideoType::Webm);
        let mut bytes = self.stream(&whole, 0..length, OPERATION).await?;
        let (mut read, mut wrong) = (0, None);
        let video = RecordedVideo::of_type(container.mime());
        let mut pictures = Rewriter::new(&video);
        let (mut start, mut clusters) = (Vec::new(), Vec::new());
        let mut is_ours = false;
        while let Some(piece) = bytes.try_next().await? {
            let is_begun = start.len() as u64 >= webm::START_BYTES.min(length);
            if !is_begun {
                start.extend_from_slice(&piece);
                if start.len() as u64 >= webm::START_BYTES.min(length) {
                    wrong = wrong.or(wrong_start(container, &start, length));
                    is_ours = container == VideoType::Webm && webm::source_bytes(&start).is_some();
                    if is_ours && wrong.is_none() {
                        wrong = pictures.push(&start, &mut clusters).err().map(|odd| odd.to_string());
                    }
                }
            } else if is_ours && wrong.is_none() {
                wrong = pictures.push(&piece, &mut clusters).err().map(|odd| odd.to_string());
            }
            clusters.clear();
            read += piece.len() as u64;
        }
        if read == 0 {
            wrong = Some("it is empty".to_owned());
        }
        if is_ours && wrong.is_none() {
            wrong = pictures.finish(&mut clusters).err().map(|odd| odd.to_string());
        }
        Ok(VideoCheck { bytes: read, wrong })
    }

    /// Lists the names of the folders at the top: one a session.
    pub(crate) async fn folders(&self) -> Result<BTreeSet<String>, MediaError> {
        let listed = self.objects.list_with_delimiter(None).await;
        let root = ObjectPath::default();
        let listed = listed.map_err(|error| failed(&root, "list the media", error))?;
        Ok(listed.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect())
    }
}

fn wrong_start(container: VideoType, start: &[u8], length: u64) -> Option<String> {
    match container {
        VideoType::Mp4 if start.get(4..8) != Some(b"ftyp") => {
            Some("it doesn't begin as an MP4 does".to_owned())
        }
        VideoType::Webm if !start.starts_with(b"\x1a\x45\xdf\xa3") => {
            Some("it doesn't begin as a WebM does".to_owned())
        }
        VideoType::Webm if webm::source_bytes(start).is_some() => {
            let whole = webm::whole_bytes(start).filter(|&whole| whole != length)?;
            Some(format!("it has {length} bytes and should have {whole}"))
        }
        _ => None,
    }
}
