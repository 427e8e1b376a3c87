//! Weights that are there already, of a run or in a bundle, back into a net: what SpeechBrain's `Pretrainer` does.

mod bundle;
pub mod speechbrain;
mod weights;

use std::path::Path;

use rejoinder_models::card::{Bundle, MODEL_ROLE};

pub(crate) use bundle::{check_family, check_features, check_tokens, is_bundle, single_file, tokens};
pub use weights::Weights;

use crate::trainer::{Task, TrainOptions, Trained};
use crate::{Error, Result};

/// What stands in for the weights of a run in which nothing was trained: those that it would start with, if it does.
///
/// # Errors
/// As [`Trained::find`].
pub(crate) fn stand_in<'a>(run: &Path, options: &'a TrainOptions) -> Result<Option<&'a Path>> {
    let Some(start) = options.start.as_deref() else { return Ok(None) };
    let none = Trained::find(run, options)?.is_none();
    if none {
        tracing::info!("{}: nothing was trained; the weights of {} stand in", run.display(), start.display());
    }
    Ok(none.then_some(start))
}

/// A checksum of the weights of a run, or of what stands in for them.
///
/// # Errors
/// Weights that are missing.
pub(crate) fn checksum(run: &Path, options: &TrainOptions) -> Result<String> {
    match (Trained::find(run, options)?, &options.start) {
        (None, Some(start)) => checksum_of(start),
        (Some(trained), _) => trained.checksum(),
        (None, None) => Trained::expect(run, options)?.checksum(),
    }
}

/// A checksum of weights: a file, or the folder of a bundle.
fn checksum_of(path: &Path) -> Result<String> {
    let file = if path.is_dir() { Bundle::open(path)?.path(MODEL_ROLE)? } else { path.to_owned() };
    let bytes = std::fs::read(&file).map_err(|e| Error::io(&file, e))?;
    Ok(format!("crc32c:{:08x}", crc32c::crc32c(&bytes)))
}

/// What the weights at `path` are told by, those of a bundle by the files that a net of the task begins with.
///
/// # Errors
/// As [`weights`].
pub(crate) fn origin<T: Task>(task: &T, path: &Path) -> Result<String> {
    if !path.is_dir() {
        return checksum_of(path);
    }
    let bundle = Bundle::open(path)?;
    let parts = task.weights_in(&bundle)?;
    let files = parts.iter().filter_map(|(role, _)| bundle.card().files.get(*role));
    Ok(files.map(|file| file.sha256.as_str()).collect::<Vec<_>>().join(" "))
}

/// A task's net with the weights at `path`: `net.safetensors` of a run, the folder of a bundle, or a
/// checkpoint of SpeechBrain's.
///
/// # Errors
/// Weights that are missing, damaged or of another net, each by its name; a bundle for other features or tokens, or of a
/// task whose bundles hold no weights to train on.
pub(crate) fn begin<T: Task>(task: &T, net: T::Net, path: &Path) -> Result<T::Net> {
    weights(task, path)?.load(net, task.heads())
}

/// The weights at `path`, with which a net of the task can begin.
///
/// # Errors
/// As [`begin`], but for weights of another net.
pub(crate) fn weights<T: Task>(task: &T, path: &Path) -> Result<Weights> {
    if speechbrain::is_checkpoint(path) {
        let unknown = || Error::checkpoint(path, "no checkpoint of SpeechBrain's begins a net of this task");
        speechbrain::read(path, task.speechbrain_names().ok_or_else(unknown)?)
    } else if path.is_dir() {
        let run = path.join("net.safetensors");
        if run.is_file() && !path.join("card.toml").is_file() {
            return Err(Error::checkpoint(
                path,
                format!("expected a bundle, found a run; its weights are {}", run.display()),
            ));
        }
        let bundle = Bundle::open(path)?;
        Weights::of_bundle(&bundle, &task.weights_in(&bundle)?)
    } else {
        Weights::of_run(path)
    }
}
