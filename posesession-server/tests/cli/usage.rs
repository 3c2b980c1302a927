//! Help, wrong usage, places that can't be used.

use crate::support::{folder_with, run_in};

const COMMANDS: [&str; 14] = [
    "serve",
    "ls",
    "show",
    "record",
    "play",
    "export",
    "import",
    "copy",
    "recode",
    "backup",
    "verify",
    "recover",
    "rm",
    "completions",
];

#[test]
fn every_command_has_help_with_examples() {
    let folder = tempfile::tempdir().unwrap();
    for command in COMMANDS {
        let ended = run_in(folder.path(), &[command, "--help"]);
        assert_eq!(ended.code, 0, "{command}");
        assert!(
            ended.out.contains("Examples:") && ended.out.contains(&format!("posesession {command}")),
            "{command}"
        );
    }
    let ended = run_in(folder.path(), &["--help"]);
    assert!(COMMANDS.iter().all(|command| ended.out.contains(command)), "{}", ended.out);
    assert!(ended.out.contains("Exit codes:"));
}

#[test]
fn wrong_usage_is_told_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in [
        &["dance"][..],
        &["show"],
        &["ls", "--status", "asleep"],
        &["play", "x", "--rate", "fast"],
        &["ls", "--database", "mysql://localhost/x"],
        &["rm"],
        &["serve", "--codec", "bounded"],
    ] {
        let ended = run_in(folder.path(), wrong);
        assert_eq!(ended.code, 2, "{wrong:?}: {}", ended.said);
        assert!(!ended.said.is_empty(), "{wrong:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_place_without_sessions_is_told_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    for command in [&["ls"][..], &["show", "Squat"], &["play", "Squat"], &["rm", "Squat", "--yes"]] {
        for place in [&["--data", "nowhere"][..], &["--database", "nowhere.db"]] {
            let ended = run_in(folder.path(), &[command, place].concat());
            assert_eq!(ended.code, 4, "{command:?}: {}", ended.said);
            assert!(ended.said.contains("nowhere") && ended.said.contains("--data"), "{}", ended.said);
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_of_another_kind_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("poem.db");
    std::fs::write(&file, "roses are red, and this is long enough to be read as a header or two of them")
        .unwrap();
    let ended = run_in(folder.path(), &["ls", "--database", "poem.db"]);
    assert_eq!(ended.code, 4, "{}", ended.said);
    assert!(ended.said.contains("no posesession database"), "{}", ended.said);
    assert!(std::fs::read(&file).unwrap().starts_with(b"roses"));
}

#[test]
fn unknown_and_ambiguous_sessions_are_told() {
    let (folder, ids) = folder_with(&["Squat", "Squat", "Lunge"]);
    let ended = run_in(folder.path(), &["show", "Plank"]);
    assert_eq!(ended.code, 6);
    assert!(ended.said.contains("Plank") && ended.said.contains("posesession ls"), "{}", ended.said);
    let ended = run_in(folder.path(), &["show", "0190a5e4-0000-7000-8000-000000000001"]);
    assert_eq!(ended.code, 6, "{}", ended.said);
    let ended = run_in(folder.path(), &["show", "Squat"]);
    assert_eq!(ended.code, 6);
    assert!(ids[..2].iter().all(|id| ended.said.contains(&id.to_string())), "{}", ended.said);
    assert!(!ended.said.contains(&ids[2].to_string()), "{}", ended.said);
}

#[test]
fn completions_know_all_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = run_in(folder.path(), &["completions", shell]);
        assert_eq!(ended.code, 0, "{shell}");
        assert!(COMMANDS.iter().all(|command| ended.out.contains(command)), "{shell}");
    }
}
