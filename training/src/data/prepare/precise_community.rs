//! Wake-word recordings of Mycroft's community: few unnamed speakers, names of devices, and words that sound alike.

use super::{Assigned, Set, Split, assign};
use crate::Result;

/// All to train on, in a folder of their own.
pub(super) fn split(set: &Set) -> Result<Vec<Assigned>> {
    Ok(set.clips.iter().filter_map(|clip| assign(set, clip, Split::MoreKeywords)).collect())
}
