//! Writes a session of which parts may be lost. A plan in, a session without holes out, with marks where they were.

use std::collections::BTreeMap;

use chrono::Utc;
use posesession_core::{
    Batch, Channel, Chunk, ChunkColumns, ChunkImage, Codec, Component, EncodedChunk, Encoding, Layout,
    Lossless, Marker, MarkerKind, MaxError, SessionId, SessionStatus, Skeleton, Timestamp, Unit, UserId,
    decode, encode, encode_at_rest,
};

use super::lost::LostPart;
use super::plan::{Part, Plan};
use crate::checks;
use crate::encoded_run::EncodedRun;
use crate::error::StoreError;
use crate::query::{NewSession, SessionChange};
use crate::sqlite::salvage::Salvage;
use crate::store::SessionStore;

/// About how many encoded bytes one append has.
const APPEND_BYTES: usize = 4 << 20;

/// What was written of a plan.
pub(super) struct Written {
    pub(super) id: SessionId,
    pub(super) name: String,
    pub(super) frames: u64,
    pub(super) lost_frames: u64,
    pub(super) lost: Vec<LostPart>,
}

pub(super) async fn write(
    store: &dyn SessionStore,
    salvage: &Salvage,
    plan: &Plan<'_>,
    (id, owner): (SessionId, UserId),
    advance: &mut (dyn FnMut(u64) + Send),
) -> Result<Written, StoreError> {
    let skeleton = skeleton(salvage, plan);
    let mut new = new_session(plan, skeleton.clone(), id);
    new.user_id = owner;
    let (name, encoding) = (new.name.clone(), new.encoding.clone());
    store.create_session(new).await?;
    let term = store.begin_term(id).await?;
    let mut lost = Lost { id, name: name.clone(), gaps: Vec::new(), parts: Vec::new(), frames: 0 };
    let (mut next, mut told, mut last) = (0, 0, None);
    let mut ready: Option<EncodedRun> = None;
    for part in &plan.parts {
        let run = encoded(salvage, part, next, &encoding, skeleton.as_ref());
        advance(part.chunk.header.payload_bytes.into());
        let run = match run {
            Ok(run) if fits(&run, skeleton.as_ref()) => run,
            Ok(_) => {
                lost.note(part.first_frame()..part.end_frame(), "they have other keypoints than the session");
                continue;
            }
            Err(error) => {
                lost.note(part.first_frame()..part.end_frame(), &error.to_string());
                continue;
            }
        };
        if part.first_frame() > told {
            let since = Some(run.extent().first_timestamp);
            lost.gap(told..part.first_frame(), last, since, next);
        }
        (next, told, last) = (run.extent().end_frame(), part.end_frame(), Some(run.extent().last_timestamp));
        let Some(before) = &mut ready else {
            ready = Some(run);
            continue;
        };
        if before.bytes() > APPEND_BYTES {
            if let Some(full) = ready.replace(run) {
                store.append_encoded(id, term, full).await?;
            }
        } else {
            before.join(run)?;
        }
    }
    if let Some(run) = ready {
        store.append_encoded(id, term, run).await?;
    }
    let end = plan.end_frame();
    if end > told {
        lost.gap(told..end, last, None, next);
    }
    let mut markers: Vec<Marker> =
        salvage.markers.get(&plan.key).into_iter().flat_map(BTreeMap::values).cloned().collect();
    markers.append(&mut lost.gaps);
    store.append(id, term, &Batch { markers, ..Batch::default() }).await?;
    let lost_frames = lost.frames;
    // Numbers of frames that are lost are not to count as settled: their streamer may still have them.
    if let Some(facts) = plan.facts.filter(|_| end <= told)
        && let Some(publisher) = facts.publisher.as_ref().filter(|name| checks::publisher(name).is_ok())
    {
        store.set_publisher(id, term, publisher, facts.settled_through).await?;
    }
    finish(store, plan, id, term).await?;
    Ok(Written { id, name, frames: next, lost_frames, lost: lost.parts })
}

/// Gives the session the rest of its facts, and its last status.
async fn finish(
    store: &dyn SessionStore,
    plan: &Plan<'_>,
    id: SessionId,
    term: crate::Term,
) -> Result<(), StoreError> {
    let change = SessionChange {
        video_file_path: plan.facts.and_then(|facts| facts.video_file_path.clone()).map(Some),
        report: plan.facts.and_then(|facts| facts.report.clone()),
        ..SessionChange::default()
    };
    if change != SessionChange::default() {
        store.update_session(id, change).await?;
    }
    let status = match plan.facts.map(|facts| facts.status) {
        Some(status @ (SessionStatus::Completed | SessionStatus::Failed)) => status,
        _ => SessionStatus::Interrupted,
    };
    store.finish(id, term, status).await?;
    if let Some(at) = plan.facts.and_then(|facts| facts.deleted_at) {
        store.delete_session(id, at).await?;
    }
    Ok(())
}

/// What is lost of a session.
struct Lost {
    id: SessionId,
    name: String,
    gaps: Vec<Marker>,
    parts: Vec<LostPart>,
    /// How many frames the gaps have.
    frames: u64,
}

impl Lost {
    fn note(&mut self, frames: std::ops::Range<u64>, what: &str) {
        let (session, name) = (Some(self.id), Some(self.name.clone()));
        self.parts.push(LostPart { session, name, frames: Some(frames), what: what.to_owned() });
    }

    /// Marks frames that are lost. `next` is the number that the frame behind them has now.
    fn gap(
        &mut self,
        frames: std::ops::Range<u64>,
        last: Option<Timestamp>,
        since: Option<Timestamp>,
        next: u64,
    ) {
        let (first, end) = (frames.start, frames.end);
        let mut label = format!("frames {first} to {} were lost", end - 1);
        if since.is_some() {
            label.push_str(&format!("; frame {next} was {end}"));
        }
        self.gaps.push(Marker {
            kind: MarkerKind::Gap,
            timestamp: last.or(since).unwrap_or_default(),
            label,
            duration: last.zip(since).map(|(last, since)| Timestamp::from_micros(since.micros_since(last))),
            count: Some(end - first),
            cause: Some("lost".to_owned()),
        });
        self.frames += end - first;
        // Those of which it was said why are not said again.
        let mut next = first;
        let told: Vec<_> = self.parts.iter().filter_map(|part| part.frames.clone()).collect();
        for part in told.iter().filter(|part| part.start >= first && part.end <= end) {
            if part.start > next {
                self.note(next..part.start, "no intact chunk holds them");
            }
            next = next.max(part.end);
        }
        if end > next {
            self.note(next..end, "no intact chunk holds them");
        }
    }
}

fn new_session(plan: &Plan<'_>, skeleton: Option<Skeleton>, id: SessionId) -> NewSession {
    let mut new = match plan.facts {
        Some(facts) => NewSession {
            id,
            name: facts.name.replace('\0', " "),
            description: facts.description.replace('\0', " "),
            created_at: facts.created_at,
            user_id: UserId::LOCAL,
            metadata: facts.metadata.clone(),
            skeleton: None,
            encoding: facts.encoding.clone(),
        },
        None => NewSession {
            id,
            description: "Its name and its other facts were lost; its frames are those that were stored."
                .to_owned(),
            created_at: Utc::now(),
            ..NewSession::named(&format!("recovered {}", plan.key))
        },
    };
    // Bounds name channels: those of a skeleton that is lost are told by the chunks alone.
    let names_channels = skeleton.as_ref().is_some_and(|skeleton| match &new.encoding {
        Encoding::Bounded { max_error } | Encoding::Recoded { max_error, .. } => {
            max_error.bounds(skeleton).is_ok()
        }
        Encoding::Columnar | Encoding::Json => true,
    });
    if plan.facts.is_none_or(|facts| facts.lost.contains(&"encoding")) || !names_channels {
        new.encoding = told_encoding(plan, skeleton.as_ref());
    }
    new.skeleton = skeleton;
    new
}

/// Returns an encoding that tells how far the values of the chunks may be off.
fn told_encoding(plan: &Plan<'_>, skeleton: Option<&Skeleton>) -> Encoding {
    let mut bounds: BTreeMap<&str, f64> = BTreeMap::new();
    for header in plan.parts.iter().map(|part| &part.chunk.header) {
        for (at, component) in skeleton.iter().flat_map(|skeleton| skeleton.components.iter().enumerate()) {
            for (channel, Channel { name, .. }) in component.channels.iter().enumerate() {
                if let Some(bound) = header.bounds.of(at, channel) {
                    let told = bounds.entry(name).or_default();
                    *told = told.max(bound);
                }
            }
        }
    }
    match MaxError::new(bounds) {
        Ok(max_error) if !max_error.is_empty() => Encoding::Bounded { max_error },
        _ => Encoding::Columnar,
    }
}

/// Returns the session's skeleton; if its row is lost, another one of the shape that its chunks have.
fn skeleton(salvage: &Salvage, plan: &Plan<'_>) -> Option<Skeleton> {
    let own = plan.facts.and_then(|facts| salvage.skeletons.get(&facts.skeleton_id?));
    let Some(layout) = plan.layout() else { return own.cloned() };
    let presets = || Skeleton::preset_names().iter().filter_map(|name| Skeleton::preset(name).ok());
    let mut of_shape = salvage.skeletons.values().filter(|skeleton| skeleton.layout() == *layout);
    own.filter(|skeleton| skeleton.layout() == *layout)
        .or_else(|| of_shape.next())
        .cloned()
        .or_else(|| presets().find(|skeleton| skeleton.layout() == *layout))
        .or_else(|| unnamed(layout))
}

/// Makes a skeleton of a shape of which nothing else is known.
fn unnamed(layout: &Layout) -> Option<Skeleton> {
    let component = |(at, part): (usize, &posesession_core::LayoutPart)| Component {
        name: if at == 0 { "pose".to_owned() } else { format!("component_{at}") },
        keypoints: (0..part.keypoints).map(|k| format!("keypoint_{k}")).collect(),
        edges: Vec::new(),
        mirrored: Vec::new(),
        channels: (0..part.channels)
            .map(|c| Channel { name: format!("channel_{c}"), unit: Unit::Ratio })
            .collect(),
    };
    let components = layout.parts.iter().enumerate().map(component).collect();
    let skeleton = Skeleton { name: "recovered".to_owned(), components };
    skeleton.validate().is_ok().then_some(skeleton)
}

fn fits(run: &EncodedRun, skeleton: Option<&Skeleton>) -> bool {
    let frames = run.frames();
    !frames.has_persons || skeleton.is_some_and(|skeleton| skeleton.layout() == *frames.layout)
}

/// Returns a part's chunk as it lies in the file, or if it begins at another number now, encoded anew without loss.
fn encoded(
    salvage: &Salvage,
    part: &Part<'_>,
    first_frame: u64,
    encoding: &Encoding,
    skeleton: Option<&Skeleton>,
) -> Result<EncodedRun, StoreError> {
    let stored = salvage.chunk(part.chunk).map_err(|error| StoreError::Backend {
        backend: "file",
        operation: "read a chunk",
        retryable: false,
        source: Box::new(error),
    })?;
    if part.skipped == 0 && part.chunk.header.first_frame == first_frame {
        return EncodedRun::check(stored);
    }
    let unfit =
        |error: &dyn std::fmt::Display| crate::checks::bad(format!("the chunk can't be renumbered: {error}"));
    let chunk = decode(&stored.header, &stored.payload).map_err(|error| unfit(&error))?;
    let chunk = renumbered(&chunk, part.skipped, first_frame).map_err(|error| unfit(&error))?;
    // Bounded values were rounded once; rounding them again could put them beyond their bounds.
    let again = match part.chunk.header.codec {
        Codec::Raw => encode(&chunk, Codec::Raw),
        Codec::Json => encode_at_rest(&chunk, &as_json(encoding), skeleton),
        _ => encode(&chunk, Codec::Columnar),
    };
    let again: EncodedChunk = again.map_err(|error| unfit(&error))?;
    EncodedRun::of(&chunk, again)
}

fn as_json(encoding: &Encoding) -> Encoding {
    encoding.recoded(Lossless::Json)
}

/// Leaves the first frames out and gives the others new numbers.
fn renumbered(chunk: &Chunk, skipped: u64, first_frame: u64) -> Result<Chunk, posesession_core::ChunkError> {
    let frames = usize::try_from(skipped).unwrap_or(usize::MAX).min(chunk.frame_count());
    let rows: usize = chunk.person_counts()[..frames].iter().map(|&count| usize::from(count)).sum();
    let left = u32::try_from(frames).unwrap_or(u32::MAX);
    Chunk::from_columns(ChunkColumns {
        first_frame,
        layout: chunk.layout().clone(),
        timestamps: chunk.timestamps()[frames..].to_vec(),
        person_counts: chunk.person_counts()[frames..].to_vec(),
        track_ids: chunk.track_ids()[rows..].to_vec(),
        values: chunk.values()[rows * chunk.layout().values_per_person()..].to_vec(),
        images: chunk
            .images()
            .iter()
            .filter(|image| image.frame >= left)
            .map(|image| ChunkImage { frame: image.frame - left, ..image.clone() })
            .collect(),
    })
}
