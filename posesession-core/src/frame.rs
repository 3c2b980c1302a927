//! One frame of a session: a moment, its poses, and where its image is.

use std::fmt;

use crate::pose::{PoseData, PoseView};
use crate::time::Timestamp;

/// One frame as stored and replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The frame's place in its session: 0, 1, 2... without holes.
    pub frame_number: u64,
    /// When, within the session. Strictly increases from frame to frame.
    pub timestamp: Timestamp,
    /// Who was seen.
    pub pose_data: PoseData,
    /// Where the camera's image is, if one was recorded.
    pub image: Option<ImageRef>,
}

/// One frame, where it lies in its chunk: the same as [`Frame`], borrowed.
#[derive(Debug, Clone, Copy)]
pub struct FrameView<'a> {
    /// The frame's place in its session.
    pub frame_number: u64,
    /// When, within the session.
    pub timestamp: Timestamp,
    /// Who was seen.
    pub pose: PoseView<'a>,
    /// Where the camera's image is, if one was recorded.
    pub image: Option<&'a ImageRef>,
}

impl FrameView<'_> {
    /// Copies the frame.
    #[must_use]
    pub fn to_frame(&self) -> Frame {
        Frame {
            frame_number: self.frame_number,
            timestamp: self.timestamp,
            pose_data: self.pose.to_pose_data(),
            image: self.image.cloned(),
        }
    }
}

/// Where an image lies: a byte range of an object among the session's media.
///
/// Displayed, and stored in SQL as `image_path`, as `object#offset,length`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageRef {
    /// The object's name within the session's media folder.
    pub object: String,
    /// Where the image starts, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub length: u32,
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{},{}", self.object, self.offset, self.length)
    }
}
