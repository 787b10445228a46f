//! The report of a restored image: before and after, how the weight was chosen, what is left in the residual.
//!
//! One self-contained page like that of a fit. The images are in it, as PNG; without scripts they stand side by side.

mod picture;
mod sections;

use bilevel::inverse::restore::Restoration;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::page::{POLICY, SCRIPT, STYLE};
use crate::text::name;

const OWN_STYLE: &str = include_str!("style.css");
const SLIDER: &str = include_str!("slider.js");

/// What the page shows.
#[derive(Debug, Clone)]
pub struct RestorationPage<'a> {
    /// The name of the image.
    pub name: String,
    /// Rows and columns.
    pub shape: (usize, usize),
    /// The planes as they were given.
    pub before: &'a [Vec<f64>],
    /// The restored planes and the record.
    pub restoration: &'a Restoration,
    /// What 1 stands for in the file: 255 for 8-bit.
    pub unit: f64,
    /// `8-bit`.
    pub unit_name: String,
    /// Number of pairs, where examples taught the weight.
    pub learned_from: Option<usize>,
    /// (λ, mean squared error over the pairs).
    pub learned_curve: &'a [(f64, f64)],
    /// The command or the call that does it again.
    pub command: String,
}

/// The page as one HTML file.
pub fn render_restoration(page: &RestorationPage<'_>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "bilevel " (version) };
                link rel="icon" href="data:,";
                title { "bilevel: " (name(&page.name)) }
                style { (PreEscaped(STYLE)) (PreEscaped(OWN_STYLE)) }
            }
            body {
                main { (body(page)) }
                footer { p { "bilevel " (version) " · exact numbers come with --json" } }
                div id="tip" hidden {}
                script { (PreEscaped(SCRIPT)) (PreEscaped(SLIDER)) }
            }
        }
    }
    .into_string()
}

fn body(page: &RestorationPage<'_>) -> Markup {
    html! {
        (sections::headline(page))
        nav aria-label="Sections" {
            @for (id, title) in [("images", "Before and after"), ("choice", "Choice of the weight"), ("residual", "Residual"), ("settings", "Settings")] {
                a href={ "#" (id) } { (title) }
            }
        }
        (sections::images(page))
        (sections::choice(page))
        (sections::residual(page))
        (sections::settings(page))
    }
}
