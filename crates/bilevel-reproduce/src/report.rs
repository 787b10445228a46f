//! What an experiment returns: a table, figures, and how they were made.

use crate::table::Table;

/// A drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Name of its file, `degenerate-convergence.svg`.
    pub file: String,
    /// What it shows, in a sentence.
    pub finding: String,
    /// The drawing, complete in itself.
    pub svg: String,
}

impl Figure {
    /// A figure, if there was anything to draw.
    pub(crate) fn of(file: &str, finding: &str, svg: Option<String>) -> Option<Self> {
        svg.map(|svg| Self { file: file.to_string(), finding: finding.to_string(), svg })
    }
}

/// A table done again.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Name of the experiment; its files are called so.
    pub name: &'static str,
    /// What it is about.
    pub title: String,
    /// Paragraphs above the table: what is compared with what, on which scale, under which conventions.
    pub caption: Vec<String>,
    /// The table.
    pub table: Table,
    /// Paragraphs below it: what was found.
    pub findings: Vec<String>,
    /// Figures.
    pub figures: Vec<Figure>,
    /// Settings, by name.
    pub settings: Vec<(&'static str, String)>,
    /// Seeds; empty where nothing is random.
    pub seeds: Vec<u64>,
    /// Whether it is the quick version.
    pub quick: bool,
    /// Version of bilevel.
    pub version: &'static str,
    /// Threads that shared the work.
    pub threads: usize,
    /// Seconds it took.
    pub seconds: f64,
}

impl Report {
    /// The page for people.
    pub fn to_markdown(&self) -> String {
        let mut page = format!("# {}\n\n", self.title);
        if self.quick {
            page += "**Quick version**: fewer seeds, smaller data. Not to be compared with what was published.\n\n";
        }
        self.caption.iter().for_each(|paragraph| page += &format!("{paragraph}\n\n"));
        page += &format!("{}\n", self.table.to_markdown());
        self.findings.iter().for_each(|paragraph| page += &format!("{paragraph}\n\n"));
        for figure in &self.figures {
            page += &format!("![{}]({})\n\n", figure.finding, figure.file);
        }
        page += &format!("## How it was made\n\n{}", self.origin());
        page
    }

    /// The table for programs: every row with the seeds and the version that made it.
    pub fn to_csv(&self) -> String {
        let quick = if self.quick { "yes" } else { "no" };
        self.table.to_csv(&[("seeds", &self.seed_range()), ("quick", quick), ("version", self.version)])
    }

    fn seed_range(&self) -> String {
        match (self.seeds.first(), self.seeds.last()) {
            (Some(first), Some(last)) if first < last => format!("{first}-{last}"),
            (Some(only), _) => only.to_string(),
            _ => "none".to_string(),
        }
    }

    fn origin(&self) -> String {
        let quick = if self.quick { " --quick" } else { "" };
        let mut text = format!(
            "- `bilevel reproduce {}{quick}`, version {}\n- {:.1} s with {}; seeds: {}\n",
            self.name,
            self.version,
            self.seconds,
            if self.threads == 1 { "1 thread".to_string() } else { format!("{} threads", self.threads) },
            self.seed_range(),
        );
        self.settings.iter().for_each(|(name, value)| text += &format!("- {name}: {value}\n"));
        text
    }
}
