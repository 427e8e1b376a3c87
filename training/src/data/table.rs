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
    /// White space around fields does not count; a quotation mark may follow a space, as for Python's `csv` with
    /// `skipinitialspace`.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut form = csv::ReaderBuilder::new();
        form.trim(csv::Trim::All);
        let text = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::read_with(path, &form, without_initial_spaces(&text).as_slice())
    }

    /// As [`Table::read`], with tabs between the fields, in which quotation marks are letters like others.
    pub(crate) fn read_tabs(path: &Path) -> Result<Self> {
        let mut form = csv::ReaderBuilder::new();
        form.delimiter(b'\t').quoting(false);
        let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
        Self::read_with(path, &form, std::io::BufReader::new(file))
    }

    fn read_with(path: &Path, form: &csv::ReaderBuilder, text: impl std::io::Read) -> Result<Self> {
        let mut reader = form.from_reader(text);
        let header = reader.headers().map_err(|e| csv_error(path, e))?.clone();
        let mut rows = Vec::new();
        for record in reader.records() {
            let fields = record.map_err(|e| csv_error(path, e))?;
            let line = fields.position().map_or(0, csv::Position::line);
            if let Some(field) = fields.iter().find(|field| field.contains(['\n', '\r'])) {
                let shown: String = field.chars().take(60).collect();
                let reason =
                    format!("expected fields without line breaks, found {shown:?}; is a quotation mark missing?");
                return Err(Error::data(format!("{} line {line}", path.display()), reason));
            }
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

/// A CSV text without the spaces before its fields.
fn without_initial_spaces(text: &[u8]) -> Vec<u8> {
    let (mut begins, mut quoted, mut out) = (true, false, Vec::with_capacity(text.len()));
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if begins && byte == b' ' {
            continue;
        }
        out.push(byte);
        if quoted {
            // A doubled mark stands for one.
            match byte == b'"' {
                true if bytes.next_if_eq(&b'"').is_some() => out.push(b'"'),
                mark => quoted = !mark,
            }
        } else {
            quoted = begins && byte == b'"';
            begins = matches!(byte, b',' | b'\n' | b'\r');
        }
    }
    out
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_before_fields_go_and_marks_after_them_count() {
        let text = "ID, wrd,x\na, \"hello, \"\"my\"\"  world\",  1\n b,5\" disk, \"\"\n";
        let expected = "ID,wrd,x\na,\"hello, \"\"my\"\"  world\",1\nb,5\" disk,\"\"\n";
        assert_eq!(String::from_utf8(without_initial_spaces(text.as_bytes())).unwrap(), expected);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, text).unwrap();
        let table = Table::read(&path).unwrap();
        assert_eq!(&table.rows[0].fields[1], "hello, \"my\"  world");
        std::fs::write(&path, "ID,wrd\na,x\nb,\"y\nc,z\n").unwrap();
        let message = Table::read(&path).err().unwrap().to_string();
        assert!(message.contains("a.csv line 3") && message.contains("quotation mark"), "{message}");
    }
}
