//! What is shown, as lines of text for any width; the terminal and the plain output share them.

pub(super) mod event_loops;
pub(super) mod header;
mod help;
pub(super) mod lanes;
mod moves;
mod plan;
pub(super) mod routes;
mod screen;
pub(super) mod stalls;

use ratatui::text::{Line, Span};

pub(super) use self::screen::draw;
use super::{grid::Cell, theme::Theme};

/// A line that says that there is nothing to list.
fn nothing(text: &'static str, theme: Theme) -> Line<'static> {
    Line::from(Span::styled(text, theme.faint()))
}

/// Where something runs.
fn placement(placement: &str, theme: Theme) -> Cell {
    let style = match placement {
        "lane" => theme.lane(),
        "loop" => theme.good(),
        _ => theme.faint(),
    };
    let text = if placement.is_empty() { "-" } else { placement };
    Cell::styled(text, style)
}
