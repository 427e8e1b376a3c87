use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DATA_ROOT, JsonWriter};
use crate::data::table::TableWriter;
use crate::{Error, Result};

/// In which form manifests are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManifestForm {
    /// A row for each clip.
    #[default]
    Csv,
    /// An entry for each clip, whose `duration` or `length` is a number.
    Json,
}

impl ManifestForm {
    /// What stands for the folder that holds a set.
    pub fn data_root(self) -> &'static str {
        match self {
            Self::Csv => DATA_ROOT,
            Self::Json => "{data_root}",
        }
    }

    /// The extension of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

/// Writes a manifest row by row.
pub(crate) enum RowWriter {
    Csv(Box<TableWriter>),
    Json { writer: JsonWriter, columns: Vec<String> },
}

impl RowWriter {
    /// A new manifest, with a column `ID`.
    pub(crate) fn create(path: &Path, form: ManifestForm, columns: &[&str]) -> Result<Self> {
        Ok(match form {
            ManifestForm::Csv => Self::Csv(Box::new(TableWriter::create(path, columns)?)),
            ManifestForm::Json => {
                let columns = columns.iter().map(|&column| column.to_owned()).collect();
                Self::Json { writer: JsonWriter::create(path)?, columns }
            }
        })
    }

    pub(crate) fn append(&mut self, row: &[String]) -> Result<()> {
        match self {
            Self::Csv(table) => table.append(row),
            Self::Json { writer, columns } => {
                let value = |(column, value): (&String, &String)| {
                    Ok(match column.as_str() {
                        "duration" | "length" => Value::from(value.parse::<f64>().map_err(|e| Error::data(column, e))?),
                        _ => Value::from(value.as_str()),
                    })
                };
                let values = columns.iter().zip(row).map(value).collect::<Result<Vec<_>>>()?;
                let fields: Vec<(&str, Value)> = columns.iter().map(String::as_str).zip(values).collect();
                let at = columns.iter().position(|column| column == "ID").unwrap_or(0);
                let others: Vec<_> = fields.into_iter().filter(|(column, _)| *column != "ID").collect();
                writer.append(&row[at], &others)
            }
        }
    }

    /// Brings all to the file.
    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::Csv(mut table) => table.flush(),
            Self::Json { writer, .. } => writer.finish(),
        }
    }
}
