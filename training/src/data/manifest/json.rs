//! `{ID: {"duration": ..., "wav": ..., ...}}`, with `{name}` for what is replaced.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{Item, ManifestConfig, Recording};
use crate::{Error, Result};

/// The entries in the order of the file, which a map would lose, and with it that one stands twice.
struct Entries(Vec<(String, Map<String, Value>)>);

impl<'de> serde::Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ordered;
        impl<'de> Visitor<'de> for Ordered {
            type Value = Entries;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map of entries by their ids")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Ordered)
    }
}

/// An entry, for errors.
struct Entry<'a> {
    path: &'a Path,
    id: &'a str,
    fields: &'a Map<String, Value>,
}

impl Entry<'_> {
    fn error(&self, column: &str, expected: &str) -> Error {
        let found = self.fields.get(column).map_or("nothing".to_owned(), |value| format!("`{value}`"));
        let place = format!("{} entry `{}` column `{column}`", self.path.display(), self.id);
        Error::data(place, format!("expected {expected}, found {found}"))
    }

    /// A text; a number stands for its digits, such as a speaker's.
    fn text(&self, column: &str) -> Result<String> {
        match self.fields.get(column) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            _ => Err(self.error(column, "a text")),
        }
    }

    /// A number, or one written as a text.
    fn number(&self, column: &str) -> Option<f64> {
        match self.fields.get(column)? {
            Value::String(text) => text.parse().ok(),
            other => other.as_f64(),
        }
    }

    /// A number from 0 on.
    fn amount(&self, column: &str) -> Result<f64> {
        let amount = self.number(column).filter(|amount| amount.is_finite() && *amount >= 0.0);
        amount.ok_or_else(|| self.error(column, "a number from 0 on"))
    }

    /// Stretches of speech, where there are such.
    fn speech(&self) -> Result<Option<Vec<[f64; 2]>>> {
        // A text of that name says something else.
        let Some(value) = self.fields.get("speech").filter(|value| value.is_array()) else { return Ok(None) };
        let stretches: Option<Vec<[f64; 2]>> = serde_json::from_value(value.clone()).ok();
        let stretches = stretches.filter(|all| all.iter().all(|[start, stop]| start <= stop));
        stretches.map(Some).ok_or_else(|| self.error("speech", "pairs of beginning and end in seconds"))
    }

    /// An offset, where there is one.
    fn bound(&self, column: &str) -> Result<Option<f64>> {
        self.fields.contains_key(column).then(|| self.amount(column)).transpose()
    }
}

pub(super) fn read(path: &Path, config: &ManifestConfig) -> Result<Vec<Item>> {
    let text = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let mistake = |e: serde_json::Error| Error::data(path.display().to_string(), format!("not a manifest: {e}"));
    let parsed = serde_json::from_slice(&text).or_else(|error| match without_nan(&text) {
        Some(text) => serde_json::from_slice(&text),
        None => Err(error),
    });
    let Entries(mut entries) = parsed.map_err(mistake)?;
    config.columns.warn_of_missing(path, |name| entries.iter().any(|(_, fields)| fields.contains_key(name)));
    let mut seen = HashSet::new();
    let read = |(id, fields): &mut (String, Map<String, Value>)| {
        // What is not known is as though it were not there.
        fields.retain(|_, value| !value.is_null());
        if id.is_empty() || !seen.insert(id.clone()) {
            let place = format!("{} entry `{id}`", path.display());
            return Err(Error::data(place, "expected a name that stands once"));
        }
        item(&Entry { path, id: &*id, fields: &*fields }, config)
    };
    entries.iter_mut().map(read).collect()
}

/// A text of Python's `json.dump` in which some of its numbers, which JSON has not, became `null`: `NaN`, `Infinity` and
/// `-Infinity`. None where it has no such.
fn without_nan(text: &[u8]) -> Option<Vec<u8>> {
    const NAMES: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];
    let (mut out, mut rest, mut within, mut found) = (Vec::with_capacity(text.len()), text, false, false);
    while let [first, tail @ ..] = rest {
        match NAMES.iter().find(|name| !within && rest.starts_with(name)) {
            Some(name) => {
                out.extend_from_slice(b"null");
                (rest, found) = (&rest[name.len()..], true);
                continue;
            }
            None if within && *first == b'\\' => {
                out.extend_from_slice(&rest[..rest.len().min(2)]);
                rest = &rest[rest.len().min(2)..];
                continue;
            }
            None => within ^= *first == b'"',
        }
        out.push(*first);
        rest = tail;
    }
    found.then_some(out)
}

fn item(entry: &Entry, config: &ManifestConfig) -> Result<Item> {
    let columns = &config.columns;
    let wav = entry.fields.get(&columns.wav).and_then(Recording::of_value);
    let wav = wav.ok_or_else(|| entry.error(&columns.wav, "a path, or {\"file\", \"start\", \"stop\"} in samples"))?;
    // SpeechBrain's templates and its newer scripts name it differently, and that for LibriParty not at all.
    let duration = entry.number(&columns.duration).or_else(|| entry.number("length")).or_else(|| wav.seconds());
    if duration.is_some_and(|seconds| !(seconds.is_finite() && seconds > 0.0)) {
        return Err(entry.error(&columns.duration, "seconds above zero"));
    }
    let (start, stop) = (entry.bound(&columns.start)?, entry.bound(&columns.stop)?);
    let stop = stop.or_else(|| config.end(start, duration?));
    let wav = match (start, stop) {
        (None, None) => wav,
        _ => {
            wav.between(start, stop, config.segments).ok_or_else(|| entry.error(&columns.stop, "at least the start"))?
        }
    };
    let has = |column: &str| entry.fields.contains_key(column);
    let wav =
        if has(&columns.channel) { wav.of_channel(&entry.text(&columns.channel).unwrap_or_default()) } else { wav };
    let folder = entry.path.parent().unwrap_or(Path::new(""));
    let place = || format!("{} entry `{}`", entry.path.display(), entry.id);
    let measured = || wav.measure(config, folder).map_err(|e| Error::data(place(), e));
    let duration_s = duration.map_or_else(measured, Ok)?;
    Ok(Item {
        id: entry.id.to_owned(),
        duration_s,
        wav,
        speaker: if has(&columns.speaker) { entry.text(&columns.speaker)? } else { String::new() },
        words: if config.words.is_empty() { String::new() } else { entry.text(&config.words)? },
        weight: if config.weight.is_empty() { None } else { Some(entry.amount(&config.weight)?) },
        speech: entry.speech()?,
    })
}

/// Writes a manifest as Python's `json.dump(entries, file, indent=2)` does, with which SpeechBrain's preparing scripts
/// write theirs.
pub struct JsonWriter {
    path: PathBuf,
    file: BufWriter<File>,
    entries: usize,
}

impl JsonWriter {
    /// A manifest without entries.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|e| Error::io(path, e))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), entries: 0 })
    }

    /// Adds an entry: an id, and columns with values.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&mut self, id: &str, fields: &[(&str, Value)]) -> Result<()> {
        let mut text = String::from(if self.entries == 0 { "{\n" } else { ",\n" });
        let _ = write!(text, "  {}: {{", quoted(id));
        for (number, (column, value)) in fields.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            let _ = write!(text, "{comma}\n    {}: {}", quoted(column), scalar(value));
        }
        text += if fields.is_empty() { "}" } else { "\n  }" };
        self.entries += 1;
        self.file.write_all(text.as_bytes()).map_err(|e| Error::io(&self.path, e))
    }

    /// Ends the manifest.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<()> {
        let end = if self.entries == 0 { "{}" } else { "\n}" };
        self.file.write_all(end.as_bytes()).and_then(|()| self.file.flush()).map_err(|e| Error::io(&self.path, e))
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Number(number) if number.is_f64() => float(number.as_f64().unwrap_or_default()),
        other => other.to_string(),
    }
}

/// A finite number as `repr` writes it: the shortest digits that give it back, with an exponent below 1e-4 and from 1e16 on.
fn float(value: f64) -> String {
    if value == 0.0 || (1e-4..1e16).contains(&value.abs()) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// A text in ASCII, as `json.dump` writes it by default.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\t' => out += "\\t",
            '\u{8}' => out += "\\b",
            '\u{c}' => out += "\\f",
            ' '..='~' => out.push(c),
            other => other.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                let _ = write!(out, "\\u{unit:04x}");
            }),
        }
    }
    out.push('"');
    out
}
