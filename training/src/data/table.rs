//! CSV tables with a header, and errors that name file, line and column.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// One row of a [`Table`].
pub(crate) struct Row {
    pub(crate) line: u64,
    pub(crate) fields: csv::StringRecord,
}

/// A CSV file in memory.
pub(crate) struct Table {
    pub(crate) path: PathBuf,
    pub(crate) header: csv::StringRecord,
    pub(crate) rows: Vec<Row>,
}

impl Table {
    /// White space around fields does not count, as for Python's `csv` with `skipinitialspace`.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut form = csv::ReaderBuilder::new();
        form.trim(csv::Trim::All);
        Self::read_with(path, form)
    }

    /// As [`Table::read`], with tabs between the fields, in which quotation marks are letters like others.
    pub(crate) fn read_tabs(path: &Path) -> Result<Self> {
        let mut form = csv::ReaderBuilder::new();
        form.delimiter(b'\t').quoting(false);
        Self::read_with(path, form)
    }

    fn read_with(path: &Path, form: csv::ReaderBuilder) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
        let mut reader = form.from_reader(std::io::BufReader::new(file));
        let header = reader.headers().map_err(|e| csv_error(path, e))?.clone();
        let mut rows = Vec::new();
        for record in reader.records() {
            let fields = record.map_err(|e| csv_error(path, e))?;
            let line = fields.position().map_or(0, csv::Position::line);
            rows.push(Row { line, fields });
        }
        Ok(Self { path: path.to_owned(), header, rows })
    }

    /// The index of a column.
    pub(crate) fn column(&self, name: &str) -> Result<usize> {
        self.header.iter().position(|field| field == name).ok_or_else(|| {
            let found = self.header.iter().collect::<Vec<_>>().join(", ");
            Error::data(self.path.display().to_string(), format!("expected a column `{name}`, found {found}"))
        })
    }

    /// A positive number of seconds.
    pub(crate) fn seconds(&self, row: &Row, column: usize) -> Result<f64> {
        match row.fields[column].parse::<f64>() {
            Ok(seconds) if seconds.is_finite() && seconds > 0.0 => Ok(seconds),
            _ => Err(self.error(row, &self.header[column], "seconds above zero", &row.fields[column])),
        }
    }

    pub(crate) fn error(&self, row: &Row, column: &str, expected: &str, found: &str) -> Error {
        let place = format!("{} line {} column `{column}`", self.path.display(), row.line);
        Error::data(place, format!("expected {expected}, found `{found}`"))
    }
}

/// Writes a CSV table row by row, so that a long preparation leaves what it has. Lines end as those of Python's `csv` do
/// (RFC 4180).
pub(crate) struct TableWriter {
    path: PathBuf,
    rows: csv::Writer<std::fs::File>,
}

impl TableWriter {
    /// A new table with its header.
    pub(crate) fn create(path: &Path, columns: &[&str]) -> Result<Self> {
        let file = std::fs::File::create(path).map_err(|e| Error::io(path, e))?;
        let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(file);
        rows.write_record(columns).map_err(|e| csv_error(path, e))?;
        Ok(Self { path: path.to_owned(), rows })
    }

    pub(crate) fn append(&mut self, row: &[String]) -> Result<()> {
        self.rows.write_record(row).map_err(|e| csv_error(&self.path, e))
    }

    /// Brings all rows to the file.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.rows.flush().map_err(|e| Error::io(&self.path, e))
    }
}

/// A CSV error; the crate's message names the line.
pub(crate) fn csv_error(path: &Path, error: csv::Error) -> Error {
    Error::io(path, std::io::Error::other(error))
}
