//! The screen at the sizes that people have, and at those that nobody has.

use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent},
    style::Modifier,
};

use super::{later, model, state, url};
use crate::monit::{
    app::App,
    client::FetchError,
    model::Model,
    state::{EventLoop, Route, State},
    theme::Theme,
    view,
};

fn draw(app: &mut App, width: u16, height: u16) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    let mut room = 0;
    let theme = Theme::new(false);
    terminal
        .draw(|frame| room = view::draw(app, theme, frame))
        .expect("it draws");
    app.drawn(room);
    terminal.backend().clone()
}

fn rows(backend: &TestBackend) -> Vec<String> {
    let buffer = backend.buffer();
    let cells = buffer.content().chunks(usize::from(buffer.area.width));
    cells
        .map(|row| row.iter().map(|cell| cell.symbol()).collect())
        .collect()
}

fn shown(model: Model, width: u16, height: u16) -> Vec<String> {
    rows(&draw(&mut App::new(model), width, height))
}

/// The only row that begins so, blanks aside.
fn row<'a>(rows: &'a [String], begin: &str) -> &'a str {
    let mut found = rows
        .iter()
        .filter(|row| row.trim_start().starts_with(begin));
    let row = found
        .next()
        .unwrap_or_else(|| panic!("no row begins with {begin}:\n{}", rows.join("\n")));
    assert!(found.next().is_none(), "two rows begin with {begin}");
    row
}

#[track_caller]
fn has(row: &str, texts: &[&str]) {
    for text in texts {
        assert!(row.contains(text), "{text} is not in: {row}");
    }
}

#[test]
fn all_that_matters_is_there_at_80_columns() {
    let rows = shown(model(), 80, 24);
    has(
        &rows[0],
        &["http://127.0.0.1:8080", "2000 req/s", "up 12m", "1 STALLED"],
    );
    has(
        row(&rows, "0 "),
        &["45%", "STALLED 1.3s GET /inline/timer", "1000", " 3 "],
    );
    has(
        row(&rows, "1 "),
        &["45%", "200µs", "830µs GET /metrics", " 0 "],
    );
    has(row(&rows, "short"), &["1/2"]);
    has(row(&rows, "long"), &["2/2", "31", "1.7s", "440", "20"]);
    has(
        row(&rows, "GET / "),
        &["loop", "5.0", "20µs", "32µs", "→loop 12m33s"],
    );
    has(
        row(&rows, "POST /hash"),
        &["lane", "5.0", "16%", "31ms", "45ms", "37", "→lane    12s"],
    );
    has(row(&rows, "GET /inline/timer"), &["loop", "pinned"]);
    has(
        row(&rows, "NOW"),
        &["1.3s", "computing", "GET /inline/timer"],
    );
    has(
        row(&rows, "over"),
        &["5m00s", "4.2s", "lane job", "GET /sort"],
    );
    has(
        rows.last().expect("rows"),
        &["q quit", "s sort: cost", "? help"],
    );
}

#[test]
fn all_there_is_is_there_at_200_columns() {
    let rows = shown(model(), 200, 50);
    has(&rows[0], &["pid 4711"]);
    has(row(&rows, "0 "), &["1.3s", "actix-server worker 0", "3000"]);
    has(row(&rows, "1 "), &["22.5k"]);
    has(
        row(&rows, "GET / "),
        &["━", "20.0k", "first 3 runs within budget"],
    );
    has(
        row(&rows, "POST /hash"),
        &["2.4ms", "━", "─", "┊", "run of 31.0 ms over budget"],
    );
    has(row(&rows, "GET /inline/timer"), &["the settings say so"]);
    has(
        row(&rows, "NOW"),
        &[
            "actix-server worker 0",
            "timer::busy_wait at demo-app/src/handlers/timer.rs:31",
        ],
    );
    has(
        row(&rows, "lane → loop"),
        &["12m33s", "GET /", "first 3 runs within budget"],
    );
}

#[test]
fn a_stalled_loop_shows_on_the_smallest_screen() {
    let rows = shown(model(), 20, 5);
    assert_eq!(rows.len(), 5);
    has(&rows[0], &["1 STALLED"]);
    has(row(&rows, "0 "), &["STALLED 1.3s"]);
}

#[test]
fn a_stall_is_marked_without_colours_too() {
    let backend = draw(&mut App::new(model()), 80, 24);
    let at = rows(&backend)
        .iter()
        .position(|row| row.contains("STALLED 1.3s"))
        .expect("a row");
    let start = at * 80;
    let cells = &backend.buffer().content()[start..start + 80];
    let reversed: String = cells
        .iter()
        .filter(|cell| cell.modifier.contains(Modifier::REVERSED))
        .map(|cell| cell.symbol())
        .collect();
    has(&reversed, &["STALLED 1.3s GET /inline/timer"]);
}

#[test]
fn no_size_and_no_state_overflows_or_panics() {
    let mut many = State::parse(br#"{"routes": [], "stalls": [{}, {}]}"#).expect("a state");
    many.routes = vec![Route::default(); 3_000];
    many.event_loops = (0..200)
        .map(|event_loop| EventLoop {
            event_loop,
            lag_seconds: Some(f64::MAX),
            longest_poll_seconds: -1.0,
            ..EventLoop::default()
        })
        .collect();
    let mut shrunk = later();
    for event_loop in &mut shrunk.event_loops {
        event_loop.requests = 0;
        event_loop.busy_seconds = -5.0;
        event_loop.stalled_seconds = Some(f64::MAX);
    }
    let empty = State::parse(br#"{"routes": []}"#).expect("a state");
    for states in [
        vec![],
        vec![empty],
        vec![state(), many.clone()],
        vec![many, state(), shrunk],
    ] {
        let mut model = Model::new(url(), 0.5);
        for (at, state) in states.into_iter().enumerate() {
            model.take(Ok(state), at as f64);
        }
        for failed in [false, true] {
            if failed {
                model.take(Err(FetchError::NotFound), 1e9);
            }
            for width in [1, 2, 5, 20, 33, 57, 80, 131, 200, 400] {
                for height in [1, 2, 3, 5, 8, 14, 24, 34, 50] {
                    let mut app = App::new(model.clone());
                    draw(&mut app, width, height);
                    app.key(KeyEvent::from(KeyCode::End));
                    app.key(KeyEvent::from(KeyCode::Char('?')));
                    draw(&mut app, width, height);
                }
            }
        }
    }
}

#[test]
fn rows_are_exactly_as_wide_as_the_screen() {
    // What is cut says so: no row ends in half a word that looks like a whole one.
    let mut long = state();
    long.routes[0].pattern = format!("/{}", "long/".repeat(30));
    let mut model = Model::new(url(), 0.5);
    model.take(Ok(long), 1.0);
    for width in [60, 80, 200] {
        let rows = shown(model.clone(), width, 24);
        has(row(&rows, "GET /long"), &["…", "loop"]);
    }
}

#[test]
fn a_server_that_is_away_is_said_in_a_sentence() {
    let mut model = Model::new(url(), 0.5);
    has(&shown(model.clone(), 80, 24)[0], &["connecting"]);
    model.take(
        Err(FetchError::Unreachable("connection refused".into())),
        1.0,
    );
    let rows = shown(model.clone(), 110, 24);
    has(&rows[0], &["NO DATA"]);
    has(
        &rows[1],
        &["server at http://127.0.0.1:8080 does not answer: connection refused; trying again"],
    );

    let rows = shown(model.clone(), 50, 24);
    has(
        &rows[1],
        &["server at http://127.0.0.1:8080 does not answer:"],
    );
    has(&rows[2], &["connection refused; trying again"]);

    model.take(Ok(state()), 2.0);
    model.take(Err(FetchError::Broken("connection reset".into())), 9.0);
    let rows = shown(model, 140, 24);
    has(&rows[1], &["connection reset", "what it said 7s ago"]);
    has(row(&rows, "GET / "), &["loop"]);
}

#[test]
fn loops_that_do_not_fit_are_counted_and_the_stalled_come_first() {
    let mut state = state();
    state.event_loops = (0..64)
        .map(|event_loop| EventLoop {
            event_loop,
            stalled_seconds: (event_loop == 63).then_some(2.0),
            ..EventLoop::default()
        })
        .collect();
    let mut model = Model::new(url(), 0.5);
    model.take(Ok(state), 1.0);
    let rows = shown(model, 80, 24);
    has(&rows[2], &["63", "STALLED 2.0s no route"]);
    has(row(&rows, "…"), &["more event loops, none of them stalled"]);
}

#[test]
fn routes_scroll_and_say_where_they_are() {
    let mut state = state();
    let route = state.routes[0].clone();
    state.routes = (0..1_204)
        .map(|at| Route {
            pattern: format!("/r{at:04}"),
            ..route.clone()
        })
        .collect();
    let mut model = Model::new(url(), 0.5);
    model.take(Ok(state), 1.0);
    let mut app = App::new(model);
    let first = rows(&draw(&mut app, 80, 24));
    has(row(&first, "ROUTE"), &["1-", "/1204"]);
    row(&first, "GET /r0000");
    app.key(KeyEvent::from(KeyCode::Down));
    let second = rows(&draw(&mut app, 80, 24));
    assert!(!second.iter().any(|row| row.contains("/r0000")));
    row(&second, "GET /r0001");
    app.key(KeyEvent::from(KeyCode::End));
    let last = rows(&draw(&mut app, 80, 24));
    row(&last, "GET /r1203");
    has(row(&last, "ROUTE"), &["-1204/1204"]);
    // A larger screen leaves no blank where routes could be.
    let larger = rows(&draw(&mut app, 80, 33));
    row(&larger, "GET /r1203");
    assert!(row(&larger, "ROUTE").contains("-1204/1204"));
}

#[test]
fn help_is_over_everything() {
    let mut app = App::new(model());
    app.key(KeyEvent::from(KeyCode::Char('?')));
    let rows = rows(&draw(&mut app, 80, 24));
    assert!(
        rows.iter()
            .any(|row| row.contains("Ctrl-C") && row.contains("quit"))
    );
    assert!(rows.iter().any(|row| row.contains("clients that left")));
}

#[test]
fn what_the_server_does_not_tell_is_not_taken_for_good_news() {
    let mut state = state();
    state.stalls.clear();
    let mut model = Model::new(url(), 0.5);
    model.take(Ok(state.clone()), 1.0);
    row(&shown(model.clone(), 80, 24), "no stalls so far");
    for event_loop in &mut state.event_loops {
        event_loop.stalls = None;
    }
    state.routes_omitted = 12_345;
    model.take(Ok(state), 2.0);
    let rows = shown(model, 80, 24);
    row(&rows, "this server does not tell of stalls");
    has(row(&rows, "ROUTE"), &["+12.3k"]);
}
