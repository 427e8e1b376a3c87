//! A part of LibriSpeech (Panayotov et al. 2015): three training speakers with text, and some of test-other.

use super::{Assigned, Set, Split, assign};
use crate::Result;

/// One clip in this many of the training speakers validates.
const VALID_EVERY: usize = 25;

/// By the column `use`; clips that are for speaker tasks only stay out.
pub(super) fn split(set: &Set) -> Result<Vec<Assigned>> {
    let mut assigned = Vec::new();
    let mut train = 0;
    for clip in &set.clips {
        let split = match (clip.get("part")?, clip.get("use")?) {
            ("test-other", _) => Split::Test("test-librispeech"),
            (_, "asr_train") => {
                train += 1;
                if train % VALID_EVERY == 0 { Split::Valid } else { Split::Train }
            }
            _ => continue,
        };
        assigned.extend(assign(set, clip, split));
    }
    Ok(assigned)
}
