//! The pages of a database file as they lie there, with those of its log laid over them. No SQLite: nothing has to be right.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use super::effort::MOST_CHAINS;
use super::number;

const WAL_HEADER_BYTES: u64 = 32;
const FRAME_HEADER_BYTES: u64 = 24;
/// The bytes in the middle of which SQLite keeps its locks have no page.
const LOCK_BYTE: u64 = 1 << 30;

/// How far what a page holds can be believed to be what the database last was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Age {
    /// The database as it was committed last, as far as that can be told.
    Current,
    /// Damaged, or never seen to be committed.
    Doubtful,
    /// Written over since.
    Stale,
}

/// One version of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Version {
    pub(super) number: u32,
    pub(super) age: Age,
    in_log: bool,
    offset: u64,
}

/// A stretch of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    in_log: bool,
    offset: u64,
    length: usize,
}

/// A database file, and the log beside it if there is one. Both are only read.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) database: File,
    pub(crate) log: Option<File>,
}

impl Files {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let database = File::open(path)?;
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        let log = match File::open(&name) {
            Ok(log) => Some(log),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { database, log })
    }

    fn of(&self, in_log: bool) -> Option<&File> {
        if in_log { self.log.as_ref() } else { Some(&self.database) }
    }
}

/// The pages of a database file and its log.
#[derive(Debug)]
pub(crate) struct Pages {
    files: Arc<Files>,
    pub(super) page_size: usize,
    /// How much of a page SQLite uses.
    pub(super) usable: usize,
    database_bytes: u64,
    /// How long the file and its log are together.
    pub(super) bytes: u64,
    pub(super) count: u32,
    /// Where the current version of a page is in the log, if it is there.
    in_log: HashMap<u32, u64>,
    others: Vec<Version>,
    /// What follows which page in chains of overflow pages, and which start where, by the map of pages.
    pub(super) next_of: HashMap<u32, u32>,
    map_pages: Vec<u32>,
    is_told: bool,
    pub(super) first_of: HashMap<u32, Vec<u32>>,
}

impl Pages {
    /// Finds what the pages of a database are, and those of its log.
    pub(super) fn of(files: Arc<Files>, page_size: Option<usize>) -> io::Result<Self> {
        let (database, log) = (&files.database, files.log.as_ref());
        let mut head = [0; 100];
        let _short = read_at(database, 0, &mut head)?;
        let mut log_head = [0; 32];
        if let Some(log) = log {
            let _short = read_at(log, 0, &mut log_head)?;
        }
        let is_told = told_page_size(&head).or_else(|| log_page_size(&log_head)).is_some();
        let page_size = page_size.or_else(|| told_page_size(&head)).or_else(|| log_page_size(&log_head));
        let page_size = page_size.unwrap_or(4096);
        let bytes = database.metadata()?.len();
        let mut pages = Self {
            // Pages of our databases have no reserved bytes: what the header says of them (byte 20) is not asked.
            usable: page_size,
            page_size,
            database_bytes: bytes,
            bytes: bytes + log.map_or(Ok(0), |log| log.metadata().map(|log| log.len()))?,
            count: u32::try_from(bytes.div_ceil(page_size as u64)).unwrap_or(u32::MAX),
            files,
            in_log: HashMap::new(),
            others: Vec::new(),
            next_of: HashMap::new(),
            map_pages: Vec::new(),
            is_told,
            first_of: HashMap::new(),
        };
        pages.read_log(&log_head)?;
        pages.read_map(&head);
        Ok(pages)
    }

    /// Returns all versions of all pages, those that can be believed first.
    pub(super) fn versions(&self) -> Vec<Version> {
        let mut beyond: Vec<u32> =
            self.in_log.keys().copied().filter(|&number| number > self.count).collect();
        beyond.sort_unstable();
        let mut all: Vec<_> = (1..=self.count).chain(beyond).map(|number| self.current(number)).collect();
        all.extend(&self.others);
        all.sort_by_key(|version| version.age);
        all
    }

    fn current(&self, number: u32) -> Version {
        let age = Age::Current;
        match self.in_log.get(&number) {
            Some(&offset) => Version { number, age, in_log: true, offset },
            None => self.in_database(number, age),
        }
    }

    fn in_database(&self, number: u32, age: Age) -> Version {
        let offset = u64::from(number - 1) * self.page_size as u64;
        Version { number, age, in_log: false, offset }
    }

    /// Reads a page; what the file doesn't have of it, or can't give, is zero.
    pub(super) fn read(&self, version: Version) -> Vec<u8> {
        let mut bytes = vec![0; self.page_size];
        let file = self.files.of(version.in_log);
        // A page that can't be read is as good as an empty one: what was on it is lost.
        let _unreadable = file.map(|file| read_at(file, version.offset, &mut bytes));
        bytes
    }

    /// Returns whether there may be a page of this number.
    pub(super) fn is_there(&self, number: u32) -> bool {
        number > 0 && (number <= self.count || self.in_log.contains_key(&number))
    }

    /// Reads the current version of a page, if there may be one.
    pub(super) fn read_current(&self, number: u32) -> Option<(Version, Vec<u8>)> {
        if !self.is_there(number) {
            return None;
        }
        let version = self.current(number);
        Some((version, self.read(version)))
    }

    pub(super) fn piece(&self, version: Version, at: usize, length: usize) -> Piece {
        Piece { in_log: version.in_log, offset: version.offset + at as u64, length }
    }

    /// Reads stretches one behind the other, and returns whether the file has all of them; what it doesn't have is zero, as it is in
    /// [`read`](Self::read).
    pub(super) fn read_pieces(&self, pieces: &[Piece]) -> io::Result<(Vec<u8>, bool)> {
        let mut bytes = Vec::with_capacity(pieces.iter().map(|piece| piece.length).sum());
        let mut is_whole = true;
        for piece in pieces {
            let start = bytes.len();
            bytes.resize(start + piece.length, 0);
            let file = self.files.of(piece.in_log).ok_or(io::ErrorKind::NotFound)?;
            is_whole &= read_at(file, piece.offset, &mut bytes[start..])? == piece.length;
        }
        Ok((bytes, is_whole))
    }

    /// Returns whether the file has all of some stretches.
    pub(super) fn has(&self, pieces: &[Piece]) -> bool {
        let length =
            |in_log: bool| if in_log { self.bytes - self.database_bytes } else { self.database_bytes };
        pieces.iter().all(|piece| piece.offset + piece.length as u64 <= length(piece.in_log))
    }

    /// Lays the log's pages over the database's.
    ///
    /// Each frame's checksum goes on from the one of the frame before, as it stands there: so a damaged frame is told from those
    /// behind it, which SQLite itself would give up. What lies behind the last commit is doubtful.
    fn read_log(&mut self, head: &[u8; 32]) -> io::Result<()> {
        let files = Arc::clone(&self.files);
        let Some(log) = &files.log else { return Ok(()) };
        let step = FRAME_HEADER_BYTES + self.page_size as u64;
        let frames = log.metadata()?.len().saturating_sub(WAL_HEADER_BYTES) / step;
        let mut frame = vec![0; usize::try_from(step).unwrap_or_default()];
        let is_magic = matches!(number::be32(head, 0), 0x377f_0682 | 0x377f_0683);
        let big_endian = if is_magic { head[3] & 1 == 1 } else { cfg!(target_endian = "big") };
        let mut seed = [number::be32(head, 24), number::be32(head, 28)];
        let mut salts = is_magic.then(|| [number::be32(head, 16), number::be32(head, 20)]);
        let mut found: Vec<(u32, u64, bool, bool)> = Vec::new();
        let mut earlier = Vec::new();
        let mut has_whole = false;
        for n in 0..frames {
            let at = WAL_HEADER_BYTES + n * step;
            if read_at(log, at, &mut frame)? < frame.len() {
                break;
            }
            let its = [number::be32(&frame, 8), number::be32(&frame, 12)];
            let mut sum = checksum(seed, &frame[..8], big_endian);
            sum = checksum(sum, &frame[24..], big_endian);
            let stored = [number::be32(&frame, 16), number::be32(&frame, 20)];
            let page = number::be32(&frame, 0);
            let is_whole = sum == stored && its == *salts.get_or_insert(its);
            seed = stored;
            let is_commit = number::be32(&frame, 4) != 0;
            // A frame of an earlier use of the log has other salts. Behind frames of the present one it is none of these, damaged:
            // what it holds was moved into the database, and may have been deleted since.
            let is_earlier = salts != Some(its) && has_whole;
            has_whole |= is_whole;
            if is_earlier {
                let (number, offset) = (page, at + FRAME_HEADER_BYTES);
                earlier.push(Version { number, age: Age::Stale, in_log: true, offset });
            } else {
                found.push((page, at + FRAME_HEADER_BYTES, is_whole, is_whole && is_commit));
            }
        }
        let committed = found.iter().rposition(|&(.., is_whole, is_commit)| is_whole && is_commit);
        let mut others = earlier;
        // In their order, so that the same files give the same.
        let mut shadowed = BTreeSet::new();
        for (n, &(number, offset, is_whole, _)) in found.iter().enumerate() {
            if is_whole && committed.is_some_and(|last| n <= last) {
                if let Some(before) = self.in_log.insert(number, offset) {
                    others.push(Version { number, age: Age::Stale, in_log: true, offset: before });
                } else {
                    shadowed.insert(number);
                }
            } else {
                others.push(Version { number, age: Age::Doubtful, in_log: true, offset });
            }
        }
        let in_database = self.count;
        for &number in shadowed.iter().filter(|&&number| number >= 1 && number <= in_database) {
            others.push(self.in_database(number, Age::Stale));
        }
        // A log may name pages far beyond the end of a file that was cut short: they are read, but the count doesn't follow them,
        // or a few bytes could make it billions.
        let most = in_database.saturating_add(u32::try_from(frames).unwrap_or(u32::MAX));
        let near = self.in_log.keys().copied().filter(|&number| number <= most);
        self.count = near.max().unwrap_or(0).max(in_database);
        self.others = others;
        Ok(())
    }

    /// Reads the map of pages, which says what each page belongs to: a second way from page to page.
    fn read_map(&mut self, head: &[u8; 100]) {
        const FIRST_OVERFLOW: u8 = 3;
        const OVERFLOW: u8 = 4;
        if told_page_size(head).is_some() && number::be32(head, 52) == 0 {
            return;
        }
        let entries = u32::try_from(self.usable / 5).unwrap_or(1);
        let mut map = 2;
        while map < self.count {
            let Some((_, bytes)) = self.read_current(map) else { break };
            self.map_pages.push(map);
            for n in 0..entries.min(self.count - map) {
                let at = n as usize * 5;
                let (kind, parent, page) = (bytes[at], number::be32(&bytes, at + 1), map + 1 + n);
                match kind {
                    FIRST_OVERFLOW => {
                        let chains = self.first_of.entry(parent).or_default();
                        if chains.len() < MOST_CHAINS {
                            chains.push(page);
                        }
                    }
                    OVERFLOW => {
                        self.next_of.insert(parent, page);
                    }
                    _ => {}
                }
            }
            map = map.saturating_add(entries + 1);
        }
    }

    /// Returns whether the database or its log says how long pages are.
    pub(super) fn is_told(&self) -> bool {
        self.is_told
    }

    /// Returns the pages that the database lists as free, and those of its map: they hold no rows.
    pub(super) fn free_pages(&self) -> HashSet<u32> {
        let mut free: HashSet<u32> = self.map_pages.iter().copied().collect();
        let Some((_, first)) = self.read_current(1) else { return free };
        let mut trunk = number::be32(&first, 32);
        while let Some((_, page)) = self.read_current(trunk).filter(|_| free.insert(trunk)) {
            let leaves = (number::be32(&page, 4) as usize).min(self.usable / 4);
            free.extend((0..leaves).map(|n| number::be32(&page, 8 + 4 * n)));
            trunk = number::be32(&page, 0);
        }
        free
    }

    /// Returns whether the page can't hold rows, for what its number is.
    pub(super) fn is_reserved(&self, number: u32) -> bool {
        u64::from(number) == LOCK_BYTE / self.page_size as u64 + 1
    }
}

/// Returns the size of pages that a database's header tells, if it can be one.
pub(super) fn told_page_size(head: &[u8]) -> Option<usize> {
    let told = match number::be16(head, 16) {
        1 => 65_536,
        told => told,
    };
    let is_ours = head.starts_with(b"SQLite format 3\0") || head.get(18..20) == Some(&[2, 2]);
    (is_ours && told.is_power_of_two() && told >= 512).then_some(told)
}

fn log_page_size(head: &[u8; 32]) -> Option<usize> {
    let told = usize::try_from(number::be32(head, 8)).ok()?;
    (head[..3] == [0x37, 0x7f, 0x06] && told.is_power_of_two() && (512..=65_536).contains(&told))
        .then_some(told)
}

/// Goes on with a checksum of the log (SQLite's file format, section 4.2).
pub(super) fn checksum([mut a, mut b]: [u32; 2], bytes: &[u8], big_endian: bool) -> [u32; 2] {
    let word = |bytes: &[u8]| match bytes.try_into() {
        Ok(word) if big_endian => u32::from_be_bytes(word),
        Ok(word) => u32::from_le_bytes(word),
        Err(_) => 0,
    };
    for pair in bytes.chunks_exact(8) {
        a = a.wrapping_add(word(&pair[..4])).wrapping_add(b);
        b = b.wrapping_add(word(&pair[4..])).wrapping_add(a);
    }
    [a, b]
}

/// Fills as much of `bytes` as the file has from `offset` on, and returns how much that is.
fn read_at(mut file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
    file.seek(SeekFrom::Start(offset))?;
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

impl Piece {
    /// Returns how many bytes some stretches have together.
    pub(super) fn length(pieces: &[Self]) -> u64 {
        pieces.iter().map(|piece| piece.length as u64).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.length as u64
    }

    /// Returns the part of some stretches from one of their bytes to another.
    pub(super) fn part(pieces: &[Self], start: usize, end: usize) -> Vec<Self> {
        let (mut parts, mut at) = (Vec::new(), 0);
        for piece in pieces {
            let (from, to) = (start.max(at), end.min(at + piece.length));
            if from < to {
                parts.push(Self { offset: piece.offset + (from - at) as u64, length: to - from, ..*piece });
            }
            at += piece.length;
        }
        parts
    }
}
