//! What may be on a disk when the power goes. Operations in, images out.

use std::collections::BTreeMap;

use crate::rng::Rng;

/// What one write of a disk is: all of it is there or nothing.
const SECTOR: usize = 512;

/// Something that was done to a folder.
#[derive(Debug, Clone)]
pub enum Operation {
    /// An empty file was made.
    Create(String),
    /// Bytes were written at an offset.
    Write(String, usize, Vec<u8>),
    /// The file was made this long.
    Truncate(String, usize),
    /// What was written to the file was synced.
    Sync(String),
    /// The file was to be synced, which failed: as Linux does, what was not written yet is forgotten, and later syncs succeed.
    FailedSync(String),
    /// The file was removed.
    Delete(String),
    /// The folder was synced: which files it has.
    SyncFolder,
}

/// How much of what was not synced is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// Nothing.
    Dropped,
    /// All.
    Kept,
    /// Some writes, some not, some in part; some of the files' names.
    Mixed,
}

/// The files that are there after the power went.
pub type Image = BTreeMap<String, Vec<u8>>;

/// A folder on a disk: what is certainly there, and what may be.
#[derive(Debug, Default, Clone)]
pub struct Disk {
    files: Vec<File>,
    /// Which file each name leads to, as it was synced.
    names: BTreeMap<String, usize>,
    /// The same as programs see it.
    seen: BTreeMap<String, usize>,
    unsynced_names: Vec<(String, Option<usize>)>,
}

#[derive(Debug, Default, Clone)]
struct File {
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Disk {
    /// Does the next operation.
    pub fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Create(name) => {
                let file = self.files.len();
                self.files.push(File::default());
                self.seen.insert(name.clone(), file);
                self.unsynced_names.push((name.clone(), Some(file)));
            }
            Operation::Delete(name) => {
                if self.seen.remove(name).is_some() {
                    self.unsynced_names.push((name.clone(), None));
                }
            }
            Operation::SyncFolder => {
                for (name, file) in self.unsynced_names.drain(..) {
                    link(&mut self.names, name, file);
                }
            }
            Operation::Write(name, offset, bytes) => {
                let change = Change::Write(*offset, bytes.clone());
                self.file(name).unsynced.push(change);
            }
            Operation::Truncate(name, length) => self.file(name).unsynced.push(Change::Truncate(*length)),
            Operation::Sync(name) => {
                let File { synced, unsynced } = self.file(name);
                unsynced.drain(..).for_each(|change| keep(synced, &change));
            }
            Operation::FailedSync(name) => self.file(name).unsynced.clear(),
        }
    }

    fn file(&mut self, name: &str) -> &mut File {
        let file = *self.seen.get(name).expect("a file is made before it is written");
        &mut self.files[file]
    }

    /// Returns whether it matters how much of what was not synced is there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.unsynced_names.is_empty() || self.files.iter().any(|file| !file.unsynced.is_empty())
    }

    /// Returns what is there after the power went now.
    #[must_use]
    pub fn image(&self, unsynced: Unsynced, rng: &mut Rng) -> Image {
        let mut names = self.names.clone();
        for (name, file) in &self.unsynced_names {
            let is_there = match unsynced {
                Unsynced::Dropped => false,
                Unsynced::Kept => true,
                Unsynced::Mixed => rng.one_in(2),
            };
            if is_there {
                link(&mut names, name.clone(), *file);
            }
        }
        let content = |(name, file): (String, usize)| (name, self.files[file].content(unsynced, rng));
        names.into_iter().map(content).collect()
    }
}

fn link(names: &mut BTreeMap<String, usize>, name: String, file: Option<usize>) {
    match file {
        Some(file) => names.insert(name, file),
        None => names.remove(&name),
    };
}

impl File {
    fn content(&self, unsynced: Unsynced, rng: &mut Rng) -> Vec<u8> {
        let mut content = self.synced.clone();
        for change in &self.unsynced {
            match (unsynced, change) {
                (Unsynced::Dropped, _) => {}
                (Unsynced::Kept, change) => keep(&mut content, change),
                (Unsynced::Mixed, change) => match (rng.below(4), change) {
                    (0, _) => {}
                    (1, Change::Write(offset, bytes)) => tear(&mut content, *offset, bytes, false, rng),
                    (2, Change::Write(offset, bytes)) => tear(&mut content, *offset, bytes, true, rng),
                    (_, change) => keep(&mut content, change),
                },
            }
        }
        content
    }
}

fn keep(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, bytes) => write(content, *offset, bytes),
        Change::Truncate(length) => content.resize(*length, 0),
    }
}

fn write(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

/// Writes some of the sectors. One that was being written when the power went may be damaged, with what stood in it before.
fn tear(content: &mut Vec<u8>, offset: usize, bytes: &[u8], damage: bool, rng: &mut Rng) {
    let mut start = offset;
    while start < offset + bytes.len() {
        let end = (start - start % SECTOR + SECTOR).min(offset + bytes.len());
        match rng.below(if damage { 3 } else { 2 }) {
            0 => write(content, start, &bytes[start - offset..end - offset]),
            1 => {}
            _ => {
                let sector = start - start % SECTOR;
                let length = content.len().max(end).min(sector + SECTOR) - sector;
                let garbage: Vec<u8> = (0..length).map(|_| rng.next_u64().to_le_bytes()[0]).collect();
                write(content, sector, &garbage);
            }
        }
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(operations: &[Operation]) -> Disk {
        let mut disk = Disk::default();
        operations.iter().for_each(|operation| disk.apply(operation));
        disk
    }

    fn name() -> String {
        "a".to_owned()
    }

    #[test]
    fn what_was_synced_is_there_and_what_was_not_may_be() {
        let mut operations = vec![
            Operation::Create(name()),
            Operation::Write(name(), 0, vec![1; 2_000]),
            Operation::Sync(name()),
        ];
        let rng = &mut Rng::new(1);
        assert!(disk(&operations).image(Unsynced::Dropped, rng).is_empty(), "its name was not synced");
        operations.push(Operation::SyncFolder);
        operations.push(Operation::Write(name(), 1_500, vec![2; 1_000]));
        let disk = disk(&operations);
        assert_eq!(disk.image(Unsynced::Dropped, rng)["a"], vec![1; 2_000]);
        assert_eq!(disk.image(Unsynced::Kept, rng)["a"], [vec![1; 1_500], vec![2; 1_000]].concat());
        for _ in 0..1_000 {
            let mixed = &disk.image(Unsynced::Mixed, rng)["a"];
            assert_eq!(mixed[..1_024], [1; 1_024], "sectors that were not written stay");
        }
    }

    #[test]
    fn a_failed_sync_forgets_what_was_written() {
        let disk = disk(&[
            Operation::Create(name()),
            Operation::SyncFolder,
            Operation::Write(name(), 0, vec![1; 10]),
            Operation::FailedSync(name()),
            Operation::Sync(name()),
        ]);
        assert!(!disk.is_open());
        assert!(disk.image(Unsynced::Kept, &mut Rng::new(1))["a"].is_empty());
    }
}
