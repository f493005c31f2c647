//! Rows of columns for any width: the columns that matter least go first when there is no room for all.

use ratatui::{
    style::Style,
    text::{Line, Span},
};

/// One column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) title: String,
    /// From how narrow to how wide it may be.
    pub(crate) width: (usize, usize),
    /// The lower, the longer it stays and the sooner it grows; those of rank 0 are always there.
    pub(crate) rank: u8,
    pub(crate) align: Align,
}

/// At which side of its column a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// What stands in one column of one row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell(Vec<Span<'static>>);

/// The columns that have room in a width.
#[derive(Debug)]
pub(crate) struct Grid {
    columns: Vec<(usize, Column, usize)>,
    width: usize,
}

impl Column {
    pub(crate) fn left(title: impl Into<String>, rank: u8, width: (usize, usize)) -> Self {
        Self {
            title: title.into(),
            width,
            rank,
            align: Align::Left,
        }
    }

    pub(crate) fn right(title: impl Into<String>, rank: u8, width: usize) -> Self {
        Self {
            title: title.into(),
            width: (width, width),
            rank,
            align: Align::Right,
        }
    }
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::styled(text, Style::new())
    }

    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self(vec![Span::styled(text.into(), style)])
    }

    pub(crate) fn spans(spans: Vec<Span<'static>>) -> Self {
        Self(spans)
    }

    pub(crate) fn then(mut self, text: impl Into<String>, style: Style) -> Self {
        self.0.push(Span::styled(text.into(), style));
        self
    }
}

impl Grid {
    pub(crate) fn new(columns: Vec<Column>, width: usize) -> Self {
        let mut columns: Vec<_> = columns.into_iter().enumerate().collect();
        let needed = |columns: &[(usize, Column)]| {
            let widths = columns.iter().map(|(_, column)| column.width.0 + 1);
            widths.sum::<usize>().saturating_sub(1)
        };
        while needed(&columns) > width {
            let least = columns.iter().map(|(_, column)| column.rank).max();
            match least {
                None | Some(0) => break,
                Some(least) => columns.retain(|(_, column)| column.rank != least),
            }
        }
        let excess = needed(&columns).saturating_sub(width);
        if let Some((_, widest)) = columns.iter_mut().max_by_key(|(_, column)| column.width.0) {
            widest.width.0 = widest.width.0.saturating_sub(excess);
        }
        let mut spare = width.saturating_sub(needed(&columns));
        let mut columns: Vec<_> = columns
            .into_iter()
            .map(|(at, column)| {
                let width = column.width.0;
                (at, column, width)
            })
            .collect();
        let mut by_rank: Vec<_> = columns.iter_mut().collect();
        by_rank.sort_by_key(|(_, column, _)| column.rank);
        for (_, column, width) in by_rank {
            let more = spare.min(column.width.1.saturating_sub(*width));
            *width += more;
            spare -= more;
        }
        Self { columns, width }
    }

    /// How wide a column is, by its place among all columns; nothing if it has no room.
    pub(crate) fn width_of(&self, at: usize) -> Option<usize> {
        self.columns
            .iter()
            .find(|(place, ..)| *place == at)
            .map(|(.., width)| *width)
    }

    /// The names of the columns, over the whole width.
    pub(crate) fn heading(&self, style: Style) -> Line<'static> {
        let titles = self.columns.iter().map(|(_, column, width)| {
            let title = Cell::new(column.title.clone());
            (title, column.align, *width)
        });
        let mut line = join(titles);
        let blank = self.width.saturating_sub(line.width());
        line.spans.push(Span::raw(" ".repeat(blank)));
        line.style(style)
    }

    /// A row; takes a cell for each column, whether it has room or not.
    pub(crate) fn row(&self, cells: Vec<Cell>) -> Line<'static> {
        let mut cells: Vec<_> = cells.into_iter().map(Some).collect();
        join(self.columns.iter().map(|(at, column, width)| {
            let cell = cells.get_mut(*at).and_then(Option::take);
            (cell.unwrap_or_default(), column.align, *width)
        }))
    }
}

fn join(cells: impl Iterator<Item = (Cell, Align, usize)>) -> Line<'static> {
    let mut spans = Vec::new();
    for (at, (cell, align, width)) in cells.enumerate() {
        if at > 0 {
            spans.push(Span::raw(" "));
        }
        let cell = fit(cell.0, width);
        let blank = width.saturating_sub(cell.iter().map(Span::width).sum());
        let blank = Span::raw(" ".repeat(blank));
        match align {
            Align::Left => {
                spans.extend(cell);
                spans.push(blank);
            }
            Align::Right => {
                spans.push(blank);
                spans.extend(cell);
            }
        }
    }
    Line::from(spans)
}

/// Cuts what is too long, and says so by an ellipsis.
fn fit(spans: Vec<Span<'static>>, width: usize) -> Vec<Span<'static>> {
    let needed: usize = spans.iter().map(Span::width).sum();
    if needed <= width {
        return spans;
    }
    let mut room = width.saturating_sub(1);
    let mut kept = Vec::new();
    for span in spans {
        if span.width() <= room {
            room -= span.width();
            kept.push(span);
            continue;
        }
        let mut text = String::new();
        for char in span.content.chars() {
            let wide = Span::raw(char.to_string()).width();
            if wide > room {
                break;
            }
            room -= wide;
            text.push(char);
        }
        if width > 0 {
            text.push('…');
        }
        kept.push(Span::styled(text, span.style));
        break;
    }
    kept
}

/// A text cut to a width.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let spans = fit(vec![Span::raw(text.to_owned())], width);
    spans.into_iter().map(|span| span.content).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(width: usize) -> Grid {
        Grid::new(
            vec![
                Column::left("NAME", 0, (6, 10)),
                Column::right("A", 1, 4),
                Column::left("B", 2, (4, 8)),
            ],
            width,
        )
    }

    fn row(width: usize) -> String {
        let cells = ["a long name", "12", "bbbb"].map(Cell::new);
        grid(width).row(cells.into()).to_string()
    }

    #[test]
    fn columns_go_by_rank_and_grow_by_rank() {
        assert_eq!(row(30), "a long na…   12 bbbb    ");
        assert_eq!(row(20), "a long na…   12 bbbb");
        assert_eq!(row(18), "a long …   12 bbbb");
        assert_eq!(row(15), "a long na…   12");
        assert_eq!(row(11), "a lon…   12");
        assert_eq!(row(10), "a long na…");
        // The last one stays, as far as it goes.
        assert_eq!(row(3), "a …");
        assert_eq!(
            (grid(10).width_of(0), grid(10).width_of(2)),
            (Some(10), None)
        );
    }

    #[test]
    fn the_heading_fills_the_width() {
        assert_eq!(
            grid(30).heading(Style::new()).to_string(),
            "NAME          A B             "
        );
    }

    #[test]
    fn wide_characters_are_cut_between() {
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("ab", 0), "");
        assert_eq!(cut("ab", 1), "…");
    }

    #[test]
    fn cells_keep_the_styles_of_their_parts() {
        let grid = Grid::new(vec![Column::left("X", 0, (5, 5))], 5);
        let bold = Style::new().bold();
        let line = grid.row(vec![Cell::new("abc").then("defg", bold)]);
        assert_eq!(line.to_string(), "abcd…");
        assert_eq!(line.spans[1].style, bold);
    }
}
