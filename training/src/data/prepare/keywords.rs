//! Wake-word recordings (Picovoice's benchmark): many unnamed speakers, six phrases.

use super::{Assigned, Set, Split, assign};
use crate::Result;

/// All to train on, in a folder of their own.
pub(super) fn split(set: &Set) -> Result<Vec<Assigned>> {
    Ok(set.clips.iter().filter_map(|clip| assign(set, clip, Split::Keywords)).collect())
}
