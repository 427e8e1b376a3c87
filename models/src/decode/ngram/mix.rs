//! One model out of several.

use std::collections::{BTreeSet, HashMap};

use crate::{Error, Result};

use super::prune::{normalise, prune};
use super::{BEGIN_ID, END_ID, Entry, Gram, MAX_ORDER, Ngram, State};

/// A part of a mixture: whose words have numbers of their own.
struct Part<'a> {
    model: &'a Ngram,
    weight: f64,
    /// The part's number of each word of the mixture.
    ids: Vec<Option<u32>>,
}

impl Part<'_> {
    /// The joint probability of the words of `context`, 0 where the part lacks one, and the state after them.
    fn context(&self, context: &[u32]) -> (f64, State) {
        let mut state = State::default();
        let mut log_prob = 0.0;
        for &word in context {
            let Some(id) = self.ids[word as usize] else { return (0.0, state) };
            // A sentence begins as often as one ends.
            let (score, _) = self.model.score(&state, if id == BEGIN_ID { END_ID } else { id });
            log_prob += f64::from(score);
            state = self.model.score(&state, id).1;
        }
        (log_prob.exp(), state)
    }

    fn probability(&self, state: &State, word: u32) -> f64 {
        self.ids[word as usize].map_or(0.0, |id| f64::from(self.model.score(state, id).0).exp())
    }
}

/// One model out of several and their weights: Bayesian interpolation (Allauzen and Riley, "Bayesian Language Model
/// Interpolation for Mobile Speech Input", 2011, section 2), in which a part counts for `w` after the context `h` as much
/// as its weight times the probability that it gives to `h`:
///
/// `p(w | h) = sum_i weight_i p_i(h) p_i(w | h) / sum_i weight_i p_i(h)`
///
/// A part gives nothing to words that it lacks. The mixture holds the n-grams of all parts; those whose loss raises the
/// perplexity by less than the share `threshold` are dropped, as in [`NgramConfig::prune`](super::NgramConfig::prune).
///
/// # Errors
/// [`Error::Invalid`] when there is no part, or a weight is not above zero.
pub fn mix(parts: &[(&Ngram, f64)], threshold: f64) -> Result<Ngram> {
    if let Some((_, weight)) = parts.iter().find(|(_, weight)| !weight.is_finite() || *weight <= 0.0) {
        return Err(Error::invalid("the weight of a language model", "a number above zero", weight));
    }
    let Some(&(first, _)) = parts.first() else {
        return Err(Error::invalid("a mixture of language models", "at least one", 0));
    };
    let mut vocabulary = first.vocabulary().to_vec();
    let mut ids: HashMap<String, u32> = vocabulary.iter().cloned().zip(0..).collect();
    for word in parts[1..].iter().flat_map(|(model, _)| model.vocabulary()) {
        if !ids.contains_key(word) {
            ids.insert(word.clone(), vocabulary.len() as u32);
            vocabulary.push(word.clone());
        }
    }
    let parts = parts.iter().map(|&(model, weight)| {
        let ids = vocabulary.iter().map(|word| model.knows(word).then(|| model.id(word))).collect();
        Part { model, weight, ids }
    });
    let parts: Vec<Part> = parts.collect();
    let order = parts.iter().map(|part| part.model.order()).max().unwrap_or(1);
    let mut levels = grams(&parts, &ids, order);
    for (level, n) in levels.iter_mut().zip(1..) {
        for group in level.chunk_by_mut(|a, b| a.gram[..n - 1] == b.gram[..n - 1]) {
            fill(group, n, &parts);
        }
    }
    let mut mixed = Ngram::from_entries(vocabulary, &levels)?;
    normalise(&mut mixed, &levels);
    if threshold > 0.0 { prune(&mixed, threshold) } else { Ok(mixed) }
}

/// The n-grams of all parts in the mixture's numbers, by length and in order.
fn grams(parts: &[Part], ids: &HashMap<String, u32>, order: usize) -> Vec<Vec<Entry>> {
    let mut union: Vec<BTreeSet<Gram>> = vec![BTreeSet::new(); order];
    for part in parts {
        let own: Vec<u32> = part.model.vocabulary().iter().map(|word| ids[word]).collect();
        for (level, n) in part.model.entries().iter().zip(1..) {
            union[n - 1].extend(level.iter().map(|entry| {
                let mut gram: Gram = [0; MAX_ORDER];
                gram[..n].iter_mut().zip(&entry.gram).for_each(|(to, &from)| *to = own[from as usize]);
                gram
            }));
        }
    }
    let entry = |gram| Entry { gram, log_prob: 0.0, backoff: 0.0 };
    union.into_iter().map(|grams| grams.into_iter().map(entry).collect()).collect()
}

/// The probabilities of the n-grams that share a context.
fn fill(group: &mut [Entry], n: usize, parts: &[Part]) {
    let context = &group[0].gram[..n - 1];
    let seen: Vec<(f64, State)> = parts.iter().map(|part| part.context(context)).collect();
    let total: f64 = parts.iter().zip(&seen).map(|(part, (context, _))| part.weight * context).sum();
    for entry in group {
        let word = entry.gram[n - 1];
        let share = |(part, (context, state)): (&Part, &(f64, State))| {
            part.weight * context / total * part.probability(state, word)
        };
        let probability: f64 = parts.iter().zip(&seen).map(share).sum();
        entry.log_prob = probability.max(f64::from(f32::MIN_POSITIVE)).ln() as f32;
    }
}
