//! The lanes: what runs, what waits and for how long, what was turned away.

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use crate::monit::{
    grid::{Cell, Column, Grid},
    model::Model,
    state::Lane,
    theme::Theme,
    units,
};

/// The place of the column whose width the drawing of the threads has to know.
const THREADS: usize = 8;

/// A heading and a line for each lane.
pub(in crate::monit) fn lines(model: &Model, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let Some(state) = model.state() else {
        return Vec::new();
    };
    let grid = Grid::new(columns(), width);
    let mut lines = vec![grid.heading(theme.heading())];
    if state.lanes.is_empty() {
        lines.push(super::nothing("no lanes", theme));
    }
    for (at, lane) in state.lanes.iter().enumerate() {
        let refused = model.rates.lanes.get(at).copied().flatten();
        let threads = grid.width_of(THREADS).unwrap_or(0);
        lines.push(grid.row(row(lane, refused, theme, threads)));
    }
    lines
}

fn columns() -> Vec<Column> {
    vec![
        Column::left("LANE", 0, (6, 16)),
        Column::right("RUNNING", 1, 9),
        Column::right("QUEUED", 2, 6),
        Column::right("DELAY", 3, 6),
        Column::right("REFUSED", 5, 7),
        Column::right("REFUSED/S", 4, 9),
        Column::right("EXPIRED", 7, 7),
        Column::right("CANCELLED", 8, 9),
        Column::left("THREADS", 6, (7, 40)),
    ]
}

fn row(lane: &Lane, refused: Option<f64>, theme: Theme, threads: usize) -> Vec<Cell> {
    let busy = lane.threads > 0 && lane.running >= lane.threads;
    let some = |count: u64, style: Style| if count > 0 { style } else { Style::new() };
    let refusing = refused.is_some_and(|refused| refused > 0.0);
    vec![
        Cell::styled(lane.short_name().to_owned(), theme.lane()),
        Cell::styled(
            format!(
                "{}/{}",
                units::count(lane.running),
                units::count(lane.threads)
            ),
            if busy { theme.warning() } else { Style::new() },
        ),
        Cell::styled(
            units::count(lane.queued),
            some(lane.queued, theme.warning()),
        ),
        Cell::new(units::or_dash(lane.projected_delay_seconds, units::seconds)),
        Cell::new(units::count(lane.refused)),
        Cell::styled(
            units::or_dash(refused, units::rate),
            if refusing {
                theme.alarm()
            } else {
                Style::new()
            },
        ),
        Cell::new(units::count(lane.expired)),
        Cell::new(units::count(lane.cancelled)),
        Cell::spans(bar(lane, theme, threads)),
    ]
}

/// A block for each thread, full if it runs something; in proportion if there are more than fit.
fn bar(lane: &Lane, theme: Theme, width: usize) -> Vec<Span<'static>> {
    let fits = usize::try_from(lane.threads)
        .unwrap_or(usize::MAX)
        .min(width);
    let part = lane.running as f64 / lane.threads.max(1) as f64;
    let full = (part.clamp(0.0, 1.0) * fits as f64).ceil() as usize;
    vec![
        Span::styled("■".repeat(full), theme.lane()),
        Span::styled("·".repeat(fits - full), theme.faint()),
    ]
}
