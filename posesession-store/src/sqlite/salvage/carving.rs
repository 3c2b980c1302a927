//! Rows on pages that make no sense any more: looked for at every byte.

use std::collections::HashSet;
use std::ops::Range;

use posesession_core::{peek, verify};

use super::cells::{Head, Links, record};
use super::pages::{Age, Piece, Version};
use super::{FoundChunk, Media, Salvage};

/// The longest that can stand in a record before a chunk's header.
const MOST_BEFORE: usize = 80;
const HEADER_BYTES: usize = 52;
const BOUNDED: u8 = 3;

impl Salvage {
    /// Looks for rows between those that are `covered`, and returns whether there were some.
    pub(super) fn carve(
        &mut self,
        version: Version,
        page: &[u8],
        covered: &[Range<usize>],
        age: Age,
        (spilled, media): (&mut HashSet<u32>, &mut Media),
    ) -> bool {
        let mut covered = covered.to_vec();
        let (mut found, mut at) = (false, 0);
        while at < self.pages.usable {
            if let Some(range) = covered.iter().find(|range| range.contains(&at)) {
                at = range.end;
                continue;
            }
            if let Some(cell) = self.row(version, page, at) {
                let (end, pages) = (cell.end, cell.spilled.clone());
                if self.take(cell, age, true, media) {
                    spilled.extend(pages);
                    covered.push(at..end);
                    (found, at) = (true, end);
                    continue;
                }
            }
            at += 1;
        }
        self.carve_chunks(version, page, &covered, age, spilled) || found
    }

    /// Looks for chunks whose rows make no sense, by the first bytes of their headers.
    pub(super) fn carve_chunks(
        &mut self,
        version: Version,
        page: &[u8],
        covered: &[Range<usize>],
        age: Age,
        spilled: &mut HashSet<u32>,
    ) -> bool {
        let mut found = false;
        let mut at = 0;
        while let Some(next) =
            page.get(at..).and_then(|rest| rest.windows(4).position(|bytes| bytes == b"PSCK"))
        {
            let magic = at + next;
            at = magic + 4;
            if covered.iter().any(|range| range.contains(&magic)) {
                continue;
            }
            if let Some((chunk, pages)) = self.chunk_at(version, page, magic, age) {
                spilled.extend(pages);
                self.chunks.push(chunk);
                found = true;
            }
        }
        found
    }

    /// Reads the chunk whose header starts here. What stands before it in its record is not known: all lengths are tried, until
    /// the checksum comes out right.
    fn chunk_at(
        &self,
        version: Version,
        page: &[u8],
        magic: usize,
        age: Age,
    ) -> Option<(FoundChunk, Vec<u32>)> {
        let rest = page.get(magic..self.pages.usable)?;
        let components = usize::try_from(super::number::be32(&[0, 0, 0, *rest.get(44)?], 0)).ok()?;
        let mut length = HEADER_BYTES + 4 * components;
        if rest.get(6) == Some(&BOUNDED) {
            let channels: usize =
                (0..components).map(|n| usize::from(rest.get(48 + 4 * n + 2).copied().unwrap_or(0))).sum();
            length += 8 * channels;
        }
        let head = rest.get(..length)?;
        let header = peek(head).ok().filter(|header| header.frame_count > 0)?;
        let chunk_bytes = length + header.payload_bytes as usize;
        let mut ways = vec![Links::Pointers];
        ways.extend(self.pages.first_of.get(&version.number).into_iter().flatten().copied().map(Links::Map));
        ways.push(Links::Sequence);
        for links in ways {
            for before in 9..=MOST_BEFORE.min(magic) {
                let start = magic - before;
                let whole = Head { rowid: 0, record_bytes: before + chunk_bytes, start };
                let Some((bytes, pieces, pages)) = record(&self.pages, (version, page), whole, links) else {
                    continue;
                };
                let (Some(head), Some(payload)) =
                    (bytes.get(before..before + length), bytes.get(before + length..))
                else {
                    continue;
                };
                if verify(head, payload).is_ok() {
                    let pieces = Piece::part(&pieces, before, before + chunk_bytes);
                    let chunk =
                        FoundChunk { rowid: None, key: None, header, age, head: head.to_vec(), pieces };
                    return Some((chunk, pages));
                }
            }
        }
        None
    }
}
