//! What a machine can hold about the house style, a machine holds.

#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use std::path::{Path, PathBuf};

const FOLDERS: [&str; 11] = [
    "src",
    "examples",
    "benches",
    "tests",
    "posesession-core",
    "posesession-store",
    "posesession-ws",
    "posesession-server",
    "posesession-py",
    "testing",
    "fuzz",
];
const MAX_LINES: usize = 500;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", "node_modules", "__pycache__"].contains(&name.as_str()) {
                files(&path, found);
            }
        } else if ["rs", "js", "mjs", "py", "css", "html"]
            .iter()
            .any(|e| path.extension().is_some_and(|x| x == *e))
        {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in FOLDERS {
        files(&root.join(folder), &mut found);
    }
    assert!(found.len() > 50, "the sources are where this test looks for them");
    found.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn files_stay_under_500_lines_without_their_tests() {
    for (path, text) in sources() {
        let is_test = path
            .components()
            .any(|part| ["tests", "test", "tests.rs"].iter().any(|t| part.as_os_str() == *t));
        // Tests in the file itself stand at its end.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        assert!(is_test || code.lines().count() <= MAX_LINES, "{} is too long", path.display());
    }
}

#[test]
fn modules_are_never_called_mod_rs() {
    for (path, _) in sources() {
        assert_ne!(path.file_name().unwrap(), "mod.rs", "{}", path.display());
    }
}

#[test]
fn nothing_is_left_open_in_the_code() {
    let marks = ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "unimplemented".to_owned() + "!("];
    for (path, text) in sources() {
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{} has a {mark}", path.display());
        }
    }
}

#[test]
fn the_core_depends_on_nothing_that_does_io() {
    let manifest = include_str!("../posesession-core/Cargo.toml");
    let dependencies =
        manifest.split("[dependencies]").nth(1).unwrap().split("[dev-dependencies]").next().unwrap();
    for forbidden in ["tokio", "futures", "async", "rusqlite", "object_store", "tungstenite"] {
        assert!(!dependencies.contains(forbidden), "posesession-core depends on {forbidden}");
    }
}
