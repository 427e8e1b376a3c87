use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{Module, ParamGroup};
use burn::optim::ModuleOptimizer;
use burn::store::ModuleRecord;
use serde::{Deserialize, Serialize};

use super::anneal::ValidationState;
use super::{Average, Kept, Meter, kept, safetensors};
use crate::{Error, Result};

/// Where a run stands: the numbers beside the weights in a checkpoint folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The epoch under way, from 0.
    pub epoch: usize,
    /// Batches of this epoch that are done.
    pub batches: usize,
    /// Optimizer steps that are done.
    pub step: usize,
    /// Updates of the averaged weights.
    pub average_updates: usize,
    /// Batches and steps that were skipped for a loss or gradient that was not finite, in this epoch and in those before it in
    /// which no step was taken.
    #[serde(default)]
    pub nonfinite: usize,
    /// Minutes of training that are done.
    pub minutes: f64,
    /// The step of the last validation.
    #[serde(default)]
    pub validated: usize,
    /// What the validations have come to; a checkpoint may have it as `outlook`.
    #[serde(default, alias = "outlook")]
    pub validation: ValidationState,
    /// What tells the weights that the run began with, or that are adapted.
    #[serde(default)]
    pub origin: Option<String>,
    /// The weights that are kept, the best first.
    #[serde(default)]
    pub best: Vec<Kept>,
    /// The figures of this epoch's batches.
    #[serde(default)]
    pub figures: Meter,
    /// The step at which the run ended last, and left its weights; none in checkpoints of before it was told.
    #[serde(default)]
    pub ended: Option<usize>,
}

/// Writes the weights of a net, in one move.
///
/// # Errors
/// [`Error::Checkpoint`] when the file cannot be written.
pub fn save_weights<M: Module>(net: &M, path: &Path) -> Result<()> {
    save_record(net.clone().into_record(), path)
}

fn save_record(record: ModuleRecord, path: &Path) -> Result<()> {
    safetensors::write(record.into_bytes().map_err(|reason| Error::checkpoint(path, reason))?, path)
}

fn load_record(path: &Path) -> Result<ModuleRecord> {
    ModuleRecord::from_bytes(safetensors::read(path)?).map_err(|reason| Error::checkpoint(path, reason))
}

/// Reads weights into a net of the same shape.
///
/// # Errors
/// [`Error::Checkpoint`] when the file is missing, damaged, or of another net.
pub fn load_weights<M: Module>(net: M, path: &Path) -> Result<M> {
    if !path.exists() {
        return Err(Error::checkpoint(path, "there are no weights: `train` leaves them"));
    }
    net.try_load_record(load_record(path)?).map_err(|reason| Error::checkpoint(path, reason))
}

/// As [`save_weights`], of a part of the weights where one is given.
fn save_part<M: Module>(net: &M, part: Option<&ParamGroup>, path: &Path) -> Result<()> {
    match part {
        Some(part) => save_record(net.clone().into_record_group(part.clone()), path),
        None => save_weights(net, path),
    }
}

/// Reads weights into a net that has others beside them, which stay.
///
/// # Errors
/// As [`load_weights`].
pub(super) fn load_part<M: Module>(net: M, path: &Path) -> Result<M> {
    net.try_load_record(load_record(path)?.allow_partial(true)).map_err(|reason| Error::checkpoint(path, reason))
}

impl Checkpoint {
    /// The folders of a run that hold its newest checkpoint, the one being written, and the one before.
    pub(super) const FOLDERS: [&str; 3] = ["checkpoint", "checkpoint.new", "checkpoint.old"];

    /// The folder of the newest checkpoint of a run, if there is a whole one.
    pub fn folder(run: &Path) -> Option<PathBuf> {
        let [now, _, old] = Self::FOLDERS.map(|name| run.join(name));
        [now, old].into_iter().find(|folder| folder.join("state.toml").is_file())
    }

    /// Writes the checkpoint of a run: of all weights, or a part of them. The one before it is given up only when the
    /// new one is whole.
    pub(super) fn save<M: Module>(
        &self,
        run: &Path,
        net: &M,
        optimizer: &ModuleOptimizer,
        average: Option<&Average>,
        part: Option<&ParamGroup>,
    ) -> Result<()> {
        let [now, new, old] = Self::FOLDERS.map(|name| run.join(name));
        remove(&new)?;
        fs::create_dir_all(&new).map_err(|e| Error::io(&new, e))?;
        save_part(&net.valid(), part, &new.join("net.safetensors"))?;
        let state = optimizer.into_bytes().map_err(|e| Error::checkpoint(&new, e))?;
        safetensors::write(state, &new.join("optimizer.safetensors"))?;
        if let Some(average) = average {
            save_part(&average.apply(net), part, &new.join("average.safetensors"))?;
        }
        self.write(&new)?;
        remove(&old)?;
        if now.exists() {
            fs::rename(&now, &old).map_err(|e| Error::io(&now, e))?;
        }
        fs::rename(&new, &now).map_err(|e| Error::io(&new, e))?;
        remove(&old)?;
        kept::sweep(run, &self.best)
    }

    /// Writes the state into a checkpoint folder, in one move.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let (path, new) = (folder.join("state.toml"), folder.join("state.toml.new"));
        let state = toml::to_string(self).map_err(|e| Error::checkpoint(&path, e))?;
        fs::write(&new, state).and_then(|()| fs::rename(&new, &path)).map_err(|e| Error::io(&path, e))
    }

    /// Reads the state of a checkpoint folder.
    pub(super) fn load(folder: &Path) -> Result<Self> {
        let path = folder.join("state.toml");
        let text = fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        toml::from_str(&text).map_err(|e| Error::checkpoint(&path, e))
    }
}

pub(super) fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    }
    Ok(())
}
