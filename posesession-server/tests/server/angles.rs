//! Joint angles: thinned, but with every peak.

use posesession_core::{
    Batch, Chunk, JointAngle, PoseData, SessionId, SessionStatus, Skeleton, SyntheticPose, Timestamp,
};
use posesession_store::{NewSession, SessionStore};
use serde_json::{Value, json};

use crate::support::{TestServer, assert_problem};

const FPS: f64 = 30.0;

fn skeleton() -> Skeleton {
    Skeleton::preset("mediapipe_33").unwrap()
}

/// Every frame's angle, as the answer has it, in the picture as the pages draw it.
fn angles(joint: &str, frames: u64) -> Vec<f64> {
    let joint = JointAngle::find(joint, &skeleton()).unwrap();
    let source = SyntheticPose::new(&skeleton(), FPS);
    let of = |n| joint.degrees(source.frame(n).1.person(0, &skeleton().layout()), 4.0 / 3.0).unwrap();
    (0..frames).map(|n| (of(n) * 100.0_f64).round() / 100.0).collect()
}

async fn plot(server: &TestServer, id: SessionId, query: &str) -> Value {
    server.json(&format!("/api/sessions/{id}/angles?{query}")).await
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// Stores poses, a millisecond apart, as one session.
async fn stored(store: &dyn SessionStore, new: NewSession, poses: &[PoseData]) -> SessionId {
    let layout = new.skeleton.as_ref().map(Skeleton::layout).unwrap_or_default();
    let id = store.create_session(new).await.unwrap().id;
    let term = store.begin_term(id).await.unwrap();
    let mut chunk = Chunk::new(0, layout);
    for (millis, pose) in (0..).zip(poses) {
        chunk.push(Timestamp::from_micros(millis * 1_000), pose).unwrap();
    }
    store.append(id, term, &Batch { chunk: Some(chunk), ..Batch::default() }).await.unwrap();
    store.finish(id, term, SessionStatus::Completed).await.unwrap();
    id
}

#[tokio::test]
async fn without_names_a_session_says_which_angles_there_are() {
    let server = TestServer::start().await;
    let id = server.recorded("Squat", 90).await;
    let answer = plot(&server, id, "").await;
    let expected = json!({
        "available": [
            "left_elbow", "right_elbow", "left_shoulder", "right_shoulder", "left_hip", "right_hip", "left_knee",
            "right_knee", "left_ankle", "right_ankle"
        ],
        "from": 0.0,
        "to": 2.966667,
        "timestamps": [],
        "series": [],
    });
    assert_eq!(answer, expected);
    assert_eq!(plot(&server, id, "names=").await, expected);
}

#[tokio::test]
async fn few_frames_are_all_plotted() {
    let server = TestServer::start().await;
    let id = server.recorded("Squat", 250).await;
    let answer = plot(&server, id, "names=right_knee,left_ankle").await;
    let timestamps = numbers(&answer["timestamps"]);
    assert_eq!(timestamps.len(), 250);
    assert_eq!((timestamps[0], timestamps[249]), (0.0, answer["to"].as_f64().unwrap()));
    let series = answer["series"].as_array().unwrap();
    assert_eq!(series.len(), 2);
    for (series, name) in series.iter().zip(["right_knee", "left_ankle"]) {
        assert_eq!((&series["name"], &series["unit"]), (&json!(name), &json!("degrees")));
        assert_eq!(numbers(&series["min"]), angles(name, 250), "{name}");
        assert_eq!(series["max"], series["min"], "{name}");
    }
}

#[tokio::test]
async fn many_frames_are_thinned_without_losing_a_peak() {
    let server = TestServer::start().await;
    let id = server.recorded("Squat", 1_000).await;
    let frames = angles("left_knee", 1_000);
    let least = |values: &[f64]| values.iter().copied().reduce(f64::min).unwrap();
    let greatest = |values: &[f64]| values.iter().copied().reduce(f64::max).unwrap();
    let range = |from: f64, to: f64| {
        let at = |n: u64| SyntheticPose::new(&skeleton(), FPS).frame(n).0.as_secs_f64();
        let inside: Vec<u64> = (0..1_000).filter(|&n| (from..=to).contains(&at(n))).collect();
        let [first, last] = [inside[0], inside[inside.len() - 1]].map(|n| usize::try_from(n).unwrap());
        (first..last + 1, inside.into_iter().map(at).collect::<Vec<_>>())
    };
    for (query, points, from, to) in [
        ("points=10", 10, 0.0, 40.0),
        ("points=1", 1, 0.0, 40.0),
        ("points=7&from=3.5&to=20", 7, 3.5, 20.0),
        ("points=4000&from=10&to=10.5", 16, 10.0, 10.5),
        ("points=3&from=30", 3, 30.0, 40.0),
        ("to=0", 1, 0.0, 0.0),
    ] {
        let answer = plot(&server, id, &format!("names=left_knee&{query}")).await;
        let (frames_inside, times) = range(from, to);
        let inside = &frames[frames_inside];
        let starts: Vec<usize> = (0..=points).map(|bucket| bucket * inside.len() / points).collect();
        let timestamps: Vec<f64> = starts[..points].iter().map(|&start| times[start]).collect();
        assert_eq!(numbers(&answer["timestamps"]), timestamps, "{query}");
        let buckets = || starts.windows(2).map(|pair| &inside[pair[0]..pair[1]]);
        let series = &answer["series"][0];
        assert_eq!(numbers(&series["min"]), buckets().map(least).collect::<Vec<_>>(), "{query}");
        assert_eq!(numbers(&series["max"]), buckets().map(greatest).collect::<Vec<_>>(), "{query}");
    }
    let beyond = plot(&server, id, "names=left_knee&from=50").await;
    assert_eq!((&beyond["timestamps"], &beyond["series"][0]["min"]), (&json!([]), &json!([])));
    assert_eq!((&beyond["from"], &beyond["to"]), (&json!(50.0), &json!(50.0)));
}

#[tokio::test]
async fn a_session_that_is_being_recorded_is_plotted_as_far_as_it_is() {
    let server = TestServer::start().await;
    let id = server.recording("Live", 120).await;
    let answer = plot(&server, id, "names=left_knee&points=4000").await;
    assert_eq!(numbers(&answer["series"][0]["max"]), angles("left_knee", 120));
}

#[tokio::test]
async fn a_session_in_which_nobody_was_seen_has_no_angles() {
    let server = TestServer::start().await;
    let custom = Skeleton::infer(7, 4).unwrap();
    let hand = Skeleton::preset("hand_21").unwrap();
    for skeleton in [None, Some(custom), Some(hand)] {
        let new = NewSession { skeleton, ..NewSession::named("Nobody") };
        let id = stored(&*server.store, new, &[PoseData::nobody(), PoseData::nobody()]).await;
        let expected = json!({"available": [], "from": 0.0, "to": 0.001, "timestamps": [], "series": []});
        assert_eq!(plot(&server, id, "").await, expected);
        let named = server.get(&format!("/api/sessions/{id}/angles?names=left_knee")).await;
        let problem = assert_problem(named, 400, "bad_query").await;
        assert!(problem["detail"].as_str().unwrap().ends_with("those there are: none"), "{problem}");
    }
    let empty = server.recorded("Empty", 0).await;
    let answer = plot(&server, empty, "names=left_knee&from=0&to=1").await;
    assert_eq!((&answer["timestamps"], &answer["series"][0]["max"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn one_person_counts_and_is_null_where_missing() {
    let server = TestServer::start().await;
    let skeleton = Skeleton::preset("coco_17").unwrap();
    // A right angle and a straight limb, at the left knee.
    let leg = |ankle: [f32; 2]| {
        let mut values = vec![f32::NAN; 17 * 3];
        for (name, at) in [("left_hip", [0.0, 0.0]), ("left_knee", [0.0, 100.0]), ("left_ankle", ankle)] {
            let keypoint = skeleton.components[0].keypoints.iter().position(|k| k == name).unwrap();
            values[keypoint * 3..keypoint * 3 + 2].copy_from_slice(&at);
        }
        values
    };
    let (bent, straight) = (leg([100.0, 100.0]), leg([0.0, 200.0]));
    let both = |ids: [u32; 2], values: [&Vec<f32>; 2]| PoseData {
        track_ids: ids.to_vec(),
        values: values.map(Clone::clone).concat(),
    };
    let poses = [
        both([4, 9], [&bent, &straight]),
        both([9, 4], [&straight, &bent]),
        PoseData { track_ids: vec![9], values: straight.clone() },
        PoseData::nobody(),
        PoseData::one_person(leg([f32::NAN, 3.0])),
    ];
    let new = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named("Two") };
    let id = stored(&*server.store, new, &poses).await;
    for (person, expected) in [
        ("", json!([90.0, 90.0, 180.0, null, null])),
        ("&person=4", json!([90.0, 90.0, null, null, null])),
        ("&person=9", json!([180.0, 180.0, 180.0, null, null])),
        ("&person=7", json!([null, null, null, null, null])),
    ] {
        let answer = plot(&server, id, &format!("names=left_knee{person}")).await;
        assert_eq!(answer["series"][0]["min"], expected, "{person}");
        assert_eq!(answer["series"][0]["max"], expected, "{person}");
    }
}

#[tokio::test]
async fn the_shape_of_the_picture_counts() {
    let server = TestServer::start().await;
    let skeleton = Skeleton::preset("mediapipe_33").unwrap();
    let mut values = vec![0.0; 33 * 4];
    for (name, at) in [("left_hip", [0.5, 0.2]), ("left_knee", [0.5, 0.5]), ("left_ankle", [0.6, 0.6])] {
        let keypoint = skeleton.components[0].keypoints.iter().position(|k| k == name).unwrap();
        values[keypoint * 4..keypoint * 4 + 2].copy_from_slice(&at);
    }
    let pose = PoseData::one_person(values);
    for (metadata, aspect) in [
        (json!({"image_width": 1920, "image_height": 1080}), 16.0 / 9.0),
        (json!({"image_width": 500, "image_height": 500}), 1.0),
        (json!({"image_width": "wide", "image_height": 500}), 4.0 / 3.0),
        (json!({"image_width": 500, "image_height": 0}), 4.0 / 3.0),
        (json!({}), 4.0 / 3.0),
    ] {
        let new = NewSession {
            skeleton: Some(skeleton.clone()),
            metadata: metadata.as_object().unwrap().clone(),
            ..NewSession::named("Shape")
        };
        let id = stored(&*server.store, new, std::slice::from_ref(&pose)).await;
        let answer = plot(&server, id, "names=left_knee").await;
        let expected = 180.0 - f64::atan(aspect).to_degrees();
        assert!((numbers(&answer["series"][0]["min"])[0] - expected).abs() < 0.006, "{metadata}: {answer}");
    }
}

#[tokio::test]
async fn malformed_plots_are_refused_by_name() {
    let server = TestServer::start().await;
    let id = server.recorded("Squat", 5).await;
    for (query, said) in [
        ("names=left_nose", "left_nose"),
        ("names=left_knee,,right_knee", "names"),
        ("names=left_knee,left_knee", "twice"),
        ("names=left_knee&names=right_knee", "twice"),
        ("names=LEFT_KNEE", "left_elbow, right_elbow"),
        ("points=0", "points"),
        ("points=4001", "points"),
        ("points=many", "points"),
        ("person=-1", "person"),
        ("person=x", "person"),
        ("from=x", "from"),
        ("from=NaN", "from"),
        ("to=inf", "to"),
        ("to=1e12", "to"),
        ("from=2&to=1", "ends before"),
        ("frames=1", "frames"),
    ] {
        let answer = server.get(&format!("/api/sessions/{id}/angles?{query}")).await;
        let problem = assert_problem(answer, 400, "bad_query").await;
        assert!(problem["detail"].as_str().unwrap().contains(said), "{query}: {problem}");
    }
    let unknown = server.get("/api/sessions/0190a5e4-0000-7000-8000-000000000001/angles").await;
    assert_problem(unknown, 404, "session_not_found").await;
}
