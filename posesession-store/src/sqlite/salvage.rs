//! What can still be read of a database file, whatever SQLite says of it: page by page, row by row.
//!
//! Rows are found where the leaves of tables say that they are, and where a leaf makes no sense, at any of its bytes. Which table
//! a row is of follows from its shape. Chunks are believed by their own checksum, wherever they lie; the pages onto which they
//! spilled are found by their pointers, else by the map of pages, else one behind the other.

mod number;
mod pages;
mod cells;
mod carving;
mod rows;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::Path;

use posesession_core::{ChunkHeader, EncodedChunk, Marker, Skeleton, verify};

use self::cells::{Cell, Links, Value, cell};
use self::pages::Version;
pub(crate) use self::pages::{Age, Pages, Piece};
use self::rows::Row;
pub(crate) use self::rows::SessionFacts;

const LEAF: u8 = 0x0d;

/// A chunk that is intact, and where its bytes lie.
#[derive(Debug, Clone)]
pub(crate) struct FoundChunk {
    rowid: Option<i64>,
    /// Whose it is, if its row could be read.
    pub(crate) key: Option<i64>,
    pub(crate) header: ChunkHeader,
    pub(crate) age: Age,
    /// The bytes of its header, to tell equal ones.
    head: Vec<u8>,
    pieces: Vec<Piece>,
}

/// A user's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundUser {
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) password: String,
}

/// A media object of which all parts are there.
#[derive(Debug, Clone)]
pub(crate) struct FoundObject {
    pub(crate) path: String,
    pub(crate) pieces: Vec<Piece>,
}

/// All that was found in a database file.
#[derive(Debug)]
pub(crate) struct Salvage {
    pages: Pages,
    /// By key; where there were several versions, the one that can be believed most.
    pub(crate) sessions: BTreeMap<i64, SessionFacts>,
    pub(crate) skeletons: HashMap<i64, Skeleton>,
    /// Of each session, by the order in which they came.
    pub(crate) markers: HashMap<i64, BTreeMap<i64, Marker>>,
    pub(crate) users: BTreeMap<i64, FoundUser>,
    pub(crate) chunks: Vec<FoundChunk>,
    pub(crate) objects: Vec<FoundObject>,
    /// The media objects of which parts are lost.
    pub(crate) lost_objects: Vec<String>,
    /// How many pages hold something that nothing could be made of.
    pub(crate) unreadable_pages: u64,
}

/// What indices say: by rowid, the session's key and the number beside it, a frame or a time.
type Index = HashMap<i64, Vec<(i64, i64)>>;

/// Parts of media while they are being found.
#[derive(Debug, Default)]
struct Media {
    objects: BTreeMap<i64, (String, u64)>,
    parts: HashMap<i64, BTreeMap<i64, Vec<Piece>>>,
}

impl Salvage {
    /// Reads a database file and the log beside it. Nothing is written.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let told = Pages::open(path, None)?;
        if told.is_told() {
            return Self::of(told);
        }
        // Where nothing says how long pages are, they are as long as makes the most leaves of tables.
        let (mut best, mut most) = (told, 0);
        for page_size in [4096, 512, 1024, 2048, 8192, 16_384, 32_768, 65_536] {
            let salvage = Self::empty(Pages::open(path, Some(page_size))?);
            let leaves = salvage.count_leaves();
            if leaves > most {
                (best, most) = (salvage.pages, leaves);
            }
        }
        Self::of(best)
    }

    /// Counts the bytes that leaves of tables fill whose rows all make sense.
    fn count_leaves(&self) -> usize {
        let current = self.pages.versions().into_iter().filter(|version| version.age == Age::Current);
        let rows = current.filter_map(|version| {
            let page = self.pages.read(version);
            let (cells, is_whole) = self.leaf(version, &page)?;
            is_whole.then(|| cells.iter().map(|(at, cell)| cell.end - at).sum::<usize>())
        });
        rows.sum()
    }

    fn empty(pages: Pages) -> Self {
        Self {
            pages,
            sessions: BTreeMap::new(),
            skeletons: HashMap::new(),
            markers: HashMap::new(),
            users: BTreeMap::new(),
            chunks: Vec::new(),
            objects: Vec::new(),
            lost_objects: Vec::new(),
            unreadable_pages: 0,
        }
    }

    fn of(pages: Pages) -> io::Result<Self> {
        let mut versions = pages.versions();
        versions.retain(|version| !pages.is_reserved(version.number));
        let mut salvage = Self::empty(pages);
        let (mut spilled, mut odd, mut media) = (HashSet::new(), Vec::new(), Media::default());
        let mut index = Index::default();
        for version in versions {
            let page = salvage.pages.read(version);
            if page.iter().all(|&byte| byte == 0) {
                continue;
            }
            let Some((cells, is_whole)) = salvage.leaf(version, &page) else {
                if !salvage.is_of_a_tree(version.number, &page) {
                    odd.push((version, Vec::new()));
                } else if version.age == Age::Current {
                    salvage.read_index(version, &page, &mut index);
                }
                continue;
            };
            let covered: Vec<_> = cells.iter().map(|(at, cell)| *at..cell.end).collect();
            for (_, cell) in cells {
                spilled.extend(cell.spilled.iter().copied());
                salvage.take(cell, version.age, false, &mut media);
            }
            if !is_whole {
                odd.push((version, covered));
            } else if salvage.carve_chunks(version, &page, &covered, Age::Stale, &mut spilled) {
                tracing::debug!(page = version.number, "a chunk that no row names is left on a page");
            }
        }
        let free = salvage.pages.free_pages();
        for (version, covered) in odd {
            if version.age == Age::Current
                && (spilled.contains(&version.number) || free.contains(&version.number))
            {
                continue;
            }
            let page = salvage.pages.read(version);
            let age = version.age.max(Age::Doubtful);
            let found = salvage.carve(version, &page, &covered, age, (&mut spilled, &mut media));
            if !found && covered.is_empty() && version.age == Age::Current {
                salvage.unreadable_pages += u64::from(!spilled.contains(&version.number));
            }
        }
        salvage.settle_media(media);
        salvage.settle_keys(&index);
        salvage.settle_chunks();
        Ok(salvage)
    }

    /// Reads a chunk.
    pub(crate) fn chunk(&self, chunk: &FoundChunk) -> io::Result<EncodedChunk> {
        let mut header = self.pages.read_pieces(&chunk.pieces)?;
        let payload = header.split_off(chunk.head.len().min(header.len()));
        Ok(EncodedChunk { header, payload })
    }

    /// Reads stretches of the file.
    pub(crate) fn bytes(&self, pieces: &[Piece]) -> io::Result<Vec<u8>> {
        self.pages.read_pieces(pieces)
    }

    /// Reads the rows of a table's leaf, each with its place, and whether all that should be there are; nothing if it is none.
    fn leaf(&self, version: Version, page: &[u8]) -> Option<(Vec<(usize, Cell)>, bool)> {
        let start = if version.number == 1 { 100 } else { 0 };
        let count = number::be16(page, start + 3);
        let first = start + 8 + 2 * count;
        if page.get(start) != Some(&LEAF) || first > self.pages.usable {
            return None;
        }
        let (mut cells, mut is_whole) = (Vec::new(), true);
        // No two rows are at one place, and those of a page are together no longer than all there is.
        let (mut seen, mut left) = (HashSet::new(), self.pages.bytes);
        for n in 0..count {
            let at = number::be16(page, start + 8 + 2 * n);
            if !seen.insert(at) {
                is_whole = false;
                continue;
            }
            let found =
                (first..self.pages.usable).contains(&at).then(|| self.row(version, page, at)).flatten();
            match found.filter(|cell| cell.bytes() <= left) {
                Some(cell) => {
                    left -= cell.bytes();
                    cells.push((at, cell));
                }
                None => is_whole = false,
            }
        }
        Some((cells, is_whole))
    }

    /// Reads a row; of a chunk by whichever way its checksum comes out right.
    fn row(&self, version: Version, page: &[u8], at: usize) -> Option<Cell> {
        let plain = cell(&self.pages, (version, page), at, Links::Pointers);
        let near = page.get(at..page.len().min(at + 120)).unwrap_or_default();
        let is_chunk = || near.windows(4).any(|bytes| bytes == b"PSCK");
        if (plain.is_none() && page.get(at).is_none_or(|&byte| byte == 0))
            || !is_chunk()
            || plain.as_ref().is_some_and(|cell| chunk_of(cell).is_some())
        {
            return plain;
        }
        let by_map = self.pages.first_of.get(&version.number).into_iter().flatten().copied();
        let ways = by_map.map(Links::Map).chain([Links::Sequence]);
        let mut other = ways.filter_map(|links| cell(&self.pages, (version, page), at, links));
        other.find(|cell| chunk_of(cell).is_some()).or(plain)
    }

    /// Returns whether a page can be a part of a tree that holds no rows: of an index, or above the leaves.
    fn is_of_a_tree(&self, number: u32, page: &[u8]) -> bool {
        let start = if number == 1 { 100 } else { 0 };
        let count = number::be16(page, start + 3);
        let head = match page.get(start) {
            Some(0x0a) => 8,
            Some(0x02 | 0x05) => 12,
            _ => return false,
        };
        let right = number::be32(page, start + 8);
        let first = start + head + 2 * count;
        (head == 8 || (1..=self.pages.count).contains(&right))
            && (0..count)
                .all(|n| (first..self.pages.usable).contains(&number::be16(page, start + head + 2 * n)))
    }

    /// Reads the entries of an index page that can be about chunks: a session's key, a frame or a time, a rowid.
    fn read_index(&self, version: Version, page: &[u8], index: &mut Index) {
        let start = if version.number == 1 { 100 } else { 0 };
        let (head, before) = match page.get(start) {
            Some(0x0a) => (8, 0),
            Some(0x02) => (12, 4),
            _ => return,
        };
        for n in 0..number::be16(page, start + 3) {
            let at = number::be16(page, start + head + 2 * n) + before;
            if let Some([key, second, rowid]) = cells::index_entry(page, at) {
                index.entry(rowid).or_default().push((key, second));
            }
        }
    }

    /// Lets the indices say whose chunks are whose row is damaged: each chunk stands in two of them.
    fn settle_keys(&mut self, index: &Index) {
        let taken: HashSet<i64> = self.chunks.iter().filter_map(|chunk| chunk.rowid).collect();
        for chunk in self.chunks.iter_mut().filter(|chunk| chunk.age != Age::Stale) {
            let first = [chunk.header.first_frame.cast_signed(), chunk.header.first_timestamp.as_micros()];
            let mut votes: HashMap<i64, usize> = HashMap::new();
            match chunk.rowid {
                Some(rowid) => {
                    let entries = index.get(&rowid).into_iter().flatten();
                    entries.filter(|(_, second)| first.contains(second)).for_each(|(key, _)| {
                        *votes.entry(*key).or_default() += 1;
                    });
                }
                None => {
                    for (_, entries) in index.iter().filter(|(rowid, _)| !taken.contains(rowid)) {
                        for &(key, _) in entries.iter().filter(|(_, second)| *second == first[0]) {
                            if entries.contains(&(key, first[1])) {
                                *votes.entry(key).or_default() += 1;
                            }
                        }
                    }
                    // Several rows would fit: which one it was can't be said.
                    if votes.len() != 1 {
                        continue;
                    }
                }
            }
            if let Some(key) = chunk.key {
                *votes.entry(key).or_default() += 1;
            }
            let most = votes.values().copied().max().unwrap_or(0);
            if chunk.key.is_none_or(|key| votes.get(&key).copied().unwrap_or(0) < most) {
                chunk.key = votes
                    .into_iter()
                    .filter(|&(_, count)| count == most)
                    .map(|(key, _)| key)
                    .min()
                    .or(chunk.key);
            }
        }
    }

    /// Keeps what a row says.
    fn take(&mut self, cell: Cell, age: Age, carved: bool, media: &mut Media) -> bool {
        if let Some((key, header, head)) = chunk_of(&cell) {
            if let Some(pieces) = cell.pieces_of(6..8) {
                let rowid = Some(cell.rowid);
                self.chunks.push(FoundChunk { rowid, key: Some(key), header, age, head, pieces });
            }
            return true;
        }
        match rows::classify(&cell, age, carved) {
            Row::Session(facts) => {
                // Versions come by age: what came first is what is believed most.
                self.sessions.entry(facts.key).or_insert(*facts);
            }
            Row::Skeleton(id, skeleton) => {
                self.skeletons.entry(id).or_insert(*skeleton);
            }
            Row::Marker { id, key, marker } if age != Age::Stale => {
                self.markers.entry(key).or_default().entry(id).or_insert(marker);
            }
            Row::User { id, username, email, password } if age != Age::Stale => {
                self.users.entry(id).or_insert(FoundUser { username, email, password });
            }
            Row::Object { id, path, size } if age != Age::Stale => {
                media.objects.entry(id).or_insert((path, size));
            }
            Row::Part { object, number } if age != Age::Stale => {
                if let Some(pieces) = cell.pieces_of(2..3) {
                    media.parts.entry(object).or_default().entry(number).or_insert(pieces);
                }
            }
            Row::Marker { .. } | Row::User { .. } | Row::Object { .. } | Row::Part { .. } => {}
            Row::Other => return false,
        }
        true
    }

    /// Puts media together of which all parts are there.
    fn settle_media(&mut self, mut media: Media) {
        for (id, (path, size)) in media.objects {
            let parts = media.parts.remove(&id).unwrap_or_default();
            let is_whole = parts.keys().copied().eq(0..i64::try_from(parts.len()).unwrap_or(0));
            let pieces: Vec<_> = parts.into_values().flatten().collect();
            if is_whole && Piece::length(&pieces) == size {
                self.objects.push(FoundObject { path, pieces });
            } else {
                self.lost_objects.push(path);
            }
        }
    }

    /// Drops chunks that were found twice, and puts those first that can be believed most.
    fn settle_chunks(&mut self) {
        self.chunks.sort_by_key(|chunk| (chunk.age, chunk.key.is_none(), chunk.header.first_frame));
        let mut seen = HashSet::new();
        let mut heads = HashSet::new();
        self.chunks.retain(|chunk| match chunk.key {
            Some(key) => {
                heads.insert(chunk.head.clone());
                seen.insert((key, chunk.head.clone()))
            }
            None => heads.insert(chunk.head.clone()),
        });
    }
}

/// Returns whose chunk a row holds, its header, and the header's bytes, if it holds an intact one.
fn chunk_of(cell: &Cell) -> Option<(i64, ChunkHeader, Vec<u8>)> {
    let [Value::Integer(key), .., Value::Blob(head), Value::Blob(payload)] = cell.values.as_slice() else {
        return None;
    };
    if cell.values.len() != 8 || !head.starts_with(b"PSCK") {
        return None;
    }
    let header = verify(head, payload).ok().filter(|header| header.frame_count > 0)?;
    Some((*key, header, head.clone()))
}
