//! A real Postgres of one's own for tests and benches: on a free port of this machine alone, in a scratch folder, gone with
//! the process that started it, however that ends.

mod process;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use process::{Account, Process};
use tempfile::TempDir;

/// What to do where there is no Postgres.
const MISSING: &str = "this needs the Postgres server, version 13 or later: `make setup` installs it \
                       (Debian: apt-get install postgresql; others: put `initdb` and `postgres` on the PATH)";

/// A Postgres server. It stops, and its folder goes, when it is dropped or its process ends.
#[derive(Debug)]
pub struct ScratchPostgres {
    programs: PathBuf,
    account: Option<Account>,
    folder: TempDir,
    port: u16,
    settings: Vec<String>,
    process: Mutex<Option<Process>>,
    schemas: AtomicU64,
}

/// How a server is to be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Connections are cut off, everything is written: `systemctl restart`.
    Fast,
    /// At once, without writing anything: it recovers when it starts the next time.
    Immediate,
    /// All its processes by `kill -9`.
    Kill,
}

impl ScratchPostgres {
    /// Starts a server with the settings that Postgres has by default.
    ///
    /// # Panics
    ///
    /// Panics if Postgres is missing (saying what to install) or doesn't start.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with settings such as `fsync=off`.
    ///
    /// # Panics
    ///
    /// As [`ScratchPostgres::start`].
    #[must_use]
    pub fn start_with(settings: &[&str]) -> Self {
        let programs = programs().expect(MISSING);
        let account = Account::unprivileged();
        let folder = tempfile::Builder::new().prefix("posesession-postgres-").tempdir();
        let folder = folder.expect("a scratch folder");
        if let Some(account) = &account {
            account.give(folder.path());
        }
        let mut server = Self {
            programs,
            account,
            folder,
            port: 0,
            settings: settings.iter().map(|setting| (*setting).to_owned()).collect(),
            process: Mutex::new(None),
            schemas: AtomicU64::new(0),
        };
        server.make_data_folder();
        // A port that is free now may be taken a moment later: then it is another one.
        let started = (0..5).any(|_| {
            server.port = free_port();
            server.launch().is_ok()
        });
        if !started {
            server.resume();
        }
        server
    }

    /// Returns the one server of this process, started when it is first asked for.
    ///
    /// # Panics
    ///
    /// As [`ScratchPostgres::start`].
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<ScratchPostgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Returns the address of the server's own database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Makes an empty schema and returns the address under which it is the only one seen: as good as a database of one's
    /// own, and made in no time.
    ///
    /// # Panics
    ///
    /// Panics if the server doesn't do it.
    #[must_use]
    pub fn schema(&self) -> String {
        let name = format!("scratch_{}", self.schemas.fetch_add(1, Ordering::Relaxed));
        self.sql(&format!("CREATE SCHEMA {name}"));
        format!("{}?options=-csearch_path%3D{name}", self.url())
    }

    /// Runs SQL by `psql` and returns what it prints: a line a row, columns separated by `|`.
    ///
    /// # Panics
    ///
    /// Panics if a statement fails.
    pub fn sql(&self, sql: &str) -> String {
        self.sql_at(&self.url(), sql)
    }

    /// Runs SQL as [`ScratchPostgres::sql`] does, at an address that [`ScratchPostgres::schema`] gave.
    ///
    /// # Panics
    ///
    /// Panics if a statement fails.
    pub fn sql_at(&self, url: &str, sql: &str) -> String {
        let psql = self.programs.join("psql");
        let output = Command::new(psql).args(["-XAtq", "-v", "ON_ERROR_STOP=1", url, "-c", sql]).output();
        let output = output.expect("psql is where the server is");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Stops the server and returns once all its processes are gone.
    pub fn stop(&self, how: Stop) {
        if let Some(process) = self.process.lock().unwrap_or_else(PoisonError::into_inner).take() {
            process.stop(how, &self.data());
        }
    }

    /// Starts a stopped server again, on the same port, and returns once it takes connections.
    ///
    /// # Panics
    ///
    /// Panics with the server's log if it doesn't start.
    pub fn resume(&self) {
        if let Err(log) = self.launch() {
            panic!("Postgres doesn't start:\n{log}");
        }
    }

    /// Returns where the server keeps its data.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn launch(&self) -> Result<(), String> {
        let mut command = vec![
            self.programs.join("postgres").into_os_string(),
            "-D".into(),
            self.data().into_os_string(),
            "-p".into(),
            self.port.to_string().into(),
        ];
        let own = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "logging_collector=off"];
        for setting in own.into_iter().chain(self.settings.iter().map(String::as_str)) {
            command.extend(["-c".into(), setting.into()]);
        }
        let process = Process::start(self.account.as_ref(), &command, self.folder.path())?;
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        Ok(())
    }

    fn make_data_folder(&self) {
        let initdb = self.programs.join("initdb").into_os_string();
        let data = self.data().into_os_string();
        let options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"];
        let mut command = vec![initdb];
        command.extend(options.map(Into::into));
        command.push(data);
        let output =
            process::command(self.account.as_ref(), &command).current_dir(self.folder.path()).output();
        let output = output.expect("initdb is where it was found");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for ScratchPostgres {
    fn drop(&mut self) {
        self.stop(Stop::Immediate);
    }
}

/// Finds the folder of the newest Postgres: Debian keeps the versions side by side, others have one on the PATH.
fn programs() -> Option<PathBuf> {
    let is_there =
        |folder: &Path| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).exists());
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(version, folder)| *version >= 13 && is_there(folder))
        .collect();
    versions.sort();
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| is_there(folder))
    };
    versions.pop().map(|(_, folder)| folder).or_else(on_path)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port of this machine");
    listener.local_addr().expect("it is bound").port()
}
