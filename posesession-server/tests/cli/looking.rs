//! `ls` and `show`.

use serde_json::Value;

use crate::support::{folder_with, run_in};

#[test]
fn sessions_are_listed_for_people_and_for_programs() {
    let (folder, ids) = folder_with(&["Squat", "Kniebeuge 膝"]);
    let ended = run_in(folder.path(), &["ls"]);
    assert_eq!(ended.code, 0, "{}", ended.said);
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("ID "));
    assert!(lines[1].starts_with(&ids[1].to_string()), "newest first, whole ids when piped: {}", lines[1]);
    assert!(lines[2].contains("Squat") && lines[2].contains("90") && lines[2].ends_with("completed"));
    let ended = run_in(folder.path(), &["ls", "--json", "--sort", "name", "--reverse"]);
    let sessions: Vec<Value> = ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        sessions.iter().map(|s| s["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["Squat", "Kniebeuge 膝"]
    );
    assert_eq!(sessions[0]["frame_count"], 90);
}

#[test]
fn a_list_can_be_searched_and_cut() {
    let (folder, _ids) = folder_with(&["Squat Anna", "Squat Ben", "Lunge Anna"]);
    let lines = |args: &[&str]| run_in(folder.path(), args).out.lines().count();
    assert_eq!(lines(&["ls", "--json", "squat", "anna"]), 1);
    assert_eq!(lines(&["ls", "--json", "-n", "2"]), 2);
    assert_eq!(lines(&["ls", "--json", "--status", "failed"]), 0);
    let none = run_in(folder.path(), &["ls", "plank"]);
    assert_eq!((none.code, none.out.as_str()), (0, ""));
}

#[test]
fn a_session_is_shown_with_its_quality_and_its_body() {
    let (folder, ids) = folder_with(&["Squat"]);
    let ended = run_in(folder.path(), &["show", "Squat"]);
    assert_eq!(ended.code, 0, "{}", ended.said);
    for part in [&ids[0].to_string(), "90 frames", "30.0 frames/s", "mediapipe_33", "deep"] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    assert!(ended.out.chars().any(|letter| ('\u{2801}'..='\u{28ff}').contains(&letter)));
    assert!(!ended.out.contains('\u{1b}'), "no colours where nobody sees them");
    let by_prefix = run_in(folder.path(), &["show", &ids[0].to_string()[..13], "--at", "1.5"]);
    assert!(by_prefix.out.contains("frame 45 at 1.5 s"), "{}", by_prefix.out);
}

#[test]
fn a_session_is_shown_to_programs() {
    let (folder, ids) = folder_with(&["Squat"]);
    let ended = run_in(folder.path(), &["show", "Squat", "--json"]);
    let shown: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(shown["session"]["id"], ids[0].to_string());
    assert_eq!(shown["markers"][0]["label"], "deep");
    assert_eq!(shown["quality"]["most_persons"], 1);
    assert_eq!(shown["quality"]["first_seen"], 0);
    assert!((shown["quality"]["frame_rate"].as_f64().unwrap() - 30.0).abs() < 0.01);
}
