//! What can still be read of a database file, whatever SQLite says of it: page by page, row by row.
//!
//! Rows are found where the leaves of tables say that they are, and where a leaf makes no sense, at any of its bytes. Which table
//! a row is of follows from its shape. Chunks are believed by their own checksum, wherever they lie; the pages onto which they
//! spilled are found by their pointers, else by the map of pages, else one behind the other.

mod number;
mod effort;
mod pages;
mod cells;
mod carving;
mod index;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet, btree_map, hash_map};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use posesession_core::{ChunkHeader, EncodedChunk, Marker, Skeleton, verify};

use self::cells::{Cell, Links, Value, cell};
use self::effort::Effort;
use self::index::Index;
use self::pages::Version;
pub(crate) use self::pages::{Age, Files, Pages, Piece};
use self::rows::Row;
pub(crate) use self::rows::SessionFacts;

const LEAF: u8 = 0x0d;
/// The first bytes of a chunk's header.
const MAGIC: &[u8] = b"PSCK";
/// The longest that can stand in a row before a chunk's header.
const MOST_BEFORE_MAGIC: usize = 116;

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
    /// Where in `chunks` which one is, by its session's key and its header.
    known: HashMap<(Option<i64>, Vec<u8>), usize>,
    pub(crate) objects: Vec<FoundObject>,
    /// The media objects of which parts are lost.
    pub(crate) lost_objects: Vec<String>,
    /// How many pages hold something that nothing could be made of, or that was not read for its cost.
    pub(crate) unreadable_pages: u64,
    /// How many pages were followed from rows, each as often as it was.
    pub(crate) followed_pages: u64,
}

/// Parts of media while they are being found.
#[derive(Debug, Default)]
struct Media {
    objects: BTreeMap<i64, (String, u64)>,
    parts: HashMap<i64, BTreeMap<i64, Vec<Piece>>>,
}

impl Salvage {
    /// Reads a database file and the log beside it. Nothing is written.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        Self::read_files(Files::open(path)?)
    }

    /// Reads a database and its log.
    pub(crate) fn read_files(files: Files) -> io::Result<Self> {
        let files = Arc::new(files);
        let told = Pages::of(Arc::clone(&files), None)?;
        if told.is_told() {
            return Self::of(told);
        }
        // Where nothing says how long pages are, they are as long as makes the most leaves of tables.
        let (mut best, mut most) = (told, 0);
        for page_size in [4096, 512, 1024, 2048, 8192, 16_384, 32_768, 65_536] {
            let salvage = Self::empty(Pages::of(Arc::clone(&files), Some(page_size))?);
            let leaves = salvage.count_leaves();
            if leaves > most {
                (best, most) = (salvage.pages, leaves);
            }
        }
        Self::of(best)
    }

    /// Counts the bytes that leaves of tables fill whose rows all make sense.
    fn count_leaves(&self) -> usize {
        let mut effort = Effort::of(self.pages.bytes);
        let current = self.pages.versions().into_iter().filter(|version| version.age == Age::Current);
        let rows = current.filter_map(|version| {
            let page = self.pages.read(version);
            effort.begin(self.pages.page_size);
            let (cells, is_whole) = self.leaf(version, &page, &mut effort)?;
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
            known: HashMap::new(),
            objects: Vec::new(),
            lost_objects: Vec::new(),
            unreadable_pages: 0,
            followed_pages: 0,
        }
    }

    fn of(pages: Pages) -> io::Result<Self> {
        let mut versions = pages.versions();
        versions.retain(|version| !pages.is_reserved(version.number));
        let mut salvage = Self::empty(pages);
        let mut effort = Effort::of(salvage.pages.bytes);
        let (mut spilled, mut odd, mut media) = (HashSet::new(), Vec::new(), Media::default());
        let (mut index, mut unreadable) = (Index::default(), HashSet::new());
        for version in versions {
            let page = salvage.pages.read(version);
            if page.iter().all(|&byte| byte == 0) {
                continue;
            }
            effort.begin(page.len());
            let Some((cells, is_whole)) = salvage.leaf(version, &page, &mut effort) else {
                if !salvage.is_of_a_tree(version.number, &page) {
                    odd.push((version, Vec::new()));
                } else if version.age == Age::Current {
                    index.read(version.number, &page);
                }
                continue;
            };
            let covered: Vec<_> = cells.iter().map(|(at, cell)| *at..cell.end).collect();
            for (_, cell) in cells {
                spilled.extend(cell.spilled.iter().copied());
                salvage.take(cell, version.age, false, &mut media, &mut effort);
            }
            if effort.was_refused() && version.age == Age::Current {
                unreadable.insert(version.number);
            }
            if !is_whole {
                odd.push((version, covered));
            } else if salvage.carve_chunks(
                version,
                &page,
                &marked(&covered, page.len()),
                Age::Stale,
                (&mut spilled, &mut effort),
            ) {
                tracing::debug!(page = version.number, "a chunk that no row names is left on a page");
            }
        }
        let free = salvage.pages.free_pages();
        for (version, covered) in odd {
            let is_current = version.age == Age::Current;
            if is_current && (spilled.contains(&version.number) || free.contains(&version.number)) {
                continue;
            }
            let page = salvage.pages.read(version);
            effort.begin(page.len());
            let age = version.age.max(Age::Doubtful);
            let marked = marked(&covered, page.len());
            let found = salvage.carve(version, &page, marked, age, (&mut spilled, &mut media, &mut effort));
            let is_nothing = !found && covered.is_empty() && !spilled.contains(&version.number);
            if is_current && (is_nothing || effort.was_refused()) {
                unreadable.insert(version.number);
            }
        }
        salvage.unreadable_pages = unreadable.len() as u64;
        salvage.followed_pages = effort.total();
        salvage.settle_media(media);
        index.settle_keys(&mut salvage.chunks);
        salvage.settle_chunks();
        Ok(salvage)
    }

    /// Reads a chunk.
    pub(crate) fn chunk(&self, chunk: &FoundChunk) -> io::Result<EncodedChunk> {
        // Its checksum came out right with zeros where the file ends: if that is not so any more, it is not intact.
        let (mut header, _) = self.pages.read_pieces(&chunk.pieces)?;
        let payload = header.split_off(chunk.head.len().min(header.len()));
        Ok(EncodedChunk { header, payload })
    }

    /// Reads stretches of the file.
    pub(crate) fn bytes(&self, pieces: &[Piece]) -> io::Result<Vec<u8>> {
        let (bytes, is_whole) = self.pages.read_pieces(pieces)?;
        is_whole.then_some(bytes).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Reads the rows of a table's leaf, each with its place, and whether all that should be there are; nothing if it is none.
    fn leaf(&self, version: Version, page: &[u8], effort: &mut Effort) -> Option<(Vec<(usize, Cell)>, bool)> {
        let start = if version.number == 1 { 100 } else { 0 };
        let count = number::be16(page, start + 3);
        let first = start + 8 + 2 * count;
        if page.get(start) != Some(&LEAF) || first > self.pages.usable {
            return None;
        }
        let (mut cells, mut is_whole, magics) = (Vec::new(), true, magics(page));
        // No two rows are at one place, and those of a page are together no longer than all there is. On the page itself one that
        // is none may lie over sound ones, but not many.
        let (mut seen, mut left) = (HashSet::new(), self.pages.bytes);
        let mut local = 2 * self.pages.usable as u64;
        for n in 0..count {
            let at = number::be16(page, start + 8 + 2 * n);
            if !seen.insert(at) {
                is_whole = false;
                continue;
            }
            let found = (first..self.pages.usable)
                .contains(&at)
                .then(|| self.row((version, page), at, &magics, effort))
                .flatten();
            match found.filter(|cell| cell.bytes() <= left && cell.local_bytes() <= local) {
                Some(cell) => {
                    left -= cell.bytes();
                    local -= cell.local_bytes();
                    cells.push((at, cell));
                }
                None => is_whole = false,
            }
        }
        Some((cells, is_whole))
    }

    /// Reads a row; of a chunk by whichever way its checksum comes out right.
    fn row(
        &self,
        (version, page): (Version, &[u8]),
        at: usize,
        magics: &[usize],
        effort: &mut Effort,
    ) -> Option<Cell> {
        let plain = cell(&self.pages, (version, page), at, Links::Pointers, effort);
        let next = magics.get(magics.partition_point(|&magic| magic < at));
        if (plain.is_none() && page.get(at).is_none_or(|&byte| byte == 0))
            || next.is_none_or(|magic| magic - at > MOST_BEFORE_MAGIC)
            || plain.as_ref().is_some_and(|cell| chunk_of(cell).is_some())
        {
            return plain;
        }
        let by_map = self.pages.first_of.get(&version.number).into_iter().flatten().copied();
        let ways = by_map.map(Links::Map).chain([Links::Sequence]);
        let mut other = ways.filter_map(|links| cell(&self.pages, (version, page), at, links, effort));
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

    /// Keeps what a row says, and returns whether it says something.
    fn take(&mut self, cell: Cell, age: Age, carved: bool, media: &mut Media, effort: &mut Effort) -> bool {
        let bytes = cell.bytes();
        if let Some((key, header, head)) = chunk_of(&cell) {
            if let Some(pieces) = cell.pieces_of(6..8) {
                let rowid = Some(cell.rowid);
                let chunk = FoundChunk { rowid, key: Some(key), header, age, head, pieces };
                self.keep_chunk(chunk, bytes, effort);
            }
            return true;
        }
        // Versions come by age: what came first is what is believed most.
        match rows::classify(&cell, age, carved) {
            Row::Session(facts) => keep(self.sessions.entry(facts.key), *facts, bytes, effort),
            Row::Skeleton(id, skeleton) => {
                if !self.skeletons.contains_key(&id) && effort.keep(bytes) {
                    self.skeletons.insert(id, *skeleton);
                }
            }
            Row::Other => return false,
            _ if age == Age::Stale => {}
            Row::Marker { id, key, marker } => {
                keep(self.markers.entry(key).or_default().entry(id), marker, bytes, effort);
            }
            Row::User { id, username, email, password } => {
                keep(self.users.entry(id), FoundUser { username, email, password }, bytes, effort);
            }
            Row::Object { id, path, size } => keep(media.objects.entry(id), (path, size), bytes, effort),
            Row::Part { object, number } => {
                // Nothing but its length says whether it is whole.
                if let Some(pieces) = cell.pieces_of(2..3).filter(|pieces| self.pages.has(pieces)) {
                    keep(media.parts.entry(object).or_default().entry(number), pieces, bytes, effort);
                }
            }
        }
        true
    }

    /// Keeps a chunk, whose row has so many bytes, once.
    fn keep_chunk(&mut self, chunk: FoundChunk, bytes: u64, effort: &mut Effort) {
        match self.known.entry((chunk.key, chunk.head.clone())) {
            hash_map::Entry::Occupied(known) => {
                let known = &mut self.chunks[*known.get()];
                if chunk.age < known.age {
                    *known = chunk;
                }
            }
            hash_map::Entry::Vacant(free) => {
                if effort.keep(bytes) {
                    free.insert(self.chunks.len());
                    self.chunks.push(chunk);
                }
            }
        }
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
        self.known = HashMap::new();
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

/// Keeps what a row of so many bytes says, if none of its kind and number was kept before.
fn keep<T>(place: btree_map::Entry<'_, i64, T>, said: T, bytes: u64, effort: &mut Effort) {
    if let btree_map::Entry::Vacant(free) = place
        && effort.keep(bytes)
    {
        free.insert(said);
    }
}

/// Returns where on a page the headers of chunks seem to start.
fn magics(page: &[u8]) -> Vec<usize> {
    let starts = page.windows(MAGIC.len()).enumerate().filter(|(_, bytes)| *bytes == MAGIC);
    starts.map(|(at, _)| at).collect()
}

/// Marks those of a page's bytes that are covered.
fn marked(covered: &[Range<usize>], page_size: usize) -> Vec<bool> {
    let mut marked = vec![false; page_size];
    for range in covered {
        if let Some(bytes) = marked.get_mut(range.clone()) {
            bytes.fill(true);
        }
    }
    marked
}

/// Returns whose chunk a row holds, its header, and the header's bytes, if it holds an intact one.
fn chunk_of(cell: &Cell) -> Option<(i64, ChunkHeader, Vec<u8>)> {
    let [Value::Integer(key), .., Value::Blob(head), Value::Blob(payload)] = cell.values.as_slice() else {
        return None;
    };
    if cell.values.len() != 8 || !head.starts_with(MAGIC) {
        return None;
    }
    let header = verify(head, payload).ok().filter(|header| header.frame_count > 0)?;
    Some((*key, header, head.clone()))
}
