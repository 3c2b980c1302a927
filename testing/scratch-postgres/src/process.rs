//! The server's processes: started under an account that Postgres accepts, ended with whoever started them.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::Stop;

/// Runs the server until the pipe on its standard input closes, which it does when the process at the other end is gone:
/// then the server goes, too, and the folder with it.
const WATCH: &str = r#"
folder=$1; shift
"$@" </dev/null &
server=$!
cat >/dev/null
kill -QUIT $server 2>/dev/null
wait $server
[ -e "$folder/keep" ] || rm -rf "$folder"
"#;

/// An account that isn't root, under which Postgres refuses to run.
#[derive(Debug)]
pub(crate) struct Account {
    name: String,
    user: u32,
    group: u32,
}

impl Account {
    /// Returns the account to change to, if this process is root's.
    pub(crate) fn unprivileged() -> Option<Self> {
        if std::fs::metadata("/proc/self").ok()?.uid() != 0 {
            return None;
        }
        let accounts = std::fs::read_to_string("/etc/passwd").expect("the system's accounts");
        let named = |wanted: &str| {
            let line = accounts.lines().find(|line| line.split(':').next() == Some(wanted))?;
            let number = |place| line.split(':').nth(place)?.parse().ok();
            Some(Self { name: wanted.to_owned(), user: number(2)?, group: number(3)? })
        };
        let account = named("postgres").or_else(|| named("nobody"));
        Some(account.expect("Postgres doesn't run as root, and there is no account `postgres` or `nobody`"))
    }

    /// Makes a folder the account's own.
    pub(crate) fn give(&self, folder: &Path) {
        std::os::unix::fs::chown(folder, Some(self.user), Some(self.group)).expect("root may give it away");
    }
}

/// Makes a command that runs under the account.
pub(crate) fn command(account: Option<&Account>, words: &[OsString]) -> Command {
    let Some(account) = account else {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        return command;
    };
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={}", account.name))
        .arg(format!("--regid={}", account.group))
        .args(["--clear-groups", "--"])
        .args(words);
    command
}

/// A running server and the shell that watches over it.
#[derive(Debug)]
pub(crate) struct Process {
    watcher: Child,
    /// Closed to end the server.
    pipe: ChildStdin,
}

impl Process {
    /// Starts a server and waits until it says that it takes connections; else returns what it said.
    pub(crate) fn start(
        account: Option<&Account>,
        server: &[OsString],
        folder: &Path,
    ) -> Result<Self, String> {
        let mut words: Vec<OsString> = ["sh", "-c", WATCH, "sh"].map(Into::into).into();
        words.push(folder.into());
        words.extend_from_slice(server);
        let mut watcher = command(account, &words)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell can be started");
        let pipe = watcher.stdin.take().expect("it is piped");
        let mut log = BufReader::new(watcher.stderr.take().expect("it is piped")).lines();
        let mut said = String::new();
        let process = Self { watcher, pipe };
        for line in log.by_ref().map_while(Result::ok) {
            if line.contains("database system is ready to accept connections") {
                // Nobody reads the rest, but it must not fill the pipe.
                std::thread::spawn(move || log.for_each(drop));
                return Ok(process);
            }
            // Clients that come too early are told so in the log, too.
            let is_fatal = line.contains("FATAL:") && !line.contains("FATAL:  the database system is");
            let is_over = line.contains("database system is shut down") || is_fatal;
            said.push_str(&line);
            said.push('\n');
            if is_over {
                break;
            }
        }
        std::fs::write(folder.join("keep"), "").expect("the folder takes a file");
        process.end();
        Err(said)
    }

    pub(crate) fn stop(self, how: Stop, data: &Path) {
        let folder = data.parent().expect("the data folder is in the scratch folder");
        std::fs::write(folder.join("keep"), "").expect("the folder takes a file");
        if let Some(server) = server_of(data) {
            if how == Stop::Kill {
                // It must not get more children meanwhile: one that is left keeps the next server from starting.
                signal("-STOP", &[server]);
            }
            let family = [vec![server], children_of(server)].concat();
            match how {
                Stop::Fast => signal("-INT", &[server]),
                Stop::Immediate => signal("-QUIT", &[server]),
                Stop::Kill => signal("-KILL", &family),
            }
            while family.iter().any(|process| is_running(*process)) {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        self.end();
        std::fs::remove_file(folder.join("keep")).expect("it was made above");
    }

    fn end(mut self) {
        drop(self.pipe);
        self.watcher.wait().expect("the shell was started");
    }
}

/// Reads the first process of the server from the file that it keeps.
fn server_of(data: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok()
}

fn children_of(server: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|&id| stat(id).is_some_and(|(_, parent)| parent == server)).collect()
}

fn is_running(process: u32) -> bool {
    stat(process).is_some_and(|(state, _)| state != "Z")
}

/// Reads a process's state and its parent.
fn stat(process: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before them may contain anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn signal(which: &str, processes: &[u32]) {
    let ids = processes.iter().map(u32::to_string);
    // One that is gone already is as good as signalled.
    let _status = Command::new("kill").arg(which).args(ids).stderr(Stdio::null()).status();
}
