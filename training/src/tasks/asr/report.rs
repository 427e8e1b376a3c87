use std::collections::BTreeMap;
use std::fs;

use super::recipe::AsrRecipe;
use crate::trainer;
use crate::{Error, Result};

/// Word error rates of the trained net on each test set, whole clips, best token by frame: printed, and saved as
/// `results.json` in the run folder.
pub(super) fn evaluate(recipe: &AsrRecipe) -> Result<()> {
    let device = recipe.train.backend.device()?;
    let net = recipe.trained(&device)?;
    let mut results = BTreeMap::new();
    for folder in &recipe.data.tests {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let task = recipe.test_task(folder)?;
        let meter = trainer::evaluate(&task, &net, &device)?;
        tracing::info!("{name}: {}", meter.line());
        results.insert(name, meter.means().into_iter().collect::<BTreeMap<_, _>>());
    }
    let path = recipe.run.join("results.json");
    let text = serde_json::to_string_pretty(&results).map_err(|e| Error::data("results", e))?;
    fs::write(&path, text).map_err(|e| Error::io(&path, e))
}
