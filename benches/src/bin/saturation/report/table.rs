//! Lays out a table as text.

use std::fmt::Write as _;

/// A row: its name, and its cells by the name of their column.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) cells: Vec<(&'static str, String)>,
}

/// The table as text. Columns stand in the order in which rows name them.
pub(super) fn lay_out(rows: &[Row]) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for (column, _) in rows.iter().flat_map(|row| &row.cells) {
        if !columns.contains(column) {
            columns.push(column);
        }
    }
    let cell = |row: &Row, column: &str| {
        let found = row.cells.iter().find(|(name, _)| *name == column);
        found.map_or_else(String::new, |(_, cell)| cell.clone())
    };
    let names = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let mut lines = vec![" ".repeat(names + 2)];
    lines.extend(rows.iter().map(|row| format!("  {:<names$}", row.name)));
    for column in columns {
        let cells: Vec<String> = rows.iter().map(|row| cell(row, column)).collect();
        let widest = cells.iter().map(String::len).max().unwrap_or(0);
        let width = widest.max(column.len()) + 2;
        let texts = std::iter::once(column).chain(cells.iter().map(String::as_str));
        for (line, text) in lines.iter_mut().zip(texts) {
            // Writing to a string cannot fail.
            let _written = write!(line, "{text:>width$}");
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_gaps_stay_empty() {
        let rows = [
            Row {
                name: "auto".to_owned(),
                cells: vec![("p99", "1.25 ms".to_owned()), ("rate", "9/s".to_owned())],
            },
            Row {
                name: "web::block".to_owned(),
                cells: vec![("p99", "7 ms".to_owned())],
            },
        ];
        let expected = concat!(
            "                  p99  rate\n",
            "  auto        1.25 ms   9/s\n",
            "  web::block     7 ms      \n",
        );
        assert_eq!(lay_out(&rows), expected);
    }
}
