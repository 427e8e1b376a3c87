//! A part of LibriSpeech (Panayotov et al. 2015): three training speakers with text, one clip each of 248 others, and
//! some of test-other.

use std::collections::HashMap;

use super::{Assigned, Set, Split, assign};
use crate::Result;

/// One clip in this many of the training speakers validates.
const VALID_EVERY: usize = 25;

/// Rows `id,transcript` for the 248 clips that come without text, as Moonshine tiny (Jeffries et al. 2024, MIT) hears
/// them: a teacher with a few errors in a hundred words. Where it put stray words before the first sentence of a clip,
/// they were cut.
const HEARD: &str = include_str!("librispeech_transcripts.csv");

/// By the columns `part` and `use`.
pub(super) fn split(set: &Set) -> Result<Vec<Assigned>> {
    let heard: HashMap<_, _> = HEARD.lines().skip(1).filter_map(|row| row.split_once(',')).collect();
    let mut assigned = Vec::new();
    let mut train = 0;
    for clip in &set.clips {
        match (clip.get("part")?, clip.get("use")?) {
            ("test-other", _) => assigned.extend(assign(set, clip, Split::Test("test-librispeech"))),
            (_, "asr_train") => {
                train += 1;
                let split = if train % VALID_EVERY == 0 { Split::Valid } else { Split::Train };
                assigned.extend(assign(set, clip, split));
            }
            _ => {
                let Some(transcript) = heard.get(clip.id.as_str()) else { continue };
                let mut clip = clip.clone();
                clip.transcript = (*transcript).to_owned();
                assigned.extend(assign(set, &clip, Split::Speakers));
            }
        }
    }
    Ok(assigned)
}
