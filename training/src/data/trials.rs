//! Trials of speaker verification: two clips, and whether one voice is in both.

use std::collections::HashMap;
use std::path::Path;

use super::speakers::SpeakerDataset;
use crate::{Error, Result};

/// Two clips of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The clips' numbers.
    pub clips: [usize; 2],
    /// Whether one voice is in both.
    pub same: bool,
}

/// Every pair of clips once.
pub fn all_pairs(dataset: &SpeakerDataset) -> Vec<Trial> {
    let clips = dataset.clips();
    let pair =
        |one: usize, other: usize| Trial { clips: [one, other], same: clips[one].speaker == clips[other].speaker };
    (0..clips.len()).flat_map(|one| (one + 1..clips.len()).map(move |other| pair(one, other))).collect()
}

/// Reads a list in VoxCeleb's form: `1 ENROL TEST` for the same voice, `0 ENROL TEST` for two, where each side is a
/// clip's name, with or without the extension of its file.
///
/// # Errors
/// A missing file; a line of another form, or of a clip that the data set lacks, with its number.
pub fn read(path: &Path, dataset: &SpeakerDataset) -> Result<Vec<Trial>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    let numbers: HashMap<&str, usize> =
        dataset.clips().iter().enumerate().map(|(number, clip)| (clip.sound.id.as_str(), number)).collect();
    let mut trials = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let mistake = |reason: String| Error::data(format!("{} line {}", path.display(), number + 1), reason);
        let find = |name: &str| {
            let found = numbers.get(name).or_else(|| numbers.get(stem(name)));
            found.copied().ok_or_else(|| mistake(format!("clip `{name}` is not in the data")))
        };
        let trial = match line.split_whitespace().collect::<Vec<_>>()[..] {
            [label @ ("0" | "1"), one, other] => Trial { clips: [find(one)?, find(other)?], same: label == "1" },
            _ => return Err(mistake(format!("expected `0` or `1` and two clips, found `{line}`"))),
        };
        trials.push(trial);
    }
    Ok(trials)
}

/// A name without the extension.
pub fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}
