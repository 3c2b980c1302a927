//! Rows of texts in, lines of aligned columns out.

use std::io::{self, IsTerminal as _, Write};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr};

const GAP: &str = "  ";

/// A table whose one `wide` column gives way when the terminal is narrow.
#[derive(Debug)]
pub(super) struct TextTable<const COLUMNS: usize> {
    pub(super) head: [&'static str; COLUMNS],
    /// Which columns are numbers, to stand at the right.
    pub(super) is_number: [bool; COLUMNS],
    /// Which column is cut if a row is too long.
    pub(super) wide: usize,
    pub(super) rows: Vec<[String; COLUMNS]>,
}

impl<const COLUMNS: usize> TextTable<COLUMNS> {
    /// Writes the table, in lines of at most `width` columns if that can be had.
    pub(super) fn write(&self, to: &mut impl Write, width: Option<usize>) -> io::Result<()> {
        let mut widths = self.head.map(UnicodeWidthStr::width);
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        if let (Some(width), Some(wide)) = (width, widths.get(self.wide).copied()) {
            let all = widths.iter().sum::<usize>() + GAP.len() * COLUMNS.saturating_sub(1);
            let least = wide.min(8);
            widths[self.wide] = wide.saturating_sub(all.saturating_sub(width)).max(least);
        }
        self.write_row(to, &self.head, &widths)?;
        self.rows.iter().try_for_each(|row| self.write_row(to, row, &widths))
    }

    fn write_row(
        &self,
        to: &mut impl Write,
        row: &[impl AsRef<str>; COLUMNS],
        widths: &[usize; COLUMNS],
    ) -> io::Result<()> {
        let mut line = String::new();
        for ((cell, &width), &is_number) in row.iter().zip(widths).zip(&self.is_number) {
            let cell = cut(cell.as_ref(), width);
            let space = " ".repeat(width.saturating_sub(cell.width()));
            let (before, after) = if is_number { (space.as_str(), "") } else { ("", space.as_str()) };
            line.extend([before, &cell, after, GAP]);
        }
        writeln!(to, "{}", line.trim_end())
    }
}

/// Returns how wide the terminal is, if stdout is one. One that doesn't say is taken for a usual one.
pub(super) fn terminal_width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    const USUAL: usize = 80;
    Some(terminal_size::terminal_size().map_or(USUAL, |(width, _height)| usize::from(width.0)))
}

/// Cuts a text that is too wide, and shows that it is cut.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let (mut kept, mut used) = (String::new(), 1);
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(letter);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_name_gives_way_and_columns_stay_aligned() {
        let table = TextTable {
            head: ["ID", "NAME", "FRAMES"],
            is_number: [false, false, true],
            wide: 1,
            rows: vec![
                ["1".into(), "一二三四五六七八九".into(), "10".into()],
                ["2".into(), "Kniebeuge".into(), "12345".into()],
            ],
        };
        let mut lines = Vec::new();
        table.write(&mut lines, Some(22)).unwrap();
        let text = String::from_utf8(lines).unwrap();
        assert_eq!(text, "ID  NAME        FRAMES\n1   一二三四…       10\n2   Kniebeuge    12345\n");
    }
}
