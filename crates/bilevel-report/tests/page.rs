//! The report as text: what it says, how large it is, what it must never contain.

mod common;

use bilevel::data::SplitSettings;
use bilevel::fit::{Fit, PenaltyKind, WeightsKind};
use bilevel_report::render;

use common::fits;

/// The text of the page without markup.
fn words(fit: &Fit) -> String {
    let html = render(fit);
    let body = html.split("<body>").nth(1).and_then(|body| body.split("<script>").next()).unwrap_or_default();
    body.split('<').map(|part| part.split_once('>').map_or("", |(_, text)| text)).collect::<Vec<_>>().join("")
}

#[test]
fn a_hundred_thousand_features_fit_into_half_a_megabyte() {
    let html = render(&fits::wide());
    assert!(html.len() < 512 * 1024, "{} bytes", html.len());
}

#[test]
fn ordinary_reports_are_small() {
    for fit in [fits::regression(), fits::classes(), fits::degenerate()] {
        let html = render(&fit);
        assert!(html.len() < 300 * 1024, "{} bytes", html.len());
    }
}

#[test]
fn the_same_fit_gives_the_same_page() {
    assert_eq!(render(&fits::wide()), render(&fits::wide()));
}

#[test]
fn the_headline_says_what_was_learned() {
    let text = words(&fits::regression());
    assert!(
        text.contains(
            "bilevel chose λ = 0.003981 (λmax/116) by 5-fold cross-validation: 7 of 10 features carry the model; \
             on 88 test samples it explains 51 % of the variance."
        ),
        "{text}"
    );
    assert!(text.contains("Quote the test score"));
}

#[test]
fn without_a_test_set_the_page_says_how_to_get_one() {
    let text = words(&fits::classes());
    assert!(text.contains("how well it predicts new data has not been measured"));
    assert!(text.contains("There is no test score to quote") && text.contains("--test-fraction 0.2"));
}

#[test]
fn the_command_repeats_what_differs_from_the_defaults() {
    let mut fit = fits::regression();
    assert!(words(&fit).contains("bilevel fit diabetes --test-fraction 0.2 --seed 0"));
    fit.record.data.name = "my data.csv".into();
    fit.record.settings.split = SplitSettings::Holdout(0.25);
    fit.record.settings.standardize = true;
    fit.record.settings.tolerance = 1e-8;
    let text = words(&fit);
    assert!(text.contains("bilevel fit &#39;my data.csv&#39; --holdout 0.25 --test-fraction 0.2 --standardize --tol 1e-8 --seed 0") || text.contains("bilevel fit 'my data.csv' --holdout 0.25 --test-fraction 0.2 --standardize --tol 1e-8 --seed 0"), "{text}");
}

#[test]
fn a_program_is_shown_its_own_call_and_not_the_command() {
    let mut fit = fits::classes();
    fit.record.data.weighted = true;
    let page = bilevel_report::render_with_call(&fit, "SparseRegressor(penalty='l1').fit(X, y)");
    assert!(page.contains("SparseRegressor(penalty='l1').fit(X, y)"));
    for of_the_command in ["bilevel fit", "--target", "model.json", "given from a program", "--test"] {
        assert!(!page.contains(of_the_command), "{of_the_command}");
    }
}

#[test]
fn what_a_program_gave_beside_the_data_is_told() {
    let mut fit = fits::regression();
    assert!(!words(&fit).contains("given from a program"));
    fit.record.data.weighted = true;
    fit.record.criterion.given_splits = Some(3);
    let text = words(&fit);
    assert!(text.contains("by validation on 3 given splits"), "{text}");
    assert!(text.contains("Sample weights and splits were given from a program"), "{text}");
    fit.record.settings.grid = Some(vec![0.1]);
    assert!(words(&fit).contains("Sample weights, splits and values of λ were given from a program"));
}

#[test]
fn group_weights_and_a_ridge_part_are_told() {
    let mut fit = fits::classes();
    fit.record.weights.kind = WeightsKind::Group;
    fit.record.weights.theta = Vec::new();
    fit.record.weights.ridge = 0.25;
    fit.record.settings.weights = WeightsKind::Group;
    fit.record.settings.penalty = PenaltyKind::ElasticNet;
    let text = words(&fit);
    assert!(
        text.contains("bilevel learned one weight for each group of features by 5-fold cross-validation")
    );
    assert!(text.contains(
        "bilevel fit mail/train.svm.gz --penalty elastic-net --weights group --groups FILE --seed 0"
    ));
    assert!(text.contains("0.25 (learned)") && text.contains("A ridge term with α = 0.25 joins them."));
}

#[test]
fn a_ridge_penalty_has_no_lambda_at_which_everything_leaves() {
    let mut fit = fits::regression();
    fit.record.settings.penalty = PenaltyKind::Ridge;
    let text = words(&fit);
    assert!(text.contains("--penalty ridge"));
    assert!(!text.contains("the last one leaves") && text.contains("largest curvature"), "{text}");
}

#[test]
fn names_cannot_break_out_of_the_markup() {
    for fit in [fits::degenerate(), fits::single()] {
        let html = render(&fit);
        assert!(!html.contains("<img"), "the name became markup");
        assert_eq!(html.matches("</script>").count(), 1, "the name closed the script");
    }
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    for fit in [fits::regression(), fits::classes(), fits::extreme()] {
        let html = render(&fit);
        for forbidden in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        assert!(html.contains("default-src 'none'") || html.contains("default-src &#39;none&#39;"));
    }
}

#[test]
fn missing_numbers_are_named_in_words() {
    for fit in [fits::degenerate(), fits::extreme(), fits::single()] {
        let text = words(&fit);
        for raw in ["NaN", "inf ", "-inf", "null"] {
            assert!(!text.contains(raw), "`{raw}` in the text");
        }
    }
    let text = words(&fits::degenerate());
    for sentence in [
        "No coefficient differs from zero",
        "No predictions in this record",
        "No stage of the search was recorded",
        "No outer step was recorded",
        "The search ended early",
    ] {
        assert!(text.contains(sentence), "{sentence}");
    }
}

#[test]
fn rows_of_one_class_have_no_roc_curve_and_say_so() {
    assert!(words(&fits::extreme()).contains("these rows hold only one of them"));
}

#[test]
fn a_kink_is_claimed_only_for_a_minimum_with_a_steep_side() {
    let page = |slopes, stationary| {
        let mut fit = fits::regression();
        let certificate = &mut fit.record.certificate;
        (certificate.biactive, certificate.stationarity_tolerance) = (0, 0.1);
        (certificate.one_sided_slopes, certificate.stationary) = (Some(slopes), stationary);
        render(&fit)
    };
    let claim = "falls towards it from both sides";
    assert!(page((-0.7, 0.3), true).contains(claim));
    assert!(!page((5.0, 5.0), false).contains(claim), "the criterion falls to the left");
    assert!(!page((-0.05, 0.05), true).contains(claim), "smooth");
}
