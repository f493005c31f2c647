//! Puts the parts onto the screen.

use ratatui::{
    Frame,
    text::{Line, Span},
};

use super::{
    event_loops, header, help, lanes, moves,
    plan::{Plan, Wanted},
    routes, stalls,
};
use crate::monit::{app::App, grid::cut, theme::Theme};

/// How many lines a complaint may take.
const MAX_COMPLAINT: usize = 3;

/// Draws all that `app` shows now. Gives how many routes there is room for.
pub(in crate::monit) fn draw(app: &App, theme: Theme, frame: &mut Frame<'_>) -> usize {
    let model = app.shown();
    let (width, height) = (
        usize::from(frame.area().width),
        usize::from(frame.area().height),
    );
    let complaint = app
        .complaint()
        .map_or(Vec::new(), |text| wrap(&text, width, MAX_COMPLAINT));
    let plan = Plan::of(height, wanted(app, complaint.len()));
    let mut lines = vec![header::line(model, theme, app.is_paused(), width)];
    for text in complaint.iter().take(plan.complaint) {
        lines.push(Line::from(Span::styled(
            format!("{text:<width$}"),
            theme.alarm(),
        )));
    }
    if model.state().is_none() && plan.loops > 0 {
        lines.push(Line::default());
        lines.push(Line::from(cut("Nothing to show yet.", width)));
    }
    let window = app.window();
    let parts = [
        (
            plan.loops,
            event_loops::lines(model, theme, width, plan.loops),
        ),
        (plan.lanes, lanes::lines(model, theme, width)),
        (
            plan.routes,
            routes::lines(model, theme, window, width, plan.routes),
        ),
        (plan.stalls, stalls::lines(model, theme, width, plan.stalls)),
        (plan.moves, moves::lines(model, theme, width, plan.moves)),
    ];
    let mut first = true;
    for (room, part) in parts {
        if room == 0 || part.is_empty() {
            continue;
        }
        if !first {
            lines.extend(std::iter::repeat_n(Line::default(), plan.gap));
        }
        first = false;
        lines.extend(part.into_iter().take(room));
    }
    let last = height.saturating_sub(plan.footer);
    lines.truncate(last);
    if plan.footer > 0 {
        lines.resize(last, Line::default());
        lines.push(footer(app, theme, width));
    }
    let area = frame.area();
    for (y, line) in (area.y..area.bottom()).zip(&lines) {
        frame.buffer_mut().set_line(area.x, y, line, area.width);
    }
    if app.helps() {
        help::draw(frame, theme);
    }
    plan.routes.saturating_sub(1)
}

fn wanted(app: &App, complaint: usize) -> Wanted {
    let Some(state) = app.shown().state() else {
        return Wanted {
            complaint,
            ..Wanted::default()
        };
    };
    Wanted {
        complaint,
        loops: state.event_loops.len(),
        lanes: state.lanes.len(),
        routes: state.routes.len(),
        stalls: state.stalls.len(),
        moves: state.moves.len(),
    }
}

/// Breaks a text between words; what does not fit into `most` lines is cut.
fn wrap(text: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let full = lines.len() == most;
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if full || line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| cut(line, width)).collect()
}

fn footer(app: &App, theme: Theme, width: usize) -> Line<'static> {
    let sort = app.window().sort.name();
    let pause = if app.is_paused() {
        "p go on"
    } else {
        "p pause"
    };
    let text = format!("q quit  ↑↓ scroll  s sort: {sort}  {pause}  ? help");
    Line::from(Span::styled(cut(&text, width), theme.bar()))
}
