//! speechocean762 (Zhang et al. 2021, <https://arxiv.org/abs/2104.01378>): train and test speakers are disjoint.

use std::collections::BTreeSet;

use super::{Assigned, Set, Split, assign};
use crate::{Error, Result};

/// Training speakers that are set aside to validate on.
const VALID_SPEAKERS: usize = 5;

/// The set's own `split`; the last speakers of the train part validate.
pub(super) fn split(set: &Set) -> Result<Vec<Assigned>> {
    let mut train = BTreeSet::new();
    for clip in &set.clips {
        if clip.get("split")? == "train" {
            train.insert(clip.speaker.as_str());
        }
    }
    let valid: BTreeSet<_> = train.iter().rev().take(VALID_SPEAKERS).copied().collect();
    let assigned = set.clips.iter().map(|clip| {
        let split = match clip.get("split")? {
            "test" => Split::Test("test-speechocean762"),
            "train" if valid.contains(clip.speaker.as_str()) => Split::Valid,
            "train" => Split::Train,
            other => {
                let place = format!("speechocean762 clip `{}`", clip.id);
                return Err(Error::data(place, format!("expected split train or test, found `{other}`")));
            }
        };
        Ok(assign(set, clip, split))
    });
    assigned.filter_map(Result::transpose).collect()
}
