//! Clips that no recipe may train on, but those of turn ends: these learn when something is said, not what, and take two
//! thirds of the orders.
//!
//! `held_out.txt` beside this file lists them: `set/id`, or a prefix that ends with `*`. The list names test clips of
//! the sets as published, and does not depend on how a manifest was made.

use std::collections::HashSet;

use crate::{Error, Result};

use super::manifest::Item;

const LIST: &str = include_str!("held_out.txt");

/// The list of held-out clips.
#[derive(Clone, Debug)]
pub struct HeldOut {
    ids: HashSet<&'static str>,
    prefixes: Vec<&'static str>,
}

impl Default for HeldOut {
    fn default() -> Self {
        let lines = LIST.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (prefixes, ids): (Vec<_>, Vec<_>) = lines.partition(|line| line.ends_with('*'));
        let prefixes = prefixes.into_iter().map(|line| line.trim_end_matches('*')).collect();
        Self { ids: ids.into_iter().collect(), prefixes }
    }
}

impl HeldOut {
    /// Whether `id` (`set/id`) is held out.
    pub fn contains(&self, id: &str) -> bool {
        self.ids.contains(id) || self.prefixes.iter().any(|prefix| id.starts_with(prefix))
    }

    /// Refuses a training manifest that names a held-out clip.
    ///
    /// # Errors
    /// Names the first such clip and how many there are.
    pub fn check<'a>(&self, name: &str, items: impl IntoIterator<Item = &'a Item>) -> Result<()> {
        let mut found = items.into_iter().map(|item| item.id.as_str()).filter(|id| self.contains(id));
        match found.next() {
            None => Ok(()),
            Some(first) => Err(Error::data(
                format!("training manifest {name}"),
                format!("names the held-out clip `{first}` and {} more; take them out", found.count()),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(ids: &[&str]) -> Vec<Item> {
        ids.iter().map(|id| Item { id: (*id).to_owned(), duration_s: 1.0, ..Item::default() }).collect()
    }

    #[test]
    fn test_clips_are_refused_and_train_clips_pass() {
        let held_out = HeldOut::default();
        let train = ["speechocean762/000010011", "kathleen/arctic_a0001_1592748600", "fsdd/9_theo_9", "synth/000001"];
        held_out.check("train", &items(&train)).unwrap();
        for test in ["speechocean762/000030012", "kathleen/arctic_b0539_1", "fsdd/9_theo_1", "sentences_misc/jfk"] {
            let message = held_out.check("train", &items(&[train[0], test])).unwrap_err().to_string();
            assert!(message.contains(test) && message.contains("0 more"), "{message}");
        }
    }
}
