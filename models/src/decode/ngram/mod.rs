//! N-gram language models with backoff: counted from text, kept in ARPA files or in a small form of our own.

mod arpa;
mod binary;
mod estimate;
mod mix;
mod perplexity;
mod prune;

use std::collections::HashMap;

use crate::{Error, Result};

pub use estimate::{NgramConfig, count};
pub use mix::mix;
pub use perplexity::Perplexity;

/// The longest n-grams that a model may have.
pub const MAX_ORDER: usize = 5;

/// What begins a sentence.
pub const SENTENCE_BEGIN: &str = "<s>";

/// What ends a sentence.
pub const SENTENCE_END: &str = "</s>";

/// What stands for each word that the model does not know.
pub const UNKNOWN_WORD: &str = "<unk>";

pub(crate) const UNKNOWN_ID: u32 = 0;
pub(crate) const BEGIN_ID: u32 = 1;
pub(crate) const END_ID: u32 = 2;

/// The words of an n-gram, oldest first; those beyond its length are zero.
pub(crate) type Gram = [u32; MAX_ORDER];

/// An n-gram with its natural logarithms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) gram: Gram,
    pub(crate) log_prob: f32,
    pub(crate) backoff: f32,
}

/// All n-grams of one length, ordered by their words. The ones that go on from entry `i` of a level are
/// `children[i]..children[i + 1]` of the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Level {
    pub(crate) words: Vec<u32>,
    pub(crate) log_prob: Vec<f32>,
    pub(crate) backoff: Vec<f32>,
    pub(crate) children: Vec<u32>,
}

/// The words that a score looks back at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    words: [u32; MAX_ORDER - 1],
    length: u8,
}

/// A backoff n-gram model over words or over the pieces of a tokenizer, immutable and shared.
#[derive(Clone, Debug, PartialEq)]
pub struct Ngram {
    vocabulary: Vec<String>,
    ids: HashMap<String, u32>,
    sorted: Vec<u32>,
    levels: Vec<Level>,
}

impl Ngram {
    /// A model of levels whose entries are ordered by their words; the first holds each word of the vocabulary.
    pub(crate) fn from_entries(vocabulary: Vec<String>, entries: &[Vec<Entry>]) -> Result<Self> {
        let mut levels: Vec<Level> = Vec::with_capacity(entries.len());
        for (below, level) in entries.iter().enumerate() {
            let mut built = Level::default();
            for entry in level {
                built.words.push(entry.gram[below]);
                built.log_prob.push(entry.log_prob);
                built.backoff.push(entry.backoff);
            }
            if let (Some(parents), Some(parent_level)) = (below.checked_sub(1).map(|i| &entries[i]), levels.last_mut())
            {
                parent_level.children = children(parents, level, below, &vocabulary)?;
            }
            levels.push(built);
        }
        Self::from_levels(vocabulary, levels)
    }

    pub(crate) fn from_levels(vocabulary: Vec<String>, levels: Vec<Level>) -> Result<Self> {
        let wrong = |expected: &str, found: String| Error::invalid("n-gram model", expected, found);
        if levels.is_empty() || levels.len() > MAX_ORDER {
            return Err(wrong("an order of 1 to 5", levels.len().to_string()));
        }
        if levels[0].words.len() != vocabulary.len() || levels[0].words.iter().zip(0..).any(|(&word, id)| word != id) {
            return Err(wrong("one unigram for each word", levels[0].words.len().to_string()));
        }
        let control = [(UNKNOWN_ID, UNKNOWN_WORD), (BEGIN_ID, SENTENCE_BEGIN), (END_ID, SENTENCE_END)];
        if let Some((_, word)) = control.into_iter().find(|&(id, w)| vocabulary.get(id as usize).is_none_or(|v| v != w))
        {
            return Err(wrong("<unk>, <s> and </s> among the words", format!("no {word}")));
        }
        if let Some(bad) = levels.iter().flat_map(|l| l.log_prob.iter().chain(&l.backoff)).find(|x| !x.is_finite()) {
            return Err(wrong("finite logarithms", bad.to_string()));
        }
        let ids: HashMap<String, u32> = vocabulary.iter().cloned().zip(0..).collect();
        if ids.len() != vocabulary.len() {
            return Err(wrong("each word once", format!("{} words twice", vocabulary.len() - ids.len())));
        }
        let mut sorted: Vec<u32> = (0..vocabulary.len() as u32).collect();
        sorted.sort_unstable_by_key(|&id| &vocabulary[id as usize]);
        Ok(Self { vocabulary, ids, sorted, levels })
    }

    /// The length of the longest n-grams.
    pub fn order(&self) -> usize {
        self.levels.len()
    }

    /// How many n-grams of each length there are, from 1 on.
    pub fn sizes(&self) -> Vec<usize> {
        self.levels.iter().map(|level| level.words.len()).collect()
    }

    /// The words, by their numbers.
    pub fn vocabulary(&self) -> &[String] {
        &self.vocabulary
    }

    /// The number of a word, that of `<unk>` when it is not known.
    pub fn id(&self, word: &str) -> u32 {
        self.ids.get(word).copied().unwrap_or(UNKNOWN_ID)
    }

    /// Whether a word is known.
    pub fn knows(&self, word: &str) -> bool {
        self.ids.contains_key(word)
    }

    /// The natural logarithm of the probability of a word whatever stands before it; that of `<unk>` outside the
    /// vocabulary.
    pub fn unigram(&self, word: u32) -> f32 {
        let unigrams = &self.levels[0].log_prob;
        unigrams.get(word as usize).copied().unwrap_or(unigrams[UNKNOWN_ID as usize])
    }

    /// Whether a known word begins with `start`.
    pub fn knows_start(&self, start: &str) -> bool {
        let at = self.sorted.partition_point(|&id| self.vocabulary[id as usize].as_str() < start);
        self.sorted.get(at).is_some_and(|&id| self.vocabulary[id as usize].starts_with(start))
    }

    /// The state before the first word of a sentence.
    pub fn begin(&self) -> State {
        let mut state = State::default();
        if self.order() > 1 {
            state.words[0] = BEGIN_ID;
            state.length = 1;
        }
        state
    }

    /// The natural logarithm of the probability of a word after `state`, and the state after it. A number outside
    /// the vocabulary counts as `<unk>`.
    pub fn score(&self, state: &State, word: u32) -> (f32, State) {
        let word = if (word as usize) < self.vocabulary.len() { word } else { UNKNOWN_ID };
        let context = &state.words[..usize::from(state.length)];
        let mut log_prob = 0.0;
        for start in 0..context.len() {
            let Some(node) = self.find(&context[start..]) else { continue };
            if let Some(found) = self.child(context.len() - start - 1, node, word) {
                log_prob += self.levels[context.len() - start].log_prob[found];
                return (log_prob, self.next(context, word));
            }
            log_prob += self.levels[context.len() - start - 1].backoff[node];
        }
        (log_prob + self.levels[0].log_prob[word as usize], self.next(context, word))
    }

    /// As [`score`](Self::score) for the end of the sentence.
    pub fn score_end(&self, state: &State) -> f32 {
        self.score(state, END_ID).0
    }

    /// How much likelier a sentence ends after these words than after any: the ratio of the odds that nothing follows to
    /// those that nothing follows whatever stands before. 1 where there are no words.
    pub fn ending<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> f32 {
        let mut words = words.into_iter().peekable();
        if words.peek().is_none() {
            return 1.0;
        }
        let state = words.fold(self.begin(), |state, word| self.score(&state, self.id(word)).1);
        let odds = |log_prob: f32| log_prob.exp() / (1.0 - log_prob.exp()).max(f32::EPSILON);
        odds(self.score_end(&state)) / odds(self.unigram(END_ID)).max(f32::EPSILON)
    }

    /// The longest end of `context` and `word` that the model has and can look back at.
    fn next(&self, context: &[u32], word: u32) -> State {
        let longest = (context.len() + 1).min(self.order() - 1);
        let mut words = [0; MAX_ORDER];
        words[..context.len()].copy_from_slice(context);
        words[context.len()] = word;
        for length in (1..=longest).rev() {
            let end = &words[context.len() + 1 - length..=context.len()];
            if self.find(end).is_some() {
                let mut state = State { length: length as u8, ..State::default() };
                state.words[..length].copy_from_slice(end);
                return state;
            }
        }
        State::default()
    }

    /// The place of an n-gram in its level.
    pub(crate) fn find(&self, gram: &[u32]) -> Option<usize> {
        let (&first, rest) = gram.split_first()?;
        let mut node = first as usize;
        for (level, &word) in rest.iter().enumerate() {
            node = self.child(level, node, word)?;
        }
        Some(node)
    }

    fn child(&self, level: usize, node: usize, word: u32) -> Option<usize> {
        let children = &self.levels.get(level)?.children;
        let (from, to) = (*children.get(node)? as usize, *children.get(node + 1)? as usize);
        let words = &self.levels.get(level + 1)?.words[from..to];
        words.binary_search(&word).ok().map(|at| from + at)
    }

    /// The n-grams of each length in order.
    pub(crate) fn entries(&self) -> Vec<Vec<Entry>> {
        let mut levels: Vec<Vec<Entry>> = Vec::with_capacity(self.order());
        for (below, level) in self.levels.iter().enumerate() {
            let entry = |parent: Gram, at: usize| {
                let mut gram = parent;
                gram[below] = level.words[at];
                Entry { gram, log_prob: level.log_prob[at], backoff: level.backoff[at] }
            };
            let entries = match levels.last() {
                None => (0..level.words.len()).map(|at| entry(Gram::default(), at)).collect(),
                Some(parents) => {
                    let ranges = self.levels[below - 1].children.windows(2).map(|w| w[0] as usize..w[1] as usize);
                    let grown = parents.iter().zip(ranges).flat_map(|(p, range)| range.map(move |at| (p.gram, at)));
                    grown.map(|(parent, at)| entry(parent, at)).collect()
                }
            };
            levels.push(entries);
        }
        levels
    }

    pub(crate) fn levels(&self) -> &[Level] {
        &self.levels
    }

    pub(crate) fn levels_mut(&mut self) -> &mut [Level] {
        &mut self.levels
    }
}

/// Where the entries that go on from each parent stand.
fn children(parents: &[Entry], level: &[Entry], below: usize, vocabulary: &[String]) -> Result<Vec<u32>> {
    let mut offsets = Vec::with_capacity(parents.len() + 1);
    let mut at = 0;
    for parent in parents {
        offsets.push(at as u32);
        while level.get(at).is_some_and(|entry| entry.gram[..below] == parent.gram[..below]) {
            at += 1;
        }
    }
    offsets.push(at as u32);
    match level.get(at) {
        None => Ok(offsets),
        Some(entry) => {
            let words = entry.gram[..=below].iter().map(|&id| vocabulary.get(id as usize).map_or("?", String::as_str));
            let found = words.collect::<Vec<_>>().join(" ");
            Err(Error::invalid("n-gram model", "each n-gram once, with the one that it goes on from", found))
        }
    }
}
