//! Values as Python writes them, on whose forms published templates rely.

use std::{fmt, io};

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error as JinjaError, ErrorKind, Output, State};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// `tojson` as Hugging Face's templates use it: Python's `json.dumps`, without the escapes for HTML.
pub(super) fn to_json(value: &Value, options: Kwargs) -> Result<String, JinjaError> {
    let indent: Option<usize> = options.get("indent")?;
    let separators: Option<(String, String)> = match options.get::<Option<Value>>("separators")? {
        Some(pair) => Some((pair.get_item_by_index(0)?.to_string(), pair.get_item_by_index(1)?.to_string())),
        None => None,
    };
    let (item, key) = separators.unwrap_or_else(|| (if indent.is_some() { "," } else { ", " }.into(), ": ".into()));
    let ascii = options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    let broken = |e: serde_json::Error| JinjaError::new(ErrorKind::BadSerialization, e.to_string());
    let sorted = match options.get::<Option<bool>>("sort_keys")? {
        Some(true) => Some(serde_json::to_value(value).map_err(broken)?),
        _ => None,
    };
    let mut bytes = Vec::new();
    let mut writer =
        Serializer::with_formatter(&mut bytes, PythonJson { item, key, indent, ascii, depth: 0, any: false });
    match sorted {
        Some(sorted) => sorted.serialize(&mut writer),
        None => value.serialize(&mut writer),
    }
    .map_err(broken)?;
    String::from_utf8(bytes).map_err(|e| JinjaError::new(ErrorKind::BadSerialization, e.to_string()))
}

/// The forms of Python's `json.dumps`.
struct PythonJson {
    item: String,
    key: String,
    indent: Option<usize>,
    ascii: bool,
    depth: usize,
    /// Whether the array or object that ends has anything in it.
    any: bool,
}

impl PythonJson {
    fn begin<W: ?Sized + io::Write>(&mut self, writer: &mut W, mark: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.any = false;
        writer.write_all(mark)
    }

    fn end<W: ?Sized + io::Write>(&mut self, writer: &mut W, mark: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.any {
            self.line(writer)?;
        }
        self.any = true;
        writer.write_all(mark)
    }

    fn next<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(self.item.as_bytes())?;
        }
        self.line(writer)
    }

    fn line<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self.indent {
            Some(width) => write!(writer, "\n{:1$}", "", width * self.depth),
            None => Ok(()),
        }
    }
}

impl Formatter for PythonJson {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.any = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.next(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(self.key.as_bytes())
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.any = true;
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        if !self.ascii {
            return writer.write_all(text.as_bytes());
        }
        let mut units = [0; 2];
        for c in text.chars() {
            if c.is_ascii() {
                write!(writer, "{c}")?;
            } else {
                for unit in c.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

/// The filter `string`: Python's `str`.
pub(super) fn string(value: &Value) -> String {
    let mut text = String::new();
    match value.kind() {
        ValueKind::Undefined => {}
        ValueKind::String => text.push_str(value.as_str().unwrap_or_default()),
        _ => drop(python_text(&mut text, value)), // writing to a string cannot fail
    }
    text
}

/// The test `iterable`, by which templates ask whether there are tools: in Python, `None` is not.
pub(super) fn is_iterable(value: &Value) -> bool {
    !value.is_none() && value.try_iter().is_ok()
}

/// Writes a value as Python does: `True`, `None`, and the text of a list or an object in Python's own form.
pub(super) fn write_value(out: &mut Output<'_>, _: &State<'_, '_>, value: &Value) -> Result<(), JinjaError> {
    let written = match value.kind() {
        ValueKind::Undefined => Ok(()),
        ValueKind::String => write!(out, "{value}"),
        _ => python_text(out, value),
    };
    written.map_err(|_| JinjaError::from(ErrorKind::WriteFailure))
}

fn python_text(out: &mut dyn fmt::Write, value: &Value) -> fmt::Result {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => out.write_str("None"),
        ValueKind::Bool => out.write_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
            out.write_char(quote)?;
            for c in text.chars() {
                match c {
                    '\n' => out.write_str("\\n")?,
                    '\r' => out.write_str("\\r")?,
                    '\t' => out.write_str("\\t")?,
                    '\\' => out.write_str("\\\\")?,
                    c if c == quote => write!(out, "\\{c}")?,
                    c => out.write_char(c)?,
                }
            }
            out.write_char(quote)
        }
        ValueKind::Seq | ValueKind::Map => {
            let is_map = value.kind() == ValueKind::Map;
            out.write_char(if is_map { '{' } else { '[' })?;
            for (at, item) in value.try_iter().into_iter().flatten().enumerate() {
                if at > 0 {
                    out.write_str(", ")?;
                }
                python_text(out, &item)?;
                if is_map {
                    out.write_str(": ")?;
                    python_text(out, &value.get_item(&item).unwrap_or_default())?;
                }
            }
            out.write_char(if is_map { '}' } else { ']' })
        }
        _ => write!(out, "{value}"),
    }
}
