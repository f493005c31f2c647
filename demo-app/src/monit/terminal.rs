//! The monitor on a terminal: draws, and waits for keys, answers and signals at once.

use std::{
    io,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use ratatui::crossterm::event::{self, Event as Input};

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
    /// A helper is no more.
    Ended(&'static str),
}

/// What a thread beside this one tells by. Its drop tells that the thread has ended: a panic there has given back the
/// terminal, which is what ratatui does on any, and nothing may be drawn on that.
#[derive(Debug)]
struct Helper {
    name: &'static str,
    listener: Sender<Event>,
}

impl Helper {
    fn new(name: &'static str, listener: &Sender<Event>) -> Self {
        Self {
            name,
            listener: listener.clone(),
        }
    }

    /// False if nobody listens any more.
    fn tell(&self, event: Event) -> bool {
        self.listener.send(event).is_ok()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Usually it has ended because nobody listens.
        let _heard = self.tell(Event::Ended(self.name));
    }
}

/// Shows `model` until it is told to end, and leaves the terminal as it was.
///
/// # Errors
///
/// A [`MonitError`] if there is no terminal to draw on or to read keys from, or if a part of the monitor has failed.
pub(crate) fn run(client: Client, model: Model, every: Duration) -> Result<(), MonitError> {
    let start = Instant::now();
    let (tell, events) = mpsc::channel();
    // From here on no signal ends the program with the terminal in disorder. Panics are ratatui's.
    watch_signals(&tell).map_err(MonitError::Start)?;
    let ended = ratatui::try_init()
        .map_err(MonitError::Terminal)
        .and_then(|mut terminal| {
            read_keys(&tell).map_err(MonitError::Start)?;
            let helper = Helper::new("monit-client", &tell);
            let tell = move |fetched: Fetched| helper.tell(Event::Fetched(fetched.into()));
            client::watch(client, every, tell).map_err(MonitError::Start)?;
            let theme = Theme::from_env();
            let draw = |app: &App| {
                let mut room = 0;
                terminal.draw(|frame| room = view::draw(app, theme, frame))?;
                Ok(room)
            };
            show(draw, App::new(model), &events, start)
        });
    // A panic has had it restored. Once more would put the cursor back to where it was before, over what the panic says.
    if !matches!(ended, Err(MonitError::ThreadEnded(_))) {
        // Fails where the terminal has gone, and then there is nothing to restore.
        let _restored = ratatui::try_restore();
    }
    ended
}

/// Draws and takes in what happens, in turn. `draw` gives how many routes there was room for.
fn show(
    mut draw: impl FnMut(&App) -> io::Result<usize>,
    mut app: App,
    events: &Receiver<Event>,
    start: Instant,
) -> Result<(), MonitError> {
    let since_start = |at: Instant| at.saturating_duration_since(start).as_secs_f64();
    loop {
        app.tick(since_start(Instant::now()));
        let room = draw(&app).map_err(MonitError::Terminal)?;
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
                Event::Ended(helper) => return Err(MonitError::ThreadEnded(helper)),
            }
        }
    }
}

fn read_keys(listener: &Sender<Event>) -> io::Result<()> {
    let helper = Helper::new("monit-keys", listener);
    let name = helper.name;
    let read = move || {
        loop {
            let (event, lost) = match event::read() {
                Ok(input) => (Event::Input(input), false),
                Err(error) => (Event::InputLost(error), true),
            };
            if !helper.tell(event) || lost {
                return;
            }
        }
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(read)
        .map(drop)
}

/// Makes the signals that end a program an event. Returns when they are taken over.
#[cfg(unix)]
fn watch_signals(listener: &Sender<Event>) -> io::Result<()> {
    use actix_web::rt::{
        Runtime,
        signal::unix::{SignalKind, signal},
    };
    use futures_util::future::select_all;

    let helper = Helper::new("monit-signals", listener);
    let name = helper.name;
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
            let _heard = helper.tell(Event::Signal);
        });
    };
    thread::Builder::new().name(name.to_owned()).spawn(watch)?;
    reported
        .recv()
        .unwrap_or_else(|_| Err(io::Error::other("no signals can be received")))
}

/// Elsewhere Ctrl-C is a key, and there are no other signals.
#[cfg(not(unix))]
fn watch_signals(_: &Sender<Event>) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of `show` when `help` has run on a thread beside it.
    fn shown(help: impl FnOnce(&Helper) + Send + 'static) -> Result<(), MonitError> {
        // One sender stays, as those of the other helpers do.
        let (tell, events) = mpsc::channel();
        let helper = Helper::new("helper", &tell);
        thread::spawn(move || help(&helper));
        let model = Model::new("127.0.0.1:1".parse().expect("a URL"), 0.5);
        show(|_| Ok(0), App::new(model), &events, Instant::now())
    }

    #[test]
    fn a_panic_in_a_helper_ends_it_with_an_error() {
        // Without its message, which would look like a failure.
        let ended = shown(|_| std::panic::resume_unwind(Box::new("a mistake")));
        assert!(
            matches!(ended, Err(MonitError::ThreadEnded("helper"))),
            "{ended:?}"
        );
    }

    #[test]
    fn what_a_helper_told_before_it_ended_counts() {
        let ended = shown(|helper| assert!(helper.tell(Event::Signal)));
        assert!(ended.is_ok(), "{ended:?}");
        let lost = || Event::InputLost(io::Error::other("no keys"));
        let ended = shown(move |helper| assert!(helper.tell(lost())));
        assert!(matches!(ended, Err(MonitError::Terminal(_))), "{ended:?}");
    }
}
