use std::path::{Component, Path};

use super::{Chunking, FileEntry, Latency, ModelCard, StateTensor};
use crate::{Error, Result};

impl ModelCard {
    /// Checks what the types cannot say.
    pub(super) fn verify(&self, path: &Path) -> Result<()> {
        let wrong = |reason: String| Err(Error::model(path, reason));
        if self.sample_rate.is_some_and(|rate| rate.get() == 0) {
            return wrong("sample_rate: expected a rate above zero, found 0".to_owned());
        }
        if let Some(normalization) = &self.normalization {
            let (mean, std) = (normalization.mean.len(), normalization.std.len());
            if mean != std {
                return wrong(format!(
                    "[normalization]: expected as many values in std as in mean, found {std} and {mean}"
                ));
            }
            if let Some(bad) = normalization.std.iter().find(|std| !(std.is_finite() && **std > 0.0)) {
                return wrong(format!("[normalization]: expected std above zero, found {bad}"));
            }
        }
        if let Some(reason) = self.chunking.as_ref().and_then(chunking_fault) {
            return wrong(reason);
        }
        if let Some(reason) = self.states.iter().find_map(|state| self.state_fault(state)) {
            return wrong(reason);
        }
        self.files.iter().try_for_each(|(role, entry)| verify_entry(path, role, entry))
    }

    /// An axis that follows the left context must have that of the default.
    fn state_fault(&self, state: &StateTensor) -> Option<String> {
        let (axis, name) = (state.left_axis?, &state.input);
        let left = self.chunking.as_ref().map_or(0, |chunking| chunking.latency().left);
        match state.shape.get(axis) {
            Some(size) if *size == left => None,
            Some(size) => Some(format!("state `{name}`: expected axis {axis} to be the limit, {left}, found {size}")),
            None => Some(format!("state `{name}`: expected left_axis to be one of {:?}, found {axis}", state.shape)),
        }
    }
}

fn chunking_fault(chunking: &Chunking) -> Option<String> {
    let Chunking { subsampling, pad_value, .. } = *chunking;
    for Latency { chunk_frames, .. } in chunking.choices() {
        if chunk_frames == 0 || subsampling == 0 || chunk_frames % subsampling != 0 {
            return Some(format!(
                "[chunking]: expected chunk_frames to be a multiple of subsampling, both above zero, found {chunk_frames} and {subsampling}"
            ));
        }
    }
    if chunking.valid.is_none() && !chunking.latencies.is_empty() {
        return Some("[chunking]: expected `valid` beside `latencies`, found none".to_owned());
    }
    (!pad_value.is_finite()).then(|| format!("[chunking]: expected a finite pad_value, found {pad_value}"))
}

/// A path must stay inside the bundle, and a sum must be one.
fn verify_entry(path: &Path, role: &str, entry: &FileEntry) -> Result<()> {
    let inside =
        !entry.path.is_empty() && Path::new(&entry.path).components().all(|c| matches!(c, Component::Normal(_)));
    if !inside {
        let found = &entry.path;
        return Err(Error::model(path, format!("[files.{role}]: expected a path inside the bundle, found `{found}`")));
    }
    if entry.sha256.len() != 64 || !entry.sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        let found = &entry.sha256;
        return Err(Error::model(
            path,
            format!("[files.{role}]: expected sha256 as 64 lower-case hexadecimal digits, found `{found}`"),
        ));
    }
    Ok(())
}
