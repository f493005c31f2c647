//! The event loops: CPU time, lag, the longest poll and its route, requests, stalls, the last minute.

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use crate::monit::{
    grid::{Cell, Column, Grid},
    model::Model,
    rates::LoopRates,
    state::EventLoop,
    theme::Theme,
    units,
};

/// The place of the column whose width the drawing of the last minute has to know.
const MINUTE: usize = 10;

/// A heading and a line for each event loop, in at most `height` lines. Those in trouble come first if
/// there is no room for all.
pub(in crate::monit) fn lines(
    model: &Model,
    theme: Theme,
    width: usize,
    height: usize,
) -> Vec<Line<'static>> {
    let Some(state) = model.state() else {
        return Vec::new();
    };
    let threshold = state.stall_threshold();
    let grid = Grid::new(columns(), width);
    let mut lines = vec![grid.heading(theme.heading())];
    if state.event_loops.is_empty() {
        lines.push(super::nothing("no event loop has started", theme));
    }
    let rates = model.rates.loops.iter().copied();
    let mut loops: Vec<_> = state
        .event_loops
        .iter()
        .zip(rates.chain(std::iter::repeat(LoopRates::default())))
        .collect();
    let room = height.saturating_sub(1);
    let hidden = if loops.len() > room {
        loops.sort_by(|(a, _), (b, _)| {
            let trouble = |event_loop: &EventLoop| event_loop.lag().unwrap_or(0.0);
            let stalled = b.is_stalled().cmp(&a.is_stalled());
            stalled.then(trouble(b).total_cmp(&trouble(a)))
        });
        // Where there is room for one line only, a loop is worth more than the count of the others.
        loops.split_off(room.saturating_sub(1).max(1).min(loops.len()))
    } else {
        Vec::new()
    };
    for (event_loop, rates) in loops {
        let minute = grid.width_of(MINUTE).map_or(Vec::new(), |width| {
            minute(
                &model.history.cells(event_loop.event_loop, model.now, width),
                threshold,
                theme,
            )
        });
        lines.push(grid.row(row(event_loop, rates, threshold, theme, minute)));
    }
    if !hidden.is_empty() {
        let stalled = hidden
            .iter()
            .filter(|(event_loop, _)| event_loop.is_stalled())
            .count();
        let text = match stalled {
            0 => format!(
                "… and {} more event loops, none of them stalled",
                hidden.len()
            ),
            stalled => format!(
                "… and {} more event loops, {stalled} of them STALLED",
                hidden.len()
            ),
        };
        let style = if stalled > 0 {
            theme.alarm()
        } else {
            theme.faint()
        };
        lines.push(Line::from(Span::styled(text, style)));
    }
    lines.truncate(height);
    lines
}

fn columns() -> Vec<Column> {
    vec![
        Column::right("LOOP", 0, 4),
        Column::right("CPU", 2, 4),
        Column::right("BUSY", 8, 4),
        Column::right("LAG", 1, 6),
        Column::right("MAX LAG", 7, 7),
        Column::left("LONGEST POLL", 0, (27, 48)),
        Column::right("REQ/S", 3, 6),
        Column::right("REQUESTS", 9, 8),
        Column::right("STALLS", 4, 6),
        Column::left("THREAD", 10, (21, 21)),
        Column::left("LAG, LAST MINUTE", 5, (16, 60)),
    ]
}

fn row(
    event_loop: &EventLoop,
    rates: LoopRates,
    threshold: f64,
    theme: Theme,
    minute: Vec<Span<'static>>,
) -> Vec<Cell> {
    let dash = |value: Option<f64>, text: fn(f64) -> String| units::or_dash(value, text);
    let late = |lag: Option<f64>| match lag {
        Some(lag) if lag >= threshold => theme.bad(),
        _ => Style::new(),
    };
    let stalls = event_loop
        .stalls
        .map_or_else(|| "-".to_owned(), units::count);
    vec![
        Cell::styled(
            event_loop.event_loop.to_string(),
            if event_loop.is_stalled() {
                theme.alarm()
            } else {
                Style::new()
            },
        ),
        Cell::new(dash(rates.cpu, units::percent)),
        Cell::new(dash(rates.busy, units::percent)),
        Cell::styled(
            dash(event_loop.lag(), units::seconds),
            late(event_loop.lag()),
        ),
        Cell::styled(
            dash(event_loop.longest_lag(), units::seconds),
            late(event_loop.longest_lag()),
        ),
        longest(event_loop, threshold, theme),
        Cell::new(dash(rates.requests, units::rate)),
        Cell::new(units::count(event_loop.requests)),
        Cell::styled(
            stalls,
            if event_loop.stalls.unwrap_or(0) > 0 {
                theme.warning()
            } else {
                Style::new()
            },
        ),
        Cell::styled(event_loop.thread.clone(), theme.faint()),
        Cell::spans(minute),
    ]
}

/// The longest poll so far, or the one in which the loop is stuck now.
fn longest(event_loop: &EventLoop, threshold: f64, theme: Theme) -> Cell {
    if let Some(stalled) = event_loop.stalled_seconds {
        let route = match event_loop.stalled_route.as_str() {
            "" => "no route",
            route => route,
        };
        return Cell::styled(
            format!("STALLED {} {route}", units::seconds(stalled)),
            theme.alarm(),
        );
    }
    let seconds = event_loop.longest_poll_seconds;
    let style = if seconds >= threshold {
        theme.bad()
    } else {
        Style::new()
    };
    match event_loop.longest_poll_route.as_str() {
        "" if seconds <= 0.0 => Cell::styled("none so far", theme.faint()),
        route => {
            Cell::styled(units::seconds(seconds), style).then(format!(" {route}"), Style::new())
        }
    }
}

/// A bar for each part of the last minute. Its height is the lag's on a scale of its own: from half a
/// millisecond to a second, each step about three times the one below.
fn minute(cells: &[Option<f64>], threshold: f64, theme: Theme) -> Vec<Span<'static>> {
    let bar = |cell: &Option<f64>| match cell {
        None => Span::raw(" "),
        Some(lag) => {
            let style = match *lag {
                lag if lag >= 4.0 * threshold => theme.bad(),
                lag if lag >= threshold => theme.warning(),
                _ => theme.good(),
            };
            Span::styled(glyph(*lag), style)
        }
    };
    cells.iter().map(bar).collect()
}

fn glyph(lag: f64) -> &'static str {
    match lag {
        lag if lag >= 1.0 => "█",
        lag if lag >= 0.3 => "▇",
        lag if lag >= 0.1 => "▆",
        lag if lag >= 0.025 => "▅",
        lag if lag >= 0.005 => "▄",
        lag if lag >= 0.0015 => "▃",
        lag if lag >= 0.0005 => "▂",
        _ => "▁",
    }
}
