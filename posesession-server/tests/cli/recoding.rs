//! `recode`, and the encoding of what is recorded.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{folder_with, run_in, run_with_input};

fn ok(folder: &Path, args: &[&str]) -> String {
    let ended = run_in(folder, args);
    assert_eq!(ended.code, 0, "{args:?}: {}", ended.said);
    ended.out
}

fn shown(folder: &Path, session: &str) -> Value {
    serde_json::from_str::<Value>(&ok(folder, &["show", session, "--json"])).unwrap()["session"].take()
}

#[test]
fn a_session_is_recoded_and_back_without_loss() {
    let (folder, ids) = folder_with(&["Squat", "Lunge"]);
    let folder = folder.path();
    let before = [ok(folder, &["play", "Squat", "--no-pace"]), ok(folder, &["play", "Lunge", "--no-pace"])];
    for codec in ["json", "columnar"] {
        let ended = run_in(folder, &["recode", "Squat", "Lunge", "--codec", codec]);
        assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{}", ended.said);
        assert!(ended.said.contains(&format!("recoded       {}  Squat", ids[0])), "{}", ended.said);
        for (session, before) in ["Squat", "Lunge"].into_iter().zip(&before) {
            assert_eq!(ok(folder, &["play", session, "--no-pace"]), *before, "{session} as {codec}");
            assert_eq!(shown(folder, session)["codec"], codec);
            let facts = ok(folder, &["show", session]);
            assert!(facts.contains(&format!("{codec}, lossless")), "{facts}");
        }
    }
    let again = run_in(folder, &["recode", "Squat", "--codec", "columnar"]);
    assert!(again.said.starts_with("as it was"), "{}", again.said);
}

#[test]
fn a_session_is_bounded_only_when_bounds_are_given() {
    let (folder, _ids) = folder_with(&["Squat"]);
    let folder = folder.path();
    for wrong in [
        &["recode", "Squat"][..],
        &["recode", "Squat", "--codec", "bounded"],
        &["recode", "Squat", "--codec", "json", "--max-error", "x=1"],
        &["recode", "Squat", "--codec", "zip"],
        &["recode", "Squat", "--codec", "bounded", "--max-error", "x"],
        &["recode", "--codec", "json"],
    ] {
        assert_eq!(run_in(folder, wrong).code, 2, "{wrong:?}");
    }
    let unknown = run_in(folder, &["recode", "Squat", "--codec", "bounded", "--max-error", "q=1"]);
    assert!(unknown.code == 1 && unknown.said.contains("`q`"), "{}", unknown.said);
    assert_eq!(shown(folder, "Squat")["codec"], "columnar");

    let before = shown(folder, "Squat")["stored_bytes"].as_u64().unwrap();
    let out =
        ok(folder, &["recode", "Squat", "--codec", "bounded", "--max-error", "x=5e-5,y=5e-5", "--json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&told["recoded_frames"], &told["left_frames"]), (&json!(90), &json!(0)));
    assert_eq!(told["bytes_before"], before);
    assert!(told["session"]["stored_bytes"].as_u64().unwrap() < before);
    assert_eq!(told["session"]["max_error"], json!({"x": 5e-5, "y": 5e-5}));
    assert!(ok(folder, &["show", "Squat"]).contains("bounded, off by at most 5e-5 in x, 5e-5 in y"));
    ok(folder, &["recode", "Squat", "--codec", "columnar"]);
    let session = shown(folder, "Squat");
    assert_eq!((&session["codec"], &session["max_error"]["x"]), (&json!("columnar"), &json!(5e-5)));
    let listed = ok(folder, &["ls", "--json"]);
    assert!(listed.contains(r#""codec":"columnar","max_error":{"#), "{listed}");
}

#[test]
fn a_recording_has_the_encoding_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let line = r#"{"timestamp":0,"landmarks":[{"x":0.1,"y":0.2,"z":0.3}]}"#;
    for (args, codec) in [
        (&["--codec", "json"][..], "json"),
        (&["--codec", "bounded", "--max-error", "x=0.01"], "bounded"),
        (&["--max-error", "x=0.01"], "bounded"),
        (&[], "columnar"),
    ] {
        let ended = run_with_input(folder, &[&["record", "--json"], args].concat(), line);
        assert_eq!(ended.code, 0, "{args:?}: {}", ended.said);
        let told: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!((&told["session"]["codec"], &told["session"]["frame_count"]), (&json!(codec), &json!(1)));
    }
    assert_eq!(run_with_input(folder, &["record", "--codec", "bounded"], line).code, 2);
}

#[test]
fn sessions_that_are_not_there_are_told() {
    let (folder, _ids) = folder_with(&["Squat"]);
    let ended = run_in(folder.path(), &["recode", "Plank", "--codec", "json"]);
    assert_eq!(ended.code, 6, "{}", ended.said);
    let ended = run_in(folder.path(), &["recode", "Squat", "--codec", "json", "--data", "nowhere"]);
    assert_eq!(ended.code, 4, "{}", ended.said);
    assert!(!folder.path().join("nowhere").exists());
}
