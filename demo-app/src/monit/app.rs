//! What the keys do. Knows neither the terminal nor the network.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{client::FetchError, model::Model, state::State, view::routes::Window};

/// How far one press of a page key goes.
const PAGE: usize = 10;

/// What is on the screen, and what it can be made to show.
#[derive(Debug)]
pub(crate) struct App {
    live: Model,
    /// What was shown when it was paused.
    paused: Option<Box<Model>>,
    window: Window,
    help: bool,
    /// How many routes there was room for when the screen was last drawn.
    room: usize,
}

/// Whether to go on after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    GoOn,
    Quit,
}

impl App {
    pub(crate) fn new(live: Model) -> Self {
        Self {
            live,
            paused: None,
            window: Window::default(),
            help: false,
            room: 0,
        }
    }

    /// Takes what came of a request at `now`, in seconds on the monitor's clock.
    pub(crate) fn take(&mut self, result: Result<State, FetchError>, now: f64) {
        self.live.take(result, now);
    }

    /// Moves the clock on.
    pub(crate) fn tick(&mut self, now: f64) {
        self.live.now = self.live.now.max(now);
    }

    /// Remembers how many routes there was room for.
    pub(crate) fn drawn(&mut self, room: usize) {
        self.room = room;
        self.window.skip = self.window.skip.min(self.furthest());
    }

    pub(crate) fn key(&mut self, key: KeyEvent) -> Flow {
        if key.kind == KeyEventKind::Release {
            return Flow::GoOn;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'd') if control => return Flow::Quit,
            KeyCode::Esc if self.help => self.help = false,
            KeyCode::Char('q') | KeyCode::Esc => return Flow::Quit,
            _ if control => {}
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.help = !self.help,
            KeyCode::Char('p' | ' ') => self.pause(),
            KeyCode::Char('s') => {
                self.window = Window {
                    sort: self.window.sort.next(),
                    skip: 0,
                }
            }
            KeyCode::Up | KeyCode::Char('k') => self.scroll_to(self.window.skip.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.scroll_to(self.window.skip + 1),
            KeyCode::PageUp => self.scroll_to(self.window.skip.saturating_sub(PAGE)),
            KeyCode::PageDown => self.scroll_to(self.window.skip + PAGE),
            KeyCode::Home | KeyCode::Char('g') => self.scroll_to(0),
            KeyCode::End | KeyCode::Char('G') => self.scroll_to(self.furthest()),
            _ => {}
        }
        Flow::GoOn
    }

    pub(crate) fn shown(&self) -> &Model {
        self.paused.as_deref().unwrap_or(&self.live)
    }

    /// What is wrong with the connection; that is told while the rest is paused, too.
    pub(crate) fn complaint(&self) -> Option<String> {
        self.live.complaint()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    pub(crate) fn helps(&self) -> bool {
        self.help
    }

    pub(crate) fn window(&self) -> Window {
        self.window
    }

    fn pause(&mut self) {
        self.paused = match self.paused {
            Some(_) => None,
            None => Some(Box::new(self.live.clone())),
        };
    }

    fn scroll_to(&mut self, skip: usize) {
        self.window.skip = skip.min(self.furthest());
    }

    fn furthest(&self) -> usize {
        let routes = self.shown().state().map_or(0, |state| state.routes.len());
        routes.saturating_sub(self.room)
    }
}
