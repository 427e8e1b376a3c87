//! A few sentences of LJ Speech (public domain).

use super::{Assigned, Set, Split, assign};
use crate::Result;

/// All to train on.
pub(super) fn split(set: &Set) -> Result<Vec<Assigned>> {
    Ok(set.clips.iter().filter_map(|clip| assign(set, clip, Split::Train)).collect())
}
