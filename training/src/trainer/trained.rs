use std::path::{Path, PathBuf};

use burn::module::Module;

use super::average::mean;
use super::run::WEIGHTS;
use super::{Checkpoint, TrainOptions, load_weights};
use crate::{Error, Result};

/// The weights that a run has left so far: those of its end, or where it has gone on since, or not ended yet, the best that it
/// has kept, and before there are any those of its checkpoint.
pub(crate) struct Trained {
    /// Of several it is their mean.
    files: Vec<PathBuf>,
    /// What is to be said of them where the run has not ended.
    unfinished: Option<String>,
}

impl Trained {
    /// The weights of a run, if it was begun.
    ///
    /// # Errors
    /// A run that was begun and has none that stand alone yet.
    pub(crate) fn find(run: &Path, options: &TrainOptions) -> Result<Option<Self>> {
        let last = run.join(WEIGHTS);
        let last = last.is_file().then_some(last);
        let folder = Checkpoint::folder(run);
        let state = folder.as_ref().map(|folder| Checkpoint::load(folder)).transpose()?;
        let (Some(folder), Some(state)) = (folder, state) else {
            return Ok(last.map(|last| Self { files: vec![last], unfinished: None }));
        };
        if let Some(last) = last.as_ref().filter(|_| state.ended.is_none_or(|step| step == state.step)) {
            return Ok(Some(Self { files: vec![last.clone()], unfinished: None }));
        }
        let stands = format!("{}: the run stands at step {} and has not ended", run.display(), state.step);
        let unfinished = |files: Vec<PathBuf>, which: &str| {
            Ok(Some(Self { files, unfinished: Some(format!("{stands}; {which}; `train --resume` goes on with it")) }))
        };
        // What is exported of others is more than what they keep.
        let is_whole = options.start_share == 0.0 && options.adapters.is_none();
        let among = if options.average_best { state.best.len() } else { 1 };
        let best = state.best.iter().take(among).filter(|kept| kept.path(run).is_file());
        match (best.clone().next(), last) {
            (Some(first), _) if options.start_share == 0.0 => {
                let which = format!(
                    "its best weights so far are of step {} ({} {:.4})",
                    first.step, first.metric, first.figure
                );
                unfinished(best.map(|kept| kept.path(run)).collect(), &which)
            }
            (None, _) if is_whole => {
                let average = folder.join("average.safetensors");
                let file = if average.is_file() { average } else { folder.join(WEIGHTS) };
                unfinished(vec![file], "its weights are those of this step")
            }
            (_, Some(last)) => unfinished(vec![last], "its weights are those with which it ended before"),
            (_, None) => {
                Err(Error::checkpoint(run, "this run was begun and has not ended: `train --resume` goes on with it"))
            }
        }
    }

    /// As [`find`](Self::find), of a run that must have some.
    ///
    /// # Errors
    /// As [`find`](Self::find); a run without weights.
    pub(crate) fn expect(run: &Path, options: &TrainOptions) -> Result<Self> {
        Self::find(run, options)?
            .ok_or_else(|| Error::checkpoint(run.join(WEIGHTS), "there are no weights: `train` leaves them"))
    }

    /// The net with these weights; `net` makes one of fresh weights.
    ///
    /// # Errors
    /// Those of `net`; weights that are damaged, or of another net.
    pub(crate) fn load<M: Module>(&self, net: impl Fn() -> Result<M>) -> Result<M> {
        if let Some(reason) = &self.unfinished {
            tracing::warn!("{reason}");
        }
        // Each is read into a net of its own: copies of a net share its running statistics.
        let nets = self.files.iter().map(|file| load_weights(net()?, file)).collect::<Result<Vec<_>>>()?;
        mean(nets).map_or_else(net, Ok)
    }

    /// A checksum of the weights.
    ///
    /// # Errors
    /// Weights that cannot be read.
    pub(crate) fn checksum(&self) -> Result<String> {
        let sum = self.files.iter().try_fold(0, |sum, file| {
            let bytes = std::fs::read(file).map_err(|e| Error::io(file, e))?;
            Ok(crc32c::crc32c_append(sum, &bytes))
        });
        sum.map(|sum: u32| format!("crc32c:{sum:08x}"))
    }
}
