//! Figures that stand alone: one SVG file with everything in it, for a Markdown page, a printer or a slide.
//!
//! They are the report's plots on white. Series differ by dash and by the shape of their marks as well as by colour, so that they can be told apart
//! in black and white.
//!
//! ```
//! use bilevel_report::figure::{Chart, Line};
//!
//! let chart = Chart {
//!     finding: "The criterion falls to a half".into(),
//!     x: "outer step".into(),
//!     y: "criterion".into(),
//!     log: false,
//!     lines: vec![Line::new("one λ", vec![(0.0, 1.0), (1.0, 0.7), (2.0, 0.5)])],
//! };
//! let svg = chart.to_svg().ok_or("nothing to draw")?;
//! assert!(svg.starts_with("<svg xmlns=") && svg.contains("The criterion falls to a half"));
//! # Ok::<(), &str>(())
//! ```

use maud::{Markup, PreEscaped, html};

use crate::plot::{Axis, Color, Plot, Scale, WIDTH, coordinate};

const STYLE: &str = include_str!("figure.css");
/// Height of the drawing below the title.
const HEIGHT: f64 = 240.0;
const TITLE_SIZE: f64 = 14.0;
/// Width of an average character of the title and of the legend.
const TITLE_CHARACTER: f64 = 7.3;
const LEGEND_CHARACTER: f64 = 6.6;
const LEGEND_ROW: f64 = 17.0;
/// Room for the mark of a legend entry, and for the gap behind its name.
const LEGEND_MARK: f64 = 30.0;
const LEGEND_GAP: f64 = 14.0;
const MARGIN: f64 = 12.0;

/// Lines over a common x axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// The title: what the figure shows, in a sentence.
    pub finding: String,
    /// Name of the x axis, with its unit.
    pub x: String,
    /// Name of the y axis, with its unit.
    pub y: String,
    /// Whether y is on a log scale; what is not positive is left out then.
    pub log: bool,
    /// At most six lines.
    pub lines: Vec<Line>,
}

/// A named series of points (x, y), in the order of x.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What the legend calls it.
    pub name: String,
    /// The points; where one is not finite the line is interrupted.
    pub points: Vec<(f64, f64)>,
}

impl Line {
    /// A named series.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points }
    }
}

impl Chart {
    /// The figure as the text of an SVG file; `None` if no point can be drawn.
    pub fn to_svg(&self) -> Option<String> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x = Scale::linear(points().map(|p| p.0))?;
        let values = points().map(|p| p.1);
        let y = if self.log { Scale::log(values)? } else { Scale::linear(values)? };
        let mut plot = Plot::new(&self.finding, Axis::new(&self.x, x), Axis::new(&self.y, y), HEIGHT);
        for (i, line) in self.lines.iter().enumerate() {
            plot.line(Color::series(i), &line.points);
            if line.points.len() == 1 {
                plot.shapes(Color::series(i), i, &line.points);
            }
        }
        let names = self.lines.iter().map(|line| line.name.as_str());
        complete(&self.finding, plot, &names.collect::<Vec<_>>(), Legend::Lines)
    }
}

/// Points over named categories.
#[derive(Debug, Clone, PartialEq)]
pub struct Categories {
    /// The title: what the figure shows, in a sentence.
    pub finding: String,
    /// Name of the x axis.
    pub x: String,
    /// Name of the y axis, with its unit.
    pub y: String,
    /// Whether y is on a log scale; what is not positive is left out then.
    pub log: bool,
    /// Names of the categories, from left to right.
    pub categories: Vec<String>,
    /// At most six series, side by side within each category.
    pub series: Vec<Marks>,
}

/// A named series of (index of the category, y); any number of points in each category.
#[derive(Debug, Clone, PartialEq)]
pub struct Marks {
    /// What the legend calls it.
    pub name: String,
    /// The points.
    pub points: Vec<(usize, f64)>,
}

impl Categories {
    /// The figure as the text of an SVG file; `None` if no point can be drawn.
    pub fn to_svg(&self) -> Option<String> {
        /// How much of a category's width its points take.
        const SPREAD: f64 = 0.7;
        let values = self.series.iter().flat_map(|marks| marks.points.iter().map(|p| p.1));
        let y = if self.log { Scale::log(values)? } else { Scale::linear(values)? };
        let x = Scale::categories(self.categories.iter().cloned());
        let mut plot = Plot::new(&self.finding, Axis::new(&self.x, x), Axis::new(&self.y, y), HEIGHT);
        (1..self.categories.len()).step_by(2).for_each(|k| plot.stretch((k as f64 + 0.5, k as f64 + 1.5)));
        let count = self.series.len() as f64;
        for (i, marks) in self.series.iter().enumerate() {
            let offset = SPREAD * ((i as f64 + 0.5) / count - 0.5);
            let place = |&(category, y): &(usize, f64)| (category as f64 + 1.0 + offset, y);
            plot.shapes(Color::series(i), i, &marks.points.iter().map(place).collect::<Vec<_>>());
        }
        let names = self.series.iter().map(|marks| marks.name.as_str());
        complete(&self.finding, plot, &names.collect::<Vec<_>>(), Legend::Shapes)
    }
}

/// How a legend shows a series.
#[derive(Clone, Copy)]
enum Legend {
    Lines,
    Shapes,
}

/// Title, drawing and legend on white.
fn complete(finding: &str, plot: Plot, names: &[&str], legend: Legend) -> Option<String> {
    if plot.is_empty() {
        return None;
    }
    let title = wrapped(finding, ((WIDTH - 2.0 * MARGIN) / TITLE_CHARACTER) as usize);
    let top = MARGIN + 1.3 * TITLE_SIZE * title.len() as f64;
    let entries = legend_places(names);
    let rows = entries.last().map_or(0.0, |(_, row)| row + 1.0);
    let height = top + HEIGHT + LEGEND_ROW * rows + MARGIN;
    let drawing = plot.into_group();
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (coordinate(height)) } width=(2.0 * WIDTH) height=(coordinate(2.0 * height)) role="img" {
            title { (finding) }
            style { (PreEscaped(STYLE)) }
            rect class="paper" width=(WIDTH) height=(coordinate(height)) {}
            @for (i, line) in title.iter().enumerate() {
                text class="title" x=(MARGIN) y=(coordinate(MARGIN + 1.3 * TITLE_SIZE * (i as f64 + 0.75))) { (line) }
            }
            g transform={ "translate(0 " (coordinate(top)) ")" } { (drawing) }
            g transform={ "translate(" (MARGIN) " " (coordinate(top + HEIGHT)) ")" } {
                @for (i, (name, (x, row))) in names.iter().zip(&entries).enumerate() {
                    g transform={ "translate(" (coordinate(*x)) " " (coordinate(LEGEND_ROW * row)) ")" } {
                        (sample(i, legend))
                        text class="legend" x=(LEGEND_MARK) y="12" { (name) }
                    }
                }
            }
        }
    };
    Some(svg.into_string())
}

/// The mark of the i-th series in a legend.
fn sample(i: usize, legend: Legend) -> Markup {
    let color = Color::series(i);
    match legend {
        Legend::Lines => html! { path class={ "line " (color.class()) } d="M0 8H24" {} },
        Legend::Shapes => {
            html! { path class={ "shape " (color.class()) } d=(crate::plot::shape(i, (12.0, 8.0), 4.0)) {} }
        }
    }
}

/// x and row of each legend entry.
fn legend_places(names: &[&str]) -> Vec<(f64, f64)> {
    let (mut x, mut row) = (0.0, 0.0);
    let mut places = Vec::with_capacity(names.len());
    for name in names {
        let width = LEGEND_MARK + LEGEND_CHARACTER * name.chars().count() as f64;
        if x > 0.0 && x + width > WIDTH - 2.0 * MARGIN {
            (x, row) = (0.0, row + 1.0);
        }
        places.push((x, row));
        x += width + LEGEND_GAP;
    }
    places
}

/// Lines of at most `width` characters, broken between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn chart(values: &[f64]) -> Chart {
        let points = values.iter().enumerate().map(|(k, v)| (k as f64, *v)).collect();
        Chart {
            finding: "a <b> & c".into(),
            x: "x".into(),
            y: "y".into(),
            log: true,
            lines: vec![Line::new("<i>", points)],
        }
    }

    #[test]
    fn nothing_drawable_is_no_figure() {
        assert_eq!(chart(&[]).to_svg(), None);
        assert_eq!(chart(&[f64::NAN, 0.0, -1.0]).to_svg(), None);
        let none = Categories {
            finding: String::new(),
            x: String::new(),
            y: String::new(),
            log: false,
            categories: Vec::new(),
            series: Vec::new(),
        };
        assert_eq!(none.to_svg(), None);
    }

    #[test]
    fn a_figure_holds_its_style_and_escapes_its_words() {
        let svg = chart(&[1.0, 10.0]).to_svg().unwrap();
        assert!(
            svg.contains("<style>") && svg.contains("a &lt;b&gt; &amp; c") && !svg.contains("<i>"),
            "{svg}"
        );
        assert!(!svg.contains("var(") && !svg.contains("http:") || svg.matches("http:").count() == 1);
    }

    #[test]
    fn long_titles_and_legends_are_broken_into_rows() {
        assert_eq!(wrapped("one two three four", 8), ["one two", "three", "four"]);
        let places =
            legend_places(&["a name of thirty characters ..", "another of thirty characters .", "c"]);
        assert_eq!(places.iter().map(|p| p.1).collect::<Vec<_>>(), [0.0, 1.0, 1.0]);
    }
}
