//! kathleen (Rhasspy, CC0): one speaker reads the CMU Arctic prompts.

use std::collections::BTreeSet;

use super::{Assigned, Set, Split, assign};
use crate::Result;

/// Prompts that are held out, the last in the order of their names.
pub(super) const TEST_PROMPTS: usize = 50;
/// Prompts before those that validate.
const VALID_PROMPTS: usize = 20;

/// By the order of the prompts' names.
pub(super) fn split(set: &Set) -> Result<Vec<Assigned>> {
    let prompts = set.clips.iter().map(|clip| clip.get("prompt")).collect::<Result<BTreeSet<_>>>()?;
    let from_end: Vec<_> = prompts.into_iter().rev().collect();
    let test: BTreeSet<_> = from_end.iter().take(TEST_PROMPTS).copied().collect();
    let valid: BTreeSet<_> = from_end.iter().skip(TEST_PROMPTS).take(VALID_PROMPTS).copied().collect();
    let mut assigned = Vec::new();
    for clip in &set.clips {
        let prompt = clip.get("prompt")?;
        let split = match prompt {
            _ if test.contains(prompt) => Split::Test("test-kathleen"),
            _ if valid.contains(prompt) => Split::Valid,
            _ => Split::Train,
        };
        assigned.extend(assign(set, clip, split));
    }
    Ok(assigned)
}
