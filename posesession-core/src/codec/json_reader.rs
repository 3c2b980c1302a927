//! Reads JSON text of a known shape, token by token: no recursion, no tree, nothing kept but what the caller keeps.

use std::str::FromStr;

use super::CodecError;

/// No number that is written as short as it can be is longer.
const MAX_NUMBER_BYTES: usize = 64;

/// What is left to read of a text.
#[derive(Debug)]
pub(super) struct JsonReader<'a> {
    text: &'a str,
    place: usize,
}

impl<'a> JsonReader<'a> {
    pub(super) fn new(payload: &'a [u8]) -> Result<Self, CodecError> {
        let text = std::str::from_utf8(payload).map_err(|error| CodecError::bad_column("json", error))?;
        Ok(Self { text, place: 0 })
    }

    /// Returns the error for what was just read.
    pub(super) fn wrong(&self, what: &str) -> CodecError {
        CodecError::bad_column("json", format_args!("{what}, before byte {}", self.place))
    }

    fn rest(&mut self) -> &'a str {
        let rest = self.text.get(self.place..).unwrap_or_default();
        let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.place += rest.len() - trimmed.len();
        trimmed
    }

    /// Returns whether this comes next, without reading it.
    pub(super) fn follows(&mut self, token: &str) -> bool {
        self.rest().starts_with(token)
    }

    /// Reads what has to come next.
    pub(super) fn expect(&mut self, token: &str) -> Result<(), CodecError> {
        if !self.follows(token) {
            let what = format_args!("`{token}` belongs at byte {}", self.place);
            return Err(CodecError::bad_column("json", what));
        }
        self.place += token.len();
        Ok(())
    }

    /// Reads `null`, if it comes next.
    pub(super) fn null(&mut self) -> bool {
        let is_null = self.follows("null");
        if is_null {
            self.place += "null".len();
        }
        is_null
    }

    /// Reads the key that has to come next, and its colon.
    pub(super) fn key(&mut self, key: &str) -> Result<(), CodecError> {
        if self.quoted()?.strip_prefix('"').and_then(|name| name.strip_suffix('"')) != Some(key) {
            return Err(self.wrong(&format!("the key `{key}` belongs")));
        }
        self.expect(":")
    }

    /// Reads a list of so many things.
    pub(super) fn list(
        &mut self,
        count: usize,
        mut read: impl FnMut(&mut Self) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        self.expect("[")?;
        for place in 0..count {
            if place > 0 {
                self.expect(",")?;
            }
            read(self)?;
        }
        self.expect("]")
    }

    /// Reads an integer.
    pub(super) fn integer<T: FromStr>(&mut self) -> Result<T, CodecError> {
        let digits = self.number_text()?;
        digits.parse().map_err(|_not_one| self.wrong("a number isn't the integer that belongs"))
    }

    /// Reads a finite number: the nearest one of the type, rounded once.
    pub(super) fn number<T: FromStr + Into<f64> + Copy>(&mut self) -> Result<T, CodecError> {
        let digits = self.number_text()?;
        match digits.parse::<T>() {
            Ok(number) if number.into().is_finite() => Ok(number),
            _ => Err(self.wrong("a number is beyond the range that belongs")),
        }
    }

    fn number_text(&mut self) -> Result<&'a str, CodecError> {
        let rest = self.rest();
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.bytes().take(MAX_NUMBER_BYTES + 1).take_while(is_part).count();
        let (digits, _) = rest.split_at(length);
        self.place += length;
        if length > MAX_NUMBER_BYTES || !is_number(digits) {
            return Err(self.wrong("a number belongs"));
        }
        Ok(digits)
    }

    /// Reads a text.
    pub(super) fn string(&mut self) -> Result<String, CodecError> {
        let quoted = self.quoted()?;
        self.check_text(quoted)
    }

    /// Returns what a text with its quotes says.
    pub(super) fn check_text(&self, quoted: &str) -> Result<String, CodecError> {
        serde_json::from_str(quoted).map_err(|error| self.wrong(&format!("a text is wrong ({error})")))
    }

    /// Reads a text as it stands, with its quotes.
    pub(super) fn quoted(&mut self) -> Result<&'a str, CodecError> {
        let rest = self.rest();
        let mut is_escaped = false;
        let end = rest.bytes().enumerate().skip(1).find(|&(_, byte)| {
            let is_end = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_end
        });
        match end {
            Some((end, _)) if rest.starts_with('"') => {
                self.place += end + 1;
                Ok(&rest[..=end])
            }
            _ => Err(self.wrong("a text belongs")),
        }
    }

    /// Checks that nothing is left.
    pub(super) fn finish(mut self) -> Result<(), CodecError> {
        match self.rest() {
            "" => Ok(()),
            _ => Err(self.wrong("the text goes on where it should end")),
        }
    }
}

/// Returns whether a text is what JSON calls a number.
fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = [fraction, exponent];
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && parts.into_iter().flatten().all(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_json() {
        for number in ["0", "-0", "-0.0", "10", "1.5", "1e5", "1E+5", "1.25e-07"] {
            assert!(is_number(number), "{number}");
        }
        for other in
            ["", "-", "+1", "01", "1.", ".5", "1e", "1e+", "1.5.5", "1e5e5", "--1", "1-1", "inf", "NaN"]
        {
            assert!(!is_number(other), "{other}");
        }
    }

    #[test]
    fn texts_end_at_their_quote() {
        let mut reader = JsonReader::new(br#" "a\"b\\" "c" "d"#).unwrap();
        assert_eq!(reader.string().unwrap(), "a\"b\\");
        assert_eq!(reader.quoted().unwrap(), "\"c\"");
        assert!(reader.quoted().is_err());
    }
}
