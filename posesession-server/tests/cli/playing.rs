//! `play`.

use std::io::{BufRead as _, BufReader};

use serde_json::Value;

use crate::support::{folder_with, posesession, run_in};

fn frame_numbers(out: &str) -> Vec<u64> {
    let number = |line: &str| serde_json::from_str::<Value>(line).unwrap()["frame_number"].as_u64().unwrap();
    out.lines().map(number).collect()
}

#[test]
fn all_frames_come_at_once_if_asked_for() {
    let (folder, _ids) = folder_with(&["Squat"]);
    let ended = run_in(folder.path(), &["play", "Squat", "--no-pace"]);
    assert_eq!(ended.code, 0, "{}", ended.said);
    assert_eq!(frame_numbers(&ended.out), (0..90).collect::<Vec<_>>());
    let part = run_in(folder.path(), &["play", "Squat", "--no-pace", "--from", "1", "--to", "1.5"]);
    assert_eq!(frame_numbers(&part.out), (30..=45).collect::<Vec<_>>());
}

#[test]
fn a_paced_replay_has_the_frames_of_its_range_in_order() {
    let (folder, _ids) = folder_with(&["Squat"]);
    let ended = run_in(folder.path(), &["play", "Squat", "--rate", "4", "--from", "1", "--to", "2"]);
    assert_eq!(ended.code, 0, "{}", ended.said);
    let numbers = frame_numbers(&ended.out);
    assert!(
        numbers.is_sorted() && numbers.first() == Some(&30) && numbers.last() == Some(&60),
        "{numbers:?}"
    );
    let backwards = run_in(folder.path(), &["play", "Squat", "--rate", "-8"]);
    let numbers = frame_numbers(&backwards.out);
    assert!(numbers.is_sorted_by(|a, b| a > b) && numbers.last() == Some(&0), "{numbers:?}");
}

#[test]
fn a_range_that_is_none_is_wrong_usage() {
    let (folder, _ids) = folder_with(&["Squat"]);
    for args in [&["--from", "2", "--to", "1"][..], &["--from", "9"], &["--rate", "99"], &["--from", "soon"]]
    {
        let ended = run_in(folder.path(), &[&["play", "Squat"], args].concat());
        assert_eq!(ended.code, 2, "{args:?}: {}", ended.said);
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    let (folder, _ids) = folder_with(&["Squat"]);
    for pace in [&["--no-pace"][..], &["--loop", "--rate", "16"]] {
        let mut command = posesession(&[&["play", "Squat"], pace].concat());
        let mut child = command.current_dir(folder.path()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert_eq!(frame_numbers(&first), [0]);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{pace:?}");
    }
}
