//! What damaged files cost to read, and that they cost sound rows nothing.

use std::io::Write as _;

use super::pages::checksum;
use super::*;

const PAGE: usize = 4096;
/// How much of a long record lies in the leaf, and on each page that follows.
const LOCAL: usize = 489;
const FOLLOWING: usize = PAGE - 4;

/// Writes a number as SQLite does.
fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(value & 0x7f).unwrap()];
    while value > 0x7f {
        value >>= 7;
        bytes.insert(0, u8::try_from(value & 0x7f).unwrap() | 0x80);
    }
    bytes
}

/// Writes a leaf whose rows are at these places.
fn leaf(places: &[usize]) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    page[0] = LEAF;
    page[3..5].copy_from_slice(&u16::try_from(places.len()).unwrap().to_be_bytes());
    for (n, &at) in places.iter().enumerate() {
        page[8 + 2 * n..][..2].copy_from_slice(&u16::try_from(at).unwrap().to_be_bytes());
    }
    page
}

fn number_of(pages: &[Vec<u8>]) -> u32 {
    u32::try_from(pages.len() + 1).unwrap()
}

/// Writes a file's first page, which says how long pages are.
fn first_page() -> Vec<u8> {
    let mut first = b"SQLite format 3\0".to_vec();
    first.extend(u16::try_from(PAGE).unwrap().to_be_bytes());
    first.resize(PAGE, 0);
    first
}

fn read(database: &[u8]) -> Salvage {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(database).unwrap();
    Salvage::read_files(Files { database: file, log: None }).unwrap()
}

/// Writes a row of columns of these kinds.
fn row(rowid: u8, kinds: &[u8], content: &[u8]) -> Vec<u8> {
    let head = [&[u8::try_from(kinds.len() + 1).unwrap()], kinds].concat();
    [varint(head.len() + content.len()), vec![rowid], head, content.to_vec()].concat()
}

#[test]
fn what_a_log_shadows_is_read_in_the_order_of_the_pages() {
    const PAGES: u32 = 32;
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let mut log = words(&[0x377f_0682, 3_007_000, 4096, 0, 1, 2, 0, 0]);
    let mut seed = [0, 0];
    for number in (2..=PAGES).rev() {
        let (head, page) = (words(&[number, u32::from(number == 2) * PAGES]), vec![1; PAGE]);
        seed = checksum(checksum(seed, &head, false), &page, false);
        log.extend(head);
        log.extend(words(&[1, 2, seed[0], seed[1]]));
        log.extend(page);
    }
    let [mut database, mut beside] = [(); 2].map(|()| tempfile::tempfile().unwrap());
    let rest = vec![0; (PAGES as usize - 1) * PAGE];
    database.write_all(&[first_page(), rest].concat()).unwrap();
    beside.write_all(&log).unwrap();
    let pages = Pages::of(Arc::new(Files { database, log: Some(beside) }), None).unwrap();
    let stale: Vec<_> = pages.versions().into_iter().filter(|version| version.age == Age::Stale).collect();
    assert!(stale.iter().map(|version| version.number).eq(2..=PAGES), "{stale:?}");
}

#[test]
fn media_whose_end_the_file_does_not_have_are_lost() {
    let path = "0190a5e4-0000-7000-8000-000000000001/images/0";
    let size = 20;
    let object =
        row(1, &[0, u8::try_from(13 + 2 * path.len()).unwrap(), 1], &[path.as_bytes(), &[size]].concat());
    let part = row(1, &[1, 8, 12 + 2 * size], &[vec![1], vec![7; 10], vec![0; 10]].concat());
    let places = [PAGE - 200, PAGE - part.len()];
    let mut page = leaf(&places);
    page[places[0]..][..object.len()].copy_from_slice(&object);
    page[places[1]..].copy_from_slice(&part);
    let database = [first_page(), page].concat();
    let whole = read(&database);
    assert_eq!((whole.objects.len(), whole.lost_objects.len()), (1, 0));
    assert_eq!(whole.bytes(&whole.objects[0].pieces).unwrap()[..10], [7; 10]);
    // Its last bytes are zeros, which is what is read behind the end of a file.
    let short = read(&database[..2 * PAGE - 5]);
    assert_eq!((short.objects.len(), short.lost_objects.as_slice()), (0, &[path.to_owned()][..]));
}

#[test]
fn a_chunk_whose_last_zeros_the_file_does_not_have_is_intact() {
    let mut frames = posesession_core::Chunk::new(0, Skeleton::preset("hand_21").unwrap().layout());
    // A frame without persons: the number of them, 0, is what the chunk ends with.
    frames.push(posesession_core::Timestamp::ZERO, &posesession_core::PoseData::default()).unwrap();
    let chunk = posesession_core::encode(&frames, posesession_core::Codec::Raw).unwrap();
    let blob = |bytes: &[u8]| varint(12 + 2 * bytes.len());
    let mut kinds = vec![9, 8, 9, 8, 8, 9];
    kinds.extend(blob(&chunk.header));
    kinds.extend(blob(&chunk.payload));
    let part = row(1, &kinds, &[chunk.header.as_slice(), &chunk.payload].concat());
    let at = PAGE - part.len();
    let mut page = leaf(&[at]);
    page[at..].copy_from_slice(&part);
    let database = [first_page(), page].concat();
    for cut in [0, 2] {
        let found = read(&database[..2 * PAGE - cut]);
        assert_eq!(found.chunks.len(), 1, "{cut}");
        assert_eq!(found.chunk(&found.chunks[0]).unwrap(), chunk, "{cut}");
    }
}

#[test]
fn rows_that_lie_over_each_other_cost_no_more_than_so_many_times_the_file() {
    const CHAIN: u32 = 64;
    const LEAVES: u32 = 32;
    let mut pages = vec![first_page()];
    for n in 0..CHAIN {
        let next = if n + 1 < CHAIN { number_of(&pages) + 1 } else { 0 };
        let mut page = next.to_be_bytes().to_vec();
        page.resize(PAGE, b'x');
        pages.push(page);
    }
    // Each of these rows seems to go on over all pages of the chain; all of them lie within each other.
    let record = LOCAL + FOLLOWING * CHAIN as usize;
    let mut head = varint(record);
    head.extend([1, 4]);
    head.extend(varint(12 + 2 * (record - 4)));
    for n in 0..LEAVES {
        let places: Vec<_> = (0..100).map(|place| 256 + 32 * place).collect();
        let mut page = leaf(&places);
        for &at in &places {
            page[at..at + head.len()].copy_from_slice(&head);
            page[at + 3] = u8::try_from(n + 1).unwrap();
            let after = at + 4 + LOCAL;
            page[after..after + 4].copy_from_slice(&2_u32.to_be_bytes());
        }
        pages.push(page);
    }
    // A sound row, behind all that, which spills as well.
    let email = "e".repeat(LOCAL + FOLLOWING - 13);
    let mut user = vec![6, 0, 13 + 2 * 3];
    user.extend(varint(13 + 2 * email.len()));
    user.push(13 + 2 * 4);
    user.extend(b"eve");
    user.extend(email.bytes());
    user.extend(b"hash");
    assert_eq!(user.len(), LOCAL + FOLLOWING);
    let mut page = leaf(&[PAGE - 1000]);
    let mut cell = varint(user.len());
    cell.push(7);
    cell.extend(&user[..LOCAL]);
    cell.extend((number_of(&pages) + 1).to_be_bytes());
    page[PAGE - 1000..][..cell.len()].copy_from_slice(&cell);
    pages.push(page);
    pages.push([&[0; 4], &user[LOCAL..]].concat());

    let found = read(&pages.concat());
    assert_eq!(found.users.get(&7).map(|user| user.email.as_str()), Some(email.as_str()));
    assert_eq!(found.users.len(), 1);
    assert!(found.unreadable_pages > 0, "what was not read for its cost is told");
    let most = 1_024 * pages.len() as u64;
    assert!(found.followed_pages <= most, "{} pages were followed, {most} may be", found.followed_pages);
}

/// Writes the page of an index whose entries each have these three numbers.
fn index_page(entries: &[[u8; 3]]) -> Vec<u8> {
    let mut page = leaf(&(0..entries.len()).map(|n| 1024 + 8 * n).collect::<Vec<_>>());
    page[0] = 0x0a;
    for (n, [key, second, rowid]) in entries.iter().enumerate() {
        page[1024 + 8 * n..][..8].copy_from_slice(&[7, 4, 1, 1, 1, *key, *second, *rowid]);
    }
    page
}

#[test]
fn a_chunk_without_its_row_is_of_the_session_that_alone_has_such_a_row() {
    let mut frames = posesession_core::Chunk::new(2, Skeleton::preset("hand_21").unwrap().layout());
    let at = posesession_core::Timestamp::from_micros(5);
    frames.push(at, &posesession_core::PoseData::default()).unwrap();
    let chunk = posesession_core::encode(&frames, posesession_core::Codec::Raw).unwrap();
    let key_by = |pages: &[Vec<u8>]| {
        let header = posesession_core::peek(&chunk.header).unwrap();
        let (head, age) = (chunk.header.clone(), Age::Current);
        let mut chunks = [FoundChunk { rowid: None, key: None, header, age, head, pieces: Vec::new() }];
        let mut index = Index::default();
        pages.iter().for_each(|page| index.read(2, page));
        index.settle_keys(&mut chunks);
        chunks[0].key
    };
    // Of the rows 1 and 2 both begin with frame 2, but only the first one at this time.
    let rows = index_page(&[[3, 2, 1], [3, 5, 1], [4, 2, 2], [4, 9, 2]]);
    assert_eq!(key_by(std::slice::from_ref(&rows)), Some(3));
    assert_eq!(key_by(&[rows.clone(), index_page(&[[7, 2, 9], [7, 5, 9]])]), None, "two would fit");
    // Many rows whose frame is right, or whose time is, but not both.
    let many: Vec<_> = (10..110).flat_map(|row| [[8, 2, row], [9, 5, row]]).collect();
    assert_eq!(key_by(&[rows, index_page(&many)]), Some(3));
}
