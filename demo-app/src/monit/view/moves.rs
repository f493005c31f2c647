//! The moves between event loops and lanes, the newest first.

use ratatui::text::Line;

use crate::monit::{
    grid::{Cell, Column, Grid},
    model::Model,
    state::Move,
    theme::Theme,
    units,
};

/// A heading and a line for each move, in at most `height` lines.
pub(super) fn lines(
    model: &Model,
    theme: Theme,
    width: usize,
    height: usize,
) -> Vec<Line<'static>> {
    let Some(state) = model.state() else {
        return Vec::new();
    };
    let columns = vec![
        Column::left("MOVE", 0, (12, 12)),
        Column::right("AGO", 1, 6),
        Column::left("ROUTE", 0, (12, 44)),
        Column::left("BECAUSE", 2, (12, 120)),
    ];
    let grid = Grid::new(columns, width);
    let mut lines = vec![grid.heading(theme.heading())];
    lines.extend(state.moves.iter().rev().map(|moved| {
        grid.row(vec![
            way(moved, theme),
            Cell::new(units::age(moved.age_s)),
            Cell::new(moved.route.clone()),
            Cell::styled(moved.reason.clone(), theme.faint()),
        ])
    }));
    lines.truncate(height);
    lines
}

/// Where from and where to, or where it stays.
fn way(moved: &Move, theme: Theme) -> Cell {
    let style = if moved.to == "loop" {
        theme.good()
    } else {
        theme.lane()
    };
    let before = if moved.from == moved.to {
        Cell::styled("stays on ", theme.faint())
    } else {
        super::placement(&moved.from, theme).then(" → ", theme.faint())
    };
    before.then(moved.to.clone(), style)
}
