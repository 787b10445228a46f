//! Tables: one set of rows, as Markdown for people (rounded) and as CSV for programs (exact).

use std::fmt::Write as _;

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A whole number.
    Count(usize),
    /// A number, shown to four significant digits.
    Number(f64),
    /// A number shown with this many decimals: a score that others print so.
    Decimals(f64, usize),
    /// Nothing to say, or nothing published.
    Empty,
}

impl Cell {
    /// Words.
    pub fn text(words: impl Into<String>) -> Self {
        Self::Text(words.into())
    }

    /// The number in it, if there is one.
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Count(n) => Some(*n as f64),
            Self::Number(x) | Self::Decimals(x, _) => Some(*x),
            Self::Text(_) | Self::Empty => None,
        }
    }

    fn for_people(&self) -> String {
        match self {
            Self::Text(words) => words.replace('|', "\\|"),
            Self::Count(n) => n.to_string(),
            Self::Number(x) => digits(*x),
            Self::Decimals(x, decimals) if x.is_finite() => format!("{x:.decimals$}"),
            Self::Decimals(..) | Self::Empty => "–".to_string(),
        }
    }

    fn for_programs(&self) -> String {
        match self {
            Self::Text(words) => quoted(words),
            Self::Count(n) => n.to_string(),
            Self::Number(x) | Self::Decimals(x, _) if x.is_finite() => x.to_string(),
            Self::Number(_) | Self::Decimals(..) | Self::Empty => String::new(),
        }
    }
}

/// Rows of cells under named columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Column names.
    pub header: Vec<String>,
    /// Rows, each as long as the header.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub fn new(header: &[&str]) -> Self {
        Self { header: header.iter().map(ToString::to_string).collect(), rows: Vec::new() }
    }

    /// Appends a row; it is cut, or filled with empty cells, to the length of the header.
    pub fn push(&mut self, mut cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.header.len());
        cells.resize(self.header.len(), Cell::Empty);
        self.rows.push(cells);
    }

    /// Pipes and dashes, numbers rounded.
    ///
    /// ```
    /// use bilevel_reproduce::{Cell, Table};
    /// let mut table = Table::new(&["x", "1/x"]);
    /// table.push(vec![Cell::Count(3), Cell::Number(1.0 / 3.0)]);
    /// assert_eq!(table.to_markdown(), "| x | 1/x |\n|---|---|\n| 3 | 0.3333 |\n");
    /// ```
    pub fn to_markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = line(self.header.clone());
        text += &format!("|{}\n", "---|".repeat(self.header.len()));
        self.rows.iter().for_each(|row| text += &line(row.iter().map(Cell::for_people).collect()));
        text
    }

    /// Comma-separated, numbers exact (a missing one is an empty field); every row ends with the given further columns.
    ///
    /// ```
    /// use bilevel_reproduce::{Cell, Table};
    /// let mut table = Table::new(&["x", "1/x"]);
    /// table.push(vec![Cell::Count(4), Cell::Decimals(0.25, 1)]);
    /// assert_eq!(table.to_csv(&[("seeds", "0, 1")]), "x,1/x,seeds\n4,0.25,\"0, 1\"\n");
    /// ```
    pub fn to_csv(&self, further: &[(&str, &str)]) -> String {
        let names = self.header.iter().map(String::as_str).chain(further.iter().map(|f| f.0));
        let mut text = names.map(quoted).collect::<Vec<_>>().join(",") + "\n";
        let ends: String = further.iter().map(|f| format!(",{}", quoted(f.1))).collect();
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(Cell::for_programs).collect();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}{ends}", cells.join(","));
        }
        text
    }
}

/// As one field of a CSV record (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_string()
    }
}

/// Four significant digits, in powers of ten where that is shorter.
pub(crate) fn digits(x: f64) -> String {
    if x == 0.0 {
        return "0".to_string();
    }
    if !x.is_finite() {
        return "–".to_string();
    }
    let magnitude = x.abs().log10().floor() as i32;
    if !(-4..7).contains(&magnitude) {
        return format!("{x:.3e}");
    }
    let places = usize::try_from(3 - magnitude).unwrap_or(0);
    format!("{x:.places$}")
}
