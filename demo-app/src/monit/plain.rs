//! The monitor as text: one block per interval, for pipes, files and scripts.

use std::{
    io::{self, Write},
    thread,
    time::{Duration, Instant},
};

use ratatui::text::Line;

use super::{
    client::{Client, Fetched},
    model::Model,
    theme::Theme,
    view::{event_loops, header, lanes, routes, stalls},
};

/// How wide the lines may be.
const WIDTH: usize = 140;

/// How many lines the parts may take, their headings included.
const MAX_LOOPS: usize = 65;
const MAX_ROUTES: usize = 21;
const MAX_STALLS: usize = 9;

/// How many places in the code are named for each stall.
const MAX_FRAMES: usize = 4;

/// How wide the stalls may be: too narrow for the place in the code, which has lines of its own.
const STALL_WIDTH: usize = 84;

/// How the output ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All blocks were written, or nobody reads them any more.
    Done,
    /// All blocks were written, and the last one said this.
    Failed(String),
}

/// Writes a block per interval, `count` of them or without end.
///
/// # Errors
///
/// An error if the blocks can't be written, but not if their reader has left.
pub(crate) fn run(
    client: &Client,
    mut model: Model,
    every: Duration,
    count: Option<u64>,
    out: &mut impl Write,
) -> io::Result<End> {
    let start = Instant::now();
    let mut written = 0;
    loop {
        let began = Instant::now();
        let Fetched { result, at } = client.fetch();
        // The first state has nothing to be compared with; the next one tells more.
        let is_first = model.latest.is_none() && result.is_ok();
        model.take(result, at.duration_since(start).as_secs_f64());
        if !is_first {
            let text = if written == 0 {
                block(&model)
            } else {
                format!("\n{}", block(&model))
            };
            match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(End::Done),
                result => result?,
            }
            written += 1;
        }
        if count.is_some_and(|count| written >= count) {
            return Ok(model.failure().map_or(End::Done, End::Failed));
        }
        thread::sleep(every.saturating_sub(began.elapsed()));
    }
}

/// What is known now as text: a sentence if the server does not answer.
pub(crate) fn block(model: &Model) -> String {
    if let Some(failure) = model.failure() {
        return format!("{failure}; trying again\n");
    }
    let theme = Theme::new(false);
    let mut lines = vec![header::line(model, theme, false, WIDTH)];
    if let Some(time) = model.state().and_then(|state| state.unix_ms) {
        lines.insert(0, Line::from(clock(time)));
    }
    lines.extend(event_loops::lines(model, theme, WIDTH, MAX_LOOPS));
    lines.push(Line::default());
    lines.extend(lanes::lines(model, theme, WIDTH));
    lines.push(Line::default());
    lines.extend(routes::lines(
        model,
        theme,
        routes::Window::default(),
        WIDTH,
        MAX_ROUTES,
    ));
    lines.push(Line::default());
    let mut rows = stalls::lines(model, theme, STALL_WIDTH, MAX_STALLS).into_iter();
    lines.extend(rows.next());
    let newest_first = model
        .state()
        .into_iter()
        .flat_map(|state| state.stalls.iter().rev());
    let frames = newest_first.map(|stall| stall.backtrace.as_slice());
    for (row, frames) in rows.zip(frames.chain(std::iter::repeat([].as_slice()))) {
        lines.push(row);
        let frames = frames.iter().take(MAX_FRAMES);
        lines.extend(frames.map(|frame| Line::from(format!("       in {frame}"))));
    }
    lines
        .iter()
        .map(|line| format!("{}\n", line.to_string().trim_end()))
        .collect()
}

/// The time of day, in UTC.
fn clock(unix_ms: f64) -> String {
    let seconds = (unix_ms / 1e3) as u64 % 86_400;
    format!(
        "{:02}:{:02}:{:02} UTC",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}
