//! The monitor on a terminal: draws, and waits for keys, answers and signals at once.

use std::{
    io,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event as Input},
};

use super::{
    MonitError,
    app::{App, Flow},
    client::{self, Client, Fetched},
    model::Model,
    theme::Theme,
    view,
};

/// How long the screen stays as it is when nothing comes: ages move on.
const REDRAW: Duration = Duration::from_millis(250);

/// What can happen.
#[derive(Debug)]
enum Event {
    Input(Input),
    InputLost(io::Error),
    Fetched(Box<Fetched>),
    Signal,
}

impl From<Fetched> for Event {
    fn from(fetched: Fetched) -> Self {
        Self::Fetched(fetched.into())
    }
}

/// Shows `model` until it is told to end, and leaves the terminal as it was.
///
/// # Errors
///
/// A [`MonitError`] if there is no terminal to draw on or to read keys from.
pub(crate) fn run(client: Client, model: Model, every: Duration) -> Result<(), MonitError> {
    let start = Instant::now();
    let (tell, events) = mpsc::channel();
    // From here on no signal ends the program with the terminal in disorder. Panics are ratatui's.
    watch_signals(tell.clone()).map_err(MonitError::Start)?;
    let ended = ratatui::try_init()
        .map_err(MonitError::Terminal)
        .and_then(|mut terminal| {
            read_keys(tell.clone()).map_err(MonitError::Start)?;
            client::watch(client, every, tell).map_err(MonitError::Start)?;
            show(&mut terminal, App::new(model), &events, start)
        });
    // Fails where the terminal has gone, and then there is nothing to restore.
    let _restored = ratatui::try_restore();
    ended
}

fn show(
    terminal: &mut DefaultTerminal,
    mut app: App,
    events: &Receiver<Event>,
    start: Instant,
) -> Result<(), MonitError> {
    let theme = Theme::from_env();
    let since_start = |at: Instant| at.saturating_duration_since(start).as_secs_f64();
    loop {
        app.tick(since_start(Instant::now()));
        let mut room = 0;
        terminal
            .draw(|frame| room = view::draw(&app, theme, frame))
            .map_err(MonitError::Terminal)?;
        app.drawn(room);
        let first = match events.recv_timeout(REDRAW) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        // All that has come is taken in before the next drawing, which is slow on some terminals.
        for event in first.into_iter().chain(events.try_iter()) {
            match event {
                Event::Input(Input::Key(key)) if app.key(key) == Flow::Quit => return Ok(()),
                Event::Input(_) => {}
                Event::InputLost(error) => return Err(MonitError::Terminal(error)),
                Event::Fetched(fetched) => {
                    let Fetched { result, at } = *fetched;
                    app.take(result, since_start(at));
                }
                Event::Signal => return Ok(()),
            }
        }
    }
}

fn read_keys(listener: Sender<Event>) -> io::Result<()> {
    let read = move || {
        loop {
            let (event, lost) = match event::read() {
                Ok(input) => (Event::Input(input), false),
                Err(error) => (Event::InputLost(error), true),
            };
            if listener.send(event).is_err() || lost {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("monit-keys".to_owned())
        .spawn(read)
        .map(drop)
}

/// Makes the signals that end a program an event. Returns when they are taken over.
#[cfg(unix)]
fn watch_signals(listener: Sender<Event>) -> io::Result<()> {
    use actix_web::rt::{
        Runtime,
        signal::unix::{SignalKind, signal},
    };
    use futures_util::future::select_all;

    let (report, reported) = mpsc::sync_channel(1);
    let watch = move || {
        let runtime = match Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => {
                let _told = report.send(Err(error));
                return;
            }
        };
        runtime.block_on(async {
            let kinds = [
                SignalKind::terminate(),
                SignalKind::interrupt(),
                SignalKind::hangup(),
                SignalKind::quit(),
            ];
            let signals: io::Result<Vec<_>> = kinds.into_iter().map(signal).collect();
            let mut signals = match signals {
                Ok(signals) => signals,
                Err(error) => {
                    let _told = report.send(Err(error));
                    return;
                }
            };
            let _told = report.send(Ok(()));
            select_all(signals.iter_mut().map(|signal| Box::pin(signal.recv()))).await;
            // Nobody listens if it ends anyway.
            let _told = listener.send(Event::Signal);
        });
    };
    thread::Builder::new()
        .name("monit-signals".to_owned())
        .spawn(watch)?;
    reported
        .recv()
        .unwrap_or_else(|_| Err(io::Error::other("no signals can be received")))
}

/// Elsewhere Ctrl-C is a key, and there are no other signals.
#[cfg(not(unix))]
fn watch_signals(_: Sender<Event>) -> io::Result<()> {
    Ok(())
}
