//! What is done to a connection: text in, a plan out.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// What is done to one connection. By default nothing.
///
/// As text: `up: piece=1, delay=0-20, reset=1000; down: stall=500`, with delays in milliseconds; `both:` is for both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// From the client to the server.
    pub up: Direction,
    /// From the server to the client.
    pub down: Direction,
}

/// What is done to one direction of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Direction {
    /// The most bytes that are written at once; none for as many as there are.
    pub piece: Option<usize>,
    /// How long each piece is held back, drawn anew for each.
    pub delay: Option<RangeInclusive<Duration>>,
    /// What happens once so many bytes were passed on.
    pub end: Option<(u64, End)>,
}

/// How a direction, or the connection with it, ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Both sides see the end of both directions.
    Close,
    /// Both sides see a reset connection.
    Reset,
    /// The receiver sees the end of this direction; the other one goes on.
    HalfClose,
    /// Nothing more is taken from the sender, and nobody is told.
    Stall,
    /// Everything is taken from the sender and thrown away, and nobody is told.
    BlackHole,
}

impl End {
    const WORDS: [(&'static str, Self); 5] = [
        ("close", Self::Close),
        ("reset", Self::Reset),
        ("half_close", Self::HalfClose),
        ("stall", Self::Stall),
        ("black_hole", Self::BlackHole),
    ];
}

impl FromStr for End {
    type Err = PlanError;

    fn from_str(word: &str) -> Result<Self, PlanError> {
        let found = Self::WORDS.iter().find(|(name, _)| *name == word);
        found.map(|(_, end)| *end).ok_or_else(|| PlanError { words: word.to_owned() })
    }
}

impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let mut plan = Self::default();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let unknown = || PlanError { words: part.to_owned() };
            let (name, settings) = part.split_once(':').ok_or_else(unknown)?;
            let direction: Direction = settings.parse()?;
            match name.trim() {
                "up" => plan.up = direction,
                "down" => plan.down = direction,
                "both" => plan = Self { up: direction.clone(), down: direction },
                _ => return Err(unknown()),
            }
        }
        Ok(plan)
    }
}

impl FromStr for Direction {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let mut direction = Self::default();
        for setting in text.split(',').map(str::trim).filter(|setting| !setting.is_empty()) {
            let unknown = || PlanError { words: setting.to_owned() };
            let (name, value) = setting.split_once('=').ok_or_else(unknown)?;
            let number = |digits: &str| digits.trim().parse::<u64>().map_err(|_no_number| unknown());
            match name.trim() {
                "piece" => {
                    let bytes = value.trim().parse().ok().filter(|&bytes: &usize| bytes > 0);
                    direction.piece = Some(bytes.ok_or_else(unknown)?);
                }
                "delay" => {
                    let (least, most) = value.split_once('-').ok_or_else(unknown)?;
                    let (least, most) = (number(least)?, number(most)?);
                    if least > most {
                        return Err(unknown());
                    }
                    direction.delay = Some(Duration::from_millis(least)..=Duration::from_millis(most));
                }
                end => direction.end = Some((number(value)?, end.parse()?)),
            }
        }
        Ok(direction)
    }
}

/// Words that are no plan.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{words}` is no plan: write, for example, `up: piece=1, delay=0-20, reset=1000; down: stall=500`")]
pub struct PlanError {
    /// What was not understood.
    pub words: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read_as_they_are_documented() {
        let plan: Plan = "up: piece=1, delay=0-20, reset=1000; down: stall=500".parse().unwrap();
        assert_eq!(plan.up.piece, Some(1));
        assert_eq!(plan.up.delay, Some(Duration::ZERO..=Duration::from_millis(20)));
        assert_eq!(plan.up.end, Some((1000, End::Reset)));
        assert_eq!(plan.down, Direction { end: Some((500, End::Stall)), ..Direction::default() });
        let both: Plan = "both: half_close=0".parse().unwrap();
        assert_eq!(both.up, both.down);
        assert_eq!("".parse(), Ok(Plan::default()));
        for wrong in [
            "up",
            "left: piece=1",
            "up: piece=0",
            "up: delay=5",
            "up: delay=9-1",
            "up: burn=1",
            "up: reset=x",
        ] {
            assert!(wrong.parse::<Plan>().is_err(), "{wrong}");
        }
    }
}
