//! How a session is to be encoded. Arguments in, an encoding out.

use clap::Args;
use posesession_core::{Encoding, MaxError};

use super::failure::{Failure, WRONG_USAGE};

/// How chunks are encoded at rest.
#[derive(Debug, Args)]
pub(super) struct EncodingArgs {
    /// How frames are kept: columnar (compressed, lossless), bounded (smaller, off by at most --max-error) or json (text that SQL
    /// can read, lossless)
    #[arg(long, value_parser = Encoding::CODECS)]
    codec: Option<String>,
    /// How far values may be off, for each channel in its own unit, such as x=5e-5,y=5e-5,confidence=0.002; channels without are
    /// lossless. A channel of one component alone is COMPONENT.CHANNEL
    #[arg(long, value_name = "CHANNEL=BOUND,...", value_parser = max_error)]
    max_error: Option<MaxError>,
}

impl EncodingArgs {
    /// Returns the encoding, or nothing if none was asked for.
    pub(super) fn encoding(&self) -> Result<Option<Encoding>, Failure> {
        let encoding = Encoding::declared(self.codec.as_deref(), self.max_error.clone());
        encoding.map_err(|error| Failure::of(WRONG_USAGE, &error).about("--codec"))
    }
}

/// Reads `x=5e-5,y=5e-5`.
fn max_error(text: &str) -> Result<MaxError, String> {
    let bound = |text: &str| {
        let (name, bound) = text.split_once('=')?;
        Some((name.trim().to_owned(), bound.trim().parse::<f64>().ok()?))
    };
    let bounds: Option<Vec<_>> = text.split(',').map(bound).collect();
    let bounds = bounds.ok_or("give channels with their bounds, such as x=5e-5,y=5e-5")?;
    MaxError::new(bounds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_as_they_are_shown() {
        let read = max_error("x=5e-5, world.x=0.001").unwrap();
        assert_eq!(read, MaxError::new([("x", 5e-5), ("world.x", 0.001)]).unwrap());
        for wrong in ["", "x", "x=", "x=1,", "x=one", "x=0", "x=-1", "x=NaN"] {
            assert!(max_error(wrong).is_err(), "{wrong}");
        }
    }
}
