//! `rm`.

use crate::support::{folder_with, run_in};

fn listed(folder: &std::path::Path) -> usize {
    run_in(folder, &["ls", "--json"]).out.lines().count()
}

#[test]
fn nothing_goes_without_a_yes() {
    let (folder, _ids) = folder_with(&["Squat"]);
    let ended = run_in(folder.path(), &["rm", "Squat"]);
    assert_eq!(ended.code, 2);
    assert!(ended.said.contains("--yes"), "{}", ended.said);
    assert_eq!(listed(folder.path()), 1);
}

#[test]
fn sessions_are_deleted_or_erased() {
    let (folder, ids) = folder_with(&["Squat", "Lunge", "Plank"]);
    let ended = run_in(folder.path(), &["rm", "Squat", "--yes"]);
    assert_eq!(ended.code, 0, "{}", ended.said);
    assert_eq!(listed(folder.path()), 2);
    let erased = run_in(folder.path(), &["rm", "--erase", "--yes", &ids[1].to_string()]);
    assert!(erased.said.contains("erased"), "{}", erased.said);
    assert_eq!(listed(folder.path()), 1);
    let unknown = run_in(folder.path(), &["rm", "--yes", "Plank", "Nobody"]);
    assert_eq!(unknown.code, 6);
    assert_eq!(listed(folder.path()), 1, "one unknown, and none is deleted");
    assert_eq!(run_in(folder.path(), &["rm", "--all", "--yes"]).code, 0);
    assert_eq!(listed(folder.path()), 0);
}
