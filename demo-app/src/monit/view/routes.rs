//! The routes: where each runs, how often, what it costs, why it last moved.

use ratatui::{
    style::Style,
    text::{Line, Span},
};

use crate::monit::{
    grid::{Cell, Column, Grid},
    model::Model,
    rates::RouteRates,
    sort::Sort,
    state::{Cost, Route, State},
    theme::Theme,
    units,
};

/// The place of the column whose width the drawing of the costs has to know.
const SPECTRUM: usize = 9;

/// Which part of the routes is shown, in which order.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::monit) struct Window {
    pub(in crate::monit) sort: Sort,
    /// How many routes are above the first that is shown.
    pub(in crate::monit) skip: usize,
}

/// A heading and a line for each route, in at most `height` lines.
pub(in crate::monit) fn lines(
    model: &Model,
    theme: Theme,
    window: Window,
    width: usize,
    height: usize,
) -> Vec<Line<'static>> {
    let Some(state) = model.state() else {
        return Vec::new();
    };
    let all = state.routes.len();
    let room = height.saturating_sub(1);
    let skip = window.skip.min(all.saturating_sub(room));
    let grid = Grid::new(
        columns(window.sort, skip, room, all, state.routes_omitted),
        width,
    );
    let mut lines = vec![grid.heading(theme.heading())];
    if all == 0 {
        lines.push(super::nothing("no route was asked for so far", theme));
    }
    let routes = window.sort.order(&state.routes, &model.rates.routes);
    for (route, rates) in routes.into_iter().skip(skip).take(room) {
        let spectrum = grid.width_of(SPECTRUM).unwrap_or(0);
        lines.push(grid.row(row(route, rates, state, theme, spectrum)));
    }
    lines.truncate(height);
    lines
}

fn columns(sort: Sort, skip: usize, room: usize, all: usize, omitted: u64) -> Vec<Column> {
    let title = |title: &str, sorted: Sort| match sort == sorted {
        true => format!("{title}▼"),
        false => title.to_owned(),
    };
    let mut name = title("ROUTE", Sort::Name);
    if all > room && room > 0 {
        name += &format!(" {}-{}/{all}", skip + 1, (skip + room).min(all));
    }
    if omitted > 0 {
        name += &format!(" +{}", units::count(omitted));
    }
    vec![
        Column::left(name, 0, (22, 44)),
        Column::left("WHERE", 1, (5, 5)),
        Column::right(title("RUNS/S", Sort::Runs), 2, 7),
        Column::right(title("CORE%", Sort::Cost), 3, 6),
        Column::right("P50", 4, 6),
        Column::right("P95", 5, 6),
        Column::right("PEAK", 8, 6),
        Column::right("LAST", 13, 6),
        Column::right("WAIT95", 10, 6),
        Column::left("1µs    1ms    1s", 9, (17, 17)),
        Column::right("RUNS", 11, 6),
        Column::right(title("REFUSED", Sort::Refused), 6, 8),
        Column::right("GONE", 15, 6),
        Column::right("PANICS", 12, 6),
        Column::right("MOVES", 14, 5),
        Column::left("LAST MOVE", 7, (12, 12)),
        Column::left("BECAUSE", 16, (26, 60)),
    ]
}

fn row(
    route: &Route,
    rates: RouteRates,
    state: &State,
    theme: Theme,
    spectrum_width: usize,
) -> Vec<Cell> {
    let budget = state.budget_us.unwrap_or(f64::INFINITY);
    let on_loop = route.placement == "loop";
    let cost = |of: fn(Cost) -> f64| match route.cost {
        Some(cost) => {
            // Only what runs on a loop can hurt one.
            let style = if on_loop && of(cost) > budget {
                theme.warning()
            } else {
                Style::new()
            };
            Cell::styled(units::micros(of(cost)), style)
        }
        None => Cell::styled("-", theme.faint()),
    };
    let some = |count: u64, style: Style| {
        Cell::styled(
            units::count(count),
            if count > 0 { style } else { theme.faint() },
        )
    };
    let idle = rates.runs == Some(0.0);
    let busy = if idle { theme.faint() } else { Style::new() };
    vec![
        Cell::new(route.name()),
        super::placement(&route.placement, theme),
        Cell::styled(units::or_dash(rates.runs, units::rate), busy),
        Cell::styled(units::or_dash(rates.cores, units::percent), busy),
        cost(|cost| cost.p50_us),
        cost(|cost| cost.p95_us),
        cost(|cost| cost.peak_us),
        cost(|cost| cost.last_us),
        Cell::new(units::or_dash(
            route.queued.map(|queued| queued.p95_us),
            units::micros,
        )),
        Cell::spans(route.cost.map_or(Vec::new(), |cost| {
            spectrum(cost, budget, theme, spectrum_width)
        })),
        Cell::new(units::count(route.runs())),
        some(route.refused, theme.bad()),
        some(route.cancelled, Style::new()),
        some(route.panics, theme.bad()),
        some(route.moves, Style::new()),
        last_move(route, theme),
        reason(route, theme),
    ]
}

/// Where it last moved, and how long ago.
fn last_move(route: &Route, theme: Theme) -> Cell {
    match (&route.pinned_by, &route.last_move) {
        (Some(_), _) => Cell::styled("pinned", theme.faint()),
        (None, Some(moved)) => {
            let to = if moved.to == "loop" {
                theme.good()
            } else {
                theme.lane()
            };
            Cell::styled("→", theme.faint())
                .then(moved.to.clone(), to)
                .then(format!(" {:>6}", units::age(moved.age_s)), Style::new())
        }
        (None, None) => Cell::styled("-", theme.faint()),
    }
}

fn reason(route: &Route, theme: Theme) -> Cell {
    let text = match (&route.pinned_by, &route.last_move) {
        (Some(by), _) if by == "attribute" => "it is an #[offload] handler",
        (Some(_), _) => "the settings say so",
        (None, Some(moved)) => &moved.reason,
        (None, None) => "",
    };
    Cell::styled(text.to_owned(), theme.faint())
}

/// Where a route's costs lie between 1 µs and 10 s, on a logarithmic scale: a thick line from the median
/// to the 95th percentile, a thin one to the peak, and the budget as a mark.
fn spectrum(cost: Cost, budget: f64, theme: Theme, width: usize) -> Vec<Span<'static>> {
    if width == 0 {
        return Vec::new();
    }
    let place = |micros: f64| {
        let decades = micros.max(1.0).log10() / 7.0;
        ((decades * width as f64) as usize).min(width - 1)
    };
    let (p50, p95) = (place(cost.p50_us), place(cost.p95_us.max(cost.p50_us)));
    let peak = place(cost.peak_us).max(p95);
    let mark = if budget.is_finite() {
        Some(place(budget))
    } else {
        None
    };
    let glyph = |at: usize| match at {
        at if (p50..=p95).contains(&at) => {
            let over = mark.is_some_and(|mark| at > mark);
            Span::styled("━", if over { theme.lane() } else { theme.good() })
        }
        at if at > p95 && at <= peak => Span::styled("─", theme.faint()),
        at if Some(at) == mark => Span::styled("┊", theme.faint()),
        _ => Span::raw(" "),
    };
    (0..width).map(glyph).collect()
}
