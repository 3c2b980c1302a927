//! Rows on pages that make no sense any more: looked for at every byte.

use std::collections::HashSet;

use posesession_core::{peek, verify};

use super::cells::{Head, Links, record};
use super::effort::Effort;
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
        mut covered: Vec<bool>,
        age: Age,
        (spilled, media, effort): (&mut HashSet<u32>, &mut Media, &mut Effort),
    ) -> bool {
        let (mut found, mut at, magics) = (false, 0, super::magics(page));
        while at < self.pages.usable {
            if covered.get(at) == Some(&true) {
                at += 1;
                continue;
            }
            if let Some(cell) = self.row((version, page), at, &magics, effort) {
                let (end, pages) = (cell.end, cell.spilled.clone());
                if self.take(cell, age, true, media, effort) {
                    spilled.extend(pages);
                    if let Some(bytes) = covered.get_mut(at..end) {
                        bytes.fill(true);
                    }
                    (found, at) = (true, end);
                    continue;
                }
            }
            at += 1;
        }
        self.carve_chunks(version, page, &covered, age, (spilled, effort)) || found
    }

    /// Looks for chunks whose rows make no sense, by the first bytes of their headers.
    pub(super) fn carve_chunks(
        &mut self,
        version: Version,
        page: &[u8],
        covered: &[bool],
        age: Age,
        (spilled, effort): (&mut HashSet<u32>, &mut Effort),
    ) -> bool {
        let mut found = false;
        for magic in super::magics(page) {
            if covered.get(magic) == Some(&true) {
                continue;
            }
            if let Some((chunk, pages)) = self.chunk_at(version, page, (magic, age), effort) {
                spilled.extend(pages);
                let bytes = Piece::length(&chunk.pieces);
                self.keep_chunk(chunk, bytes, effort);
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
        (magic, age): (usize, Age),
        effort: &mut Effort,
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
                let Some((bytes, pieces, pages)) = record(&self.pages, (version, page), whole, links, effort)
                else {
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
