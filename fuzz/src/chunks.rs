//! Chunks, laid out as the golden files are: the header's length as u32, the header, the payload.

use libfuzzer_sys::fuzzer_mutate;
use posesession_core::{Chunk, ChunkHeader, Codec, EncodedChunk, decode, encode, peek, verify};
use posesession_store::EncodedRun;

use crate::heap::bounded;

/// More values than this are right, but slow; the tests of the heap have them.
const MOST_VALUES: usize = 1 << 16;
const LENGTH_BYTES: usize = 4;
const PAYLOAD_LENGTH_AT: usize = 40;
const CRC_BYTES: usize = 4;
/// How much is taken for each byte.
const FOR_EACH: usize = 16;
/// What `pco` takes for the tables of one stream, whatever that is.
const PCO_BYTES: usize = 2 << 20;
/// Starts the next chunk of a run.
const SEPARATOR: &[u8] = b"NEXT";

/// Decodes a chunk by each codec.
pub fn chunk(data: &[u8]) {
    let Some((header, payload)) = split(data) else { return };
    let Some(parsed) = fitting(header) else { return };
    let weight = weight(&parsed, data.len());
    let decoded = bounded(weight, FOR_EACH as u64, || decode(header, payload));
    let Ok(chunk) = decoded else { return };
    assert_eq!(verify(header, payload).as_ref(), Ok(&parsed));
    assert_eq!(chunk.frame_count(), parsed.frame_count as usize);
    assert_eq!(chunk.frames().count(), chunk.frame_count());
    if parsed.codec == Codec::Json {
        assert!(chunk.images().iter().all(|image| !image.image.object.contains('\0')), "databases refuse it");
    }
    for codec in [Codec::Raw, Codec::Columnar, Codec::Bounded] {
        let again = encode(&chunk, codec).expect("what was decoded can be encoded");
        assert_eq!(decode(&again.header, &again.payload).as_ref(), Ok(&chunk), "{codec}");
    }
}

/// Checks and joins several chunks, as an import does.
pub fn encoded_run(data: &[u8]) {
    let mut run: Option<EncodedRun> = None;
    let mut frames: Vec<Chunk> = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let end = rest.windows(SEPARATOR.len()).position(|window| window == SEPARATOR);
        let (part, next) = rest.split_at(end.unwrap_or(rest.len()));
        rest = next.get(SEPARATOR.len()..).unwrap_or_default();
        let Some((header, payload)) = split(part) else { return };
        let Some(parsed) = fitting(header) else { return };
        let encoded = EncodedChunk { header: header.to_vec(), payload: payload.to_vec() };
        let Ok(next) = bounded(weight(&parsed, part.len()), FOR_EACH as u64, || EncodedRun::check(encoded))
        else {
            return;
        };
        frames.push(decode(header, payload).expect("it was checked"));
        match &mut run {
            None => run = Some(next),
            Some(run) => {
                if run.join(next).is_err() {
                    return;
                }
            }
        }
    }
    let Some(run) = run else { return };
    assert_eq!(run.extent().first_frame, frames[0].first_frame());
    assert_eq!(run.extent().end_frame(), frames.last().expect("there is one").end_frame());
    assert_eq!(run.chunks().count(), frames.len());
}

fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_first_chunk::<LENGTH_BYTES>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

fn fitting(header: &[u8]) -> Option<ChunkHeader> {
    let parsed = bounded(header.len(), 16, || peek(header)).ok()?;
    (values(&parsed) <= MOST_VALUES).then_some(parsed)
}

fn values(header: &ChunkHeader) -> usize {
    (header.row_count as usize).saturating_mul(header.layout.values_per_person().max(1))
}

/// How many bytes the memory may be in proportion to: a few compressed ones may stand for all that the header declares.
fn weight(header: &ChunkHeader, input: usize) -> usize {
    let for_frame = if header.has_images { 22 } else { 2 };
    let declared = 3 * values(header) + for_frame * header.frame_count as usize + header.row_count as usize;
    match header.codec {
        Codec::Columnar | Codec::Bounded => PCO_BYTES / FOR_EACH + input + declared,
        _ => input,
    }
}

/// Mutates a chunk, and mostly makes its lengths and its checksum right again: else nothing behind them would be met.
pub fn mutate_chunk(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let size = fuzzer_mutate(data, size, max_size);
    if seed % 16 != 0 {
        let mut rest = &mut data[..size];
        while !rest.is_empty() {
            let end = rest.windows(SEPARATOR.len()).position(|window| window == SEPARATOR);
            let (part, next) = rest.split_at_mut(end.unwrap_or(rest.len()));
            mend(part);
            let skipped = SEPARATOR.len().min(next.len());
            rest = &mut next[skipped..];
        }
    }
    size
}

fn mend(data: &mut [u8]) -> Option<()> {
    let (length, rest) = data.split_first_chunk_mut::<LENGTH_BYTES>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let (header, payload) = rest.split_at_mut_checked(length)?;
    let payload_bytes = u32::try_from(payload.len()).ok()?;
    header.get_mut(PAYLOAD_LENGTH_AT..PAYLOAD_LENGTH_AT + 4)?.copy_from_slice(&payload_bytes.to_le_bytes());
    let (covered, crc) = header.split_last_chunk_mut::<CRC_BYTES>()?;
    *crc = crc32c::crc32c_append(crc32c::crc32c(covered), payload).to_le_bytes();
    Some(())
}
