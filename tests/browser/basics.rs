//! What holds for both pages: who reads them by ear, by keyboard, in the dark or on a phone gets all of them.

use serde_json::json;

use crate::page::{Page, Theme, keys};

/// What a keyboard or a screen reader stops at, and pictures.
const NAMED: &str = "button, input, select, textarea, a[href], summary, [tabindex], [role=img]";

/// Checks the page as it is now, and leaves screenshots of it: `<name>-1280-dark`, `<name>-1280-light`, `<name>-360`.
#[track_caller]
pub(crate) fn assert_for_everybody(page: &Page, name: &str) {
    page.ask(concat!("(() => {", include_str!("basics.js"), "})()"));
    assert_nothing_wrong(page, "structure");
    for (element, label) in page.names_of(NAMED) {
        assert!(!label.trim().is_empty(), "without a name: {element}");
    }
    assert_themes(page, name);
    page.resize(360, 780);
    assert_nothing_wrong(page, "width");
    assert_nothing_wrong(page, "contrast");
    page.screenshot(&format!("{name}-360"));
    page.resize(1280, 900);
    assert_nothing_wrong(page, "width");
}

#[track_caller]
fn assert_themes(page: &Page, name: &str) {
    let seen = [Theme::Light, Theme::Dark].map(|theme| {
        page.like(theme);
        assert_nothing_wrong(page, "contrast");
        // The plots are drawn in the new colours by the next frame.
        page.ask(
            "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))",
        );
        page.screenshot(&format!("{name}-1280-{}", theme.name()));
        page.text("getComputedStyle(document.body).backgroundColor")
    });
    assert_ne!(seen[0], seen[1], "dark is as light");
}

#[track_caller]
fn assert_nothing_wrong(page: &Page, check: &str) {
    let wrong = page.ask(&format!("basics.{check}()"));
    assert_eq!(wrong, json!([]), "{check}");
}

/// Goes through the page by the tab key. `stops` have to come in this order, others may lie in between, and at each stop
/// one has to see where the focus is.
#[track_caller]
pub(crate) fn assert_tab_order(page: &Page, stops: &[&str]) {
    page.ask(concat!("(() => {", include_str!("basics.js"), "})()"));
    page.ask("basics.noteRest()");
    let mut left = stops.iter();
    let mut next = left.next();
    for _ in 0..100 {
        let Some(stop) = next else { return };
        page.press(keys::TAB);
        let here = page.text("document.activeElement.outerHTML.slice(0, 120)");
        assert_eq!(page.ask("basics.focusShows()"), true, "no focus on {here}");
        if page.ask(&format!("document.activeElement.matches('{stop}')")) == true {
            next = left.next();
        }
    }
    panic!("the tab key never comes to {next:?}, or not in this order: {stops:?}");
}
