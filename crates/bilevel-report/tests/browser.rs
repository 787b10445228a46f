//! The report in a headless Chromium: no console error, no network request, no empty plot, no sideways scrolling, readable text;
//! on a phone and on a desk, by day and by night, and on paper (where someone who prefers the dark still wants a white page).
//!
//! Set `BILEVEL_CHROMIUM` to the browser if it is not on the path; with `BILEVEL_REQUIRE_BROWSER=1` its absence is a failure.
//! With `BILEVEL_REPORT_PNG=DIR` the pictures are kept.

// A browser that does not answer, or a folder that cannot be written, fails the test with a sentence.
#![allow(clippy::expect_used)]

#[path = "common/browser.rs"]
mod chromium;
mod common;

use std::path::{Path, PathBuf};

use bilevel::fit::Fit;
use chromium::{Browser, View, Visit};

use common::fits;

/// Measures the page: empty plots, width, contrast, and whether numbers went missing in the drawings.
const MEASURE: &str = r"(() => {
  const faults = [];
  const plots = [...document.querySelectorAll('svg.plot')];
  for (const plot of plots) {
    const name = plot.getAttribute('aria-label') || 'a plot without a description';
    const marks = [...plot.querySelectorAll('.marks path.line, .marks path.cloud, .marks circle, .marks rect.bar')];
    const seen = marks.some(m => { const b = m.getBBox(); return b.width > 0 || b.height > 0; });
    if (!seen) faults.push('empty plot: ' + name);
    const box = plot.getBoundingClientRect();
    if (box.width < 200 || box.height < 40) faults.push('tiny plot: ' + name);
    for (const e of plot.querySelectorAll('*'))
      for (const a of e.attributes)
        if (a.name !== 'data-t' && /NaN|inf/.test(a.value)) faults.push('not a number: ' + a.name + '=' + a.value);
    for (const t of plot.querySelectorAll('text')) {
      const size = parseFloat(getComputedStyle(t).fontSize) * box.width / plot.viewBox.baseVal.width;
      if (size < 8.9) faults.push('text of ' + size.toFixed(1) + ' px in ' + name);
      const b = t.getBoundingClientRect();
      if (b.left < -0.5 || b.right > innerWidth + 0.5) faults.push('text beyond the window: ' + t.textContent);
    }
    if (!plot.getAttribute('aria-label')) faults.push('no description');
  }
  const page = document.scrollingElement;
  if (page.scrollWidth > innerWidth) faults.push('the page is ' + page.scrollWidth + ' px wide in a window of ' + innerWidth);
  const luminance = color => {
    const [r, g, b] = color.match(/[\d.]+/g).map(Number).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => { const [l, d] = [luminance(a), luminance(b)].sort((x, y) => y - x); return (l + 0.05) / (d + 0.05); };
  const behind = e => { while (e) { const c = getComputedStyle(e).backgroundColor; if (c !== 'rgba(0, 0, 0, 0)') return c; e = e.parentElement; } return 'rgb(255, 255, 255)'; };
  for (const e of document.querySelectorAll('h1, h2, h3, p, dd, dt, td, th, li, a, code, .tile span, svg.plot text')) {
    const style = getComputedStyle(e), color = e instanceof SVGElement ? style.fill : style.color;
    const c = contrast(color, behind(e));
    if (c < 4.5) faults.push('contrast ' + c.toFixed(1) + ' of ' + e.tagName + ': ' + e.textContent.slice(0, 40));
  }
  const bars = document.querySelector('circle[data-t], rect[data-t]');
  if (bars && !matchMedia('print').matches) {
    const b = bars.getBoundingClientRect();
    bars.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true, clientX: b.left + b.width / 2, clientY: b.top + b.height / 2 }));
    if (document.getElementById('tip').hidden || !document.getElementById('tip').textContent) faults.push('a touched mark says nothing');
    document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }));
    if (!document.getElementById('tip').hidden) faults.push('Escape does not hide the tip');
  }
  if (matchMedia('print').matches && luminance(getComputedStyle(document.body).backgroundColor) < 0.99) faults.push('dark paper');
  return { faults, plots: plots.length, scheme: matchMedia('(prefers-color-scheme: dark)').matches, width: innerWidth };
})()";

const VIEWS: [View; 5] = [
    View { width: 375, height: 812, dark: false, print: false },
    View { width: 375, height: 812, dark: true, print: false },
    View { width: 1280, height: 900, dark: false, print: false },
    View { width: 1280, height: 900, dark: true, print: false },
    View { width: 794, height: 1123, dark: true, print: true },
];

/// Everything that is wrong with a visited page.
fn faults(visit: &Visit) -> Vec<String> {
    let mut faults: Vec<String> = visit.complaints.iter().map(|c| format!("console: {c}")).collect();
    faults.extend(visit.requests.iter().map(|r| format!("request: {r}")));
    let measured = visit.answer["faults"].as_array().expect("the measuring script answers");
    faults.extend(measured.iter().map(|f| f.as_str().unwrap_or_default().to_string()));
    faults
}

/// The browser, or `None` with a sentence if there is none and none is required.
fn browser() -> Option<Browser> {
    if let Some(program) = chromium::find() {
        return Some(Browser::start(&program));
    }
    let sentence = "no Chromium found: install the Debian package `chromium`, or set BILEVEL_CHROMIUM to a Chromium or Chrome";
    assert!(std::env::var("BILEVEL_REQUIRE_BROWSER").as_deref() != Ok("1"), "{sentence}");
    eprintln!("skipped: {sentence}");
    None
}

/// A file in a folder of this test run.
fn written(name: &str, html: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = dir.join(format!("{name}.html"));
    std::fs::write(&file, html).expect("the target folder is writable");
    file
}

fn keep_picture(browser: &mut Browser, name: &str, view: View) {
    let Some(dir) = std::env::var_os("BILEVEL_REPORT_PNG") else { return };
    std::fs::create_dir_all(&dir).expect("the folder for pictures can be made");
    let scheme = match view {
        View { print: true, .. } => "print",
        View { dark: true, .. } => "dark",
        _ => "light",
    };
    let picture = base64(&browser.screenshot(view));
    std::fs::write(Path::new(&dir).join(format!("{name}-{}-{scheme}.png", view.width)), picture)
        .expect("writable");
}

/// Decodes base64 (RFC 4648) without line breaks.
fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|&c| c != b'=').map(digit).collect();
    digits
        .chunks(4)
        .flat_map(|four| {
            let bits =
                four.iter().enumerate().fold(0u32, |bits, (i, &d)| bits | u32::from(d) << (18 - 6 * i));
            bits.to_be_bytes()[1..four.len()].to_vec()
        })
        .collect()
}

fn assert_sound_everywhere(name: &str, fit: &Fit, fewest_plots: u64) {
    let Some(mut browser) = browser() else { return };
    let file = written(name, &bilevel_report::render(fit));
    for view in VIEWS {
        let visit = browser.visit(&file, view, MEASURE);
        keep_picture(&mut browser, name, view);
        assert_eq!(faults(&visit), Vec::<String>::new(), "{name} in {view:?}");
        assert_eq!(
            (visit.answer["scheme"].as_bool(), visit.answer["width"].as_u64()),
            (Some(view.dark), Some(view.width.into()))
        );
        assert!(visit.answer["plots"].as_u64() >= Some(fewest_plots), "{name}: {}", visit.answer);
    }
}

#[test]
fn a_regression_is_shown_soundly() {
    assert_sound_everywhere("regression", &fits::regression(), 9);
}

#[test]
fn classes_with_sparse_weights_are_shown_soundly() {
    assert_sound_everywhere("classes", &fits::classes(), 14);
}

#[test]
fn a_hundred_thousand_features_are_shown_soundly() {
    assert_sound_everywhere("wide", &fits::wide(), 11);
}

#[test]
fn nothing_to_show_is_shown_soundly() {
    assert_sound_everywhere("degenerate", &fits::degenerate(), 0);
}

#[test]
fn single_points_are_shown_soundly() {
    assert_sound_everywhere("single", &fits::single(), 8);
}

#[test]
fn extreme_numbers_are_shown_soundly() {
    assert_sound_everywhere("extreme", &fits::extreme(), 1);
}

#[test]
fn the_measure_finds_what_it_is_for() {
    let Some(mut browser) = browser() else { return };
    let broken = "<!DOCTYPE html><meta name=viewport content='width=device-width'><div style='width: 2000px'>wide</div>\
        <p style='color: #bbb; background: #fff'>faint</p><img src='http://localhost:9/x.png'><script>console.error('bad'); missing()</script>\
        <svg class=plot viewBox='0 0 400 200' aria-label=none><g class=marks><path class=line d=''></path></g></svg>";
    let visit = browser.visit(&written("broken", broken), VIEWS[0], MEASURE);
    let found = faults(&visit).join("\n");
    for fault in [
        "empty plot: none",
        "bad",
        "missing is not defined",
        "request: http://localhost:9/x.png",
        "px wide in a window",
        "contrast",
    ] {
        assert!(found.contains(fault), "{fault} is not in:\n{found}");
    }
}

#[test]
fn base64_of_rfc_4648_is_decoded() {
    for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob")] {
        assert_eq!(base64(text), bytes.as_bytes());
    }
}
