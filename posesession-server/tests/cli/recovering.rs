//! `recover`: out of a damaged place into a new one.

use serde_json::Value;

use crate::support::{folder_with, run_in};

#[test]
fn a_damaged_folder_is_recovered_into_a_new_one() {
    let (folder, ids) = folder_with(&["Squat", "Lunge"]);
    let folder = folder.path();
    let frames = run_in(folder, &["play", "Squat", "--no-pace"]).out;
    let file = folder.join("data/posesession.db");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[..4096].fill(0);
    std::fs::write(&file, &bytes).unwrap();
    assert_eq!(run_in(folder, &["ls"]).code, 4);
    let ended = run_in(folder, &["recover", "data", "rescued"]);
    assert_eq!(ended.code, 0, "{}", ended.said);
    assert!(ended.out.contains(&format!("recovered  {}  Squat: 90 frames\n", ids[0])), "{}", ended.out);
    assert!(ended.said.contains("sound: 2 sessions, 180 frames"), "{}", ended.said);
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "the damaged file stays as it is");
    assert_eq!(run_in(folder, &["play", "Squat", "--no-pace", "--data", "rescued"]).out, frames);
    assert_eq!(run_in(folder, &["verify", "--data", "rescued"]).code, 0);

    let again = run_in(folder, &["recover", "data", "rescued"]);
    assert!(again.code == 2 && again.said.contains("is there already"), "{}", again.said);
    let ended = run_in(folder, &["recover", "data", "other.db", "--json"]);
    let told: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((ended.code, &told["frames"], told["lost"].as_array().unwrap().len()), (0, &180.into(), 0));
    assert_eq!(told["sessions"][1]["name"], "Lunge");
}

#[test]
fn where_there_is_nothing_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(run_in(folder, &["recover", "nowhere", "rescued"]).code, 4);
    std::fs::write(folder.join("poem.db"), "roses are red ".repeat(1_000)).unwrap();
    let ended = run_in(folder, &["recover", "poem.db", "rescued.db"]);
    assert!(ended.code == 7 && ended.said.contains("nothing of a session"), "{}: {}", ended.code, ended.said);
    assert_eq!(run_in(folder, &["recover", "postgres://localhost/x", "rescued"]).code, 2);
}
