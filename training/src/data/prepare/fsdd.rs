//! Free Spoken Digit Dataset: takes 0 to 4 of each digit and speaker are the set's own test part.

use super::{Assigned, Set, Split, assign};
use crate::{Error, Result};

/// By the column `split`; take 5 of each digit validates.
pub(super) fn split(set: &Set) -> Result<Vec<Assigned>> {
    let mut assigned = Vec::new();
    for clip in &set.clips {
        let split = match clip.get("split")? {
            "test" => Split::Test("test-fsdd"),
            "train" if clip.id.ends_with("_5") => Split::Valid,
            "train" => Split::Train,
            other => {
                let place = format!("fsdd clip `{}`", clip.id);
                return Err(Error::data(place, format!("expected split train or test, found `{other}`")));
            }
        };
        assigned.extend(assign(set, clip, split));
    }
    Ok(assigned)
}
