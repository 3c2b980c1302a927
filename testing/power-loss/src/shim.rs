//! SQLite's file layer of Unix, watched: what it does to one folder is noted, and fails where a test wants it to.

#![expect(unsafe_code, reason = "SQLite's file layer is a table of C functions")]

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::ffi;

use crate::disk::Operation;

/// Which operation fails, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// Half of what is to be written is, then there is an I/O error.
    Write,
    /// The sync fails, and what was to be synced is lost if the power goes.
    Sync,
    /// Half of what is to be written is, then the disk is full.
    Full,
}

/// What fails: after `after` operations of its kind, the next `times`.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Which operations, and how.
    pub failing: Failing,
    /// How many succeed before.
    pub after: usize,
    /// How many fail.
    pub times: usize,
}

#[derive(Default)]
struct Watch {
    folder: Option<PathBuf>,
    operations: Vec<Operation>,
    /// The names of the folder's open files, by where SQLite has them in memory.
    names: HashMap<usize, String>,
    fault: Option<Fault>,
    failures: usize,
    databases_opened: usize,
}

/// The functions of a file of ours, with those of the real one behind them.
#[repr(C)]
struct Methods {
    ours: ffi::sqlite3_io_methods,
    real: *const ffi::sqlite3_io_methods,
}

/// The real file layer, and its function that opens a folder to sync it.
struct Real {
    vfs: *mut ffi::sqlite3_vfs,
    open_directory: OpenDirectory,
}

// SAFETY: both are set once, before any thread reads them, and SQLite's own structures live as long as the process.
unsafe impl Send for Real {}
// SAFETY: as above; they are only read.
unsafe impl Sync for Real {}

type OpenDirectory = unsafe extern "C" fn(*const c_char, *mut c_int) -> c_int;

static REAL: OnceLock<Real> = OnceLock::new();
static POWERSAFE: AtomicBool = AtomicBool::new(false);
static WATCH: Mutex<Option<Watch>> = Mutex::new(None);

thread_local! {
    /// Whether the real file layer opened a folder, to sync it, since this was last looked at.
    static SYNCED_FOLDER: Cell<bool> = const { Cell::new(false) };
}

/// Makes the shim SQLite's default file layer in this process.
///
/// # Panics
///
/// Panics if SQLite has no file layer of Unix.
pub fn install() {
    REAL.get_or_init(|| {
        // SAFETY: SQLite is initialised; the found layer stays for ever. Our copy of it is leaked, so it does, too.
        unsafe {
            assert_eq!(ffi::sqlite3_initialize(), ffi::SQLITE_OK);
            let vfs = ffi::sqlite3_vfs_find(c"unix".as_ptr());
            assert!(!vfs.is_null(), "this needs SQLite's file layer of Unix");
            let name = c"openDirectory".as_ptr();
            let get = (*vfs).xGetSystemCall.expect("the layer of Unix has it");
            let real = get(vfs, name).expect("the layer of Unix opens folders");
            let open_directory = std::mem::transmute::<unsafe extern "C" fn(), OpenDirectory>(real);
            let set = (*vfs).xSetSystemCall.expect("the layer of Unix has it");
            let watched = std::mem::transmute::<OpenDirectory, unsafe extern "C" fn()>(open_folder);
            assert_eq!(set(vfs, name, Some(watched)), ffi::SQLITE_OK);
            let mut ours = *vfs;
            ours.zName = CString::new("watched").expect("it has no NUL").into_raw();
            ours.pNext = std::ptr::null_mut();
            ours.xOpen = Some(open);
            ours.xDelete = Some(delete);
            assert_eq!(ffi::sqlite3_vfs_register(Box::into_raw(Box::new(ours)), 1), ffi::SQLITE_OK);
            Real { vfs, open_directory }
        }
    });
}

/// Keeps others, who ask for the same, from using the shim meanwhile.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says whether a write that the power cuts off leaves what stands beside it in its sector as it is, as SQLite takes for granted. By
/// default it doesn't.
pub fn set_powersafe(is_powersafe: bool) {
    POWERSAFE.store(is_powersafe, Ordering::Relaxed);
}

/// Notes from now on what is done to the files of a folder.
pub fn watch(folder: &Path) {
    *watched() = Some(Watch { folder: Some(folder.to_owned()), ..Watch::default() });
}

/// Returns how many operations there were up to now.
#[must_use]
pub fn position() -> usize {
    watched().as_ref().map_or(0, |watch| watch.operations.len())
}

/// Ends the watch and returns all operations.
#[must_use]
pub fn end_watch() -> Vec<Operation> {
    watched().take().map(|watch| watch.operations).unwrap_or_default()
}

/// Makes operations fail from now on; with none, nothing fails any more. Returns how many did since the watch began.
pub fn set_fault(fault: Option<Fault>) -> usize {
    let mut watch = watched();
    watch.as_mut().map_or(0, |watch| {
        watch.fault = fault;
        watch.failures
    })
}

/// Returns how often a database was opened since the watch began.
#[must_use]
pub fn databases_opened() -> usize {
    watched().as_ref().map_or(0, |watch| watch.databases_opened)
}

fn watched() -> MutexGuard<'static, Option<Watch>> {
    WATCH.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    /// Returns the name of a path within the folder.
    fn name_of(&self, path: &Path) -> Option<String> {
        (path.parent() == self.folder.as_deref())
            .then(|| path.file_name()?.to_str().map(ToOwned::to_owned))?
    }

    /// Returns whether this operation is to fail.
    fn fails(&mut self, failing: &[Failing]) -> Option<Failing> {
        let fault = self.fault.as_mut().filter(|fault| failing.contains(&fault.failing))?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        let what = fault.failing;
        fault.times -= 1;
        if fault.times == 0 {
            self.fault = None;
        }
        self.failures += 1;
        Some(what)
    }
}

fn folder_was_synced() -> bool {
    SYNCED_FOLDER.with(|synced| synced.replace(false))
}

unsafe extern "C" fn open_folder(path: *const c_char, descriptor: *mut c_int) -> c_int {
    SYNCED_FOLDER.with(|synced| synced.set(true));
    let real = REAL.get().expect("the shim is installed");
    // SAFETY: passed on as they came.
    unsafe { (real.open_directory)(path, descriptor) }
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let real = REAL.get().expect("the shim is installed");
    let mut guard = watched();
    let name = guard.as_ref().and_then(|watch| {
        // SAFETY: SQLite gives a path or null.
        let path = (!path.is_null()).then(|| unsafe { CStr::from_ptr(path) })?;
        let path = Path::new(path.to_str().ok()?);
        watch.name_of(path).map(|name| (name, path.exists()))
    });
    // SAFETY: passed on as they came; our layer is a copy of the real one, with the same data.
    let answer =
        unsafe { (*real.vfs).xOpen.expect("a layer opens files")(vfs, path, file, flags, out_flags) };
    if answer != ffi::SQLITE_OK {
        return answer;
    }
    // SAFETY: the file is open, so its methods are set, to one of a few tables that live for ever.
    unsafe { (*file).pMethods = methods((*file).pMethods) };
    if let (Some(watch), Some((name, was_there))) = (guard.as_mut(), name) {
        if !was_there {
            watch.operations.push(Operation::Create(name.clone()));
        }
        watch.databases_opened += usize::from(flags & ffi::SQLITE_OPEN_MAIN_DB != 0);
        watch.names.insert(file.addr(), name);
    }
    answer
}

/// Returns our table of functions for files that have this one.
fn methods(real: *const ffi::sqlite3_io_methods) -> *const ffi::sqlite3_io_methods {
    static TABLES: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, ours)) = tables.iter().find(|(known, _)| *known == real.addr()) {
        return std::ptr::with_exposed_provenance(*ours);
    }
    // SAFETY: it is a table of SQLite's.
    let ours = ffi::sqlite3_io_methods {
        xClose: Some(close),
        xWrite: Some(write),
        xTruncate: Some(truncate),
        xSync: Some(sync),
        xDeviceCharacteristics: Some(device_characteristics),
        ..unsafe { *real }
    };
    let ours: *const Methods = Box::leak(Box::new(Methods { ours, real }));
    tables.push((real.addr(), ours.expose_provenance()));
    ours.cast()
}

/// Returns the real functions of a file.
///
/// # Safety
///
/// The file is one that [`open`] opened, and not closed.
unsafe fn real(file: *mut ffi::sqlite3_file) -> ffi::sqlite3_io_methods {
    // SAFETY: its table is the first field of a `Methods`.
    unsafe { *(*(*file).pMethods.cast::<Methods>()).real }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    if let Some(watch) = watched().as_mut() {
        watch.names.remove(&file.addr());
    }
    // SAFETY: SQLite calls this with an open file, and passed on as it came.
    unsafe { real(file).xClose.expect("a file can be closed")(file) }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    length: c_int,
    at: i64,
) -> c_int {
    let mut guard = watched();
    let named = guard.as_mut().and_then(|watch| Some((watch.names.get(&file.addr())?.clone(), watch)));
    // SAFETY: SQLite calls this with an open file.
    let real = unsafe { real(file) }.xWrite.expect("a file can be written");
    let Some((name, watch)) = named else {
        // SAFETY: passed on as they came.
        return unsafe { real(file, bytes, length, at) };
    };
    let failing = watch.fails(&[Failing::Write, Failing::Full]);
    let length = if failing.is_some() { length / 2 } else { length };
    // SAFETY: SQLite gives this many bytes, or more.
    let answer = unsafe { real(file, bytes, length, at) };
    if let (Ok(length), Ok(offset)) = (usize::try_from(length), usize::try_from(at)) {
        // SAFETY: as above.
        let written = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) };
        watch.operations.push(Operation::Write(name, offset, written.to_vec()));
    }
    match failing {
        None => answer,
        Some(Failing::Full) => ffi::SQLITE_FULL,
        Some(_) => ffi::SQLITE_IOERR_WRITE,
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    if let Some(watch) = watched().as_mut()
        && let Some(name) = watch.names.get(&file.addr()).cloned()
        && let Ok(length) = usize::try_from(length)
    {
        watch.operations.push(Operation::Truncate(name, length));
    }
    // SAFETY: SQLite calls this with an open file, and passed on as they came.
    unsafe { real(file).xTruncate.expect("a file can be truncated")(file, length) }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let mut guard = watched();
    let named = guard.as_mut().and_then(|watch| Some((watch.names.get(&file.addr())?.clone(), watch)));
    // SAFETY: SQLite calls this with an open file.
    let real = unsafe { real(file) }.xSync.expect("a file can be synced");
    let Some((name, watch)) = named else {
        // SAFETY: passed on as they came.
        return unsafe { real(file, flags) };
    };
    if watch.fails(&[Failing::Sync]).is_some() {
        watch.operations.push(Operation::FailedSync(name));
        return ffi::SQLITE_IOERR_FSYNC;
    }
    folder_was_synced();
    // SAFETY: passed on as they came.
    let answer = unsafe { real(file, flags) };
    watch.operations.push(Operation::Sync(name));
    if folder_was_synced() {
        watch.operations.push(Operation::SyncFolder);
    }
    answer
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite calls this with an open file.
    let real = unsafe { real(file).xDeviceCharacteristics.expect("a file has characteristics")(file) };
    if POWERSAFE.load(Ordering::Relaxed) { real } else { real & !ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, path: *const c_char, sync_folder: c_int) -> c_int {
    let real = REAL.get().expect("the shim is installed");
    let mut guard = watched();
    // SAFETY: SQLite gives a path.
    let name = Path::new(unsafe { CStr::from_ptr(path) }.to_str().unwrap_or_default());
    let named = guard.as_mut().and_then(|watch| Some((watch.name_of(name)?, watch)));
    folder_was_synced();
    // SAFETY: passed on as they came.
    let answer = unsafe { (*real.vfs).xDelete.expect("a layer deletes files")(vfs, path, sync_folder) };
    if let Some((name, watch)) = named
        && answer == ffi::SQLITE_OK
    {
        watch.operations.push(Operation::Delete(name));
        if folder_was_synced() {
            watch.operations.push(Operation::SyncFolder);
        }
    }
    answer
}
