//! `verify`: what is sound and what is damaged, as people and programs see it.

use serde_json::Value;

use crate::support::{folder_with, run_in};

/// Writes over a byte of the first chunk's payload in a database.
fn damage(file: &std::path::Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let magic = bytes.windows(4).position(|four| four == b"PSCK").unwrap();
    bytes[magic + 100] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn what_is_sound_ends_with_code_0() {
    let (folder, ids) = folder_with(&["Squat", "Lunge"]);
    let ended = run_in(folder.path(), &["verify"]);
    assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{}", ended.said);
    assert!(ended.said.contains("sound: 2 sessions, 180 frames in"), "{}", ended.said);
    for one in ["Squat", &ids[0].to_string()] {
        let ended = run_in(folder.path(), &["verify", one, "--json"]);
        let told: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(
            (ended.code, &told["sound"], &told["sessions"], &told["frames"]),
            (0, &true.into(), &1.into(), &90.into())
        );
        assert_eq!(told["findings"], Value::Array(Vec::new()));
    }
}

#[test]
fn damage_is_named_and_ends_with_a_code_of_its_own() {
    let (folder, ids) = folder_with(&["Squat"]);
    damage(&folder.path().join("data/posesession.db"));
    let before = std::fs::read(folder.path().join("data/posesession.db")).unwrap();
    let ended = run_in(folder.path(), &["verify"]);
    assert_eq!(ended.code, 8, "{}", ended.said);
    assert!(ended.out.contains(&ids[0].to_string()) && ended.out.contains("checksum"), "{}", ended.out);
    assert!(ended.said.contains("posesession recover"), "{}", ended.said);
    let ended = run_in(folder.path(), &["verify", "--json"]);
    let told: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((ended.code, &told["sound"]), (8, &false.into()));
    let found = &told["findings"][0];
    assert_eq!((&found["severity"], &found["session"]), (&"damage".into(), &ids[0].to_string().into()));
    assert!(found["where"].as_str().unwrap().starts_with("frames 0 to"), "{found}");
    let played = run_in(folder.path(), &["play", "Squat", "--no-pace"]);
    assert!(played.code == 4 && played.said.contains("damaged"), "{}: {}", played.code, played.said);
    assert_eq!(std::fs::read(folder.path().join("data/posesession.db")).unwrap(), before);
}

#[test]
fn places_and_sessions_that_are_not_there_are_told() {
    let (folder, _ids) = folder_with(&["Squat"]);
    assert_eq!(run_in(folder.path(), &["verify", "--data", "nowhere"]).code, 4);
    assert_eq!(run_in(folder.path(), &["verify", "Plank"]).code, 6);
    std::fs::write(folder.path().join("poem.db"), "roses are red").unwrap();
    assert_eq!(run_in(folder.path(), &["verify", "--database", "poem.db"]).code, 4);
}
