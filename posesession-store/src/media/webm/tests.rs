//! The rewriter against real videos, made-up ones, broken ones and noise.

use posesession_core::Timestamp;
use proptest::prelude::*;

use super::ebml::{Child, children, head, id, put, put_unsigned, put_wide_head, unsigned, variable};
use super::*;
use crate::media::recorded_video::VideoCut;

const SIMPLE: &[u8] = include_bytes!("../../../../testdata/video/media_recorder.webm");
const GROUPS: &[u8] = include_bytes!("../../../../testdata/video/media_recorder_alpha.webm");

/// A block as a player meets it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    track: u64,
    time: i64,
    is_key: bool,
    /// All behind the block's relative time.
    content: Vec<u8>,
}

/// A rewritten video, every size and position of it checked.
#[derive(Debug)]
struct Checked {
    blocks: Vec<Shown>,
    duration: f64,
    /// Times, and the place in `blocks` that they lead to.
    cues: Vec<(u64, usize)>,
    tracks: Vec<u8>,
    tags: bool,
}

fn webm() -> RecordedVideo {
    RecordedVideo::of_type("video/webm")
}

fn with_cuts(cuts: &[(f64, f64)]) -> RecordedVideo {
    let secs = |secs| Timestamp::from_secs_f64(secs).unwrap();
    let cuts = cuts.iter().map(|&(at, length)| VideoCut { at: secs(at), length: secs(length) }).collect();
    RecordedVideo { start: Some(Timestamp::ZERO), cuts, ..webm() }
}

/// Rewrites a video that comes in pieces of some length.
fn rewritten(source: &[u8], video: &RecordedVideo, piece: usize) -> Result<Vec<u8>, Odd> {
    let mut rewriter = Rewriter::new(video);
    let mut clusters = Vec::new();
    for piece in source.chunks(piece.max(1)) {
        rewriter.push(piece, &mut clusters)?;
    }
    let Rewritten { front, last, cluster_bytes } = rewriter.finish(&mut clusters)?;
    let clusters = [&*clusters.concat(), last.as_deref().unwrap_or_default()].concat();
    assert_eq!(clusters.len() as u64, cluster_bytes);
    Ok([&*front, &clusters].concat())
}

fn strict(content: &[u8]) -> Vec<Child<'_>> {
    children(content).map(|child| child.expect("well-formed EBML")).collect()
}

fn find<'a>(content: &'a [u8], id: u32) -> Option<Child<'a>> {
    strict(content).into_iter().find(|child| child.id == id)
}

fn number(content: &[u8], id: u32) -> u64 {
    unsigned(find(content, id).expect("an element").content).unwrap()
}

fn shown(block: &[u8], cluster_time: u64, is_key: Option<bool>) -> Shown {
    let (track, len) = variable(block).unwrap().unwrap();
    let relative = i16::from_be_bytes([block[len], block[len + 1]]);
    let flag = block[len + 2] & 0x80 != 0;
    let time = i64::try_from(cluster_time).unwrap() + i64::from(relative);
    Shown { track, time, is_key: is_key.unwrap_or(flag), content: block[len + 2..].to_vec() }
}

fn check(video: &[u8]) -> Checked {
    let top = strict(video);
    assert_eq!(top.iter().map(|element| element.id).collect::<Vec<_>>(), [id::EBML, id::SEGMENT]);
    let segment = top[1].content;
    let at = |position: u64| &segment[usize::try_from(position).unwrap()..];
    for seek in strict(find(segment, id::SEEK_HEAD).expect("a seek head").content) {
        let sought = u32::try_from(number(seek.content, id::SEEK_ID)).unwrap();
        assert_eq!(head(at(number(seek.content, id::SEEK_POSITION))).unwrap().unwrap().id, sought);
    }
    let (mut blocks, mut starts) = (Vec::new(), Vec::new());
    let mut position = 0;
    for element in strict(segment) {
        if element.id == id::CLUSTER {
            starts.push((position, blocks.len()));
            let time = number(element.content, id::TIMESTAMP);
            for child in strict(element.content) {
                match child.id {
                    id::SIMPLE_BLOCK => blocks.push(shown(child.content, time, None)),
                    id::BLOCK_GROUP => {
                        let is_key = find(child.content, id::REFERENCE_BLOCK).is_none();
                        let block = find(child.content, id::BLOCK).expect("a block");
                        blocks.push(shown(block.content, time, Some(is_key)));
                    }
                    id::TIMESTAMP => {}
                    other => panic!("{other:#x} in a cluster"),
                }
            }
        }
        position += element.whole.len() as u64;
    }
    let cues = strict(find(segment, id::CUES).expect("cues").content).into_iter().map(|cue| {
        let time = number(cue.content, id::CUE_TIME);
        let place = find(cue.content, id::CUE_TRACK_POSITIONS).unwrap().content;
        let cluster = number(place, id::CUE_CLUSTER_POSITION);
        let (_, first) =
            starts.iter().find(|(start, _)| *start == cluster).expect("a cue leads to a cluster");
        let block = &blocks[*first];
        assert_eq!((block.track, block.is_key), (number(place, id::CUE_TRACK), true));
        assert_eq!(u64::try_from(block.time), Ok(time));
        (time, *first)
    });
    let duration = find(find(segment, id::INFO).unwrap().content, id::DURATION).unwrap().content;
    Checked {
        cues: cues.collect(),
        duration: f64::from_be_bytes(duration.try_into().unwrap()),
        tracks: find(segment, id::TRACKS).unwrap().whole.to_vec(),
        tags: find(segment, id::TAGS).is_some(),
        blocks,
    }
}

/// The blocks of a live stream, as far as they are whole.
fn source_blocks(source: &[u8]) -> Vec<Shown> {
    let (mut rest, mut time, mut blocks) = (source, 0, Vec::new());
    while let Ok(Some(head)) = head(rest) {
        rest = &rest[head.len..];
        if head.id == id::SEGMENT || head.id == id::CLUSTER {
            continue;
        }
        let size = usize::try_from(head.size.unwrap()).unwrap();
        let Some(content) = rest.get(..size) else { break };
        match head.id {
            id::TIMESTAMP => time = unsigned(content).unwrap(),
            id::SIMPLE_BLOCK => blocks.push(shown(content, time, None)),
            id::BLOCK_GROUP => {
                let is_key = find(content, id::REFERENCE_BLOCK).is_none();
                blocks.push(shown(find(content, id::BLOCK).unwrap().content, time, Some(is_key)));
            }
            _ => {}
        }
        rest = &rest[size..];
    }
    blocks
}

/// A made-up live stream of one video track, or of an audio track (2) beside it.
struct Live(Vec<u8>);

impl Live {
    fn new(nanos_per_tick: u64) -> Self {
        Self::of_tracks(nanos_per_tick, &[(2, 2), (1, 1)])
    }

    /// Tracks are a number and a type, 1 for video, 2 for audio.
    fn of_tracks(nanos_per_tick: u64, entries: &[(u64, u64)]) -> Self {
        let mut out = Vec::new();
        let mut doc_type = Vec::new();
        put(&mut doc_type, id::DOC_TYPE, b"webm");
        put(&mut out, id::EBML, &doc_type);
        out.extend_from_slice(&[0x18, 0x53, 0x80, 0x67, 0xff]);
        let mut info = Vec::new();
        put_unsigned(&mut info, id::TIMESTAMP_SCALE, nanos_per_tick);
        put(&mut out, id::INFO, &info);
        let mut tracks = Vec::new();
        for &(track, kind) in entries {
            let mut entry = Vec::new();
            put_unsigned(&mut entry, id::TRACK_NUMBER, track);
            put_unsigned(&mut entry, id::TRACK_TYPE, kind);
            put(&mut tracks, id::TRACK_ENTRY, &entry);
        }
        put(&mut out, id::TRACKS, &tracks);
        Self(out)
    }

    fn cluster(&mut self, time: u64) -> &mut Self {
        self.0.extend_from_slice(&[0x1f, 0x43, 0xb6, 0x75, 0xff]);
        put_unsigned(&mut self.0, id::TIMESTAMP, time);
        self
    }

    fn block(&mut self, track: u8, relative: i16, is_key: bool, filling: usize) -> &mut Self {
        let [high, low] = relative.to_be_bytes();
        let mut content = vec![0x80 | track, high, low, if is_key { 0x80 } else { 0 }];
        content.resize(4 + filling, 7);
        put(&mut self.0, id::SIMPLE_BLOCK, &content);
        self
    }

    fn element(&mut self, id: u32, content: &[u8]) -> &mut Self {
        put(&mut self.0, id, content);
        self
    }

    fn rewritten(&self) -> Result<Vec<u8>, Odd> {
        rewritten(&self.0, &webm(), 1 << 20)
    }

    fn times(&self, video: &RecordedVideo) -> Vec<i64> {
        check(&rewritten(&self.0, video, 1 << 20).unwrap()).blocks.iter().map(|block| block.time).collect()
    }
}

#[test]
fn what_a_browser_records_gets_duration_and_cues_and_keeps_its_pictures() {
    for source in [SIMPLE, GROUPS] {
        let video = check(&rewritten(source, &webm(), 1000).unwrap());
        assert_eq!(video.blocks, source_blocks(source));
        let last = video.blocks.last().unwrap().time as f64;
        assert!(video.duration > last && video.duration < last + 100.0, "{} after {last}", video.duration);
        let keys: Vec<_> = (0..video.blocks.len()).filter(|&place| video.blocks[place].is_key).collect();
        assert_eq!(video.cues.iter().map(|cue| cue.1).collect::<Vec<_>>(), keys);
        assert!(keys.len() >= 3, "{keys:?}");
        let tracks_at = source.windows(4).position(|bytes| bytes == id::TRACKS.to_be_bytes()).unwrap();
        assert!(source[tracks_at..].starts_with(&video.tracks));
    }
}

#[test]
fn a_video_that_broke_off_anywhere_plays_to_its_last_whole_picture() {
    for source in [SIMPLE, GROUPS] {
        let (mut most, mut not_playable) = (0, 0);
        for end in 0..source.len() {
            match rewritten(&source[..end], &webm(), 4096) {
                Ok(video) => {
                    let video = check(&video);
                    assert_eq!(video.blocks, source_blocks(&source[..end]), "cut at byte {end}");
                    most = most.max(video.blocks.len());
                }
                Err(Odd::NoPicture) => not_playable = end,
                Err(odd) => panic!("cut at byte {end}: {odd}"),
            }
        }
        assert_eq!(most, source_blocks(source).len() - 1);
        assert!(not_playable < 450, "the first picture is whole long before byte {not_playable}");
    }
}

#[test]
fn a_rewritten_video_tells_what_it_was_made_of_and_can_be_rewritten_again() {
    assert_eq!(source_bytes(SIMPLE), None);
    let once = rewritten(SIMPLE, &webm(), 4096).unwrap();
    assert_eq!(source_bytes(&once), Some(SIMPLE.len() as u64));
    let again = rewritten(&once, &webm(), 4096).unwrap();
    assert_eq!(source_bytes(&again), Some(once.len() as u64));
    assert_eq!(check(&again).blocks, check(&once).blocks);
}

#[test]
fn a_pause_is_cut_out_and_the_pictures_stay_in_order() {
    // Recorded from 0 to 1 s, paused until 21 s.
    let mut live = Live::new(1_000_000);
    live.cluster(0).block(1, 0, true, 9).block(1, 500, false, 9).block(1, 1000, false, 9);
    live.cluster(21_000).block(1, -1, true, 9).block(1, 0, false, 9).block(1, 500, false, 9);
    assert_eq!(live.times(&with_cuts(&[(1.033, 19.967)])), [0, 500, 1000, 1033, 1033, 1533]);
}

#[test]
fn the_key_frame_after_a_pause_can_be_sought_past_what_was_recorded_within_it() {
    // Paused from 0.7 s to 10.7 s, soon after a key frame; the pictures of both its ends are shown at 0.7 s.
    let mut live = Live::new(1_000_000);
    live.cluster(0).block(1, 0, true, 9).block(1, 600, true, 9).block(1, 720, false, 9);
    live.cluster(10_690).block(1, 0, true, 9).block(1, 5, false, 9);
    live.cluster(10_700).block(1, 0, true, 9).block(1, 30, false, 9);
    let video = check(&rewritten(&live.0, &with_cuts(&[(0.7, 10.0)]), 1 << 20).unwrap());
    let times: Vec<_> = video.blocks.iter().map(|block| block.time).collect();
    assert_eq!(times, [0, 600, 700, 700, 700, 700, 730]);
    assert_eq!(video.cues, [(0, 0), (600, 1), (700, 5)]);
}

#[test]
fn the_first_picture_is_at_zero_and_sound_before_it_too() {
    let mut live = Live::new(1_000_000);
    live.cluster(4_990).block(2, 0, true, 9).block(2, 20, true, 9);
    live.cluster(5_000).block(1, 15, true, 9).block(2, 30, true, 9).block(1, 48, false, 9);
    assert_eq!(live.times(&webm()), [0, 0, 0, 15, 33]);
}

#[test]
fn what_waits_for_the_first_picture_holds_no_more_memory_than_it_has_bytes() {
    let mut live = Live::new(1_000_000);
    live.cluster(0).block(2, 0, true, 9).element(id::VOID, &[0; 9000]);
    let video = webm();
    let mut rewriter = Rewriter::new(&video);
    rewriter.push(&live.0, &mut Vec::new()).unwrap();
    let waiting = rewriter.body.take().unwrap().waiting;
    assert_eq!(waiting.len(), 1);
    for block in waiting {
        assert!(block.element.freeze().is_unique(), "it keeps everything that was read with it");
    }
}

#[test]
fn a_video_of_one_picture_has_a_duration() {
    let mut live = Live::new(1_000_000);
    live.cluster(0).block(1, 0, true, 9);
    let duration = check(&live.rewritten().unwrap()).duration;
    assert!(duration > 0.0, "{duration}");
}

#[test]
fn without_pictures_sound_is_sought() {
    let mut live = Live::of_tracks(1_000_000, &[(2, 2)]);
    live.cluster(7_000);
    for n in 0..100 {
        live.block(2, n * 20, true, 30);
    }
    let video = check(&live.rewritten().unwrap());
    assert_eq!((video.blocks[0].time, video.blocks[99].time, video.cues.len()), (0, 1_980, 4));
    assert!((video.duration - 2_000.0).abs() < 1e-9, "{}", video.duration);
}

#[test]
fn times_that_no_cluster_can_hold_begin_another() {
    // Ticks of a microsecond: a block may be 32 ms away from its cluster's start.
    let mut live = Live::new(1_000);
    for n in 0..60 {
        live.cluster(n * 33_333).block(1, 0, n % 30 == 0, 9);
    }
    let times: Vec<i64> = (0..60).map(|n| n * 33_333).collect();
    assert_eq!(live.times(&webm()), times);
}

#[test]
fn blocks_that_go_back_in_time_stay_where_they_are() {
    let mut live = Live::new(1_000_000);
    live.cluster(0).block(1, 0, true, 9).block(1, 99, false, 9).block(1, 33, false, 9).block(1, 66, false, 9);
    assert_eq!(live.times(&webm()), [0, 99, 33, 66]);
}

#[test]
fn clusters_are_bounded_and_large_blocks_have_their_own() {
    let mut live = Live::new(1_000_000);
    live.cluster(0);
    for n in 0..40 {
        live.block(1, n, n == 0, 500_000);
    }
    live.block(1, 40, false, 15_000_000);
    let video = live.rewritten().unwrap();
    check(&video);
    let segment = strict(&video)[1].content.to_vec();
    let clusters: Vec<_> =
        strict(&segment).iter().filter(|e| e.id == id::CLUSTER).map(|e| e.whole.len()).collect();
    assert_eq!(clusters.len(), 6, "{clusters:?}");
    assert!(clusters[..5].iter().all(|&bytes| bytes <= 4 * 1024 * 1024 + 100), "{clusters:?}");
}

#[test]
fn cues_are_thinned_evenly_rather_than_grow_without_bound() {
    let mut live = Live::new(1_000_000);
    for n in 0..100_000 {
        live.cluster(n * 1000).block(1, 0, true, 1);
    }
    let video = check(&live.rewritten().unwrap());
    assert!((2048..4096).contains(&video.cues.len()), "{}", video.cues.len());
    let steps: Vec<_> = video.cues.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(steps.iter().max().unwrap() <= &(steps.iter().min().unwrap() * 2), "{:?}", &steps[..9]);
    assert!(video.cues.last().unwrap().0 > 99_900_000);
}

#[test]
fn a_video_of_key_frames_only_has_no_cluster_for_each() {
    let mut live = Live::new(1_000_000);
    live.cluster(0);
    for n in 0..300 {
        live.block(1, n * 33, true, 9);
    }
    let video = check(&live.rewritten().unwrap());
    assert_eq!(video.cues.len(), 19, "two a second");
}

#[test]
fn what_only_tells_positions_is_left_out_and_tags_are_kept() {
    let mut live = Live::new(1_000_000);
    live.element(id::SEEK_HEAD, &[0; 9]).element(id::VOID, &[0; 300]).element(id::TAGS, b"");
    live.cluster(0).element(id::PREV_SIZE, &[9]).block(1, 0, true, 9).element(id::CUES, &[1; 40]);
    live.cluster(33).element(id::POSITION, &[9]).block(1, 0, false, 9);
    let video = check(&live.rewritten().unwrap());
    assert_eq!((video.blocks.len(), video.tags), (2, true));
}

#[test]
fn what_is_not_understood_says_why() {
    let odd = |source: &[u8]| rewritten(source, &webm(), 7).unwrap_err();
    assert_eq!(odd(b""), Odd::NoPicture);
    assert_eq!(odd(b"\x1a\x45"), Odd::NoPicture);
    assert_eq!(odd(b"\0\0\0\x20ftypiso5"), Odd::NoEbml);
    let mut other = Vec::new();
    put(&mut other, id::EBML, b"\x42\x82\x83sub");
    assert_eq!(odd(&other), Odd::NoWebm);
    let start = || {
        let mut live = Live::new(1_000_000);
        live.cluster(0).block(1, 0, true, 9);
        live
    };
    let mut again = start();
    again.0.extend_from_slice(SIMPLE);
    assert!(matches!(odd(&again.0), Odd::UnknownElement { id: id::EBML, .. }));
    let mut huge = start();
    put_wide_head(&mut huge.0, id::SIMPLE_BLOCK, 1 << 50);
    assert!(matches!(odd(&huge.0), Odd::TooLarge { bytes: 0x4_0000_0000_0000, .. }));
    let mut endless = start();
    endless.0.extend_from_slice(&[0xa3, 0xff]);
    assert!(matches!(odd(&endless.0), Odd::UnknownSize { id: id::SIMPLE_BLOCK, .. }));
    let mut encrypted = start();
    encrypted.element(0xaf, b"secret");
    assert!(matches!(odd(&encrypted.0), Odd::UnknownElement { id: 0xaf, .. }));
    let mut timeless = Live::new(1_000_000);
    timeless.0.extend_from_slice(&[0x1f, 0x43, 0xb6, 0x75, 0xff]);
    timeless.block(1, 0, true, 9);
    assert!(matches!(odd(&timeless.0), Odd::OutOfTime { .. }));
    assert!(matches!(odd(&Live::new(0).0), Odd::OutOfTime { .. }));
    let mut late = start();
    late.cluster(u64::MAX).block(1, 0, true, 9);
    assert!(matches!(odd(&late.0), Odd::OutOfTime { .. }));
    let mut other_tracks = start();
    other_tracks.element(id::TRACKS, b"");
    assert_eq!(odd(&other_tracks.0), Odd::Repeated { id: id::TRACKS });
}

proptest! {
    #[test]
    fn any_bytes_end_in_a_video_or_a_reason(bytes: Vec<u8>, piece in 1_usize..64) {
        let _either = rewritten(&bytes, &webm(), piece);
        let _either = source_bytes(&bytes);
    }

    #[test]
    fn damage_anywhere_ends_in_a_sound_video_or_a_reason(
        damage in prop::collection::vec((0..GROUPS.len(), any::<u8>()), 1..6),
        simple: bool,
        cuts in prop::collection::vec((0.0..3.0, -3.0..3.0), 0..3),
    ) {
        let mut source = if simple { SIMPLE } else { GROUPS }.to_vec();
        let length = source.len();
        for (at, byte) in damage {
            source[at % length] = byte;
        }
        if let Ok(video) = rewritten(&source, &with_cuts(&cuts), 4096) {
            strict(strict(&video)[1].content);
            prop_assert_eq!(source_bytes(&video), Some(length as u64));
        }
    }

    #[test]
    fn how_the_bytes_are_cut_into_pieces_changes_nothing(piece in 1_usize..2000, simple: bool) {
        let source = if simple { SIMPLE } else { GROUPS };
        let video = with_cuts(&[(1.0, 0.5)]);
        prop_assert_eq!(rewritten(source, &video, piece), rewritten(source, &video, source.len()));
    }

    #[test]
    fn any_stream_of_blocks_keeps_them_all_in_order(
        blocks in prop::collection::vec((1_u8..=2, 0_u64..400, -200_i16..200, any::<bool>(), 0_usize..300_000), 1..60),
        nanos_per_tick in prop::sample::select(vec![1_000_u64, 1_000_000, 40_000_000]),
    ) {
        let mut live = Live::new(nanos_per_tick);
        let mut time = 1_000;
        for &(track, step, relative, is_key, filling) in &blocks {
            time += step;
            live.cluster(time).block(track, relative, is_key, filling);
        }
        let has_key = blocks.iter().any(|&(track, _, _, is_key, _)| track == 1 && is_key);
        match live.rewritten() {
            Ok(video) => {
                let (video, source) = (check(&video), source_blocks(&live.0));
                let origin = source.iter().find(|block| block.track == 1).unwrap().time;
                let moved: Vec<_> = source
                    .into_iter()
                    .map(|block| Shown { time: (block.time - origin).max(0), ..block })
                    .collect();
                prop_assert!(has_key);
                prop_assert_eq!(video.blocks, moved);
            }
            Err(odd) => {
                prop_assert!(!has_key, "{odd}");
                prop_assert_eq!(odd, Odd::NoPicture);
            }
        }
    }
}
