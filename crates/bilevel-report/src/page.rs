//! The page: head, sections in order, style and script inline.

use bilevel::fit::Fit;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::sections;
use crate::text::name;

pub(crate) const STYLE: &str = include_str!("style.css");
pub(crate) const SCRIPT: &str = include_str!("script.js");
/// Nothing is loaded from anywhere; style and script are those of this file.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// The report of a fit as one HTML file.
///
/// Every record can be drawn: what is missing or not finite is named in words instead. The size does not grow with the number of
/// features (names apart): at most 300 features, 300 steps and 5,000 predictions are drawn in any one figure.
pub fn render(fit: &Fit) -> String {
    page(fit, None)
}

/// The same for a fit made by a program: `call` is the expression that makes it again, shown in place of the command.
pub fn render_with_call(fit: &Fit, call: &str) -> String {
    page(fit, Some(call))
}

fn page(fit: &Fit, call: Option<&str>) -> String {
    let exact = if call.is_some() { "the fitted model" } else { "model.json" };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                meta name="generator" content={ "bilevel " (fit.record.version) };
                link rel="icon" href="data:,";
                title { "bilevel: " (name(&fit.record.data.name)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main { (body(fit, call)) }
                footer { p { "bilevel " (fit.record.version) " · data " code { (fit.record.data.fingerprint) } " · exact numbers are in " (exact) } }
                div id="tip" hidden {}
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
    .into_string()
}

fn body(fit: &Fit, call: Option<&str>) -> Markup {
    html! {
        (sections::headline(fit, call.is_some()))
        nav aria-label="Sections" {
            @for (id, title) in [
                ("search", "Choice of λ"),
                ("model", "Model"),
                ("predictions", "Predictions"),
                ("stages", "Climb"),
                ("trace", "Steps"),
                ("certificate", "Proof"),
                ("reproduce", "Settings"),
            ] { a href={ "#" (id) } { (title) } }
        }
        (sections::search(fit))
        section id="model" {
            h2 { "The model and its weights" }
            div class="pair model" {
                (sections::coefficients(fit))
                (sections::weights(fit))
            }
        }
        (sections::predictions(fit))
        (sections::stages(fit))
        (sections::trace(fit))
        (sections::certificate(fit))
        (sections::reproduce(fit, call))
    }
}
