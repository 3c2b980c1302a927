//! `recover` on files that nobody wrote: it ends, in words, and what it says is there is sound.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use posesession_core::{
    Batch, Chunk, ImageObject, ImageRef, Marker, MarkerKind, SessionStatus, Skeleton, SyntheticPose,
    Timestamp,
};
use posesession_store::{
    MediaStore, MemoryStore, NewSession, Place, RecoverError, SessionStore, SqliteStore, Term, recover,
};
use progress::Progress;

/// Numbers that look random, of a seed (`SplitMix64`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most.max(1) as u64).unwrap()
    }
}

/// Records two sessions, the second one's end in the log alone; returns the database's bytes and the log's.
async fn files(folder: &Path) -> [Vec<u8>; 2] {
    let path = folder.join("posesession.db");
    let media = MediaStore::open_sqlite_file(&path).await.unwrap();
    let store = SqliteStore::open(&path).await.unwrap();
    let skeleton = Skeleton::preset("hand_21").unwrap();
    let camera = SyntheticPose::new(&skeleton, 30.0);
    for (name, frames) in [("Squat", 300), ("Lunge", 64)] {
        let new = NewSession { skeleton: Some(skeleton.clone()), ..NewSession::named(name) };
        let id = store.create_session(new).await.unwrap().id;
        for first in (0..frames).step_by(16) {
            let images = ImageObject::of_chunk(first, vec![0xff; 700].into());
            media.put_images(id, &images).await.unwrap();
            let mut chunk = Chunk::new(first, skeleton.layout());
            for n in first..first + 16 {
                let (timestamp, pose) = camera.frame(n);
                chunk.push(timestamp, &pose).unwrap();
            }
            chunk.set_last_image(ImageRef { object: images.name, offset: 0, length: 700 });
            let timestamp = Timestamp::from_micros(i64::try_from(first).unwrap());
            let (kind, label) = (MarkerKind::User, format!("at {first}"));
            let markers = vec![Marker { kind, timestamp, label, duration: None, count: None, cause: None }];
            let batch = Batch { chunk: Some(chunk), markers, ..Batch::default() };
            store.append(id, Term::FIRST, &batch).await.unwrap();
        }
        store.compact(id, false).await.unwrap();
        if name == "Squat" {
            store.finish(id, Term::FIRST, SessionStatus::Completed).await.unwrap();
        }
    }
    let read = |path: &Path| std::fs::read(path).unwrap_or_default();
    [read(&path), read(&folder.join("posesession.db-wal"))]
}

/// Changes bytes as damage does, and as somebody does who wants `recover` to stumble.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    const PAGE: usize = 4096;
    for _ in 0..=random.below(24) {
        if bytes.is_empty() {
            return;
        }
        let at = match random.below(3) {
            // Headers of the file and of pages are where lengths and places stand.
            0 => random.below(100),
            1 => random.below(bytes.len() / PAGE + 1) * PAGE + random.below(24),
            _ => random.below(bytes.len()),
        };
        let end = bytes.len();
        let at = at.min(end - 1);
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            2 => bytes[at..(at + 1 + random.below(9)).min(end)].fill(0xff),
            3 => {
                let page = u32::try_from(random.below(end / PAGE + 2)).unwrap().to_be_bytes();
                let room = (end - at).min(4);
                bytes[at..at + room].copy_from_slice(&page[..room]);
            }
            4 => {
                let (from, length) = (random.below(end), random.below(200));
                let copied = bytes[from..(from + length).min(end)].to_vec();
                let room = copied.len().min(end - at);
                bytes[at..at + room].copy_from_slice(&copied[..room]);
            }
            _ if random.below(8) == 0 => bytes.truncate(at),
            _ => {}
        }
    }
}

#[tokio::test]
async fn whatever_the_bytes_are_recovery_ends_and_what_it_says_is_so() {
    let long = std::env::var_os("POSESESSION_LONG_TESTS").is_some_and(|asked| asked == "1");
    let rounds = match (long, cfg!(debug_assertions)) {
        (true, _) => 100_000,
        (false, false) => 1_000,
        (false, true) => 30,
    };
    let folder = tempfile::tempdir().unwrap();
    let sound = files(folder.path()).await;
    // Where memory passes for a disk, files cost nothing.
    let memory = Path::new("/dev/shm");
    let scratch = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let path = scratch.path().join("mutated.db");
    let first = std::env::var("POSESESSION_SEED").map_or(0, |seed| seed.parse().unwrap());
    let (mut frames, mut nothing) = (0, 0);
    let progress = Progress::new("mutated databases");
    for seed in first..first + rounds {
        progress.tell(|| format!("{seed} of {rounds}"));
        let mut random = Random(seed);
        let mut mutated = sound.clone();
        let which = random.below(3);
        for (file, bytes) in mutated.iter_mut().enumerate() {
            if which == file || which == 2 {
                mutate(&mut random, bytes);
            }
        }
        std::fs::write(&path, &mutated[0]).unwrap();
        std::fs::write(scratch.path().join("mutated.db-wal"), &mutated[1]).unwrap();
        let to = MemoryStore::new();
        let to_media = MediaStore::new(Arc::new(object_store::memory::InMemory::new()));
        let place = Place { sessions: &to, media: Some(&to_media) };
        match recover(&path, None, place, &mut |_progress| {}).await {
            Ok(told) => frames += told.frames,
            Err(RecoverError::NothingFound { .. }) => nothing += 1,
            Err(error) => panic!("seed {seed}: {error}: {error:?}"),
        }
    }
    println!(
        "proof: recover, mutated: {rounds} databases with bytes changed: {frames} frames back, each verified, nothing of {nothing}; \
         no panic (seeds from {first})"
    );
}
