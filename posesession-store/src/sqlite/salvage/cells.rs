//! Rows in the leaves of tables: the bytes of a page in, columns out, with what spilled onto other pages.

use std::collections::HashSet;

use super::effort::Effort;
use super::number;
use super::pages::{Pages, Piece, Version};

const MAX_COLUMNS: usize = 64;

/// A column's value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Real,
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

/// A row, with its place.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) rowid: i64,
    pub(super) values: Vec<Value>,
    /// Where in the page it ends.
    pub(super) end: usize,
    /// The pages onto which it spilled.
    pub(super) spilled: Vec<u32>,
    /// Where the bytes of the record lie.
    pieces: Vec<Piece>,
    /// Where in the record each column starts, and its length.
    columns: Vec<(usize, usize)>,
}

/// How the pages of a record are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// Each page names the next one.
    Pointers,
    /// The map of pages says which page belongs to which; of those that start at a leaf, this one.
    Map(u32),
    /// One behind the other.
    Sequence,
}

/// What a cell says of itself before its record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) rowid: i64,
    pub(super) record_bytes: usize,
    /// Where in the page the record starts.
    pub(super) start: usize,
}

impl Head {
    pub(super) fn read(page: &[u8], at: usize) -> Option<Self> {
        let (record_bytes, first) = number::varint(page, at)?;
        let (rowid, second) = number::varint(page, at + first)?;
        let start = at + first + second;
        if record_bytes < 2 || start >= page.len() {
            return None;
        }
        Some(Self { rowid: rowid.cast_signed(), record_bytes: usize::try_from(record_bytes).ok()?, start })
    }
}

/// Returns how much of a record lies in the leaf itself (SQLite's file format, section 1.6).
pub(super) fn local_bytes(usable: usize, record_bytes: usize) -> usize {
    let most = usable - 35;
    if record_bytes <= most {
        return record_bytes;
    }
    let least = (usable - 12) * 32 / 255 - 23;
    let local = least + (record_bytes - least) % (usable - 4);
    if local <= most { local } else { least }
}

/// Reads a record's bytes, and where they lie.
pub(super) fn record(
    pages: &Pages,
    (version, page): (Version, &[u8]),
    head: Head,
    links: Links,
    effort: &mut Effort,
) -> Option<(Vec<u8>, Vec<Piece>, Vec<u32>)> {
    // No record is longer than all there is.
    if head.record_bytes as u64 > pages.bytes {
        return None;
    }
    let local = local_bytes(pages.usable, head.record_bytes);
    if !effort.read(local) {
        return None;
    }
    let mut bytes = page.get(head.start..head.start + local)?.to_vec();
    let mut pieces = vec![pages.piece(version, head.start, local)];
    let mut spilled = Vec::new();
    let mut next = number::be32(page.get(head.start + local..)?, 0);
    if let (Links::Map(first), true) = (links, local < head.record_bytes) {
        next = first;
    }
    let mut seen = HashSet::new();
    while bytes.len() < head.record_bytes {
        if !pages.is_there(next) || !seen.insert(next) || !effort.follow(next) {
            return None;
        }
        let (version, page) = pages.read_current(next)?;
        let part = (head.record_bytes - bytes.len()).min(pages.usable - 4);
        bytes.extend_from_slice(page.get(4..4 + part)?);
        pieces.push(pages.piece(version, 4, part));
        spilled.push(next);
        next = match links {
            Links::Pointers => number::be32(&page, 0),
            Links::Map(_) => pages.next_of.get(&next).copied().unwrap_or(0),
            Links::Sequence => next.saturating_add(1),
        };
    }
    Some((bytes, pieces, spilled))
}

/// Reads the cell at a place of a page, if there can be one.
pub(super) fn cell(
    pages: &Pages,
    page: (Version, &[u8]),
    at: usize,
    links: Links,
    effort: &mut Effort,
) -> Option<Cell> {
    let head = Head::read(page.1, at)?;
    let local = local_bytes(pages.usable, head.record_bytes);
    let end = head.start + local + if local < head.record_bytes { 4 } else { 0 };
    if end > pages.usable {
        return None;
    }
    // Most places are none: look at what is here before other pages are read.
    let here = page.1.get(head.start..head.start + local)?;
    let (header_bytes, _) = number::varint(here, 0)?;
    if header_bytes < 2 || header_bytes > head.record_bytes as u64 {
        return None;
    }
    if usize::try_from(header_bytes).is_ok_and(|bytes| bytes <= local) {
        columns(here, head.record_bytes)?;
    }
    let (bytes, pieces, spilled) = record(pages, page, head, links, effort)?;
    let columns = columns(&bytes, head.record_bytes)?;
    let mut values = Vec::with_capacity(columns.len());
    for &(kind, start, length) in &columns {
        let content = bytes.get(start..start + length)?;
        values.push(match kind {
            0 => Value::Null,
            8 => Value::Integer(0),
            9 => Value::Integer(1),
            1..=6 => Value::Integer(number::signed(content)),
            7 => Value::Real,
            kind if kind % 2 == 0 => Value::Blob(content.to_vec()),
            _ => Value::Text(content.to_vec()),
        });
    }
    let columns = columns.into_iter().map(|(_, start, length)| (start, length)).collect();
    Some(Cell { rowid: head.rowid, values, end, spilled, pieces, columns })
}

/// Reads the entry at a place of an index's page, if it has three whole numbers.
pub(super) fn index_entry(page: &[u8], at: usize) -> Option<[i64; 3]> {
    let (record_bytes, length) = number::varint(page, at)?;
    let start = at + length;
    let record = page.get(start..start.checked_add(usize::try_from(record_bytes).ok()?)?)?;
    let mut numbers = columns(record, record.len())?.into_iter().map(|(kind, start, length)| match kind {
        8 => Some(0),
        9 => Some(1),
        1..=6 => Some(number::signed(record.get(start..start + length)?)),
        _ => None,
    });
    let three = [numbers.next()??, numbers.next()??, numbers.next()??];
    numbers.next().is_none().then_some(three)
}

/// Returns the kind of each column, where it starts in the record, and its length; nothing if they don't fill the record.
fn columns(record: &[u8], record_bytes: usize) -> Option<Vec<(u64, usize, usize)>> {
    let (header_bytes, mut at) = number::varint(record, 0)?;
    let header_bytes = usize::try_from(header_bytes).ok()?;
    let (mut columns, mut start) = (Vec::new(), header_bytes);
    while at < header_bytes {
        let (kind, length) = number::varint(record, at)?;
        at += length;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            kind => usize::try_from((kind - 12) / 2).ok()?,
        };
        columns.push((kind, start, length));
        start = start.checked_add(length)?;
        if columns.len() > MAX_COLUMNS || start > record_bytes {
            return None;
        }
    }
    (at == header_bytes && start == record_bytes && !columns.is_empty()).then_some(columns)
}

impl Cell {
    /// Returns how long the record is.
    pub(super) fn bytes(&self) -> u64 {
        Piece::length(&self.pieces)
    }

    /// Returns how much of the record lies in the leaf itself.
    pub(super) fn local_bytes(&self) -> u64 {
        self.pieces.first().map_or(0, Piece::bytes)
    }

    /// Returns where the bytes of some neighbouring columns lie.
    pub(super) fn pieces_of(&self, columns: std::ops::Range<usize>) -> Option<Vec<Piece>> {
        let (start, _) = *self.columns.get(columns.start)?;
        let (last, length) = *self.columns.get(columns.end.checked_sub(1)?)?;
        Some(Piece::part(&self.pieces, start, last + length))
    }
}
