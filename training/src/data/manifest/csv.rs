//! `ID,duration,wav,...`, with `$name` for what is replaced.

use std::collections::HashSet;
use std::path::Path;

use super::{Item, ManifestConfig, Recording};
use crate::data::table::{Row, Table};
use crate::{Error, Result};

pub(super) fn read(path: &Path, config: &ManifestConfig) -> Result<Vec<Item>> {
    let table = Table::read(path)?;
    let columns = &config.columns;
    let [id, duration, wav] = [&columns.id, &columns.duration, &columns.wav].map(|name| table.column(name));
    // As lists of enhancement's have it; others have none.
    let duration = duration.or_else(|_| table.column("length")).ok();
    let (id, wav) = (id?, wav?);
    let folder = path.parent().unwrap_or(Path::new(""));
    let named = |name: &str| (!name.is_empty()).then(|| table.column(name)).transpose();
    let (words, weight) = (named(&config.words)?, named(&config.weight)?);
    let [speaker, start, stop, channel] = [&columns.speaker, &columns.start, &columns.stop, &columns.channel]
        .map(|name| table.header.iter().position(|field| field == name));
    columns.warn_of_missing(path, |name| table.header.iter().any(|field| field == name));
    let bound = |row: &Row, column: Option<usize>| {
        let Some(text) = column.map(|column| &row.fields[column]).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
        let name = column.map_or("", |column| &table.header[column]);
        number.map(Some).ok_or_else(|| table.error(row, name, "a number from 0 on", text))
    };
    let measured = |row: &Row, recording: &Recording| {
        let place = || format!("{} line {}", path.display(), row.line);
        recording.measure(config, folder).map_err(|e| Error::data(place(), e))
    };
    let mut seen = HashSet::new();
    let item = |row: &Row| {
        if row.fields[id].is_empty() || !seen.insert(row.fields[id].to_owned()) {
            return Err(table.error(row, &columns.id, "a name that stands once", &row.fields[id]));
        }
        let told = duration.map(|column| table.seconds(row, column)).transpose()?;
        let (start, stop) = (bound(row, start)?, bound(row, stop)?);
        let stop = stop.or_else(|| config.end(start, told?));
        let recording =
            Recording::of_file(&row.fields[wav]).of_channel(channel.map_or("", |column| &row.fields[column]));
        let recording = recording.between(start, stop, config.segments);
        let past = || {
            table.error(row, &columns.stop, "at least the start", &stop.map_or(String::new(), |stop| stop.to_string()))
        };
        let recording = recording.ok_or_else(past)?;
        Ok(Item {
            id: row.fields[id].to_owned(),
            duration_s: told.map_or_else(|| measured(row, &recording), Ok)?,
            wav: recording,
            speaker: speaker.map(|column| row.fields[column].to_owned()).unwrap_or_default(),
            words: words.map(|column| row.fields[column].to_owned()).unwrap_or_default(),
            weight: bound(row, weight)?,
            speech: None,
        })
    };
    table.rows.iter().map(item).collect()
}
