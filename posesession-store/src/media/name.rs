//! The names of media objects. Names from anywhere in, paths within a session's folder out.

use object_store::path::Path as ObjectPath;
use posesession_core::SessionId;

use super::error::MediaError;

const MAX_NAME_BYTES: usize = 200;

/// Returns the path of a session's folder.
pub(super) fn folder(session: SessionId) -> ObjectPath {
    ObjectPath::from(session.0.hyphenated().to_string())
}

/// Returns the path of a session's object.
///
/// Only lower-case letters, digits, `_`, `-` and `.` are allowed, so that a name means the same on every file system
/// and in every URL.
pub(super) fn object(session: SessionId, name: &str) -> Result<ObjectPath, MediaError> {
    if name.len() > MAX_NAME_BYTES || !name.split('/').all(is_plain) {
        return Err(MediaError::BadName { name: name.chars().take(MAX_NAME_BYTES).collect() });
    }
    Ok(name.split('/').fold(folder(session), |path, part| path.join(part)))
}

/// Returns the path that a session's record names, such as `{session}/video.webm`.
pub(super) fn recorded(path: &str) -> Result<ObjectPath, MediaError> {
    let bad = || MediaError::BadName { name: path.chars().take(MAX_NAME_BYTES).collect() };
    let (session, name) = path.split_once('/').ok_or_else(bad)?;
    let id: SessionId = session.parse().map_err(|_not_an_id| bad())?;
    if id.to_string() != session {
        return Err(bad());
    }
    object(id, name)
}

fn is_plain(part: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'_' | b'-' | b'.');
    !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && part.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    const SESSION: SessionId = SessionId(Uuid::from_u128(0x0190_a5e4_0000_7000_8000_0000_0000_0001));

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        for name in [
            "", "/", "..", ".", "../x", "a/../b", "a//b", "/a", "a/", "a\\..\\b", "%2e%2e/x", "C:/x", "c:x",
            "a\0b", ".hidden", "a b", "Ä", "a#1", "a.", &long,
        ] {
            assert!(matches!(object(SESSION, name), Err(MediaError::BadName { .. })), "{name}");
            assert!(recorded(&format!("{SESSION}/{name}")).is_err(), "{name}");
        }
        for path in
            ["video.webm", "x/video.webm", "../x/video.webm", "0190A5E4-0000-7000-8000-000000000001/v"]
        {
            assert!(matches!(recorded(path), Err(MediaError::BadName { .. })), "{path}");
        }
    }

    #[test]
    fn plain_names_lie_in_the_sessions_folder() {
        let path = object(SESSION, "images/000000000000").unwrap();
        assert_eq!(path.as_ref(), "0190a5e4-0000-7000-8000-000000000001/images/000000000000");
        assert_eq!(recorded(path.as_ref()).unwrap(), path);
    }

    proptest! {
        #[test]
        fn any_name_stays_within_the_folder(name: String) {
            if let Ok(path) = object(SESSION, &name) {
                prop_assert_eq!(path.as_ref(), format!("{SESSION}/{name}"));
                prop_assert!(!name.split('/').any(|part| part == ".." || part == "." || part.is_empty()));
            }
        }
    }
}
