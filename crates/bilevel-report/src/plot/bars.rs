//! Named horizontal bars from zero, for coefficients.

use maud::{Markup, html};

use super::scale::roomy;
use super::{CHARACTER, Color, Scale, WIDTH, coordinate};

/// One row of a bar chart.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub name: String,
    pub value: f64,
    pub tip: String,
}

/// Named horizontal bars from zero, positive ones to the right in blue and negative ones to the left in vermillion.
pub(crate) fn bars(description: &str, axis_name: &str, rows: &[Bar]) -> Option<Markup> {
    const ROW: f64 = 18.0;
    const NAME_CHARACTERS: usize = 16;
    /// Room for the numbers at the right.
    const VALUES: f64 = 66.0;
    let scale = Scale::linear(rows.iter().map(|r| r.value))?.including(0.0);
    let longest = rows.iter().map(|r| r.name.chars().count().min(NAME_CHARACTERS)).max().unwrap_or(0);
    let (left, right) = (8.0 + CHARACTER * (longest as f64 + 0.5), WIDTH - VALUES);
    let bottom = 6.0 + ROW * rows.len() as f64;
    let height = bottom + 40.0;
    let place = |v: f64| scale.position(v).map(|t| left + (right - left) * t);
    let zero = place(0.0)?;
    Some(html! {
        svg class="plot" viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(description) {
            g class="axes" {
                @for tick in roomy(scale.ticks(5), right - left, CHARACTER) {
                    @if let Some(x) = place(tick.value) {
                        line class="grid" x1=(coordinate(x)) x2=(coordinate(x)) y1="4" y2=(coordinate(bottom)) {}
                        text x=(coordinate(x)) y=(coordinate(bottom + 15.0)) text-anchor="middle" { (tick.label) }
                    }
                }
                @for (i, row) in rows.iter().enumerate() {
                    text x=(coordinate(left - 6.0)) y=(coordinate(6.0 + ROW * i as f64 + 13.0)) text-anchor="end" {
                        (crate::text::shortened(&row.name, NAME_CHARACTERS))
                        @if row.name.chars().count() > NAME_CHARACTERS { title { (crate::text::name(&row.name)) } }
                    }
                    text class="value" x=(coordinate(WIDTH - 6.0)) y=(coordinate(6.0 + ROW * i as f64 + 13.0)) text-anchor="end" { (crate::text::number(row.value)) }
                }
                text class="axis-name" x=(coordinate(0.5 * (left + right))) y=(coordinate(height - 6.0)) text-anchor="middle" { (axis_name) }
            }
            g class="marks" {
                @for (i, row) in rows.iter().enumerate() {
                    @if let Some(x) = place(row.value) {
                        rect class={ "bar " (if row.value < 0.0 { Color::Vermillion.class() } else { Color::Blue.class() }) }
                            x=(coordinate(x.min(zero))) y=(coordinate(8.5 + ROW * i as f64)) width=(coordinate((x - zero).abs().max(0.8))) height="13" data-t=(row.tip) {}
                    }
                }
            }
            line class="frame" x1=(coordinate(zero)) x2=(coordinate(zero)) y1="4" y2=(coordinate(bottom)) {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_in_drawings() {
        let rows = [Bar { name: "<script>&\"".into(), value: 1.0, tip: "<b>".into() }];
        let svg = bars("d", "coefficient", &rows).unwrap().into_string();
        assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;&amp;"), "{svg}");
    }
}
