//! What is still intact of a damaged database. The first four bytes say how many of the last ones are its log.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use libfuzzer_sys::fuzzer_mutate;
use posesession_core::verify;

use crate::heap::bounded;
use crate::salvage::{Files, Salvage};

const LENGTH_BYTES: usize = 4;
/// How much is taken for each byte.
const FOR_EACH: u64 = 256;
/// Pages of any size are read whole, whatever the file has of them.
const PAGE_BYTES: usize = 65_536;
/// How often the file is read over, as pages of the shortest kind.
const MOST_TIMES: u64 = 1_024;
const SHORTEST_PAGE: usize = 512;

/// Reads a database and its log as `posesession recover` does.
pub fn salvage(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<LENGTH_BYTES>() else { return };
    let (database, log) = rest.split_at(rest.len().saturating_sub(u32::from_le_bytes(*length) as usize));
    let read = || {
        let files = Files { database: file(database), log: (!log.is_empty()).then(|| file(log)) };
        Salvage::read_files(files).expect("the files can be read")
    };
    let found = bounded(data.len() + PAGE_BYTES / 16, FOR_EACH, read);
    let pages = (rest.len() / SHORTEST_PAGE) as u64 + 2;
    assert!(found.unreadable_pages <= pages, "{} of {pages} pages", found.unreadable_pages);
    assert!(found.followed_pages <= MOST_TIMES * pages, "{} for {pages} pages", found.followed_pages);
    for chunk in &found.chunks {
        let read = found.chunk(chunk).expect("what was found is there");
        assert_eq!(verify(&read.header, &read.payload).as_ref(), Ok(&chunk.header), "it is intact");
    }
    for object in &found.objects {
        let bytes = found.bytes(&object.pieces).expect("what was found is there");
        assert_eq!(bytes.len() as u64, object.pieces.iter().map(|piece| piece.bytes()).sum::<u64>());
    }
    for (key, facts) in &found.sessions {
        assert_eq!(*key, facts.key);
    }
    for skeleton in found.skeletons.values() {
        skeleton.validate().expect("what is handed on is valid");
    }
    let again = read();
    let told = |salvage: &Salvage| {
        let chunks = salvage.chunks.iter().map(|chunk| (chunk.key, chunk.age, chunk.header.clone()));
        (chunks.collect::<Vec<_>>(), salvage.lost_objects.clone(), salvage.unreadable_pages)
    };
    assert_eq!(told(&again), told(&found), "the same bytes give the same");
    assert_eq!(
        (&again.sessions, &again.users, &again.markers),
        (&found.sessions, &found.users, &found.markers)
    );
}

/// Makes a file of some bytes that is gone when it is closed.
fn file(bytes: &[u8]) -> File {
    // Where memory passes for a disk, files cost nothing.
    let memory = Path::new("/dev/shm");
    let mut file = if memory.is_dir() { tempfile::tempfile_in(memory) } else { tempfile::tempfile() }
        .expect("a file can be made");
    file.write_all(bytes).and_then(|()| file.seek(SeekFrom::Start(0))).expect("there is room");
    file
}

/// Mutates a database, and mostly makes the checksums of its chunks and of its log right again.
pub fn mutate_salvage(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let size = fuzzer_mutate(data, size, max_size);
    if let Some((length, rest)) = data[..size].split_first_chunk_mut::<LENGTH_BYTES>()
        && seed % 16 != 0
    {
        let log = rest.len().saturating_sub(u32::from_le_bytes(*length) as usize);
        let (database, log) = rest.split_at_mut(log);
        let told = u16::from_be_bytes(database.get(16..18).map_or([16, 0], |told| [told[0], told[1]]));
        let page_size = usize::from(told).max(SHORTEST_PAGE);
        for page in database.chunks_mut(page_size) {
            mend_chunks(page);
        }
        mend_log(log, page_size);
    }
    size
}

/// Mends the chunks that lie on one page whole.
fn mend_chunks(page: &mut [u8]) {
    const CODEC_AT: usize = 6;
    const BOUNDED: u8 = 3;
    const PAYLOAD_LENGTH_AT: usize = 40;
    const COMPONENTS_AT: usize = 44;
    const COMPONENT_BYTES: usize = 4;
    const HEADER_BYTES: usize = 48;
    const CRC_BYTES: usize = 4;
    for at in 0..page.len() {
        if !page[at..].starts_with(b"PSCK") {
            continue;
        }
        let chunk = &mut page[at..];
        let Some(&components) = chunk.get(COMPONENTS_AT) else { return };
        let mut length = HEADER_BYTES + COMPONENT_BYTES * usize::from(components);
        let Some(layout) = chunk.get(HEADER_BYTES..length) else { continue };
        if chunk[CODEC_AT] == BOUNDED {
            length +=
                8 * layout.chunks_exact(COMPONENT_BYTES).map(|part| usize::from(part[2])).sum::<usize>();
        }
        let Some((header, rest)) = chunk.split_at_mut_checked(length + CRC_BYTES) else { continue };
        let told: [u8; 4] = header[PAYLOAD_LENGTH_AT..PAYLOAD_LENGTH_AT + 4].try_into().expect("four bytes");
        let Some(payload) = rest.get(..u32::from_le_bytes(told) as usize) else { continue };
        let Some((covered, crc)) = header.split_last_chunk_mut::<CRC_BYTES>() else { continue };
        *crc = crc32c::crc32c_append(crc32c::crc32c(covered), payload).to_le_bytes();
    }
}

/// Gives each frame of a log the header's salts and the checksum that follows from the frame before.
fn mend_log(log: &mut [u8], page_size: usize) {
    const HEADER_BYTES: usize = 32;
    let Some((header, frames)) = log.split_first_chunk_mut::<HEADER_BYTES>() else { return };
    let big_endian = header[3] & 1 == 1;
    let word = |bytes: &[u8]| {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    };
    let sum = |[mut a, mut b]: [u32; 2], bytes: &[u8]| {
        for pair in bytes.chunks_exact(8) {
            a = a.wrapping_add(word(&pair[..4])).wrapping_add(b);
            b = b.wrapping_add(word(&pair[4..])).wrapping_add(a);
        }
        [a, b]
    };
    let mut seed =
        [24, 28].map(|at| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]));
    for frame in frames.chunks_exact_mut(24 + page_size) {
        frame[8..16].copy_from_slice(&header[16..24]);
        seed = sum(sum(seed, &frame[..8]), &frame[24..]);
        frame[16..20].copy_from_slice(&seed[0].to_be_bytes());
        frame[20..24].copy_from_slice(&seed[1].to_be_bytes());
    }
}
