//! `ID,duration,wav,...`, with `$name` for what is replaced.

use std::collections::HashSet;
use std::path::Path;

use super::{Item, ManifestConfig, Recording};
use crate::Result;
use crate::data::table::{Row, Table};

pub(super) fn read(path: &Path, config: &ManifestConfig) -> Result<Vec<Item>> {
    let table = Table::read(path)?;
    let [id, duration, wav] = ["ID", "duration", "wav"].map(|name| table.column(name));
    let (id, duration, wav) = (id?, duration?, wav?);
    let words = (!config.words.is_empty()).then(|| table.column(&config.words)).transpose()?;
    let [speaker, start, stop, channel] =
        ["spk_id", "start", "stop", "channel"].map(|name| table.header.iter().position(|field| field == name));
    let bound = |row: &Row, column: Option<usize>| {
        let Some(text) = column.map(|column| &row.fields[column]).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
        let name = column.map_or("", |column| &table.header[column]);
        number.map(Some).ok_or_else(|| table.error(row, name, "a number from 0 on", text))
    };
    let mut seen = HashSet::new();
    let item = |row: &Row| {
        if row.fields[id].is_empty() || !seen.insert(row.fields[id].to_owned()) {
            return Err(table.error(row, "ID", "a name that stands once", &row.fields[id]));
        }
        let (start, stop) = (bound(row, start)?, bound(row, stop)?);
        let recording =
            Recording::of_file(&row.fields[wav]).of_channel(channel.map_or("", |column| &row.fields[column]));
        let recording = recording.between(start, stop, config.segments);
        let past =
            || table.error(row, "stop", "at least `start`", &stop.map_or(String::new(), |stop| stop.to_string()));
        Ok(Item {
            id: row.fields[id].to_owned(),
            duration_s: table.seconds(row, duration)?,
            wav: recording.ok_or_else(past)?,
            speaker: speaker.map(|column| row.fields[column].to_owned()).unwrap_or_default(),
            words: words.map(|column| row.fields[column].to_owned()).unwrap_or_default(),
        })
    };
    table.rows.iter().map(item).collect()
}
