//! Pruning by relative entropy.

use crate::Result;

use super::{BEGIN_ID, END_ID, Entry, Ngram, State};

/// Drops the n-grams whose loss changes the perplexity by less than the share `threshold`, and renormalises (Stolcke
/// 1998, sections 3 and 4). An n-gram that a kept one goes on from is kept.
pub(super) fn prune(model: &Ngram, threshold: f64) -> Result<Ngram> {
    let mut levels = model.entries();
    for n in (2..=model.order()).rev() {
        let (shorter, longer) = levels.split_at_mut(n);
        let level = &mut shorter[n - 1];
        let needed = |entry: &Entry| {
            longer.first().is_some_and(|longer| {
                let at = longer.partition_point(|other| other.gram[..n] < entry.gram[..n]);
                longer.get(at).is_some_and(|other| other.gram[..n] == entry.gram[..n])
            })
        };
        let mut kept = Vec::with_capacity(level.len());
        for group in level.chunk_by(|a, b| a.gram[..n - 1] == b.gram[..n - 1]) {
            let context = Context::of(model, group, n);
            kept.extend(group.iter().filter(|entry| needed(entry) || context.loss(model, entry, n) >= threshold));
        }
        *level = kept;
    }
    let mut pruned = Ngram::from_entries(model.vocabulary().to_vec(), &levels)?;
    normalise(&mut pruned, &levels);
    Ok(pruned)
}

fn context_state(gram: &[u32]) -> State {
    let mut state = State { length: gram.len() as u8, ..State::default() };
    state.words[..gram.len()].copy_from_slice(gram);
    state
}

/// The probability of the last word of an n-gram after all but its first word.
fn shorter_log_prob(model: &Ngram, gram: &[u32]) -> f64 {
    f64::from(model.score(&context_state(&gram[1..gram.len() - 1]), gram[gram.len() - 1]).0)
}

/// What is left for words without an n-gram of their own: here, and one word shorter.
fn left(model: &Ngram, group: &[Entry], n: usize) -> (f64, f64) {
    let sum = |log_prob: &dyn Fn(&Entry) -> f64| group.iter().map(|entry| log_prob(entry).exp()).sum::<f64>();
    let here = 1.0 - sum(&|entry| f64::from(entry.log_prob));
    let shorter = 1.0 - sum(&|entry| shorter_log_prob(model, &entry.gram[..n]));
    (here.max(1e-9), shorter.max(1e-9))
}

struct Context {
    probability: f64,
    here: f64,
    shorter: f64,
}

impl Context {
    fn of(model: &Ngram, group: &[Entry], n: usize) -> Self {
        let (here, shorter) = left(model, group, n);
        let mut state = State::default();
        let mut log_prob = 0.0;
        for &word in &group[0].gram[..n - 1] {
            // A sentence begins as often as one ends.
            let (score, _) = model.score(&state, if word == BEGIN_ID { END_ID } else { word });
            log_prob += f64::from(score);
            state = model.score(&state, word).1;
        }
        Self { probability: log_prob.exp(), here, shorter }
    }

    /// The relative change of the perplexity when an n-gram of this context is dropped.
    fn loss(&self, model: &Ngram, entry: &Entry, n: usize) -> f64 {
        let log_prob = f64::from(entry.log_prob);
        let shorter = shorter_log_prob(model, &entry.gram[..n]);
        let backoff = (self.here / self.shorter).ln();
        let without = ((self.here + log_prob.exp()) / (self.shorter + shorter.exp())).ln();
        let change = log_prob.exp() * (shorter + without - log_prob) + self.here * (without - backoff);
        (-self.probability * change).exp() - 1.0
    }
}

/// Sets all backoffs so that the probabilities after each context sum to one.
pub(super) fn normalise(model: &mut Ngram, levels: &[Vec<Entry>]) {
    for n in 2..=levels.len() {
        let unextended = vec![0.0; levels[n - 2].len()];
        model.levels_mut()[n - 2].backoff = unextended;
        for group in levels[n - 1].chunk_by(|a, b| a.gram[..n - 1] == b.gram[..n - 1]) {
            let (here, shorter) = left(model, group, n);
            if let Some(at) = model.find(&group[0].gram[..n - 1]) {
                model.levels_mut()[n - 2].backoff[at] = (here / shorter).ln() as f32;
            }
        }
    }
}
