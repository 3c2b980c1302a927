//! A batch: what one durable commit of a recording holds. The recorder's output, the store's input.

use std::time::Duration;

use bytes::Bytes;

use crate::chunk::Chunk;
use crate::session::Marker;
use crate::skeleton::Skeleton;

/// What a recorder hands out at a flush.
///
/// The shell puts [`Batch::images`] into the media store first, then appends the batch to the session store, then
/// acknowledges [`Batch::settled_through`]: in this order an acknowledged frame is durable with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// The next frames, if any came.
    pub chunk: Option<Chunk>,
    /// The chunk's images, joined into one media object.
    pub images: Option<ImageObject>,
    /// What happened meanwhile.
    pub markers: Vec<Marker>,
    /// The session's skeleton, in the first batch after it became known.
    pub skeleton: Option<Skeleton>,
    /// The publisher's own number up to which every frame is stored with this batch or settled otherwise.
    pub settled_through: Option<u64>,
    /// When the first of its frames came, by the recorder's clock; none without frames.
    pub arrived: Option<Duration>,
}

/// The images of one chunk, joined into one object of the media store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageObject {
    /// The object's name within the session's media folder.
    pub name: String,
    /// All images, one behind the other.
    pub bytes: Bytes,
}

impl ImageObject {
    /// Names the images of a chunk by its first frame and by their checksum: `images/000000000256-1c291ca3`.
    ///
    /// The chunk, which names the object, is under a checksum of its own: so a changed bit of an image can be found. And a server that
    /// is cut off, and tries again to store a chunk of which another one stored its own, writes other images to another name.
    #[must_use]
    pub fn of_chunk(first_frame: u64, bytes: Bytes) -> Self {
        Self { name: format!("images/{first_frame:012}-{:08x}", crc32c::crc32c(&bytes)), bytes }
    }

    /// Returns the checksum (CRC32C) of an object's bytes by its name; none if the name tells none.
    #[must_use]
    pub fn named_checksum(name: &str) -> Option<u32> {
        let (_, checksum) = name.rsplit_once('-')?;
        (checksum.len() == 8).then(|| u32::from_str_radix(checksum, 16).ok())?
    }
}
