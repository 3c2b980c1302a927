//! What is checked once the faults end.

use posesession_core::IncomingFrame;

use super::super::client::Said;
use super::super::server::Planted;
use super::{Step, World, missing};

impl World {
    /// Checks that everything taken is stored or accounted for.
    pub(super) fn check_all(&mut self) {
        let mut missing_now = self.missing;
        if let Some(server) = &self.server {
            missing_now += missing(&server.recorder.report());
        }
        let unexplained: u64 = self.ledgers.iter().map(|ledger| ledger.unexplained).sum();
        assert!(unexplained <= missing_now, "{unexplained} frames are missing, {missing_now} are counted");
        for client in 0..2 {
            if !self.clients[client].is_out && !self.ledgers[client].is_put_out {
                let acked = self.clients[client].acked.map_or(0, |acked| self.place(client, acked) + 1);
                assert_eq!(acked, self.ledgers[client].stored.len(), "all frames of {client} are settled");
            }
        }
        self.check_report();
        self.tell_again();
    }

    /// Checks the last report against what the streamer took and dropped, if it alone published.
    fn check_report(&self) {
        let Some(server) = &self.server else { return };
        let report = server.recorder.report();
        server.books.check(&report);
        let in_store = report.stored_before + report.stored;
        assert_eq!(in_store, self.store.frames.len() as u64, "what is stored is all in the report");
        let (client, ledger) = (&self.clients[server.publisher], &self.ledgers[server.publisher]);
        let Some(first) = server.books.only_first().filter(|_| !client.is_out && !ledger.is_put_out) else {
            return;
        };
        let end = client.first + client.taken;
        assert_eq!(report.sent, end - first, "what was taken was sent, or told as dropped");
        let lost = (first..end).filter(|&number| {
            client.is_dropped(number) && !ledger.stored[self.place(server.publisher, number)]
        });
        let dropped: u64 = report.dropped.values().sum();
        let others = report.paused + missing(&report);
        let lost = lost.count() as u64;
        assert!(dropped <= lost && lost <= dropped + others, "{lost} were dropped: {report:?}");
        assert!(others > 0 || dropped == lost, "{lost} were dropped: {report:?}");
        assert!(self.settings.reorders || missing(&report) == 0, "nothing goes missing in order: {report:?}");
    }

    /// Tells the server everything again, and then the same numbers with something else.
    fn tell_again(&mut self) {
        let Some(server) = &mut self.server else { return };
        if !server.recorder.status().is_live() {
            return;
        }
        let (publisher, first) = (server.publisher, self.clients[server.publisher].first);
        let Some(acked) = self.clients[publisher].acked else { return };
        let connection = server.connection.unwrap_or_default();
        let (stored, reported) = (self.store.frames.len(), server.recorder.report().sent);
        for later in [0, 1] {
            for (number, taken_at) in (first..=acked).zip(&self.ledgers[publisher].taken_at) {
                let said = Said::Frame { number, taken_at: taken_at.plus_micros(later) };
                if later == 0 {
                    server.hear(self.now, publisher, connection, said, Planted::Nothing);
                } else {
                    let mut other =
                        IncomingFrame { timestamp: taken_at.plus_micros(1), ..server.frame.clone() };
                    other.number = Some(number);
                    let _refused = server.recorder.handle_frame(self.now, &mut other);
                }
            }
        }
        self.step(Step::Wait(600));
        self.commit_all();
        assert_eq!(self.store.frames.len(), stored, "telling it again changes nothing");
        if let Some(server) = &self.server {
            let sent = server.recorder.report().sent;
            assert_eq!(sent, reported, "nor is it counted as sent once more");
        }
    }
}
