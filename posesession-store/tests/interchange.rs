//! Files of other programs: what they hold is read exactly, or refused with line and column, and nothing is half there.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use posesession_core::{
    Batch, Chunk, ChunkQuery, Encoding, Frame, Lossless, Marker, MarkerKind, MaxError, PoseData, SessionId,
    SessionStatus, Skeleton, SyntheticPose, Timestamp,
};
use posesession_store::{
    FrameExport, FrameFormat, ImportError, ImportOptions, MemoryStore, NewSession, ReadError, ReadFrame,
    ReadOptions, SessionQuery, SessionStore, import_frames, read_frames, recode_session,
};

fn read_with(
    text: &str,
    format: FrameFormat,
    options: ReadOptions,
) -> Result<(Vec<ReadFrame>, Option<Skeleton>), ReadError> {
    let mut reader = read_frames(text.as_bytes(), format, options)?;
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame()? {
        frames.push(frame);
    }
    Ok((frames, reader.skeleton().cloned()))
}

fn read(text: &str, format: FrameFormat) -> (Vec<ReadFrame>, Option<Skeleton>) {
    read_with(text, format, ReadOptions::default()).unwrap()
}

fn json_lines(text: &str) -> (Vec<ReadFrame>, Option<Skeleton>) {
    read(text, FrameFormat::JsonLines)
}

fn micros(frames: &[ReadFrame]) -> Vec<i64> {
    frames.iter().map(|frame| frame.timestamp.as_micros()).collect()
}

/// Checks that text is refused at a line and a column, with words that help.
fn assert_refused(text: &str, format: FrameFormat, at: (u64, u64), words: &str) {
    let error = read_with(text, format, ReadOptions::default()).unwrap_err();
    let told = error.to_string();
    let ReadError::Malformed { line, column, .. } = error else { panic!("{text}: {told}") };
    assert_eq!((line, column), at, "{text}: {told}");
    assert!(told.contains(words), "{text}: {told}");
}

/// Two landmarks, as MediaPipe has them.
const TWO: &str = r#"[{"x":0.25,"y":0.5,"z":-0.125,"visibility":0.75},{"x":1,"y":2,"z":3}]"#;

/// x, y, z, confidence of [`TWO`], without the missing last one.
const TWO_VALUES: [f32; 7] = [0.25, 0.5, -0.125, 0.75, 1.0, 2.0, 3.0];

#[test]
fn every_shape_that_mediapipes_users_dump_is_read() {
    let shapes = [
        format!(r#"{{"timestamp":1,"landmarks":{TWO}}}"#),
        format!(r#"{{"timestamp":1,"landmarks":[{TWO}]}}"#),
        format!(r#"{{"timestamp_ms":1000,"pose_landmarks":{TWO}}}"#),
        format!(r#"{{"timestamp_us":1000000,"poseLandmarks":{TWO},"frame_number":7}}"#),
        format!(r#"{{"timestamp":1.0,"pose_data":{TWO}}}"#),
        format!(r#"{{"timestamp":1,"pose_data":{{"landmarks":{TWO}}},"image_path":null}}"#),
        format!(r#"{{"timestamp":1,"pose_data":{{"pose_landmarks":{{"landmark":{TWO}}}}}}}"#),
        format!(r#"{{"timestamp":1,"pose_landmarks":[{{"landmark":{TWO}}}]}}"#),
        r#"{"timestamp":1,"landmarks":[[0.25,0.5,-0.125,0.75],[1,2,3,null]]}"#.to_owned(),
        r#"{"timestamp":1,"landmarks":[[[0.25,0.5,-0.125,0.75],[1,2,3]]]}"#.to_owned(),
        r#"{"timestamp":1,"persons":[{"pose":[[0.25,0.5,-0.125,0.75],[1,2,3,null]]}]}"#.to_owned(),
        r#"{"timestamp":1,"pose_data":{"persons":[{"pose":[[0.25,0.5,-0.125,0.75],[1,2,3,null]]}]}}"#
            .to_owned(),
    ];
    for shape in shapes {
        let (frames, skeleton) = json_lines(&shape);
        assert_eq!(micros(&frames), [0], "{shape}");
        let pose = &frames[0].pose_data;
        assert_eq!(pose.values[..7], TWO_VALUES, "{shape}");
        assert!(pose.values[7].is_nan(), "{shape}: a missing visibility is a missing confidence");
        assert_eq!(skeleton.unwrap().components[0].keypoints.len(), 2, "{shape}");
    }
}

#[test]
fn several_persons_and_nobody_are_read() {
    let (frames, _) = json_lines(&format!(
        "{{\"timestamp\":0,\"landmarks\":[]}}\n{{\"timestamp\":1,\"landmarks\":null}}\n\n\
         {{\"timestamp\":2,\"landmarks\":[{TWO},{TWO}]}}\r\n{{\"timestamp\":3,\"pose_landmarks\":[[]]}}"
    ));
    let persons: Vec<_> = frames.iter().map(|frame| frame.pose_data.track_ids.clone()).collect();
    assert_eq!(persons, [vec![], vec![], vec![0, 1], vec![]]);
    let lines: Vec<_> = frames.iter().map(|frame| frame.line).collect();
    assert_eq!(lines, [1, 2, 4, 5], "blank lines are skipped, but counted");
}

#[test]
fn landmarks_in_metres_are_a_component_of_their_own() {
    let list = |x: f32| {
        let point = format!(r#"{{"x":{x},"y":0,"z":0,"visibility":1}}"#);
        format!("[{}]", vec![point; 33].join(","))
    };
    for (pose, world) in [("pose_landmarks", "pose_world_landmarks"), ("landmarks", "worldLandmarks")] {
        let line = format!(r#"{{"timestamp":0,"{pose}":[{}],"{world}":[{}]}}"#, list(0.5), list(-0.25));
        let (frames, skeleton) = json_lines(&line);
        assert_eq!(skeleton.unwrap().name, "mediapipe_33_world");
        let values = &frames[0].pose_data.values;
        assert_eq!((values.len(), values[0], values[33 * 4]), (2 * 33 * 4, 0.5, -0.25));
    }
    let (frames, _) = json_lines(&format!(r#"{{"timestamp":0,"pose_world_landmarks":{}}}"#, list(1.5)));
    assert!(frames[0].pose_data.values[0].is_nan());
    assert_eq!(frames[0].pose_data.values[33 * 4], 1.5);
}

#[test]
fn a_file_without_times_needs_the_frames_a_second() {
    let options = ReadOptions { fps: Some(30.0), ..ReadOptions::default() };
    let text = format!("{TWO}\n{{\"landmarks\":{TWO}}}\n[]\n");
    let (frames, _) = read_with(&text, FrameFormat::JsonLines, options.clone()).unwrap();
    assert_eq!(micros(&frames), [0, 33_333, 66_667]);
    assert_refused(&text, FrameFormat::JsonLines, (1, 1), "frames a second");
    let csv = "pose.nose.x,pose.nose.y\n1,2\n,\n3,4\n";
    let (frames, _) = read_with(csv, FrameFormat::CsvWide, options).unwrap();
    assert_eq!(micros(&frames), [0, 33_333, 66_667]);
    assert_refused(csv, FrameFormat::CsvWide, (2, 1), "frames a second");
}

#[test]
fn what_is_wrong_in_json_is_told_with_line_and_column() {
    let good = format!("{{\"timestamp\":0,\"landmarks\":{TWO}}}\n");
    for (line, column, words) in [
        ("{\"timestamp\":1,\"landmarks\":[{\"x\":true,\"y\":0}]}", 37, "expected f32"),
        ("{\"timestamp\":1,\"landmarks\":[1,2]}", 28, "list of 2 to 4 numbers"),
        ("{\"timestamp\":1,\"landmarks\":[{\"q\":1}]}", 35, "at least `x` and `y`"),
        ("{\"timestamp\":1,\"landmarks\":", 27, "EOF"),
        ("{\"timestamp\":\"soon\",\"landmarks\":[]}", 19, "f64"),
        ("{\"timestamp\":1}", 1, "a line is a frame such as"),
        ("{\"timestamp\":0,\"landmarks\":[]}", 1, "timestamps must increase"),
        ("{\"timestamp\":1e300,\"landmarks\":[]}", 1, "is beyond 2^32 s"),
        ("{\"timestamp\":1,\"landmarks\":[{\"x\":1,\"y\":2}]}", 1, "1 landmarks where"),
        ("{\"timestamp\":1,\"pose_data\":{\"persons\":[{\"pose\":[[1]]}]}}", 1, "8 values"),
        ("hello", 1, "expected value"),
        ("{\"timestamp\":1,\"landmarks\":[1e99999,2]}", 35, "out of range"),
    ] {
        assert_refused(&format!("{good}{line}\n"), FrameFormat::JsonLines, (2, column), words);
    }
    let error = read_frames(&b"\"\xff\""[..], FrameFormat::JsonLines, ReadOptions::default())
        .unwrap()
        .next_frame()
        .unwrap_err();
    assert!(matches!(error, ReadError::Malformed { line: 1, column: 2, .. }), "{error:?}");
}

#[test]
fn a_line_may_not_be_endless() {
    let endless = std::io::Read::take(std::io::repeat(b'['), 1 << 27);
    let mut reader = read_frames(endless, FrameFormat::JsonLines, ReadOptions::default()).unwrap();
    assert!(matches!(reader.next_frame(), Err(ReadError::Io { line: 1, .. })));
    let endless = std::io::Read::take(std::io::repeat(b'x'), 1 << 27);
    let refused = read_frames(endless, FrameFormat::CsvWide, ReadOptions::default()).map(drop);
    assert!(matches!(refused, Err(ReadError::Io { line: 1, .. })));
    // Line ends in quotes end no line.
    let start = "timestamp,pose.nose.x\n0,\"".as_bytes();
    let endless = std::io::Read::chain(start, std::io::Read::take(std::io::repeat(b'\n'), 1 << 27));
    let mut reader = read_frames(endless, FrameFormat::CsvWide, ReadOptions::default()).unwrap();
    assert!(matches!(reader.next_frame(), Err(ReadError::Io { .. })));
}

#[test]
fn wide_csv_is_read_by_its_names() {
    let text = "\u{feff}timestamp_ms,frame_number,person,pose.nose.y,pose.nose.x\n\
                500,9,4,0.5,0.25\n500,9,2,,1\n540,10,,,\n";
    let (frames, skeleton) = read(text, FrameFormat::CsvWide);
    assert_eq!(micros(&frames), [0, 40_000]);
    assert_eq!(frames[0].pose_data.track_ids, [4, 2]);
    assert_eq!(frames[0].pose_data.values[..2], [0.5, 0.25]);
    assert_eq!(frames[1].pose_data, PoseData::nobody());
    let component = &skeleton.unwrap().components[0];
    assert_eq!((component.name.as_str(), component.keypoints.as_slice()), ("pose", &["nose".to_owned()][..]));
}

#[test]
fn long_csv_is_read_by_its_names() {
    let text = "frame_number,timestamp,person,component,keypoint,x,y,confidence\n\
                0,1.5,,,,,,\n\
                1,1.6,0,pose,nose,1,2,0.5\n1,1.6,0,pose,left_ear,3,,\n1,1.6,0,hand,wrist,5,6,\n\
                2,1.7,7,pose,left_ear,9,8,0.25\n";
    let (frames, skeleton) = read(text, FrameFormat::CsvLong);
    assert_eq!(micros(&frames), [0, 100_000, 200_000]);
    let components = skeleton.unwrap().components;
    let shape: Vec<_> =
        components.iter().map(|c| (c.name.as_str(), c.keypoints.len(), c.channels.len())).collect();
    assert_eq!(shape, [("pose", 2, 3), ("hand", 1, 2)]);
    assert_eq!(frames[1].pose_data.values[..4], [1.0, 2.0, 0.5, 3.0]);
    assert_eq!(frames[1].pose_data.values[6..], [5.0, 6.0]);
    assert_eq!(frames[2].pose_data.track_ids, [7]);
    assert_eq!(frames[2].pose_data.values[3..6], [9.0, 8.0, 0.25]);
}

#[test]
fn what_is_wrong_in_csv_is_told_with_line_and_column() {
    let wide = |rows: &str| format!("frame_number,timestamp,person,pose.nose.x\n0,0,0,1\n{rows}\n");
    for (rows, column, words) in [
        ("1,1,0,one", 4, "`one` is no number (column `pose.nose.x`)"),
        ("1,1,0,inf", 4, "no number"),
        ("1,1,first,1", 3, "no track id"),
        ("1,0,0,1", 2, "timestamps must increase"),
        ("1,later,0,1", 2, "`later` is no time"),
        ("1,1,0", 4, "3 fields where the first line has 4"),
        ("1,1,0,1\n1,1,0,2", 3, "two persons of the frame have the id 0"),
    ] {
        assert_refused(&wide(rows), FrameFormat::CsvWide, (3, column), words);
    }
    let long = |rows: &str| {
        format!("frame_number,timestamp,person,component,keypoint,x,y\n0,0,0,pose,nose,1,\n{rows}\n")
    };
    for (rows, column, words) in [
        ("1,1,0,pose,ear,1,", 5, "no keypoint `ear`"),
        ("1,1,0,hand,nose,1,", 4, "no component `hand`"),
        ("1,1,0,pose,nose,1,2", 7, "no channel `y`"),
        ("1,1,0,pose,nose,x,", 6, "no number"),
    ] {
        assert_refused(&long(rows), FrameFormat::CsvLong, (3, column), words);
    }
    for (format, header, column, words) in [
        (FrameFormat::CsvWide, "timestamp,nose_x", 2, "the column `nose_x` is not known"),
        (FrameFormat::CsvWide, "timestamp", 1, "no column with a keypoint"),
        (FrameFormat::CsvWide, "timestamp,a.b.x,a.b.x", 3, "there twice"),
        (FrameFormat::CsvLong, "timestamp,keypoint,x", 1, "no column `component`"),
        (FrameFormat::CsvLong, "timestamp,component,keypoint", 1, "no column `x`"),
        (
            FrameFormat::CsvLong,
            "component,keypoint,x\npose,nose,1",
            1,
            "no column `frame_number` or `timestamp`",
        ),
    ] {
        assert_refused(&format!("{header}\n"), format, (1, column), words);
    }
}

/// Records 300 frames with everything that frames can have: gaps in time, nobody, three persons, missing values.
async fn record(store: &dyn SessionStore, skeleton: &Skeleton) -> SessionId {
    let metadata = serde_json::json!({"side": "left", "video": {"mime": "video/webm"}});
    let new = NewSession {
        description: "Told".to_owned(),
        metadata: metadata.as_object().unwrap().clone(),
        skeleton: Some(skeleton.clone()),
        ..NewSession::named("Two \"climbers\", \u{1F9D7}")
    };
    let id = store.create_session(new).await.unwrap().id;
    let term = store.begin_term(id).await.unwrap();
    let camera = SyntheticPose::new(skeleton, 30.0);
    let mut chunk = Chunk::new(0, skeleton.layout());
    for n in 0..300_u64 {
        let (timestamp, pose) = camera.frame(n);
        let persons = usize::try_from(n % 4).unwrap();
        let mut values = pose.values.repeat(persons);
        for (place, value) in values.iter_mut().enumerate() {
            match (place + usize::try_from(n).unwrap()) % 7 {
                0 => *value = f32::NAN,
                1 => *value = -0.0,
                2 => *value = f32::MIN_POSITIVE / 3.0,
                _ => {}
            }
        }
        let track_ids = (0..n % 4).map(|p| u32::try_from(100 - p * 3).unwrap()).collect();
        // A gap of 20 s in the middle.
        let timestamp = if n < 150 { timestamp } else { timestamp.plus_micros(20_000_001) };
        chunk.push(timestamp, &PoseData { track_ids, values }).unwrap();
    }
    let marker = Marker {
        kind: MarkerKind::Gap,
        timestamp: Timestamp::from_micros(123_456),
        label: "a gap".to_owned(),
        duration: Some(Timestamp::from_micros(7)),
        count: Some(3),
        cause: Some("missing".to_owned()),
    };
    let batch = Batch { chunk: Some(chunk), markers: vec![marker], ..Batch::default() };
    store.append(id, term, &batch).await.unwrap();
    store.finish(id, term, SessionStatus::Completed).await.unwrap();
    id
}

async fn frames(store: &dyn SessionStore, id: SessionId) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    let count = store.read_session(id).await.unwrap().frame_count;
    while (frames.len() as u64) < count {
        let next = frames.len() as u64;
        let chunk = store.covering_chunk(id, ChunkQuery::Frame(next)).await.unwrap().chunk;
        frames.extend(chunk.frames().filter(|frame| frame.frame_number >= next));
    }
    frames
}

async fn exported(store: &Arc<MemoryStore>, id: SessionId, format: FrameFormat) -> Vec<u8> {
    let store: Arc<dyn SessionStore> = store.clone();
    let mut export = FrameExport::start(store, id, format).await.unwrap();
    let mut file = Vec::new();
    while let Some(piece) = export.next_piece().await.unwrap() {
        file.extend_from_slice(&piece);
    }
    assert_eq!(export.frames_done(), export.session().frame_count);
    file
}

#[tokio::test]
async fn frames_and_times_of_a_round_trip_are_bit_exact_in_every_format() {
    for preset in ["mediapipe_33", "mediapipe_holistic_543", "coco_17"] {
        let skeleton = Skeleton::preset(preset).unwrap();
        let store = Arc::new(MemoryStore::new());
        let id = record(&*store, &skeleton).await;
        let before = frames(&*store, id).await;
        for format in FrameFormat::ALL {
            let file = exported(&store, id, format).await;
            let options = ImportOptions { fallback_name: "file".to_owned(), ..ImportOptions::default() };
            let copy =
                import_frames(std::io::Cursor::new(file.clone()), format, options, &*store).await.unwrap();
            assert_ne!(copy.id, id);
            assert!(frames(&*store, copy.id).await == before, "{preset} as {format}");
            assert_eq!(copy.skeleton.as_ref(), Some(&skeleton), "{preset} as {format}");
            let again = exported(&store, copy.id, format).await;
            let start = if format == FrameFormat::JsonLines { 1 } else { 0 };
            let lines = |file: &[u8]| String::from_utf8(file.to_vec()).unwrap().lines().skip(start).count();
            assert_eq!(lines(&again), lines(&file));
            if format != FrameFormat::JsonLines {
                assert!(again == file, "{preset}: the second {format} differs from the first");
            }
        }
    }
}

#[tokio::test]
async fn our_own_json_lines_tell_how_far_values_are_off() {
    let store = Arc::new(MemoryStore::new());
    let id = record(&*store, &Skeleton::preset("mediapipe_33").unwrap()).await;
    let max_error = MaxError::new([("x", 0.01)]).unwrap();
    let bounded = Encoding::Bounded { max_error: max_error.clone() };
    recode_session(&*store, id, &bounded, &mut |_progress| {}).await.unwrap();
    let file = exported(&store, id, FrameFormat::JsonLines).await;
    let options = ImportOptions { fallback_name: "file".to_owned(), ..ImportOptions::default() };
    let copy = import_frames(std::io::Cursor::new(file), FrameFormat::JsonLines, options, &*store).await;
    let copy = copy.unwrap();
    assert_eq!(copy.encoding, Encoding::Recoded { into: Lossless::Columnar, max_error });
    assert!(frames(&*store, copy.id).await == frames(&*store, id).await);
}

#[tokio::test]
async fn our_own_json_lines_keep_the_facts_and_the_markers() {
    let store = Arc::new(MemoryStore::new());
    let id = record(&*store, &Skeleton::preset("mediapipe_33").unwrap()).await;
    let file = exported(&store, id, FrameFormat::JsonLines).await;
    let options = ImportOptions { fallback_name: "file".to_owned(), ..ImportOptions::default() };
    let copy =
        import_frames(std::io::Cursor::new(file.clone()), FrameFormat::JsonLines, options, &*store).await;
    let (copy, session) = (copy.unwrap(), store.read_session(id).await.unwrap());
    assert_eq!((&copy.name, &copy.description), (&session.name, &session.description));
    assert_eq!(
        (copy.created_at, copy.duration, copy.status),
        (session.created_at, session.duration, session.status)
    );
    assert_eq!(serde_json::Value::Object(copy.metadata), serde_json::json!({"side": "left"}));
    assert_eq!(store.markers(copy.id).await.unwrap(), store.markers(id).await.unwrap());
    let options = ImportOptions { name: Some("Named".to_owned()), ..ImportOptions::default() };
    let named = import_frames(std::io::Cursor::new(file), FrameFormat::JsonLines, options, &*store).await;
    assert_eq!(named.unwrap().name, "Named");
}

#[tokio::test]
async fn a_broken_file_is_imported_not_at_all() {
    let store = MemoryStore::new();
    // The fault comes late: chunks are stored by then.
    let mut text = "timestamp,pose.nose.x\n".to_owned();
    (0..3_000).for_each(|n| text.push_str(&format!("{n},1\n")));
    text.push_str("3000,one\n");
    let error =
        import_frames(std::io::Cursor::new(text), FrameFormat::CsvWide, ImportOptions::default(), &store)
            .await;
    assert!(
        matches!(error, Err(ImportError::Read(ReadError::Malformed { line: 3_002, column: 2, .. }))),
        "{error:?}"
    );
    for (text, format) in [("", FrameFormat::JsonLines), ("timestamp,a.b.x\n", FrameFormat::CsvWide)] {
        let error = import_frames(text.as_bytes(), format, ImportOptions::default(), &store).await;
        assert!(matches!(error, Err(ImportError::Empty)), "{error:?}");
    }
    let long = ImportOptions { name: Some("n".repeat(70_000)), ..ImportOptions::default() };
    let error = import_frames("timestamp,a.b.x\n0,1".as_bytes(), FrameFormat::CsvWide, long, &store).await;
    assert!(matches!(error, Err(ImportError::Store(_))), "{error:?}");
    assert_eq!(store.list_sessions(&SessionQuery::default()).await.unwrap().sessions, []);
}

#[tokio::test]
async fn a_real_recording_is_imported() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/recordings/walk_mediapipe_33.jsonl");
    let file = std::fs::File::open(path).unwrap();
    let store = MemoryStore::new();
    let session =
        import_frames(file, FrameFormat::JsonLines, ImportOptions::default(), &store).await.unwrap();
    let lines = std::fs::read_to_string(path).unwrap().lines().count();
    assert_eq!(session.frame_count, lines as u64);
    assert_eq!(session.skeleton.unwrap().name, "mediapipe_33");
}

#[tokio::test]
async fn a_pose_within_a_pose_without_end_is_refused() {
    const DEPTH: usize = 20_000;
    let (open, close) = ("\"pose_data\":{".repeat(DEPTH), "}".repeat(DEPTH));
    let file = format!("{{\"timestamp\":0,{open}\"landmarks\":[]{close}}}\n").into_bytes();
    let store = MemoryStore::new();
    let options = ImportOptions::default();
    let error = import_frames(std::io::Cursor::new(file), FrameFormat::JsonLines, options, &store).await;
    assert!(matches!(error, Err(ImportError::Read(_))), "{error:?}");
}
