//! Recipes that have the tables of the `asr` task, and one of their own.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::recipe::AsrRecipe;
use crate::{Error, Result};

/// Parts such a recipe; `name` is that of its own table.
pub(in crate::tasks) fn split<T: DeserializeOwned>(
    mut table: toml::Table,
    name: &str,
) -> Result<(AsrRecipe, T), String> {
    let own = table.remove(name).ok_or_else(|| format!("missing table `[{name}]`"))?;
    let own = own.try_into().map_err(|e: toml::de::Error| format!("[{name}] {e}"))?;
    Ok((table.try_into().map_err(|e: toml::de::Error| e.to_string())?, own))
}

/// The whole recipe as one table, defaults written out.
pub(in crate::tasks) fn join(asr: &AsrRecipe, name: &str, own: &impl Serialize) -> Result<toml::Table> {
    let mistake = |e: toml::ser::Error| Error::config("recipe", e);
    let mut table = toml::Table::try_from(asr).map_err(mistake)?;
    table.insert(name.to_owned(), toml::Value::try_from(own).map_err(mistake)?);
    Ok(table)
}
