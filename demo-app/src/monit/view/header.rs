//! The first line: which server this is, and whether it is there.

use ratatui::text::{Line, Span};

use crate::monit::{grid::cut, model::Model, theme::Theme, units};

/// The first line; `paused` says that it does not move on.
pub(in crate::monit) fn line(
    model: &Model,
    theme: Theme,
    paused: bool,
    width: usize,
) -> Line<'static> {
    let mut facts = Vec::new();
    if let Some(state) = model.state() {
        let requests: Option<f64> = model.rates.loops.iter().map(|rates| rates.requests).sum();
        facts.extend(requests.map(|requests| format!("{} req/s", units::rate(requests))));
        facts.extend(
            state
                .uptime_seconds
                .map(|uptime| format!("up {}", units::seconds(uptime))),
        );
        facts.extend(state.pid.map(|pid| format!("pid {pid}")));
    }
    let stalled = model.state().map_or(0, |state| {
        let loops = state.event_loops.iter();
        loops.filter(|event_loop| event_loop.is_stalled()).count()
    });
    let (word, style) = match (paused, model.complaint(), model.state()) {
        (true, ..) => ("PAUSED".to_owned(), theme.alarm()),
        (false, Some(_), _) => ("NO DATA".to_owned(), theme.alarm()),
        (false, None, None) => ("connecting".to_owned(), theme.warning()),
        (false, None, Some(_)) if stalled > 0 => (format!("{stalled} STALLED"), theme.alarm()),
        (false, None, Some(_)) => ("live".to_owned(), theme.good()),
    };
    let word = format!(" {word} ");
    let room = width.saturating_sub(word.chars().count());
    let mut left = format!("actix-offload  {}", model.url);
    for fact in facts {
        let longer = format!("{left}  {fact}");
        if longer.chars().count() < room {
            left = longer;
        }
    }
    let left = cut(&left, room.saturating_sub(1));
    let blank = room.saturating_sub(Span::raw(left.as_str()).width());
    Line::from(vec![
        Span::styled(left, theme.bar()),
        Span::raw(" ".repeat(blank)),
        Span::styled(word, style),
    ])
}
