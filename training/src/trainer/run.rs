use std::fs;
use std::path::Path;

use super::Checkpoint;
use super::checkpoint::remove;
use super::environment::ENVIRONMENT;
use super::kept::BEST;
use crate::{Error, Result, log};

/// The weights that a finished run leaves in its folder.
pub(super) const WEIGHTS: &str = "net.safetensors";
/// What training writes beside them, and [`EVENTS`].
const LEFT: [&str; 5] = [WEIGHTS, ENVIRONMENT, log::LOG, "log.jsonl", "curves.svg"];
/// What `evaluate` and `export` write, perhaps of a bundle that was there before any run.
const RESULTS: [&str; 4] = ["results.json", "heard", "float", "tune.json"];
/// How the names of files of alignments begin.
const ALIGNMENTS: &str = "wer_";
/// How the names of TensorBoard's event files begin.
pub(super) const EVENTS: &str = "events.out.tfevents.";

/// The folder of a run for runs in debug mode, which take each other's place unasked.
pub(crate) const DEBUG_RUN: &str = "debug_run";

/// What becomes of a run folder in which a run has begun or ended before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunMode {
    /// It is refused.
    #[default]
    New,
    /// The run goes on from its checkpoint; it begins where there is none yet.
    Resume,
    /// A run begins anew: checkpoints, weights, logs and results of the one before are removed once data and net are
    /// ready. Tokens, alignments and exported bundles stay.
    Fresh,
}

impl RunMode {
    /// Refuses a run folder whose weights would be lost unasked.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] with what to do about it.
    pub fn check(self, run: &Path) -> Result<()> {
        let is_debug = run.components().any(|part| part.as_os_str() == DEBUG_RUN);
        if self == Self::New && is_debug {
            return Ok(());
        }
        let checkpoint = Checkpoint::folder(run);
        let reason = match (self, &checkpoint, run.join(WEIGHTS).is_file()) {
            (Self::New, Some(_), _) => {
                "a run has begun here: `--resume` goes on with it, `--fresh` removes it and begins anew, \
                 `--set run=FOLDER` trains elsewhere"
            }
            (Self::New | Self::Resume, None, true) => {
                "a run has ended here and left no checkpoint to go on from: `--fresh` removes it and begins anew, \
                 `--set run=FOLDER` trains elsewhere"
            }
            _ => return Ok(()),
        };
        Err(Error::checkpoint(run, reason))
    }
}

/// Removes what another run has left in a folder, so that logs and curves are of one run alone.
pub(super) fn clear(run: &Path, mode: RunMode) -> Result<()> {
    for folder in Checkpoint::FOLDERS.into_iter().chain([BEST]) {
        remove(&run.join(folder))?;
    }
    for entry in fs::read_dir(run).map_err(|e| Error::io(run, e))? {
        let entry = entry.map_err(|e| Error::io(run, e))?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let is_result = RESULTS.contains(&&*name) || name.starts_with(ALIGNMENTS);
        if LEFT.contains(&&*name) || name.starts_with(EVENTS) || (is_result && mode == RunMode::Fresh) {
            if path.is_dir() {
                remove(&path)?;
            } else {
                fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
            }
        }
    }
    Ok(())
}
