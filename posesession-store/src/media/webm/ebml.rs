//! EBML, the grammar of WebM: bytes in, element heads and numbers out, and back (RFC 8794).

/// An element's id, with its length marker, as the Matroska specification writes it (RFC 9559).
pub(super) mod id {
    pub(in super::super) const EBML: u32 = 0x1a45_dfa3;
    pub(in super::super) const MAX_ID_LENGTH: u32 = 0x42f2;
    pub(in super::super) const MAX_SIZE_LENGTH: u32 = 0x42f3;
    pub(in super::super) const DOC_TYPE: u32 = 0x4282;
    pub(in super::super) const VOID: u32 = 0xec;
    pub(in super::super) const CRC_32: u32 = 0xbf;
    pub(in super::super) const SEGMENT: u32 = 0x1853_8067;
    pub(in super::super) const SEEK_HEAD: u32 = 0x114d_9b74;
    pub(in super::super) const SEEK: u32 = 0x4dbb;
    pub(in super::super) const SEEK_ID: u32 = 0x53ab;
    pub(in super::super) const SEEK_POSITION: u32 = 0x53ac;
    pub(in super::super) const INFO: u32 = 0x1549_a966;
    pub(in super::super) const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
    pub(in super::super) const DURATION: u32 = 0x4489;
    pub(in super::super) const TRACKS: u32 = 0x1654_ae6b;
    pub(in super::super) const TRACK_ENTRY: u32 = 0xae;
    pub(in super::super) const TRACK_NUMBER: u32 = 0xd7;
    pub(in super::super) const TRACK_TYPE: u32 = 0x83;
    pub(in super::super) const DEFAULT_DURATION: u32 = 0x23_e383;
    pub(in super::super) const TAGS: u32 = 0x1254_c367;
    pub(in super::super) const CUES: u32 = 0x1c53_bb6b;
    pub(in super::super) const CUE_POINT: u32 = 0xbb;
    pub(in super::super) const CUE_TIME: u32 = 0xb3;
    pub(in super::super) const CUE_TRACK_POSITIONS: u32 = 0xb7;
    pub(in super::super) const CUE_TRACK: u32 = 0xf7;
    pub(in super::super) const CUE_CLUSTER_POSITION: u32 = 0xf1;
    pub(in super::super) const CLUSTER: u32 = 0x1f43_b675;
    pub(in super::super) const TIMESTAMP: u32 = 0xe7;
    pub(in super::super) const SILENT_TRACKS: u32 = 0x5854;
    pub(in super::super) const POSITION: u32 = 0xa7;
    pub(in super::super) const PREV_SIZE: u32 = 0xab;
    pub(in super::super) const SIMPLE_BLOCK: u32 = 0xa3;
    pub(in super::super) const BLOCK_GROUP: u32 = 0xa0;
    pub(in super::super) const BLOCK: u32 = 0xa1;
    pub(in super::super) const BLOCK_DURATION: u32 = 0x9b;
    pub(in super::super) const REFERENCE_BLOCK: u32 = 0xfb;
}

/// What stands before an element's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: u32,
    /// The content's length in bytes; none if the element ends where one begins that it can't contain.
    pub(super) size: Option<u64>,
    /// The head's own length in bytes.
    pub(super) len: usize,
}

/// An element within another one, both whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Child<'a> {
    pub(super) id: u32,
    /// With its head.
    pub(super) whole: &'a [u8],
    pub(super) content: &'a [u8],
}

/// These bytes are no EBML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads an element's head; none if more bytes are needed.
pub(super) fn head(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let id_len = first.leading_zeros() as usize + 1;
    if id_len > 4 {
        return Err(Malformed);
    }
    let Some(id) = bytes.get(..id_len) else { return Ok(None) };
    let id = id.iter().fold(0_u32, |id, &byte| id << 8 | u32::from(byte));
    let Some((size, size_len)) = variable(&bytes[id_len..])? else { return Ok(None) };
    let unknown = (1 << (7 * size_len)) - 1;
    Ok(Some(Head { id, size: (size != unknown).then_some(size), len: id_len + size_len }))
}

/// Reads a number of variable length and returns it with its length; none if more bytes are needed.
pub(super) fn variable(bytes: &[u8]) -> Result<Option<(u64, usize)>, Malformed> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let len = first.leading_zeros() as usize + 1;
    if len > 8 {
        return Err(Malformed);
    }
    let Some(rest) = bytes.get(1..len) else { return Ok(None) };
    let without_marker = u64::from(first) & ((1 << (8 - len)) - 1);
    Ok(Some((rest.iter().fold(without_marker, |value, &byte| value << 8 | u64::from(byte)), len)))
}

/// Reads an element's content as an unsigned number.
pub(super) fn unsigned(content: &[u8]) -> Result<u64, Malformed> {
    if content.len() > 8 {
        return Err(Malformed);
    }
    Ok(content.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

/// Goes through the elements within a whole one.
pub(super) fn children(content: &[u8]) -> impl Iterator<Item = Result<Child<'_>, Malformed>> {
    let mut rest = content;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let child = first_child(rest);
        rest = child.map_or(&[], |child| &rest[child.whole.len()..]);
        Some(child)
    })
}

fn first_child(bytes: &[u8]) -> Result<Child<'_>, Malformed> {
    let head = head(bytes)?.ok_or(Malformed)?;
    let size = head.size.and_then(|size| usize::try_from(size).ok()).ok_or(Malformed)?;
    let end = head.len.checked_add(size).ok_or(Malformed)?;
    let whole = bytes.get(..end).ok_or(Malformed)?;
    Ok(Child { id: head.id, whole, content: &whole[head.len..] })
}

/// Writes an element's head with a size of eight bytes, so that its length doesn't depend on the size.
pub(super) fn put_wide_head(out: &mut Vec<u8>, id: u32, size: u64) {
    put_id(out, id);
    out.extend_from_slice(&(size | 1 << 56).to_be_bytes());
}

/// Writes an element.
pub(super) fn put(out: &mut Vec<u8>, id: u32, content: &[u8]) {
    put_id(out, id);
    let size = content.len() as u64;
    // The size with all bits set means that it is unknown.
    let len = (1..8).find(|len| size < (1 << (7 * len)) - 1).unwrap_or(8);
    let marked = size | 1 << (7 * len);
    out.extend_from_slice(&marked.to_be_bytes()[8 - len..]);
    out.extend_from_slice(content);
}

/// Writes an element that is an unsigned number, as short as can be.
pub(super) fn put_unsigned(out: &mut Vec<u8>, id: u32, value: u64) {
    let bytes = value.to_be_bytes();
    let zeros = bytes.iter().take(7).take_while(|&&byte| byte == 0).count();
    put(out, id, &bytes[zeros..]);
}

fn put_id(out: &mut Vec<u8>, id: u32) {
    let zeros = id.leading_zeros() as usize / 8;
    out.extend_from_slice(&id.to_be_bytes()[zeros..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_head_is_read_as_soon_as_it_is_there() {
        let cluster = [0x1f, 0x43, 0xb6, 0x75, 0x40, 0x02];
        for short in 0..cluster.len() {
            assert_eq!(head(&cluster[..short]), Ok(None), "{short} bytes");
        }
        assert_eq!(head(&cluster), Ok(Some(Head { id: id::CLUSTER, size: Some(2), len: 6 })));
    }

    #[test]
    fn an_unknown_size_is_one_of_all_bits_however_long() {
        for unknown in
            [&[0xa3, 0xff][..], &[0xa3, 0x7f, 0xff], &[0xa3, 0x01, 255, 255, 255, 255, 255, 255, 255]]
        {
            assert_eq!(head(unknown).unwrap().unwrap().size, None);
        }
    }

    #[test]
    fn what_is_no_head_is_malformed() {
        assert_eq!(head(&[0x08, 0x80]), Err(Malformed), "an id of five bytes");
        assert_eq!(head(&[0xa3, 0x00]), Err(Malformed), "a size of nine bytes");
    }

    #[test]
    fn a_child_that_is_longer_than_its_parent_is_malformed() {
        let mut found = children(&[0xec, 0x81, 1, 0xec, 0x82, 1]);
        assert_eq!(found.next().unwrap().unwrap().content, [1]);
        assert_eq!(found.next().unwrap().unwrap_err(), Malformed);
        assert!(found.next().is_none());
    }

    proptest! {
        #[test]
        fn elements_round_trip(value: u64, filling in 0_usize..40_000, wide: bool) {
            let mut out = Vec::new();
            put_unsigned(&mut out, id::TIMESTAMP_SCALE, value);
            let content = vec![7; filling];
            if wide {
                put_wide_head(&mut out, id::CLUSTER, filling as u64);
                out.extend_from_slice(&content);
            } else {
                put(&mut out, id::CLUSTER, &content);
            }
            let found: Vec<_> = children(&out).map(Result::unwrap).collect();
            prop_assert_eq!(found.len(), 2);
            prop_assert_eq!((found[0].id, unsigned(found[0].content)), (id::TIMESTAMP_SCALE, Ok(value)));
            prop_assert_eq!((found[1].id, found[1].content), (id::CLUSTER, &content[..]));
        }

        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            let read = children(&bytes).take_while(Result::is_ok).count();
            prop_assert!(read <= bytes.len());
        }
    }
}
