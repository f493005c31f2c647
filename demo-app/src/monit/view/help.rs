//! What the keys do and what the columns mean, over everything else.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph},
};

use crate::monit::theme::Theme;

const KEYS: [(&str, &str); 7] = [
    ("q, Esc, Ctrl-C", "quit"),
    ("↑ ↓, j k", "scroll the routes"),
    ("PgUp PgDn", "scroll by ten"),
    ("Home End, g G", "to the first, to the last"),
    ("s", "sort: cost, runs/s, refused, name"),
    ("p, Space", "pause, go on"),
    ("?, h", "this help"),
];

const COLUMNS: [(&str, &str); 9] = [
    ("LAG", "how late the loop comes round"),
    ("BUSY", "how much requests keep the loop"),
    ("STALLED", "stuck in one poll right now"),
    ("LAST MINUTE", "lag: ▁ under 0.5 ms, ▅ 25 ms, █ 1 s"),
    ("DELAY", "how long a new job would wait"),
    ("CORE%", "the part of a core its runs kept"),
    ("━ ─ ┊", "median to p95, peak, the budget"),
    ("WAIT95", "wait for a lane, 95 % are below"),
    ("GONE", "clients that left"),
];

pub(super) fn draw(frame: &mut Frame<'_>, theme: Theme) {
    let entry = |(name, meaning): &(&'static str, &'static str)| {
        Line::from(vec![
            Span::styled(format!(" {name:<15}"), theme.bar()),
            Span::raw(*meaning),
        ])
    };
    let mut lines: Vec<_> = KEYS.iter().map(entry).collect();
    lines.push(Line::default());
    lines.extend(COLUMNS.iter().map(entry));
    let area = frame.area();
    let (width, height) = (56.min(area.width), 19.min(area.height));
    let inside = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, inside);
    let block = Block::bordered().title(" keys and columns ");
    frame.render_widget(Paragraph::new(lines).block(block), inside);
}
