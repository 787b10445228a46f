//! Small SVG plots: two axes with names, marks in data coordinates, one `viewBox` so that they scale with the page.
//!
//! Colours, line widths and text sizes come from the page's style sheet by class, so that the same drawing serves light, dark and print.
//! Widely used plotting crates fix their colours and sizes in the drawing; that is why this one is here. Everything is escaped by `maud`.

mod bars;
mod scale;
mod shape;
mod thinning;

use std::fmt::Write as _;

use maud::{Markup, html};

pub(crate) use bars::{Bar, bars};
pub(crate) use scale::Scale;
use scale::{Tick, roomy};
pub(crate) use shape::shape;
pub(crate) use thinning::{evenly_in_log_rank, thinned};

/// Width of every drawing in its own units; heights vary. Text is 12 units high on narrow screens.
pub(crate) const WIDTH: f64 = 400.0;
/// Height of text, and the width of an average character, in units.
const TEXT: f64 = 12.0;
const CHARACTER: f64 = 7.2;
/// Up to this many points are drawn one by one (and can be touched); more become one path.
const MANY: usize = 500;

/// A colour by meaning; the style sheet maps it to one of Okabe and Ito's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Color {
    /// The main series, and positive coefficients.
    Blue,
    /// Negative coefficients, and what was chosen.
    Vermillion,
    /// Further series.
    Green,
    Orange,
    Purple,
    Sky,
    /// References: identity lines, rejected steps.
    Gray,
}

impl Color {
    /// The colour of the i-th of several series.
    pub(crate) fn series(i: usize) -> Self {
        [Self::Blue, Self::Orange, Self::Green, Self::Purple, Self::Sky, Self::Vermillion][i % 6]
    }

    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Vermillion => "vermillion",
            Self::Green => "green",
            Self::Orange => "orange",
            Self::Purple => "purple",
            Self::Sky => "sky",
            Self::Gray => "gray",
        }
    }
}

/// An axis: what it shows, in which unit, on which scale.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    name: String,
    scale: Scale,
}

impl Axis {
    /// An axis; its name says so if the scale is logarithmic.
    pub(crate) fn new(name: impl Into<String>, scale: Scale) -> Self {
        let mut name = name.into();
        if scale.is_log() {
            name.push_str(" (log scale)");
        }
        Self { name, scale }
    }
}

/// A point with what it says when it is touched.
#[derive(Debug, Clone)]
pub(crate) struct Dot {
    pub x: f64,
    pub y: f64,
    pub tip: String,
    /// Rejected steps and the like are drawn as rings.
    pub hollow: bool,
}

impl Dot {
    pub(crate) fn new(x: f64, y: f64, tip: String) -> Self {
        Self { x, y, tip, hollow: false }
    }
}

/// A drawing under construction.
pub(crate) struct Plot {
    description: String,
    x: Axis,
    y: Axis,
    height: f64,
    left: f64,
    top: f64,
    above: Option<(String, Vec<(f64, String)>)>,
    marks: Vec<Markup>,
    /// How many of the marks show data.
    n_data: usize,
    /// Whether the labels of the x axis are set at a slope, because they would run into each other.
    sloped: bool,
}

impl Plot {
    /// An empty drawing; `description` is what a screen reader says.
    pub(crate) fn new(description: impl Into<String>, x: Axis, y: Axis, height: f64) -> Self {
        let longest = y.scale.ticks(5).iter().map(|t| t.label.chars().count()).max().unwrap_or(0);
        let left = 24.0 + CHARACTER * longest as f64;
        let labels = x.scale.ticks(5);
        let sloped =
            x.scale.is_named() && roomy(labels.clone(), WIDTH - left, CHARACTER).len() < labels.len();
        Self {
            description: description.into(),
            x,
            y,
            height,
            left,
            top: 10.0,
            above: None,
            marks: Vec::new(),
            n_data: 0,
            sloped,
        }
    }

    /// A second axis above the drawing, with labels at chosen values of x.
    pub(crate) fn above(mut self, name: &str, labels: Vec<(f64, String)>) -> Self {
        self.above = Some((name.into(), labels));
        self.top = 40.0;
        self
    }

    /// Where the x axis has its ticks.
    pub(crate) fn x_ticks(&self) -> Vec<Tick> {
        let ticks = self.x.scale.ticks(5);
        if self.sloped { ticks } else { roomy(ticks, self.right() - self.left, CHARACTER) }
    }

    /// Whether nothing that shows data has been drawn.
    pub(crate) fn is_empty(&self) -> bool {
        self.n_data == 0
    }

    fn right(&self) -> f64 {
        WIDTH - 16.0
    }

    fn bottom(&self) -> f64 {
        /// Sine of the slope of labels.
        const RISE: f64 = 0.7;
        let labels = self.x.scale.ticks(5).into_iter().map(|tick| tick.label.chars().count());
        let longest = if self.sloped { labels.max().unwrap_or(0) } else { 0 };
        self.height - 40.0 - RISE * CHARACTER * longest as f64
    }

    fn place_x(&self, x: f64) -> Option<f64> {
        Some(self.left + (self.right() - self.left) * self.x.scale.position(x)?)
    }

    fn place_y(&self, y: f64) -> Option<f64> {
        Some(self.bottom() - (self.bottom() - self.top) * self.y.scale.position(y)?)
    }

    fn place(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        Some((self.place_x(x)?, self.place_y(y)?))
    }

    fn data(&mut self, mark: Markup) {
        self.n_data += 1;
        self.marks.push(mark);
    }

    /// A line through points; it is interrupted where one cannot be shown. A lone point is left to [`Plot::dots`].
    pub(crate) fn line(&mut self, color: Color, points: &[(f64, f64)]) {
        let mut path = String::new();
        for run in points.split(|&p| self.place(p).is_none()).filter(|run| run.len() > 1) {
            for (i, point) in run.iter().filter_map(|&p| self.place(p)).enumerate() {
                push_point(&mut path, if i == 0 { 'M' } else { 'L' }, point);
            }
        }
        if !path.is_empty() {
            self.data(html! { path class={ "line " (color.class()) } d=(path) {} });
        }
    }

    /// A filled band between `low` and `high` over x.
    pub(crate) fn band(&mut self, color: Color, points: &[(f64, f64, f64)]) {
        let mut path = String::new();
        let upper = points.iter().filter_map(|&(x, _, high)| self.place((x, high)));
        let lower = points.iter().rev().filter_map(|&(x, low, _)| {
            // On a log scale a band may reach below everything that can be shown.
            Some((self.place_x(x)?, self.place_y(low).unwrap_or(self.bottom())))
        });
        for (i, point) in upper.chain(lower).enumerate() {
            push_point(&mut path, if i == 0 { 'M' } else { 'L' }, point);
        }
        if !path.is_empty() {
            path.push('Z');
            self.marks.push(html! { path class={ "band " (color.class()) } d=(path) {} });
        }
    }

    /// Points; up to 500 with their tips, more as one path.
    pub(crate) fn dots(&mut self, color: Color, dots: &[Dot]) {
        let placed: Vec<_> = dots.iter().filter_map(|dot| Some((self.place((dot.x, dot.y))?, dot))).collect();
        if placed.is_empty() {
            return;
        }
        if placed.len() > MANY {
            let mut path = String::new();
            for (point, _) in &placed {
                push_point(&mut path, 'M', *point);
                path.push_str("h0");
            }
            self.data(html! { path class={ "cloud " (color.class()) } d=(path) {} });
            return;
        }
        let radius = match placed.len() {
            0..=40 => "3",
            41..=120 => "2.3",
            _ => "1.8",
        };
        self.data(html! {
            g class=(color.class()) {
                @for ((x, y), dot) in &placed {
                    circle class=[dot.hollow.then_some("ring")] cx=(coordinate(*x)) cy=(coordinate(*y)) r=(radius) data-t=[(!dot.tip.is_empty()).then_some(&dot.tip)] {}
                }
            }
        });
    }

    /// Points drawn as the i-th of a few shapes, which can be told apart without colour.
    pub(crate) fn shapes(&mut self, color: Color, i: usize, points: &[(f64, f64)]) {
        let outlines: String =
            points.iter().filter_map(|&p| self.place(p)).map(|center| shape(i, center, 3.4)).collect();
        if !outlines.is_empty() {
            self.data(html! { path class={ "shape " (color.class()) } d=(outlines) {} });
        }
    }

    /// A vertical bar from zero height to y, between two values of x.
    pub(crate) fn column(&mut self, color: Color, (from, to): (f64, f64), y: f64, tip: &str) {
        if let (Some(x0), Some(x1), Some(y1)) = (self.place_x(from), self.place_x(to), self.place_y(y)) {
            let base = self.bottom();
            self.data(html! {
                rect class={ "bar " (color.class()) } x=(coordinate(x0 + 1.0)) y=(coordinate(y1)) width=(coordinate((x1 - x0 - 2.0).max(0.5))) height=(coordinate(base - y1)) data-t=(tip) {}
            });
        }
    }

    /// A straight segment that belongs to the data (an interval, say).
    pub(crate) fn segment(&mut self, color: Color, from: (f64, f64), to: (f64, f64)) {
        if let (Some(a), Some(b)) = (self.place(from), self.place(to)) {
            self.marks.push(html! {
                line class={ "whisker " (color.class()) } x1=(coordinate(a.0)) y1=(coordinate(a.1)) x2=(coordinate(b.0)) y2=(coordinate(b.1)) {}
            });
        }
    }

    /// A dashed reference line between two points, both of which the axes show.
    pub(crate) fn reference(&mut self, from: (f64, f64), to: (f64, f64)) {
        if let (Some(a), Some(b)) = (self.place(from), self.place(to)) {
            self.marks.push(html! {
                line class="reference" x1=(coordinate(a.0)) y1=(coordinate(a.1)) x2=(coordinate(b.0)) y2=(coordinate(b.1)) {}
            });
        }
    }

    /// A vertical rule with a label beside it, on the side with more room; `row` counts label lines from the top.
    pub(crate) fn rule(&mut self, color: Color, x: f64, label: &str, row: usize) {
        let Some(x) = self.place_x(x) else { return };
        let flipped = x > 0.5 * (self.left + self.right());
        let (text_x, anchor) = if flipped { (x - 4.0, "end") } else { (x + 4.0, "start") };
        let text_y = self.top + TEXT * (1.0 + 1.2 * row as f64);
        let (top, bottom) = (self.top, self.bottom());
        self.marks.push(html! {
            line class={ "rule " (color.class()) } x1=(coordinate(x)) x2=(coordinate(x)) y1=(coordinate(top)) y2=(coordinate(bottom)) {}
            text class={ "mark-label " (color.class()) } x=(coordinate(text_x)) y=(coordinate(text_y)) text-anchor=(anchor) { (subscripted(label)) }
        });
    }

    /// A shaded stretch of the x axis, behind the marks that follow.
    pub(crate) fn stretch(&mut self, (from, to): (f64, f64)) {
        if let (Some(x0), Some(x1)) = (self.place_x(from), self.place_x(to)) {
            let (top, bottom) = (self.top, self.bottom());
            self.marks.push(html! {
                rect class="stretch" x=(coordinate(x0)) y=(coordinate(top)) width=(coordinate(x1 - x0)) height=(coordinate(bottom - top)) {}
            });
        }
    }

    /// The finished drawing.
    pub(crate) fn into_markup(self) -> Markup {
        let (description, height) = (self.description.clone(), self.height);
        html! {
            svg class="plot" viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(description) {
                (self.into_group())
            }
        }
    }

    /// Axes and marks, to be put into a drawing of the same width.
    pub(crate) fn into_group(self) -> Markup {
        let (left, right, top, bottom) = (self.left, self.right(), self.top, self.bottom());
        let middle_y = 0.5 * (top + bottom);
        html! {
                g class="axes" {
                    @for tick in self.x_ticks() {
                        @if let Some(x) = self.place_x(tick.value) {
                            line class="grid" x1=(coordinate(x)) x2=(coordinate(x)) y1=(coordinate(top)) y2=(coordinate(bottom)) {}
                            @if self.sloped {
                                text transform={ "translate(" (coordinate(x + 4.0)) " " (coordinate(bottom + 12.0)) ") rotate(-45)" } text-anchor="end" { (tick.label) }
                            } @else {
                                text x=(coordinate(x)) y=(coordinate(bottom + 15.0)) text-anchor="middle" { (tick.label) }
                            }
                        }
                    }
                    @for tick in self.y.scale.ticks(5) {
                        @if let Some(y) = self.place_y(tick.value) {
                            line class="grid" x1=(coordinate(left)) x2=(coordinate(right)) y1=(coordinate(y)) y2=(coordinate(y)) {}
                            text x=(coordinate(left - 5.0)) y=(coordinate(y + 4.0)) text-anchor="end" { (tick.label) }
                        }
                    }
                    @if let Some((name, labels)) = &self.above {
                        @for (x, label) in labels {
                            @if let Some(x) = self.place_x(*x) {
                                text x=(coordinate(x)) y=(coordinate(top - 6.0)) text-anchor="middle" { (label) }
                            }
                        }
                        text class="axis-name" x=(coordinate(0.5 * (left + right))) y=(coordinate(TEXT)) text-anchor="middle" { (name) }
                    }
                    text class="axis-name" x=(coordinate(0.5 * (left + right))) y=(coordinate(self.height - 6.0)) text-anchor="middle" { (self.x.name) }
                    text class="axis-name" transform={ "translate(12 " (coordinate(middle_y)) ") rotate(-90)" } text-anchor="middle" { (crate::text::shortened(&self.y.name, (self.height / CHARACTER) as usize)) }
                }
                g class="marks" { @for mark in &self.marks { (mark) } }
                path class="frame" d={ "M" (coordinate(left)) " " (coordinate(top)) "V" (coordinate(bottom)) "H" (coordinate(right)) } {}
        }
    }
}

/// λ_max with a subscript, as SVG sets it.
fn subscripted(label: &str) -> Markup {
    html! {
        @match label.strip_suffix("_max") {
            Some(letter) => { (letter) tspan dy="3" font-size="80%" { "max" } },
            None => (label),
        }
    }
}

/// A plot with its finding as title, a legend and a note; where there is nothing to draw, `nothing` says why.
pub(crate) fn figure(finding: &str, plot: Plot, legend: &[(Color, &str)], note: Markup) -> Markup {
    if plot.is_empty() {
        return explanation(
            finding,
            "None of the recorded values can be drawn: they are missing or not finite.",
        );
    }
    framed(finding, plot.into_markup(), legend, note)
}

/// A finished drawing with its finding as title, a legend and a note.
pub(crate) fn framed(finding: &str, drawing: Markup, legend: &[(Color, &str)], note: Markup) -> Markup {
    html! {
        figure {
            figcaption { h3 { (finding) } }
            (drawing)
            @if !legend.is_empty() {
                ul class="legend" { @for (color, name) in legend { li { span class={ "swatch " (color.class()) } {} (name) } } }
            }
            p class="note" { (note) }
        }
    }
}

/// What stands in place of a plot that has nothing to show.
pub(crate) fn explanation(finding: &str, why: &str) -> Markup {
    html! { div class="explanation" { h3 { (finding) } p { (why) } } }
}

fn push_point(path: &mut String, command: char, (x, y): (f64, f64)) {
    // Writing to a String cannot fail.
    let _ = write!(path, "{command}{} {}", coordinate(x), coordinate(y));
}

/// A coordinate to a tenth of a unit, which is finer than a pixel on any screen.
pub(crate) fn coordinate(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map(str::to_string).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot() -> Plot {
        let axis = |name| Axis::new(name, Scale::fixed(0.0, 1.0));
        Plot::new("test", axis("x"), axis("y"), 240.0)
    }

    #[test]
    fn lines_are_interrupted_where_values_are_missing() {
        let mut plot = plot();
        plot.line(
            Color::Blue,
            &[(0.0, 0.0), (0.5, 0.5), (0.6, f64::NAN), (0.7, 0.1), (0.8, 0.2), (0.9, f64::NAN), (1.0, 1.0)],
        );
        let svg = plot.into_markup().into_string();
        let path = svg.split("d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(path.matches('M').count(), 2, "{path}");
        assert_eq!(path.matches('L').count(), 2, "{path}");
    }

    #[test]
    fn a_plot_without_drawable_data_becomes_an_explanation() {
        let mut plot = plot();
        plot.dots(Color::Blue, &[Dot::new(f64::NAN, 0.5, String::new())]);
        plot.line(Color::Blue, &[(0.5, 0.5)]);
        let text = figure("Nothing", plot, &[], html! {}).into_string();
        assert!(!text.contains("<svg") && text.contains("not finite"), "{text}");
    }
}
