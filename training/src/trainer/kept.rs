use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The folder of a run with the weights that were best so far.
pub(super) const BEST: &str = "best";

/// The figure of the validations by which weights are better than others, as `min_keys` and `max_keys` of SpeechBrain's
/// `Checkpointer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    name: Cow<'static, str>,
    highest: bool,
}

impl Metric {
    /// A figure of which less is better.
    pub fn lowest(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), highest: false }
    }

    /// A figure of which more is better.
    pub fn highest(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), highest: true }
    }

    /// The name among the figures of a validation.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether more is better.
    pub fn is_highest(&self) -> bool {
        self.highest
    }

    /// Whether `figure` is better than `other`, or as good.
    fn is_as_good(&self, figure: f64, other: f64) -> bool {
        if self.highest { figure >= other } else { figure <= other }
    }
}

/// Weights that were kept for what a validation of them came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Epochs that were done.
    pub epoch: usize,
    /// Optimizer steps that were done.
    pub step: usize,
    /// The name of the figure.
    pub metric: String,
    /// Its value.
    pub figure: f64,
}

impl Kept {
    fn name(&self) -> String {
        format!("step_{}.safetensors", self.step)
    }

    /// The file with the weights.
    pub(super) fn path(&self, run: &Path) -> PathBuf {
        run.join(BEST).join(self.name())
    }
}

/// Puts weights among the best, which come first; of equals the later is the better, and without a metric of all. Returns
/// whether they are one of the `most` best.
pub(super) fn insert(best: &mut Vec<Kept>, new: Kept, metric: Option<&Metric>, most: usize) -> bool {
    // A validation that is done once more after a resume.
    best.retain(|kept| kept.step != new.step);
    let as_good = |kept: &Kept| metric.is_none_or(|metric| metric.is_as_good(new.figure, kept.figure));
    let place = best.iter().position(as_good).unwrap_or(best.len());
    best.insert(place, new);
    best.truncate(most);
    place < most
}

/// Removes what is no longer among the best. It is called when a checkpoint says so, since the one before may need the file.
pub(super) fn sweep(run: &Path, best: &[Kept]) -> Result<()> {
    let folder = run.join(BEST);
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&folder).map_err(|e| Error::io(&folder, e))? {
        let path = entry.map_err(|e| Error::io(&folder, e))?.path();
        if !best.iter().any(|kept| kept.path(run) == path) {
            fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
        }
    }
    Ok(())
}

/// What the weights of a finished run are.
pub(super) fn line(chosen: &[Kept]) -> String {
    let shown: Vec<_> = chosen
        .iter()
        .map(|Kept { epoch, step, metric, figure }| format!("epoch {epoch}, step {step} ({metric} {figure:.4})"))
        .collect();
    match shown.as_slice() {
        [] => "net.safetensors: the last weights; no validation has chosen others".to_owned(),
        [one] => format!("net.safetensors: the weights of {one}"),
        several => format!("net.safetensors: the mean of {} weights, of {}", several.len(), several.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_of_equals_the_later() {
        let kept = |step, figure| Kept { epoch: step, step, metric: "wer".into(), figure };
        let steps = |metric: Option<&Metric>| {
            let mut best = Vec::new();
            let figures = [0.5, 0.3, 0.4, 0.3, 0.6];
            let entered: Vec<bool> =
                figures.iter().enumerate().map(|(at, f)| insert(&mut best, kept(at, *f), metric, 2)).collect();
            (best.iter().map(|kept| kept.step).collect::<Vec<_>>(), entered)
        };
        assert_eq!(steps(Some(&Metric::lowest("wer"))), (vec![3, 1], vec![true, true, true, true, false]));
        assert_eq!(steps(Some(&Metric::highest("wer"))), (vec![4, 0], vec![true, true, true, false, true]));
        assert_eq!(steps(None), (vec![4, 3], vec![true; 5]));
        assert!(!insert(&mut Vec::new(), kept(1, 0.1), Some(&Metric::lowest("wer")), 0));
    }
}
