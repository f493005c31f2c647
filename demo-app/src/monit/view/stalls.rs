//! The stalls: what was stuck, where, for how long; the newest first, and marked if it is still so.

use ratatui::{style::Style, text::Line};

use crate::monit::{
    grid::{Cell, Column, Grid},
    model::Model,
    state::Stall,
    theme::Theme,
    units,
};

/// A heading and a line for each stall, in at most `height` lines.
pub(in crate::monit) fn lines(
    model: &Model,
    theme: Theme,
    width: usize,
    height: usize,
) -> Vec<Line<'static>> {
    let Some(state) = model.state() else {
        return Vec::new();
    };
    let grid = Grid::new(columns(), width);
    let mut lines = vec![grid.heading(theme.heading())];
    if state.stalls.is_empty() {
        // Silence is no good news from a server that does not watch.
        let watched = state
            .event_loops
            .iter()
            .any(|event_loop| event_loop.stalls.is_some());
        let text = match watched {
            true => "no stalls so far",
            false => "this server does not tell of stalls",
        };
        lines.push(super::nothing(text, theme));
    }
    let newest_first = state.stalls.iter().rev();
    lines.extend(newest_first.map(|stall| grid.row(row(stall, theme))));
    lines.truncate(height);
    lines
}

fn columns() -> Vec<Column> {
    vec![
        Column::left("STALL", 0, (6, 6)),
        Column::right("AGO", 3, 6),
        Column::right("LASTED", 1, 6),
        Column::right("ON CPU", 5, 6),
        Column::right("LOOP", 4, 4),
        Column::left("KIND", 2, (13, 13)),
        Column::left("ROUTE", 0, (13, 40)),
        Column::left("THREAD", 7, (21, 21)),
        Column::left("IN", 6, (24, 120)),
    ]
}

fn row(stall: &Stall, theme: Theme) -> Vec<Cell> {
    let route = match stall.route.as_str() {
        "" => "no route",
        route => route,
    };
    let frame = stall.place().unwrap_or_default().to_owned();
    let (state, style) = match stall.over {
        true => (Cell::styled("over", theme.faint()), Style::new()),
        false => (Cell::styled("NOW", theme.alarm()), theme.bad()),
    };
    vec![
        state,
        Cell::new(units::age(stall.age_s)),
        Cell::styled(units::seconds(stall.elapsed_seconds), style),
        Cell::new(units::or_dash(stall.on_cpu_seconds, units::seconds)),
        Cell::new(
            stall
                .event_loop
                .map_or_else(|| "-".to_owned(), |event_loop| event_loop.to_string()),
        ),
        Cell::new(kind(&stall.kind)),
        Cell::styled(route.to_owned(), style),
        Cell::styled(stall.thread.clone(), theme.faint()),
        Cell::styled(frame, theme.faint()),
    ]
}

fn kind(kind: &str) -> String {
    match kind {
        "" => "-".to_owned(),
        "lane_job" => "lane job".to_owned(),
        "blocking_pool" => "blocking pool".to_owned(),
        kind => kind.replace('_', " "),
    }
}
