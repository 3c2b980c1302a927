//! Replays the newest session of a SQLite file, paced in real time: seeks to its middle, plays at double rate.
//!
//! `cargo run --example record -- squat.db && cargo run --example replay -- squat.db`

use std::sync::Arc;
use std::time::Instant;

use posesession::core::{SeekMode, SeekTarget};
use posesession::{CursorOutput, ReplayCursor, SessionExtent, SessionQuery, SessionStore, SqliteStore};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "squat.db".to_owned());
    let store = SqliteStore::open(&path).await?;
    let newest = store.list_sessions(&SessionQuery { limit: 1, ..SessionQuery::default() }).await?;
    let Some(session) = newest.sessions.first() else {
        println!("{path} has no session yet: run `cargo run --example record -- {path}` first");
        return Ok(());
    };
    println!("{} of {}, {} frames", session.name, session.created_at, session.frame_count);

    let extent = SessionExtent { frame_count: session.frame_count, duration: session.duration, live: false };
    let mut cursor = ReplayCursor::new(extent);
    let begun = Instant::now();
    cursor.seek(begun.elapsed(), SeekTarget::Fraction(0.5), SeekMode::Before)?;
    cursor.play(begun.elapsed(), Some(2.0))?;
    loop {
        match cursor.poll(begun.elapsed()) {
            CursorOutput::NeedChunk(query) => {
                let stored = store.covering_chunk(session.id, query).await?;
                cursor.push_chunk(begun.elapsed(), query, Arc::new(stored.chunk))?;
            }
            CursorOutput::Frame(shown) => {
                let frame = shown.frame();
                let [x, y] = [0, 1].map(|i| frame.pose.values.get(i).copied().unwrap_or(f32::NAN));
                println!(
                    "{:8.3} s  frame {:4}  nose at {x:.3}, {y:.3}",
                    frame.timestamp.as_secs_f64(),
                    frame.frame_number
                );
            }
            CursorOutput::StateChanged(state) => println!("-- {} at rate {}", state.status, state.rate),
            CursorOutput::WaitUntil(time) => tokio::time::sleep(time.saturating_sub(begun.elapsed())).await,
            CursorOutput::Ended => break,
            _ => {}
        }
    }
    Ok(())
}
