//! A session's joint angles, thinned for a plot. Chunks in, the least and greatest angle of each bucket out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use posesession_core::{
    AngleEnvelope, AngleRange, ChunkQuery, JointAngle, SessionId, SessionRecording, Timestamp,
};
use posesession_store::{ChunkCache, StoreError};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{ApiError, ApiResult};
use crate::query::{Known, Params};
use crate::routes::sessions::session_id;
use crate::state::AppState;

/// The most points of one plot.
const MAX_POINTS: usize = 4_000;
const USUAL_POINTS: usize = 1_000;
/// Width by height of a picture whose size nobody said, as the pages draw it.
const USUAL_ASPECT: f64 = 4.0 / 3.0;

#[derive(Debug, Serialize)]
pub(crate) struct Angles {
    available: Vec<String>,
    from: Timestamp,
    to: Timestamp,
    timestamps: Vec<Timestamp>,
    series: Vec<Series>,
}

#[derive(Debug, Serialize)]
struct Series {
    name: String,
    unit: &'static str,
    min: Vec<Option<f64>>,
    max: Vec<Option<f64>>,
}

/// Answers with the angles that are asked for, or only with the names of those that there are.
pub(crate) async fn plot(
    State(state): State<Arc<AppState>>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Json<Angles>> {
    let params = params.only(&["names", "from", "to", "points", "person"])?;
    let points = params.parse("points")?.unwrap_or(USUAL_POINTS);
    if !(1..=MAX_POINTS).contains(&points) {
        return Err(ApiError::bad_query(format!("`points={points}`: use 1 to {MAX_POINTS}")));
    }
    let person: Option<u32> = params.parse("person")?;
    let (from, to) = (seconds(&params, "from")?, seconds(&params, "to")?);
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(ApiError::bad_query(format!(
            "`from` {from}, `to` {to}: the range ends before it starts"
        )));
    }
    let chunks = state.replay.chunks();
    let session = chunks.store().read_session(session_id(&id)?).await?;
    let joints = session.skeleton.as_ref().map(JointAngle::all_of).unwrap_or_default();
    let available = joints.iter().map(|joint| joint.name().to_owned()).collect();
    let wanted = wanted_joints(params.text("names").unwrap_or_default(), joints)?;
    let mut angles = Angles {
        available,
        from: from.unwrap_or_default(),
        to: to.unwrap_or_else(|| from.unwrap_or_default().max(session.duration)),
        timestamps: Vec::new(),
        series: Vec::new(),
    };
    if wanted.is_empty() {
        return Ok(Json(angles));
    }
    let start = match from {
        Some(from) => frames_through(chunks, &session, from.plus_micros(-1)).await?,
        None => 0,
    };
    let end = match to {
        Some(to) => frames_through(chunks, &session, to).await?,
        None => session.frame_count,
    };
    let mut envelope = AngleEnvelope::new(wanted, start..end, points).in_picture(aspect(&session.metadata));
    if let Some(track_id) = person {
        envelope = envelope.of_person(track_id);
    }
    fill(&mut envelope, chunks, session.id).await?;
    angles.timestamps = envelope.timestamps().to_vec();
    angles.series = envelope.series().map(|(joint, ranges)| Series::of(joint, ranges)).collect();
    Ok(Json(angles))
}

impl Series {
    fn of(joint: &JointAngle, ranges: &[Option<AngleRange>]) -> Self {
        // No pose is exact to more than a hundredth of a degree.
        let rounded = |degrees: f64| (degrees * 100.0).round() / 100.0;
        let least = ranges.iter().map(|range| range.map(|range| rounded(range.min)));
        let greatest = ranges.iter().map(|range| range.map(|range| rounded(range.max)));
        Self { name: joint.name().to_owned(), unit: "degrees", min: least.collect(), max: greatest.collect() }
    }
}

/// Feeds an envelope one chunk at a time.
async fn fill(envelope: &mut AngleEnvelope, chunks: &ChunkCache, id: SessionId) -> ApiResult<()> {
    while let Some(number) = envelope.wanted() {
        let chunk = chunks.covering_chunk_once(id, ChunkQuery::Frame(number)).await?;
        envelope
            .push_chunk(&chunk)
            .map_err(|error| ApiError::internal("read the frames of a plot", &error))?;
    }
    Ok(())
}

/// Returns how many frames of a session are at `time` or before it.
async fn frames_through(chunks: &ChunkCache, session: &SessionRecording, time: Timestamp) -> ApiResult<u64> {
    match chunks.covering_chunk_once(session.id, ChunkQuery::Time(time)).await {
        Ok(chunk) => Ok(chunk.frame_at(time).map_or(0, |last| last + 1)),
        Err(StoreError::NoSuchFrame { .. }) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

fn seconds(params: &Known, name: &str) -> ApiResult<Option<Timestamp>> {
    let Some(seconds) = params.parse(name)? else { return Ok(None) };
    let time = Timestamp::from_secs_f64(seconds);
    time.map(Some).map_err(|error| ApiError::bad_query(format!("`{name}={seconds}`: {error}")))
}

/// Picks the joints that are named, in the order in which they are named.
fn wanted_joints(names: &str, joints: Vec<JointAngle>) -> ApiResult<Vec<JointAngle>> {
    let mut wanted: Vec<JointAngle> = Vec::new();
    for name in names.split(',').filter(|_| !names.is_empty()) {
        let shown: String = name.chars().take(50).collect();
        let Some(joint) = joints.iter().find(|joint| joint.name() == name) else {
            let known: Vec<_> = joints.iter().map(JointAngle::name).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let detail =
                format!("`names`: there is no angle `{shown}` in this session; those there are: {known}");
            return Err(ApiError::bad_query(detail));
        };
        if wanted.contains(joint) {
            return Err(ApiError::bad_query(format!("`names`: the angle `{shown}` stands twice")));
        }
        wanted.push(joint.clone());
    }
    Ok(wanted)
}

/// Returns the width of a session's picture in parts of its height.
fn aspect(metadata: &Map<String, Value>) -> f64 {
    let size = |name| metadata.get(name).and_then(Value::as_f64).filter(|&px| px > 0.0);
    match (size("image_width"), size("image_height")) {
        (Some(width), Some(height)) => width / height,
        _ => USUAL_ASPECT,
    }
}
