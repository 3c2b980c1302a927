//! Whether what is stored outlives a power loss: settings and file system in, yes or the reason why not out.

use std::fmt;
use std::path::Path;

/// Whether what a store said to be stored survives a power loss, as far as its settings and its file system tell.
///
/// # Examples
///
/// ```
/// use posesession_store::{Durability, MemoryStore, SessionStore};
///
/// let durability = MemoryStore::new().durability();
/// assert!(!durability.is_durable());
/// assert_eq!(durability.because(), Some("the sessions are kept in memory"));
/// assert_eq!(Durability::Durable.and(durability.clone()), durability);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// It does.
    Durable,
    /// It doesn't.
    Not {
        /// What takes it away, in words for whoever runs the program.
        because: String,
    },
}

impl Durability {
    pub(crate) fn not(because: impl Into<String>) -> Self {
        Self::Not { because: because.into() }
    }

    /// Returns whether it is [`Durability::Durable`].
    #[must_use]
    pub fn is_durable(&self) -> bool {
        *self == Self::Durable
    }

    /// Returns why it isn't durable.
    #[must_use]
    pub fn because(&self) -> Option<&str> {
        match self {
            Self::Durable => None,
            Self::Not { because } => Some(because),
        }
    }

    /// Returns the durability of what lies in two places: durable if both are, with all reasons if not.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Durable, other) => other,
            (this, Self::Durable) => this,
            (Self::Not { because: this }, Self::Not { because: other }) if this == other => Self::not(this),
            (Self::Not { because: this }, Self::Not { because: other }) => {
                Self::not(format!("{this}; {other}"))
            }
        }
    }

    /// Looks whether the file system under a folder keeps what it is asked to sync. One that isn't known is taken for one that
    /// does.
    pub(crate) fn of_folder(folder: &Path) -> Self {
        let found = mount_of(folder);
        match found.as_ref().and_then(|mount| mount.loses()) {
            None => Self::Durable,
            Some(how) => Self::not(format!("`{}` lies on {how}", folder.display())),
        }
    }
}

/// Says `durable`, or `not durable: ` and why.
impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Durable => f.write_str("durable"),
            Self::Not { because } => write!(f, "not durable: {because}"),
        }
    }
}

/// What is mounted somewhere.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    file_system: String,
    options: String,
}

impl Mount {
    /// Returns how this mount loses what was synced; none if it doesn't, as far as is known.
    fn loses(&self) -> Option<String> {
        let Self { file_system, options } = self;
        if matches!(file_system.as_str(), "tmpfs" | "ramfs" | "devtmpfs") {
            return Some(format!("{file_system}, which is memory: it is gone when the machine is"));
        }
        let unsafe_option = options.split(',').find(|option| match *option {
            // Overlays of containers that are thrown away anyway: no sync reaches the disk.
            "volatile" => file_system == "overlay",
            "nobarrier" | "barrier=0" => true,
            _ => false,
        })?;
        Some(format!("{file_system} mounted with `{unsafe_option}`: what is synced may still be lost"))
    }
}

/// Finds what is mounted where a folder is, by the number of its device.
#[cfg(target_os = "linux")]
fn mount_of(folder: &Path) -> Option<Mount> {
    use std::os::linux::fs::MetadataExt;
    let folder = if folder == Path::new("") { Path::new(".") } else { folder };
    let device = std::fs::metadata(folder).ok()?.st_dev();
    // As `makedev` of the C library puts them together.
    let major = ((device >> 32) & 0xffff_f000) | ((device >> 8) & 0xfff);
    let minor = ((device >> 12) & 0xffff_ff00) | (device & 0xff);
    find_mount(&std::fs::read_to_string("/proc/self/mountinfo").ok()?, &format!("{major}:{minor}"))
}

#[cfg(not(target_os = "linux"))]
fn mount_of(_folder: &Path) -> Option<Mount> {
    None
}

/// Finds a device, `major:minor`, in the kernel's list: `36 35 98:0 /root /mount options [optional...] - type source options`.
#[cfg(target_os = "linux")]
fn find_mount(list: &str, device: &str) -> Option<Mount> {
    let line = list.lines().find(|line| line.split(' ').nth(2) == Some(device))?;
    let mut fields = line.split(" - ").nth(1)?.split(' ');
    let file_system = fields.next()?.to_owned();
    Some(Mount { file_system, options: fields.nth(1).unwrap_or_default().to_owned() })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 28 0:20 / /proc rw,relatime - proc proc rw
28 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 28 0:25 / /dev/shm rw - tmpfs tmpfs rw,size=64k
31 28 0:26 / /volatile rw - overlay overlay rw,lowerdir=/a,upperdir=/b,workdir=/c,volatile
32 28 0:27 / /container rw - overlay overlay rw,lowerdir=/a,upperdir=/b,workdir=/c
33 28 8:1 / /fast rw - ext4 /dev/sda1 rw,nobarrier
";

    #[test]
    fn file_systems_that_lose_what_was_synced_are_known() {
        let loses = |device| find_mount(MOUNTS, device).unwrap().loses();
        assert_eq!(loses("254:0"), None);
        assert_eq!(loses("0:27"), None);
        assert!(loses("0:25").unwrap().starts_with("tmpfs, which is memory"));
        assert!(loses("0:26").unwrap().contains("`volatile`"));
        assert!(loses("8:1").unwrap().contains("`nobarrier`"));
        assert_eq!(find_mount(MOUNTS, "9:9"), None);
    }

    #[test]
    fn a_folder_in_memory_is_not_durable() {
        let shared_memory = Path::new("/dev/shm");
        if mount_of(shared_memory).is_some_and(|mount| mount.file_system == "tmpfs") {
            let because = Durability::of_folder(shared_memory).because().map(ToOwned::to_owned);
            assert!(because.unwrap().contains("`/dev/shm` lies on tmpfs"));
        }
        assert!(mount_of(Path::new("/proc")).is_some(), "the kernel's list is understood");
        assert_eq!(Durability::of_folder(Path::new("/nowhere")), Durability::Durable);
    }
}
