//! Spoken coffee orders (Picovoice's speech-to-intent benchmark): one turn each, without a transcript.

use super::{Assigned, Set, Split};
use crate::Result;
use crate::data::manifest::{DATA_ROOT, Item};

/// Two of three show where a turn ends; what is said in them stays unseen, since there is no transcript.
pub(super) fn split(set: &Set) -> Result<Vec<Assigned>> {
    let mut assigned = Vec::with_capacity(set.clips.len());
    for (number, clip) in set.clips.iter().enumerate() {
        let item = Item {
            id: format!("{}/{}", set.name, clip.id),
            duration_s: clip.duration_s,
            wav: format!("{DATA_ROOT}/{}/{}", set.name, clip.path).into(),
            ..Item::default()
        };
        let split = if number % 3 == 2 { Split::Test("test-orders") } else { Split::Orders };
        assigned.push(Assigned { split, path: set.folder.join(&clip.path), item });
    }
    Ok(assigned)
}
