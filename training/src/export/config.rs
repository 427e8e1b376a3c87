use std::path::PathBuf;

use rejoinder_models::card::{ModelCard, Origin, Task};
use serde::{Deserialize, Serialize};

use super::commit;
use crate::{Error, Result};

/// Where a bundle goes and what its card says: the `[export]` of a recipe.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportConfig {
    /// The bundle's folder.
    pub bundle: PathBuf,
    /// The model's name.
    pub name: String,
    /// The language's code, where the recipe does not say it elsewhere. Default: that which the task is for, mostly `en`.
    #[serde(default)]
    pub language: Option<String>,
    /// The licence of the weights.
    pub licence: String,
    /// What it is, in a sentence.
    pub summary: String,
    /// This recipe's path in the repository.
    pub recipe: String,
    /// What it was trained on, for people.
    pub data: Vec<String>,
    /// Whether weights of matrix products are stored in 8 bits, where the task's bundle can hold them so (recognisers and voices'
    /// encoders). Default: false.
    #[serde(default)]
    pub int8: bool,
    /// Settings that the runtime reads: the card's `params`, to which the task adds its own.
    #[serde(default)]
    pub params: toml::Table,
}

impl ExportConfig {
    /// Refuses 8-bit weights of matrix products, for a task whose bundles do not hold them.
    pub(crate) fn refuse_int8(&self) -> Result<()> {
        if self.int8 {
            let reason =
                "int8: this task has no such weights; expected false (a language model has `storage = \"q8_0\"`)";
            return Err(Error::config("[export]", reason));
        }
        Ok(())
    }

    /// A card with all that is said here.
    pub fn card(&self, task: Task, family: &str) -> ModelCard {
        let origin = Origin { recipe: self.recipe.clone(), data: self.data.clone(), commit: commit() };
        let mut card = ModelCard::new(&self.name, task, family, &self.licence, origin);
        card.language.clone_from(&self.language);
        card.summary.clone_from(&self.summary);
        card.params.clone_from(&self.params);
        card
    }
}
