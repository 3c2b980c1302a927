//! Everything together: steps in, and after each of them the invariants.
//!
//! - No loss: every number that a streamer was told is settled is stored, or was dropped by its own buffer, or was refused to it, or
//!   is counted as missing.
//! - No invention, no double, no disorder: what is stored is what was taken, in the order of its numbers, each once.
//! - What a streamer is told never goes back, and what it is told when it resumes counts as an acknowledgement.
//! - Once the faults end, everything taken is stored or accounted for, and no buffer holds anything.
//! - Telling everything again changes nothing.
//! - After a take-over, no frame of the one who was put out is stored.

mod ending;

use std::time::Duration;

use posesession_core::{Overflow, QualityReport, RecorderConfig, Skeleton, Timestamp, UnackedLimits};

use super::client::{Client, Said, Told};
use super::dice::mix;
use super::server::{Planted, Server};
use super::store::{Fenced, Store};

/// What can happen next. `usize` is the streamer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The camera yields a frame, so long after the one before.
    Take(usize, i64),
    /// A message reaches the server: the first, or one that overtakes so many others.
    Deliver(usize, usize),
    /// A message reaches the streamer.
    Hear(usize),
    /// The connection breaks; so many messages still arrive.
    Cut(usize, usize),
    Connect(usize, bool),
    /// The oldest frame is sent once more.
    Repeat(usize),
    /// Time passes, in milliseconds.
    Wait(u64),
    /// The store takes the next batch.
    Commit,
    /// It does, but the server doesn't learn of it.
    CommitUnknown,
    Crash,
    /// A server that is thought dead puts what it has into the store.
    Haunt,
    PauseOrResume,
    Finish,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) limits: UnackedLimits,
    /// Messages may overtake each other.
    pub(crate) reorders: bool,
    pub(crate) chunk_frames: usize,
    pub(crate) pending_bytes: usize,
    pub(crate) planted: Planted,
}

impl Settings {
    pub(crate) fn buffer(frames: usize, overflow: Overflow) -> UnackedLimits {
        UnackedLimits { max_bytes: 100 * frames, max_age: Duration::from_secs(1 << 30), overflow }
    }
}

/// What the world remembers of one streamer, to judge by.
#[derive(Debug, Default)]
struct Ledger {
    taken_at: Vec<Timestamp>,
    stored: Vec<bool>,
    /// The recorder refused the frame to its face: it was paused, or late.
    refused: Vec<bool>,
    last_stored: Option<u64>,
    /// How far it was checked that what was acknowledged is stored.
    checked: usize,
    /// Numbers that are neither stored nor accounted for by themselves: they have to be counted as missing.
    unexplained: u64,
    is_put_out: bool,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) server: Option<Server>,
    pub(crate) clients: [Client; 2],
    pub(crate) now: Duration,
    settings: Settings,
    skeleton: Skeleton,
    ghosts: Vec<Server>,
    ledgers: [Ledger; 2],
    /// How many stored frames were looked at.
    looked_at: usize,
    /// Missing by the reports of all servers.
    missing: u64,
    next_connection: u64,
    camera: Timestamp,
    pub(crate) crashes: u64,
}

impl World {
    pub(crate) fn new(settings: Settings, skeleton: &Skeleton) -> Self {
        let clients = [Client::new(5, settings.limits), Client::new(0, settings.limits)];
        Self {
            store: Store::default(),
            server: None,
            clients,
            now: Duration::ZERO,
            settings,
            skeleton: skeleton.clone(),
            ghosts: Vec::new(),
            ledgers: [Ledger::default(), Ledger::default()],
            looked_at: 0,
            missing: 0,
            next_connection: 1,
            camera: Timestamp::from_micros(1_700_000_000_000_000),
            crashes: 0,
        }
    }

    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Take(client, micros) => self.take(client, micros),
            Step::Deliver(client, overtaken) => self.deliver(client, overtaken),
            Step::Hear(client) => self.hear(client),
            Step::Cut(client, arriving) => self.clients[client].cut(arriving),
            Step::Connect(client, take_over) => {
                self.clients[client].connect(self.next_connection, take_over);
                self.next_connection += 1;
            }
            Step::Repeat(client) => self.clients[client].repeat(),
            Step::Wait(millis) => {
                self.now += Duration::from_millis(millis);
                if let Some(server) = &mut self.server {
                    server.poll(self.now);
                }
            }
            Step::Commit => {
                let told = self.server.as_mut().and_then(|server| server.commit(&mut self.store).unwrap());
                self.look();
                self.tell(told);
            }
            Step::CommitUnknown => self.commit_unknown(),
            Step::Crash => self.crash(),
            Step::Haunt => self.haunt(),
            Step::PauseOrResume => {
                if let Some(server) = self.live_server() {
                    let now = server.1;
                    server.0.pause_or_resume(now);
                }
            }
            Step::Finish => {
                if let Some((server, now)) = self.live_server() {
                    server.finish(now);
                }
            }
        }
        if self.settings.planted == Planted::AckBeforeCommit {
            self.acknowledge_what_waits();
        }
    }

    /// Returns whether there is a server that is thought dead and has something to store.
    pub(crate) fn is_haunted(&self) -> bool {
        !self.ghosts.is_empty()
    }

    fn live_server(&mut self) -> Option<(&mut Server, Duration)> {
        let server = self.server.as_mut().filter(|server| server.recorder.status().is_live());
        server.map(|server| (server, self.now))
    }

    fn take(&mut self, client: usize, micros: i64) {
        self.camera = self.camera.plus_micros(micros);
        let before = self.clients[client].taken;
        self.clients[client].take(self.now, self.camera);
        if self.clients[client].taken > before {
            let ledger = &mut self.ledgers[client];
            ledger.taken_at.push(self.camera);
            ledger.stored.push(false);
            ledger.refused.push(false);
        }
    }

    fn deliver(&mut self, client: usize, overtaken: usize) {
        if self.server.as_ref().is_some_and(|server| server.recorder.is_full()) {
            return;
        }
        let queue = &mut self.clients[client].to_server;
        let is_frame = |said: &(u64, Said)| matches!(said.1, Said::Frame { .. });
        // The first frame that comes starts the numbering: one below it that never comes is nobody's to miss.
        let has_begun =
            self.server.as_ref().is_some_and(|server| server.recorder.settled_through().is_some());
        let is_movable = has_begun && queue.iter().take(overtaken + 1).all(is_frame);
        let place = if self.settings.reorders && is_movable {
            overtaken.min(queue.len().saturating_sub(1))
        } else {
            0
        };
        let Some((connection, said)) = queue.remove(place) else { return };
        let told = self.say(client, connection, said);
        if let Some(told) = told
            && self.clients[client].connection == Some(connection)
        {
            self.clients[client].to_client.push_back((connection, told));
        }
    }

    /// Lets the server hear something, starting one if there is none.
    fn say(&mut self, client: usize, connection: u64, said: Said) -> Option<Told> {
        if let Said::Resume { take_over } = said {
            if self.store.is_finished {
                let is_own = self.store.publisher == Some(client);
                return Some(Told::Ended { stored_through: self.store.settled.filter(|_| is_own) });
            }
            if self.server.is_none() {
                if !take_over && self.store.publisher.is_some_and(|publisher| publisher != client) {
                    return Some(Told::Busy);
                }
                let config = RecorderConfig {
                    max_chunk_frames: self.settings.chunk_frames,
                    max_pending_bytes: self.settings.pending_bytes,
                    ..RecorderConfig::default()
                };
                self.server = Some(Server::start(&mut self.store, client, config, &self.skeleton));
            }
        }
        let server = self.server.as_mut()?;
        let mut told = server.hear(self.now, client, connection, said, self.settings.planted);
        if let Some(number) = server.refused.take() {
            let place = self.place(client, number);
            self.ledgers[client].refused[place] = true;
        }
        if let Some(Told::Resumed { stored_through }) = &mut told {
            self.ledgers[client].is_put_out = false;
            self.ledgers[1 - client].is_put_out = true;
            if self.settings.planted == Planted::LostLastAck {
                *stored_through = self.clients[client].acked;
            }
        }
        told
    }

    fn hear(&mut self, client: usize) {
        let Some((connection, told)) = self.clients[client].to_client.pop_front() else { return };
        self.clients[client].hear(connection, told);
        self.check_acknowledged(client);
    }

    fn tell(&mut self, told: Option<Told>) {
        let Some((server, told)) = self.server.as_ref().zip(told) else { return };
        let client = &mut self.clients[server.publisher];
        if let Some(connection) =
            server.connection.filter(|&connection| client.connection == Some(connection))
        {
            client.to_client.push_back((connection, told));
        }
    }

    fn commit_unknown(&mut self) {
        let Some(server) = &mut self.server else { return };
        if let Some(super::server::Waiting::Batch(_, batch)) = server.waiting.front() {
            self.store.append(server.term, batch).unwrap();
            self.look();
        }
    }

    fn crash(&mut self) {
        let Some(server) = self.server.take() else { return };
        self.crashes += 1;
        self.missing += missing(&server.recorder.report());
        for client in &mut self.clients {
            client.cut(0);
        }
        for mut exorcised in std::mem::replace(&mut self.ghosts, vec![server]) {
            exorcised.interrupt(self.now);
        }
    }

    fn haunt(&mut self) {
        for mut ghost in std::mem::take(&mut self.ghosts) {
            let before = missing(&ghost.recorder.report());
            ghost.interrupt(self.now);
            self.missing += missing(&ghost.recorder.report()) - before;
            if self.settings.planted == Planted::TermIgnored {
                ghost.term = self.store.term;
            }
            while !ghost.waiting.is_empty() {
                match ghost.commit(&mut self.store) {
                    Ok(_) => self.look(),
                    Err(Fenced) => break,
                }
            }
        }
    }

    fn acknowledge_what_waits(&mut self) {
        let Some(server) = &self.server else { return };
        let Some(super::server::Waiting::Batch(publisher, batch)) = server.waiting.back() else { return };
        if *publisher == server.publisher && batch.settled_through > self.clients[*publisher].acked {
            self.tell(Some(Told::Ack { stored_through: batch.settled_through }));
        }
    }

    fn place(&self, client: usize, number: u64) -> usize {
        usize::try_from(number - self.clients[client].first).unwrap()
    }

    /// Checks what was stored since.
    fn look(&mut self) {
        for place in self.looked_at..self.store.frames.len() {
            let (client, number) = self.store.frames[place];
            let at = self.place(client, number);
            let ledger = &mut self.ledgers[client];
            assert!(at < ledger.stored.len(), "frame {number} of {client} was never taken");
            assert!(
                ledger.last_stored < Some(number),
                "frame {number} of {client} after {:?}",
                ledger.last_stored
            );
            ledger.last_stored = Some(number);
            ledger.stored[at] = true;
            let later = (0..place).rev().take(1).map(|place| self.store.frames[place].0);
            for before in later {
                assert!(before == client || self.ledgers[before].is_put_out, "{client} pushed in");
            }
            let is_fenced = self.ledgers[client].is_put_out && self.store.publisher != Some(client);
            assert!(!is_fenced, "frame {number} of {client} is stored after another took over");
        }
        self.looked_at = self.store.frames.len();
    }

    /// Checks that what the streamer was told is settled is stored, or accounted for.
    fn check_acknowledged(&mut self, client: usize) {
        let Some(acked) = self.clients[client].acked else { return };
        let end = self.place(client, acked) + 1;
        let ledger = &mut self.ledgers[client];
        assert!(end <= ledger.stored.len(), "number {acked} was never sent");
        for place in ledger.checked..end {
            let number = self.clients[client].first + place as u64;
            let is_explained =
                ledger.stored[place] || ledger.refused[place] || self.clients[client].is_dropped(number);
            if !is_explained {
                assert!(self.settings.reorders, "frame {number} of {client} is acknowledged and lost");
                ledger.unexplained += 1;
            }
        }
        ledger.checked = ledger.checked.max(end);
    }

    /// Ends all faults, and checks that everything comes to its end.
    pub(crate) fn heal(&mut self, finishes: bool) {
        if self
            .server
            .as_ref()
            .is_none_or(|server| server.recorder.status() == posesession_core::SessionStatus::Paused)
        {
            self.step(Step::PauseOrResume);
        }
        for client in 0..2 {
            if self.clients[client].connection.is_some() || self.clients[client].taken > 0 {
                self.step(Step::Cut(client, 0));
                if !self.clients[client].is_out {
                    self.step(Step::Connect(client, false));
                }
            }
        }
        for _round in 0..4 {
            self.settle_all();
        }
        for client in 0..2 {
            let is_done = self.clients[client].is_out || self.clients[client].unacked.is_settled();
            assert!(is_done, "streamer {client} waits for ever: {:?}", self.clients[client].unacked);
        }
        if finishes {
            self.step(Step::Finish);
            self.settle_all();
        }
        self.check_all();
    }

    fn settle_all(&mut self) {
        for client in 0..2 {
            while !self.clients[client].to_server.is_empty() {
                let before = self.clients[client].to_server.len();
                self.step(Step::Deliver(client, 0));
                if self.clients[client].to_server.len() == before {
                    self.commit_all();
                }
                while !self.clients[client].to_client.is_empty() {
                    self.step(Step::Hear(client));
                }
            }
        }
        self.step(Step::Wait(600));
        self.commit_all();
        for client in 0..2 {
            while !self.clients[client].to_client.is_empty() {
                self.step(Step::Hear(client));
            }
        }
    }

    fn commit_all(&mut self) {
        while self.server.as_ref().is_some_and(|server| !server.waiting.is_empty()) {
            self.step(Step::Commit);
        }
    }

    /// Returns what tells this state from others: all that anything to come depends on.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut fingerprint = 1;
        self.store.fingerprint(&mut fingerprint);
        let mut connections = Vec::new();
        let mut name = |connection: Option<u64>| {
            connections.iter().position(|&known| known == connection).unwrap_or_else(|| {
                connections.push(connection);
                connections.len() - 1
            }) as u64
        };
        mix(&mut fingerprint, name(None));
        if let Some(server) = &self.server {
            mix(&mut fingerprint, name(server.connection));
            server.fingerprint(&mut fingerprint);
        }
        for (client, ledger) in self.clients.iter().zip(&self.ledgers) {
            client.fingerprint(&mut name, &mut fingerprint);
            mix(&mut fingerprint, u64::from(ledger.is_put_out));
        }
        for ghost in &self.ghosts {
            mix(&mut fingerprint, ghost.term);
            ghost.fingerprint(&mut fingerprint);
        }
        fingerprint
    }
}

fn missing(report: &QualityReport) -> u64 {
    report.missing + report.missing_in_pauses
}
