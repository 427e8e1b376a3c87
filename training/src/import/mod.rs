//! Weights that are there already, of a run or in a bundle, back into a net: what SpeechBrain's `Pretrainer` does.

mod bundle;
mod weights;

use std::path::Path;

use rejoinder_models::card::Bundle;

pub(crate) use bundle::{check_family, check_features, check_tokens, is_bundle, single_file, tokens};
pub use weights::Weights;

use crate::Result;
use crate::trainer::Task;

/// What stands in for the weights of a run in which nothing was trained: those that it would start with, if it does.
pub(crate) fn stand_in<'a>(weights: &Path, start: Option<&'a Path>) -> Option<&'a Path> {
    let start = start.filter(|_| !weights.exists())?;
    tracing::info!("{}: nothing was trained; the weights of {} stand in", weights.display(), start.display());
    Some(start)
}

/// A task's net with the weights at `path`: `net.bpk` of a run, or the folder of a bundle.
///
/// # Errors
/// Weights that are missing, damaged or of another net, each by its name; a bundle for other features or tokens, or of a
/// task whose bundles hold no weights to train on.
pub(crate) fn begin<T: Task>(task: &T, net: T::Net, path: &Path) -> Result<T::Net> {
    let weights = if path.is_dir() {
        let bundle = Bundle::open(path)?;
        Weights::of_bundle(&bundle, &task.weights_in(&bundle)?)?
    } else {
        Weights::of_run(path)?
    };
    weights.load(net, task.heads())
}
