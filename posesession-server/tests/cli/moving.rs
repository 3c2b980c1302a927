//! `export`, `import`, `copy`, `backup`: sessions out, in and over.

use std::path::Path;

use scratch_postgres::ScratchPostgres;
use serde_json::Value;

use crate::support::{folder_with, run_in, run_with_input};

fn ok(folder: &Path, args: &[&str]) -> String {
    let ended = run_in(folder, args);
    assert_eq!(ended.code, 0, "{args:?}: {}", ended.said);
    ended.out
}

fn sessions(folder: &Path, place: &[&str]) -> Vec<Value> {
    let out = ok(folder, &[&["ls", "--json"], place].concat());
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_session_file_comes_back_bit_for_bit() {
    let (folder, ids) = folder_with(&["Squat"]);
    let folder = folder.path();
    ok(folder, &["export", "Squat", "squat.db"]);
    ok(folder, &["import", "squat.db", "--data", "other"]);
    let session = &sessions(folder, &["--data", "other"])[0];
    assert_eq!(session["id"], ids[0].to_string());
    ok(folder, &["export", "Squat", "again.db", "--data", "other"]);
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    assert_eq!(read("squat.db"), read("again.db"));
    // Looking into the file leaves it as it is.
    assert!(ok(folder, &["show", "Squat", "--database", "squat.db"]).contains("90 frames"));
    assert_eq!(read("squat.db"), read("again.db"));
}

#[test]
fn frames_come_back_from_json_lines_and_csv() {
    let (folder, _ids) = folder_with(&["Squat"]);
    let folder = folder.path();
    let poses = |out: &str| -> Vec<Value> {
        let frames = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        frames
            .map(|frame| Value::from(vec![frame["timestamp"].clone(), frame["pose_data"].clone()]))
            .collect()
    };
    let original = poses(&ok(folder, &["play", "Squat", "--no-pace"]));
    for (file, format) in [("a.jsonl", "jsonl"), ("b.csv", "csv"), ("c.csv", "csv-long")] {
        ok(folder, &["export", "Squat", file, "--format", format]);
        ok(folder, &["import", file, "--name", format]);
        assert_eq!(poses(&ok(folder, &["play", format, "--no-pace"])), original, "{format}");
    }
}

#[test]
fn a_file_that_is_there_is_replaced_only_by_force() {
    let (folder, _ids) = folder_with(&["Squat"]);
    let folder = folder.path();
    std::fs::write(folder.join("squat.csv"), "mine").unwrap();
    let ended = run_in(folder, &["export", "Squat", "squat.csv"]);
    assert_eq!(ended.code, 2);
    assert!(ended.said.contains("--force"), "{}", ended.said);
    assert_eq!(std::fs::read(folder.join("squat.csv")).unwrap(), b"mine");
    ok(folder, &["export", "Squat", "squat.csv", "--force"]);
    assert!(std::fs::read(folder.join("squat.csv")).unwrap().starts_with(b"frame_number"));
    assert_eq!(run_in(folder, &["export", "Squat", "squat.poses"]).code, 2);
    assert_eq!(run_in(folder, &["export", "Squat", "--format", "sqlite"]).code, 2);
}

#[test]
fn broken_files_are_told_by_line_and_column_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let good = r#"{"timestamp":0,"landmarks":[{"x":1,"y":2,"z":3}]}"#;
    std::fs::write(folder.join("broken.jsonl"), format!("{good}\nnonsense\n")).unwrap();
    std::fs::write(folder.join("broken.csv"), "timestamp,pose.nose.x\n0,1\n0.1,one\n").unwrap();
    std::fs::write(folder.join("broken.db"), "no database, however long this text is going to be in the end")
        .unwrap();
    for (file, place) in [("broken.jsonl", "line 2"), ("broken.csv", "line 3"), ("broken.db", "broken.db")] {
        let ended = run_in(folder, &["import", file]);
        assert_eq!(ended.code, 7, "{file}: {}", ended.said);
        assert!(ended.said.contains(place), "{file}: {}", ended.said);
        assert_eq!(sessions(folder, &[]).len(), 0, "{file}");
    }
    let ended = run_in(folder, &["import", "missing.csv", "--data", "fresh"]);
    assert_eq!(ended.code, 7, "{}", ended.said);
    assert!(!folder.join("fresh").exists(), "nothing is made for a file that isn't there");
}

#[test]
fn sessions_are_copied_once() {
    let (folder, ids) = folder_with(&["Squat", "Lunge"]);
    let folder = folder.path();
    let one = run_in(folder, &["copy", "data", "one.db", "--session", "Lunge"]);
    assert_eq!(one.code, 0, "{}", one.said);
    assert_eq!(sessions(folder, &["--database", "one.db"]).len(), 1);
    let all = run_in(folder, &["copy", "data", "one.db"]);
    assert!(all.said.contains("there already") && all.said.contains("copied"), "{}", all.said);
    let copies = sessions(folder, &["--database", "one.db", "--sort", "created"]);
    assert_eq!(copies, sessions(folder, &["--sort", "created"]));
    assert_eq!(copies.len(), ids.len());
    assert!(!folder.join("one.db-media").exists(), "no media, no folder for them");
}

#[test]
fn sessions_go_through_postgres_and_come_back_bit_for_bit() {
    let (folder, ids) = folder_with(&["Squat", "Lunge"]);
    let folder = folder.path();
    let media = folder.join("data/media").join(ids[0].to_string());
    std::fs::create_dir_all(&media).unwrap();
    std::fs::write(media.join("video.webm"), "no real video").unwrap();
    let url = ScratchPostgres::shared().schema();

    ok(folder, &["copy", "data", &url, "--to-media", "there"]);
    let in_postgres = ["--database", &url, "--media", "there", "--sort", "created"];
    assert_eq!(sessions(folder, &in_postgres), sessions(folder, &["--sort", "created"]));
    assert!(ok(folder, &["ls", "--database", &url]).contains("Lunge"));
    let again = run_in(folder, &["copy", "data", &url, "--to-media", "there"]);
    assert_eq!((again.code, again.said.matches("there already").count()), (0, 2), "{}", again.said);

    ok(folder, &["copy", &url, "back.db", "--from-media", "there"]);
    for (n, session) in ["Squat", "Lunge"].into_iter().enumerate() {
        let (before, after) = (format!("before_{n}.db"), format!("after_{n}.db"));
        ok(folder, &["export", session, &before]);
        ok(folder, &["export", session, &after, "--database", "back.db"]);
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        assert!(read(&before) == read(&after), "{session} is another one when it comes back");
    }
    let back = folder.join("back.db-media").join(ids[0].to_string()).join("video.webm");
    assert_eq!(std::fs::read(back).unwrap(), b"no real video");
}

#[test]
fn what_a_program_prints_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let line = |n: u32| format!("{{\"timestamp\":{},\"landmarks\":[[{n},0.5,0]]}}\n", f64::from(n) / 30.0);
    let input: String = (0..30).map(line).collect();
    let ended = run_with_input(folder, &["record", "--name", "Piped", "--json"], &input);
    assert_eq!(ended.code, 0, "{}", ended.said);
    let recorded: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        (&recorded["session"]["frame_count"], &recorded["report"]["stored"]),
        (&30.into(), &30.into())
    );
    assert_eq!(sessions(folder, &[])[0]["status"], "completed");
}

#[test]
fn a_recording_that_breaks_off_keeps_what_came() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let input = "{\"timestamp\":0,\"landmarks\":[[0,0.5,0]]}\nnonsense\n";
    let ended = run_with_input(folder, &["record", "--name", "Piped"], input);
    assert_eq!(ended.code, 7, "{}", ended.said);
    assert!(ended.said.contains("line 2"), "{}", ended.said);
    assert_eq!(sessions(folder, &[])[0]["frame_count"], 1);
    let empty = run_with_input(folder, &["record"], "");
    assert_eq!(empty.code, 7, "{}", empty.said);
    assert_eq!(sessions(folder, &[]).len(), 1);
}

#[test]
fn a_backup_has_everything_and_replaces_nothing() {
    let (folder, ids) = folder_with(&["Squat", "Lunge"]);
    let folder = folder.path();
    let video = folder.join("data/media").join(ids[0].to_string()).join("video.webm");
    std::fs::create_dir_all(video.parent().unwrap()).unwrap();
    std::fs::write(&video, "no real video").unwrap();
    for (to, place, media) in [
        ("safe", &["--data", "safe"][..], "safe/media"),
        ("safe.db", &["--database", "safe.db"], "safe.db-media"),
    ] {
        ok(folder, &["backup", to]);
        assert_eq!(sessions(folder, place), sessions(folder, &[]), "{to}");
        let copied = folder.join(media).join(ids[0].to_string()).join("video.webm");
        assert_eq!(std::fs::read(copied).unwrap(), b"no real video", "{to}");
        let again = run_in(folder, &["backup", to]);
        assert_eq!(again.code, 1);
        assert!(again.said.contains("is there already"), "{}", again.said);
    }
}
