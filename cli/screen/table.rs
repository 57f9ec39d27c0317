//! Columns, byte for byte as istioctl aligns them: Go's tabwriter with space padding, left aligned.

/// Rows of cells under a heading.
#[derive(Debug)]
pub struct Table {
    padding: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Starts a table. `padding` is the number of spaces after the widest cell of a column.
    pub fn new(padding: usize, heading: &[&str]) -> Self {
        Self { padding, rows: vec![heading.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row<I: IntoIterator<Item = S>, S: Into<String>>(&mut self, cells: I) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl std::fmt::Display for Table {
    /// The last cell of a row ends no column in tabwriter's sense: it is neither measured nor padded.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter(|row| row.len() > column + 1).map(|row| row[column].chars().count());
            cells.max().unwrap_or(0) + self.padding
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                if column + 1 == row.len() {
                    writeln!(f, "{cell}")?;
                } else {
                    write!(f, "{cell:<width$}", width = widths[column])?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pads_all_but_the_last_cell() {
        let mut table = Table::new(1, &["NAMESPACE", "POD NAME", "PROTOCOL"]);
        table.row(["default", "details-v1-698d88b-krdw7", "HBONE"]);
        let want = "NAMESPACE POD NAME                 PROTOCOL\n\
                    default   details-v1-698d88b-krdw7 HBONE\n";
        assert_eq!(table.to_string(), want);
    }
}
