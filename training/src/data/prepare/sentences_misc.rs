//! Transcribed clips of several origins, each with its own licence: held out as a whole.

use super::{Assigned, Set, Split, assign};
use crate::Result;

/// All that has a transcript, as a test.
pub(super) fn split(set: &Set) -> Result<Vec<Assigned>> {
    Ok(set.clips.iter().filter_map(|clip| assign(set, clip, Split::Test("test-misc"))).collect())
}
