//! The experiment shows what it is there to show: a stall inline, and none through the plugin.

use serde_json::json;

use crate::{
    basics::{assert_for_everybody, assert_tab_order},
    page::{Page, keys},
    stage::Stage,
};

const PATH: &str = "/lab";

#[test]
fn the_lab_shows_who_keeps_the_light_route_waiting() {
    let Some(stage) = Stage::open(PATH) else {
        return;
    };
    in_state(&stage.page, "idle");
    stage.step("it knows its server", knows_its_server);
    stage.step("a run is stopped by keyboard", stopped);
    stage.step("jobs stall it inline and not through the plugin", all_three);
    stage.step("it is for everybody", |stage| {
        assert_for_everybody(&stage.page, "lab");
    });
}

#[test]
fn a_run_whose_worker_does_not_load_fails_and_the_next_one_runs() {
    let Some(stage) = Stage::open(PATH) else {
        return;
    };
    let page = &stage.page;
    // Its script is where none is, until it is let through.
    let lost = "{ const Own = Worker; globalThis.lost = true;
        globalThis.Worker = class extends Own { constructor(url) { super(lost ? '/nowhere.js' : url); } }; }";
    page.cdp(
        "Page.addScriptToEvaluateOnNewDocument",
        &json!({ "source": lost }),
    );
    page.reload();
    in_state(page, "idle");
    page.tab_to("[data-panel=plugin] [data-fire]");
    page.press(keys::ENTER);
    in_state(page, "failed");
    let summary = page.text("document.getElementById('summary').textContent");
    assert!(summary.starts_with("This run has failed"), "{summary}");

    page.ask("(globalThis.lost = false, true)");
    page.tab_to("[data-panel=plugin] [data-fire]");
    page.press(keys::ENTER);
    in_state(page, "running");
    let asked = "document.querySelector('[data-panel=plugin]').dataset.p50Ms > 0";
    page.until("it asks for /", asked);
    page.press(keys::ESCAPE);
    in_state(page, "idle");
}

fn in_state(page: &Page, state: &str) {
    let expression = format!("document.body.dataset.state === '{state}'");
    page.until(&format!("the page is {state}"), &expression);
}

/// Chooses the timer for 600 ms, four at once: both loops get jobs, whichever a browser's connections come to.
fn plan(page: &Page) {
    page.tab_to("#size");
    page.press(keys::HOME);
    for _ in 0..3 {
        page.press(keys::RIGHT);
    }
    assert_eq!(page.text("document.getElementById('size').value"), "600");
    page.tab_to("[name=count]");
    for _ in 0..2 {
        page.press(keys::RIGHT);
    }
    let count = "document.querySelector('[name=count]:checked').value";
    assert_eq!(page.text(count), "4");
    let job = "document.querySelector('[name=job]:checked').value";
    assert_eq!(page.text(job), "timer");
}

/// The longest wait for `/` in one way to run the jobs, in milliseconds.
fn longest(page: &Page, way: &str) -> f64 {
    page.number(&format!(
        "Number(document.querySelector('[data-panel={way}]').dataset.maxMs)"
    ))
}

fn knows_its_server(stage: &Stage) {
    let page = &stage.page;
    let server = page.text("document.getElementById('server').textContent");
    assert!(server.contains("2 event loops"), "{server}");
    assert!(server.contains("lane threads"), "{server}");
    let advice = page.text("document.getElementById('advice').textContent");
    assert!(advice.contains("2 event loops"), "{advice}");
}

fn all_three(stage: &Stage) {
    let page = &stage.page;
    page.ask(
        "(globalThis.states = [document.body.dataset.state], new MutationObserver(() => \
         states.push(document.body.dataset.state)).observe(document.body, { attributeFilter: ['data-state'] }))",
    );
    page.tab_to("#run-all");
    page.press(keys::ENTER);
    in_state(page, "running");
    assert_eq!(
        page.text("document.getElementById('run-all').ariaDisabled"),
        "true"
    );
    page.until(
        "figures come while it runs",
        "document.querySelector('[data-panel=inline]').dataset.p50Ms > 0",
    );
    in_state(page, "done");
    assert_eq!(page.ask("states"), json!(["idle", "running", "done"]));

    for way in ["inline", "block", "plugin"] {
        let panel = format!("document.querySelector('[data-panel={way}]')");
        assert_eq!(
            page.text(&format!("{panel}.dataset.state")),
            "done",
            "{way}"
        );
        assert_eq!(
            page.text(&format!("{panel}.dataset.jobsDone")),
            "4",
            "{way}"
        );
        assert_eq!(page.text(&format!("{panel}.dataset.lost")), "0", "{way}");
        let label = page.text(&format!("{panel}.querySelector('canvas').ariaLabel"));
        assert!(label.contains("the longest"), "{label}");
    }
    let (inline, plugin) = (longest(page, "inline"), longest(page, "plugin"));
    assert!(inline >= 300.0, "inline {inline} ms");
    assert!(
        plugin < inline / 4.0,
        "inline {inline} ms, plugin {plugin} ms"
    );
    let summary = page.text("document.getElementById('summary').textContent");
    for part in [
        "Inline, / waited",
        "through web::block",
        "through the plugin",
    ] {
        assert!(summary.contains(part), "{summary}");
    }
}

fn stopped(stage: &Stage) {
    let page = &stage.page;
    assert_tab_order(
        page,
        &[
            "[name=job]",
            "#size",
            "[name=count]",
            "#run-all",
            "#stop",
            "[data-panel=inline] [data-fire]",
            "[data-panel=plugin] [data-fire]",
        ],
    );
    plan(page);
    let plugin = "document.querySelector('[data-panel=plugin]').dataset.state";
    page.tab_to("[data-panel=plugin] [data-fire]");
    page.press(keys::ENTER);
    page.until("it runs one way", &format!("{plugin} === 'running'"));
    page.tab_to("#stop");
    page.press(keys::ENTER);
    in_state(page, "idle");
    assert_eq!(page.text(plugin), "stopped");
    let summary = page.text("document.getElementById('summary').textContent");
    assert!(summary.starts_with("Stopped."), "{summary}");

    // It starts again, and the escape key does the same from everywhere.
    page.tab_to("#run-all");
    page.press(keys::ENTER);
    in_state(page, "running");
    page.press(keys::ESCAPE);
    in_state(page, "idle");
}
