//! Which chunks make which session. What was found in a damaged file in, sessions with their holes out.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use posesession_core::{Layout, Timestamp};

use crate::sqlite::salvage::{Age, FoundChunk, Salvage, SessionFacts};

/// A session that is to be written.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// None: the session's own row is lost.
    pub(super) facts: Option<&'a SessionFacts>,
    pub(super) key: i64,
    /// In order, without overlaps; there may be holes between them.
    pub(super) parts: Vec<Part<'a>>,
}

/// A chunk, or the later part of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) chunk: &'a FoundChunk,
    /// How many of its frames another chunk has, too.
    pub(super) skipped: u64,
}

impl Part<'_> {
    pub(super) fn first_frame(&self) -> u64 {
        self.chunk.header.first_frame + self.skipped
    }

    pub(super) fn end_frame(&self) -> u64 {
        self.chunk.header.first_frame + u64::from(self.chunk.header.frame_count)
    }
}

impl Plan<'_> {
    /// Returns the frames that are lost, by their numbers in the damaged file.
    pub(super) fn holes(&self) -> Vec<Range<u64>> {
        let (mut holes, mut next) = (Vec::new(), 0);
        for part in &self.parts {
            if part.first_frame() > next {
                holes.push(next..part.first_frame());
            }
            next = part.end_frame();
        }
        let told = self.facts.map_or(0, |facts| facts.frame_count);
        if told > next {
            holes.push(next..told);
        }
        holes
    }

    /// Returns the layout of the persons in it, if somebody is seen.
    pub(super) fn layout(&self) -> Option<&Layout> {
        self.parts
            .iter()
            .map(|part| &part.chunk.header)
            .find(|header| header.row_count > 0)
            .map(|header| &header.layout)
    }

    /// Returns how many frames it had, as far as that is known: those that are intact and those that its facts tell of.
    pub(super) fn end_frame(&self) -> u64 {
        self.facts.map_or(0, |facts| facts.frame_count).max(self.end().0)
    }

    fn end(&self) -> (u64, Timestamp) {
        self.parts
            .last()
            .map_or((0, Timestamp::ZERO), |part| (part.end_frame(), part.chunk.header.last_timestamp))
    }
}

/// Makes a plan of all that was found.
pub(super) fn plans(salvage: &Salvage) -> Vec<Plan<'_>> {
    let mut own: BTreeMap<i64, Vec<&FoundChunk>> = BTreeMap::new();
    let mut loose: Vec<&FoundChunk> = Vec::new();
    let is_there = |key: &i64| salvage.sessions.get(key).is_some_and(|facts| facts.age != Age::Stale);
    for chunk in &salvage.chunks {
        match chunk.key {
            Some(key) if salvage.sessions.get(&key).is_some_and(|facts| facts.is_erased) => {}
            Some(key) if chunk.age == Age::Current => own.entry(key).or_default().push(chunk),
            // What was written over may be of sessions that were erased on purpose.
            Some(key) if chunk.age == Age::Stale && !is_there(&key) => {}
            _ => loose.push(chunk),
        }
    }
    let mut plans: BTreeMap<i64, Plan<'_>> = BTreeMap::new();
    for (&key, facts) in salvage.sessions.iter().filter(|(key, facts)| is_there(key) && !facts.is_erased) {
        plans.insert(key, Plan { facts: Some(facts), key, parts: Vec::new() });
    }
    for (key, chunks) in own {
        let plan = plans.entry(key).or_insert_with(|| Plan { facts: None, key, parts: Vec::new() });
        loose.extend(lay(plan, chunks));
    }
    reunite(&mut plans);
    let loose = fill(&mut plans, loose);
    let mut plans: Vec<_> = plans.into_values().collect();
    gather(&mut plans, loose);
    plans
}

/// Lays chunks one behind the other, and returns those for which there is no place.
fn lay<'a>(plan: &mut Plan<'a>, mut chunks: Vec<&'a FoundChunk>) -> Vec<&'a FoundChunk> {
    // Of chunks that begin alike the longest: it is what the others were compacted to.
    chunks.sort_by_key(|chunk| (chunk.header.first_frame, u32::MAX - chunk.header.frame_count));
    let mut left = Vec::new();
    for chunk in chunks {
        let (next, last) = plan.end();
        let part = Part { chunk, skipped: next.saturating_sub(chunk.header.first_frame) };
        let is_later = plan.parts.is_empty() || part.skipped > 0 || chunk.header.first_timestamp > last;
        if part.end_frame() <= next || !is_later {
            left.push(chunk);
        } else {
            plan.parts.push(part);
        }
    }
    left
}

/// Gives sessions whose row has another key than their chunks their chunks back: by how many frames there are, and how long.
fn reunite(plans: &mut BTreeMap<i64, Plan<'_>>) {
    let orphans: Vec<i64> = plans.values().filter(|plan| plan.facts.is_none()).map(|plan| plan.key).collect();
    for orphan in orphans {
        let end = plans[&orphan].end();
        let fits = |plan: &&Plan<'_>| {
            plan.parts.is_empty()
                && plan.facts.is_some_and(|facts| (facts.frame_count, facts.duration) == end)
        };
        let mut fitting = plans.values().filter(fits);
        let (Some(only), None) = (fitting.next().map(|plan| plan.key), fitting.next()) else { continue };
        if let Some(Plan { parts, .. }) = plans.remove(&orphan)
            && let Some(plan) = plans.get_mut(&only)
        {
            plan.parts = parts;
        }
    }
}

/// Puts chunks into the holes that they fit, if they fit one session only, and returns the others.
fn fill<'a>(plans: &mut BTreeMap<i64, Plan<'a>>, mut loose: Vec<&'a FoundChunk>) -> Vec<&'a FoundChunk> {
    loose.sort_by_key(|chunk| (chunk.age, chunk.header.first_frame, u32::MAX - chunk.header.frame_count));
    loop {
        let before = loose.len();
        let mut left = Vec::new();
        for chunk in loose {
            let own = chunk.key.filter(|key| plans.get(key).is_some_and(|plan| place(plan, chunk).is_some()));
            let key = own.or_else(|| {
                // A chunk that names another session by its row, which is damaged or old, goes nowhere else.
                let mut fitting =
                    plans.values().filter(|plan| chunk.key.is_none() && place(plan, chunk).is_some());
                fitting.next().filter(|_| fitting.next().is_none()).map(|plan| plan.key)
            });
            match key.and_then(|key| plans.get_mut(&key)).and_then(|plan| Some((place(plan, chunk)?, plan))) {
                Some((at, plan)) => plan.parts.insert(at, Part { chunk, skipped: 0 }),
                None => left.push(chunk),
            }
        }
        loose = left;
        if loose.len() == before {
            return loose;
        }
    }
}

/// Returns where in a session a chunk fills a hole, or a part of one.
fn place(plan: &Plan<'_>, chunk: &FoundChunk) -> Option<usize> {
    let header = &chunk.header;
    let end = header.first_frame + u64::from(header.frame_count);
    let hole = plan.holes().into_iter().find(|hole| hole.start <= header.first_frame && end <= hole.end)?;
    let at = plan.parts.iter().position(|part| part.first_frame() >= hole.end).unwrap_or(plan.parts.len());
    let is_after = at == 0 || plan.parts[at - 1].chunk.header.last_timestamp < header.first_timestamp;
    let is_before = match plan.parts.get(at) {
        Some(next) => header.last_timestamp < next.chunk.header.first_timestamp,
        None => plan.facts.is_none_or(|facts| header.last_timestamp <= facts.duration),
    };
    let is_alike = header.row_count == 0 || plan.layout().is_none_or(|layout| *layout == header.layout);
    (is_after && is_before && is_alike).then_some(at)
}

/// Makes sessions of chunks that belong to none that is known, so that nothing that is intact is left behind.
fn gather<'a>(plans: &mut Vec<Plan<'a>>, loose: Vec<&'a FoundChunk>) {
    let mut groups: HashMap<i64, Vec<&FoundChunk>> = HashMap::new();
    for chunk in loose.into_iter().filter(|chunk| chunk.age != Age::Stale) {
        let is_stored =
            plans.iter().any(|plan| chunk.key.is_none_or(|key| key == plan.key) && has(plan, chunk));
        if !is_stored {
            groups.entry(chunk.key.unwrap_or(0)).or_default().push(chunk);
        }
    }
    for (key, mut chunks) in groups {
        while !chunks.is_empty() {
            let mut plan = Plan { facts: None, key, parts: Vec::new() };
            let left = lay(&mut plan, chunks);
            if plan.parts.is_empty() {
                break;
            }
            plans.push(plan);
            chunks = left;
        }
    }
}

/// Returns whether a session has the frames of a chunk already, in whatever chunks: the same numbers at the same moments.
fn has(plan: &Plan<'_>, chunk: &FoundChunk) -> bool {
    let own = &chunk.header;
    let end = own.first_frame + u64::from(own.frame_count);
    let covering =
        |frame: u64| plan.parts.iter().find(|part| part.first_frame() <= frame && frame < part.end_frame());
    let is_whole = !plan.holes().iter().any(|hole| hole.start < end && own.first_frame < hole.end);
    let (Some(first), Some(last)) = (covering(own.first_frame), covering(end - 1)) else { return false };
    is_whole
        && first.chunk.header.first_timestamp <= own.first_timestamp
        && own.last_timestamp <= last.chunk.header.last_timestamp
}
