//! What a session's metadata says of its video. JSON in, facts out, and back.

use posesession_core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::VideoType;

const KEY: &str = "video";

/// What a video is and how its time relates to the session's; `video` in the session's metadata.
///
/// `session time = start + video time`, once [`Self::cuts`] is empty. Before, as many seconds of the video as the cuts up to a
/// moment are long have no session time.
///
/// # Examples
///
/// ```
/// use posesession_store::RecordedVideo;
///
/// let metadata = serde_json::json!({ "video": { "mime": "video/webm", "start": 0.5 } });
/// let video = RecordedVideo::from_metadata(metadata.as_object().unwrap()).unwrap();
/// assert_eq!(video.start.map(|start| start.as_secs_f64()), Some(0.5));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedVideo {
    /// Its media type, with codecs, as the browser said.
    pub mime: String,
    /// The session time of its first picture; negative if that was taken before the first stored frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// What is still to be taken out of the video, in the order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cuts: Vec<VideoCut>,
}

/// A stretch of a video that has no session time: a pause, or a jump of the streamer's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoCut {
    /// When, in session time, the video goes on after it.
    pub at: Timestamp,
    /// How much of the video it takes; negative where session time went ahead of the video.
    pub length: Timestamp,
}

impl RecordedVideo {
    /// The most cuts that are kept.
    pub const MAX_CUTS: usize = 500;

    /// Makes the facts of a video of which nothing but its media type is known.
    #[must_use]
    pub fn of_type(mime: &str) -> Self {
        Self { mime: mime.to_owned(), start: None, cuts: Vec::new() }
    }

    /// Reads the facts from a session's metadata, if there are any that make sense.
    #[must_use]
    pub fn from_metadata(metadata: &Map<String, Value>) -> Option<Self> {
        let mut video = Self::deserialize(metadata.get(KEY)?).ok()?;
        video.cuts.truncate(Self::MAX_CUTS);
        Some(video)
    }

    /// Notes the facts in a session's metadata; other facts of the video that stand there stay.
    pub fn note_in(&self, metadata: &mut Map<String, Value>) {
        let Ok(Value::Object(facts)) = serde_json::to_value(self) else { return };
        match metadata.get_mut(KEY) {
            Some(Value::Object(noted)) => {
                noted.remove("cuts");
                noted.extend(facts);
            }
            _ => {
                metadata.insert(KEY.to_owned(), Value::Object(facts));
            }
        }
    }

    /// Returns what the video's bytes are; WebM if the media type is of no known kind.
    #[must_use]
    pub fn container(&self) -> VideoType {
        VideoType::of(&self.mime).unwrap_or(VideoType::Webm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata(value: &Value) -> &Map<String, Value> {
        value.as_object().unwrap()
    }

    #[test]
    fn facts_round_trip_through_the_metadata() {
        let facts = json!({
            "tags": ["squat"],
            "video": { "mime": "video/webm", "start": -0.25, "cuts": [{ "at": 3.5, "length": 20.000_001 }] },
        });
        let video = RecordedVideo::from_metadata(metadata(&facts)).unwrap();
        assert_eq!(
            video.cuts,
            [VideoCut { at: Timestamp::from_micros(3_500_000), length: Timestamp::from_micros(20_000_001) }]
        );
        let mut again = Map::new();
        video.note_in(&mut again);
        assert_eq!(again["video"], facts["video"]);
    }

    #[test]
    fn cuts_that_are_done_are_noted_no_longer() {
        let facts = json!({ "video": { "mime": "video/webm", "cuts": [{ "at": 1, "length": 2 }], "camera": "front" } });
        let mut noted = metadata(&facts).clone();
        RecordedVideo { start: Some(Timestamp::ZERO), ..RecordedVideo::of_type("video/webm") }
            .note_in(&mut noted);
        assert_eq!(
            Value::Object(noted),
            json!({ "video": { "mime": "video/webm", "start": 0.0, "camera": "front" } })
        );
    }

    #[test]
    fn what_makes_no_sense_is_no_video() {
        for facts in [
            json!({}),
            json!({ "video": 1 }),
            json!({ "video": { "start": 0 } }),
            json!({ "video": { "mime": "video/webm", "cuts": [{ "at": "soon" }] } }),
            json!({ "video": { "mime": "video/webm", "start": 1e300 } }),
        ] {
            assert_eq!(RecordedVideo::from_metadata(metadata(&facts)), None, "{facts}");
        }
    }
}
