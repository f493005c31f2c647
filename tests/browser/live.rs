//! The live page shows what happens while it happens, also while everything is saturated.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    basics::{assert_for_everybody, assert_tab_order},
    page::{Page, keys},
    stage::Stage,
    traffic::Traffic,
};

const PATH: &str = "/_offload/";

const CONNECTED: &str = "document.body.dataset.connection === 'live'";

/// Backtraces of stuck threads exist here.
const BACKTRACES: bool = cfg!(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
));

const BRIEFLY: Duration = Duration::from_millis(20);

#[test]
fn the_live_page_shows_what_happens() {
    let Some(stage) = Stage::open(PATH) else {
        return;
    };
    stage.page.until("the page is connected", CONNECTED);
    stage.step("requests, routes and moves show as they happen", everyday);
    stage.step("a stall is listed with its route and place", short_stall);
    stage.step("a stall shows while it lasts", long_stall);
    stage.step("through the plugin there is none", no_stall);
    stage.step("values change while all lane threads compute", saturated);
    stage.step("it is for everybody", everybody);
    stage.step("routes are sorted and filtered by keyboard", sorted);
    stage.step("states that name other routes change no rate", other_routes);
    stage.step(
        "numbers of another process are other things",
        another_process,
    );
    stage.step("it says so where no loop is measured", no_loops);
}

/// A part of the row of a route, as an expression; `null` while there is none.
fn row(route: &str, part: &str) -> String {
    format!("document.querySelector('tr[data-route=\"{route}\"]')?.{part}")
}

/// How often a route has run, as an expression.
fn runs(route: &str) -> String {
    let cell = row(
        route,
        "querySelector('[data-label=Runs]')?.title.match(/\\d+/g)",
    );
    format!("({cell} ?? []).reduce((sum, runs) => sum + Number(runs), 0)")
}

/// An entry of the list of stalls, as an expression.
fn stall_of(route: &str, kind: &str) -> String {
    format!(
        "[...document.querySelectorAll('#stall-list > [data-kind={kind}]')]\
         .find((stall) => stall.querySelector('.route').textContent === '{route}')"
    )
}

/// A heavy route, and `/` at a calm pace.
fn calm_traffic(stage: &Stage) -> Traffic {
    let mut traffic = Traffic::to(stage.client());
    traffic.add(1, "/", BRIEFLY);
    traffic.add(1, "/burn?ms=40", BRIEFLY);
    traffic
}

/// Keeps an event loop for 600 ms.
fn stall(stage: &Stage) {
    let answer = stage
        .client()
        .get("/inline/timer?ms=600")
        .expect("an answer");
    assert_eq!(answer.status(), 200);
}

/// What the page writes as `602 ms` or `1.2 s`.
fn millis(duration: &str) -> f64 {
    let (number, unit) = duration.split_once('\u{202f}').expect("a unit");
    let number: f64 = number.parse().expect("a number");
    match unit {
        "ms" => number,
        "s" => number * 1e3,
        _ => panic!("an unexpected unit: {duration}"),
    }
}

fn everyday(stage: &Stage) {
    let page = &stage.page;
    let traffic = calm_traffic(stage);

    let burn = "GET /burn";
    page.until(
        "the heavy route runs on a lane",
        &row(burn, "dataset.placement === 'lane'"),
    );
    page.until(
        "the light route runs on the loop",
        &row("GET /", "dataset.placement === 'loop'"),
    );
    let before = page.number(&runs("GET /"));
    page.until(
        "requests are counted",
        &format!("{} > {before} + 20", runs("GET /")),
    );
    page.until(
        "the rate is more than nothing",
        "parseFloat(document.getElementById('fact-rate').textContent) > 1",
    );
    page.until(
        "the light route's move is in the list",
        "[...document.querySelectorAll('#move-list > li')].some((move) => \
         move.querySelector('.route').textContent === 'GET /' && move.querySelector('.badge.loop'))",
    );
    page.until(
        "each loop says how late it is",
        "document.querySelectorAll('.loop [data-figure=lag]').length === 2 && \
         [...document.querySelectorAll('.loop [data-figure=lag]')].every((lag) => /\\d/.test(lag.textContent))",
    );
    drop(traffic);
}

fn short_stall(stage: &Stage) {
    let page = &stage.page;
    stall(stage);
    let found = stall_of("GET /inline/timer", "computing");
    page.until("the stall is in the list", &found);
    page.until(
        "it is over",
        &format!("{found}.querySelector('.log-head .sub').textContent !== 'still stuck'"),
    );
    let elapsed = page.text(&format!("{found}.querySelector('.elapsed').textContent"));
    let millis = millis(&elapsed);
    assert!(
        (500.0..5000.0).contains(&millis),
        "it took 600 ms: {elapsed}"
    );
    // What names functions is read in the background, which takes a while on a busy machine.
    let named = "[...document.querySelectorAll('#stall-list .frame')]\
                 .some((frame) => frame.textContent.includes('timer.rs'))";
    let start = Instant::now();
    while BACKTRACES && page.ask(named) != true {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "no place is named"
        );
        stall(stage);
    }
    page.until(
        "the loop counts it",
        "[...document.querySelectorAll('.loop [data-figure=stalls]')].some((count) => Number(count.textContent) > 0)",
    );
    page.until(
        "it is the loop's longest lag",
        "[...document.querySelectorAll('.loop [data-figure=longest-lag]')].some((lag) => /^[5-9]\\d\\d\\Wms$|\\d\\Ws$/.test(lag.textContent))",
    );
}

fn long_stall(stage: &Stage) {
    let page = &stage.page;
    // The stream may be on the loop that is stuck; then the page finds the other one, and that takes a moment.
    let mut traffic = Traffic::to(stage.client());
    traffic.add(1, "/inline/timer?ms=4000", BRIEFLY);
    page.until(
        "a loop says what it is stuck in",
        "[...document.querySelectorAll('.loop.stalled .banner')].some((banner) => \
         banner.textContent.includes('GET /inline/timer'))",
    );
    page.until(
        "the list says that it is going on",
        &format!(
            "{}?.classList.contains('going-on')",
            stall_of("GET /inline/timer", "computing")
        ),
    );
    drop(traffic);
}

fn no_stall(stage: &Stage) {
    let page = &stage.page;
    for _ in 0..3 {
        let answer = stage.client().get("/timer?ms=400").expect("an answer");
        assert_eq!(answer.status(), 200);
    }
    page.until(
        "the page knows of the runs",
        &format!("{} === 3", runs("GET /timer")),
    );
    for kind in ["computing", "waiting"] {
        let stalled = page.ask(&format!("Boolean({})", stall_of("GET /timer", kind)));
        assert_eq!(stalled, false, "the plugin stalled a loop: {kind}");
    }
}

fn saturated(stage: &Stage) {
    let page = &stage.page;
    let mut flood = Traffic::to(stage.client());
    flood.add(16, "/burn?ms=300", Duration::ZERO);
    let light = flood.add(1, "/", BRIEFLY);

    // The long one, as soon as the first of them was found to belong there.
    let full = "[...document.querySelectorAll('.lane-card')].some((lane) => ['busy', 'full'].includes(lane.dataset.level))";
    page.until("the lanes are full", full);
    for _ in 0..3 {
        let uptime = page.text("document.getElementById('fact-uptime').textContent");
        let counted = page.number(&runs("GET /"));
        page.until(
            "time goes on",
            &format!("document.getElementById('fact-uptime').textContent !== '{uptime}'"),
        );
        page.until(
            "requests are counted",
            &format!("{} > {counted}", runs("GET /")),
        );
        page.until("the lanes are still full", full);
        page.until("the page is connected", CONNECTED);
    }
    drop(flood);
    assert!(light.load(Ordering::Relaxed) > 0, "nobody got `/`");
}

fn sorted(stage: &Stage) {
    let page = &stage.page;
    let traffic = calm_traffic(stage);
    page.until(
        "there are rows",
        "document.querySelectorAll('#route-rows tr').length >= 2",
    );
    let shown = "[...document.querySelectorAll('#route-rows tr')].map((row) => row.dataset.route)";
    let heading = "document.querySelector('th[data-column=route]').getAttribute('aria-sort')";
    page.tab_to("th[data-column=route] button");
    assert_eq!(page.ask(heading), json!(null));
    for (order, first) in [("ascending", "GET /"), ("descending", "GET /timer")] {
        page.press(keys::ENTER);
        assert_eq!(page.text(heading), order);
        page.until(
            "the rows are in this order",
            &format!("{shown}[0] === '{first}'"),
        );
    }
    assert_eq!(
        page.number("document.querySelectorAll('[aria-sort]').length"),
        1.0
    );

    page.tab_to("#route-filter");
    page.enter("burn lane");
    page.until(
        "only what matches is shown",
        &format!("{shown}.join() === 'GET /burn'"),
    );
    page.enter("x");
    page.until(
        "it says that nothing matches",
        "document.getElementById('routes-empty').checkVisibility()",
    );
    drop(traffic);
}

fn everybody(stage: &Stage) {
    let page = &stage.page;
    let mut traffic = calm_traffic(stage);
    traffic.add(1, "/sort?n=20000", BRIEFLY);
    traffic.add(1, "/json/stringify?items=500", BRIEFLY);
    traffic.add(1, "/block/burn?ms=10", BRIEFLY);
    stall(stage);
    page.until(
        "there is a stall, a move and a route on each side",
        "['#stall-list > li', '#move-list > li', 'tr[data-placement=loop]', 'tr[data-placement=lane]']\
         .every((part) => document.querySelector(part))",
    );
    page.until(
        "the plot has some of the past to show",
        "parseInt(document.getElementById('lag-plot').getAttribute('aria-label').match(/last (\\d+) seconds/)?.[1]) >= 3",
    );
    assert_for_everybody(page, "live");
    assert_tab_order(
        page,
        &[
            ".skip",
            "#stall-list",
            "#stall-list summary",
            "#move-list",
            "#route-filter",
            "th[data-column=route] button",
            "th[data-column=move] button",
            "footer a",
        ],
    );
    skip_link_leads_to_main(page);
    drop(traffic);
}

fn skip_link_leads_to_main(page: &Page) {
    page.tab_to(".skip");
    page.press(keys::ENTER);
    page.press(keys::TAB);
    let inside = "document.getElementById('main').contains(document.activeElement)";
    assert_eq!(page.ask(inside), true);
}

/// What `then` makes of what the page's modules export, given a state with nothing in it.
fn with_modules(page: &Page, modules: &[&str], then: &str) -> Value {
    let imports = modules
        .iter()
        .map(|name| format!("import('{PATH}live/{name}')"));
    let imports: Vec<String> = imports.collect();
    page.ask(&format!(
        "Promise.all([{}]).then((modules) => {{
           const {{ History, LagPlot, LoopCards, Moves }} = Object.assign({{}}, ...modules);
           const nothing = {{ pid: 1, uptime_seconds: 1, unix_ms: 1e6, stall_threshold_ms: 25,
                              event_loops: [], lanes: [], routes: [], moves: [], stalls: [] }};
           {then}
         }})",
        imports.join(",")
    ))
}

fn other_routes(stage: &Stage) {
    let rate = with_modules(
        &stage.page,
        &["history.js"],
        "const history = new History();
         const take = (uptime_seconds, pattern, lane_runs, lane_runs_total) => {
           const route = { app: 0, method: 'GET', pattern, loop_runs: 0, lane_runs };
           history.take({ ...nothing, uptime_seconds, routes: [route], routes_omitted: 1, lane_runs_total });
         };
         take(1, '/a', 100, 197);
         take(2, '/b', 900, 1000);
         take(3, '/a', 101, 1003);
         return [history.laneRate(), history.requestRate()];",
    );
    assert_eq!(rate, json!([403, 403]));
}

fn another_process(stage: &Stage) {
    let shown = with_modules(
        &stage.page,
        &["history.js", "logs.js"],
        "const history = new History();
         const moves = new Moves();
         // The page's own are taken out, until its next state.
         moves.draw(nothing, history);
         return ['/old', '/new'].map((route, pid) => {
           const move = { id: 1, route, from: 'lane', to: 'loop', reason: 'some', age_s: 1 };
           const state = { ...nothing, pid, moves: [move] };
           history.take(state);
           moves.draw(state, history);
           return document.querySelector('#move-list .route').textContent;
         });",
    );
    assert_eq!(shown, json!(["/old", "/new"]));
}

fn no_loops(stage: &Stage) {
    let said = with_modules(
        &stage.page,
        &["history.js", "loops.js", "plot.js"],
        "const [canvas, list] = ['canvas', 'ul'].map((tag) => document.createElement(tag));
         new LagPlot(canvas, list, new History()).update(nothing);
         new LoopCards(list).draw(nothing, new History());
         return [canvas.getAttribute('aria-label'), document.getElementById('loops-empty').hidden];",
    );
    assert_eq!(
        said,
        json!(["Lag of each event loop: nothing measured yet", false])
    );
    let hidden = "document.getElementById('loops-empty').hidden";
    stage.page.until("it has loops", hidden);
}
