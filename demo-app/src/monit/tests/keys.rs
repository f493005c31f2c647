//! What the keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{later, model, state, url};
use crate::monit::{
    app::{App, Flow},
    client::FetchError,
    model::Model,
    sort::Sort,
};

fn press(app: &mut App, code: KeyCode) -> Flow {
    app.key(KeyEvent::from(code))
}

#[test]
fn q_escape_and_control_c_quit() {
    let mut app = App::new(model());
    assert_eq!(press(&mut app, KeyCode::Char('q')), Flow::Quit);
    assert_eq!(press(&mut app, KeyCode::Esc), Flow::Quit);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(app.key(control_c), Flow::Quit);
    assert_eq!(press(&mut app, KeyCode::Char('c')), Flow::GoOn);
    let released = KeyEvent::new_with_kind(
        KeyCode::Char('q'),
        KeyModifiers::NONE,
        KeyEventKind::Release,
    );
    assert_eq!(app.key(released), Flow::GoOn);
}

#[test]
fn escape_closes_the_help_first() {
    let mut app = App::new(model());
    press(&mut app, KeyCode::Char('?'));
    assert!(app.helps());
    assert_eq!(press(&mut app, KeyCode::Esc), Flow::GoOn);
    assert!(!app.helps());
    assert_eq!(press(&mut app, KeyCode::Esc), Flow::Quit);
}

#[test]
fn s_changes_the_order_and_begins_at_its_top() {
    let mut app = App::new(model());
    app.drawn(1);
    press(&mut app, KeyCode::Down);
    assert_eq!((app.window().sort, app.window().skip), (Sort::Cost, 1));
    press(&mut app, KeyCode::Char('s'));
    assert_eq!((app.window().sort, app.window().skip), (Sort::Runs, 0));
}

#[test]
fn scrolling_stays_within_the_routes() {
    let mut app = App::new(model());
    app.drawn(1);
    for (code, skip) in [
        (KeyCode::Up, 0),
        (KeyCode::Char('j'), 1),
        (KeyCode::Down, 2),
        (KeyCode::Down, 2),
        (KeyCode::PageUp, 0),
        (KeyCode::PageDown, 2),
        (KeyCode::Char('k'), 1),
        (KeyCode::Char('g'), 0),
        (KeyCode::Char('G'), 2),
    ] {
        press(&mut app, code);
        assert_eq!(app.window().skip, skip, "{code}");
    }
    // All fit.
    app.drawn(10);
    assert_eq!(app.window().skip, 0);
    let mut empty = App::new(Model::new(url(), 0.5));
    press(&mut empty, KeyCode::Down);
    assert_eq!(empty.window().skip, 0);
}

#[test]
fn a_pause_keeps_what_is_shown_and_still_tells_of_trouble() {
    let mut app = App::new(Model::new(url(), 0.5));
    app.take(Ok(state()), 1.0);
    press(&mut app, KeyCode::Char('p'));
    app.take(Ok(later()), 3.0);
    assert!(app.is_paused());
    assert_eq!(app.shown().state(), Some(&state()));
    app.take(Err(FetchError::NotFound), 4.0);
    assert!(app.complaint().is_some());
    press(&mut app, KeyCode::Char(' '));
    assert_eq!(app.shown().state(), Some(&later()));
}
