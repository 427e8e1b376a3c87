//! Learns a BPE vocabulary from the words of a text.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};

use crate::{Error, Result};

use super::tokenizer::{Tokenizer, WORD_BOUNDARY};
use super::vocabulary::VocabularyConfig;

/// Learns a vocabulary from `words` and how often each occurs.
///
/// The steps are those of SentencePiece (`bpe_model_trainer.cc`): join the most frequent pair of neighbours, among
/// equals the shortest and then the first in code order, and go on with what comes of it. The pieces stand in the
/// order special, bytes, joined (in the order of joining), single characters (most frequent first).
///
/// # Errors
/// [`Error::Invalid`] when the single characters alone are more than `vocab_size`, or there is no word.
pub fn train_bpe(words: &BTreeMap<String, u64>, config: &VocabularyConfig) -> Result<Tokenizer> {
    let mut trainer = Trainer::new(words, config);
    if trainer.words.is_empty() {
        return Err(Error::invalid("the text for a tokenizer", "at least one word", "none"));
    }
    let characters = trainer.characters();
    let mut pieces = config.fixed();
    let fixed = pieces.len() + characters.len();
    let joins = config.vocab_size.checked_sub(fixed).ok_or_else(|| {
        Error::invalid("vocab_size", format!("at least {fixed}, one for each character"), config.vocab_size)
    })?;
    pieces.extend(trainer.join(joins));
    pieces.extend(characters);
    Tokenizer::new(pieces)
}

type Pair = (u32, u32);

struct Word {
    symbols: Vec<u32>,
    count: u64,
}

/// Ordered so that the greatest is the pair to join next.
type Candidate = (u64, Reverse<usize>, Reverse<String>, Pair);

struct Trainer<'a> {
    config: &'a VocabularyConfig,
    symbols: Vec<String>,
    words: Vec<Word>,
    counts: HashMap<Pair, u64>,
    places: HashMap<Pair, BTreeSet<usize>>,
    agenda: BinaryHeap<Candidate>,
}

impl<'a> Trainer<'a> {
    fn new(words: &BTreeMap<String, u64>, config: &'a VocabularyConfig) -> Self {
        let mut ids = HashMap::new();
        let mut symbols = Vec::new();
        let words = words.iter().filter(|(word, count)| !word.is_empty() && **count > 0).map(|(word, &count)| {
            let characters = std::iter::once(WORD_BOUNDARY).chain(word.chars());
            let symbols = characters.map(|c| {
                *ids.entry(c).or_insert_with(|| {
                    symbols.push(c.to_string());
                    symbols.len() as u32 - 1
                })
            });
            Word { symbols: symbols.collect(), count }
        });
        let words = words.collect();
        Self { config, symbols, words, counts: HashMap::new(), places: HashMap::new(), agenda: BinaryHeap::new() }
    }

    /// The single characters, the most frequent first.
    fn characters(&self) -> Vec<String> {
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        for word in &self.words {
            for &symbol in &word.symbols {
                *counts.entry(symbol).or_default() += word.count;
            }
        }
        let mut sorted: Vec<(Reverse<u64>, &String)> =
            counts.into_iter().map(|(symbol, count)| (Reverse(count), &self.symbols[symbol as usize])).collect();
        sorted.sort_unstable();
        sorted.into_iter().map(|(_, piece)| piece.clone()).collect()
    }

    /// The first `most` joined pieces.
    fn join(&mut self, most: usize) -> Vec<String> {
        let mut changed = HashSet::new();
        for at in 0..self.words.len() {
            self.tally(at, true, &mut changed);
        }
        self.propose(changed);
        let mut known: HashSet<String> = self.symbols.iter().cloned().collect();
        let mut pieces = Vec::new();
        while pieces.len() < most {
            let Some((count, _, Reverse(piece), pair)) = self.agenda.pop() else { break };
            if self.counts.get(&pair) != Some(&count) {
                continue;
            }
            // The same text from another pair is no new piece, and that pair stays apart, as in SentencePiece.
            if !known.insert(piece.clone()) {
                continue;
            }
            self.symbols.push(piece.clone());
            self.replace(pair, self.symbols.len() as u32 - 1);
            pieces.push(piece);
        }
        pieces
    }

    fn replace(&mut self, pair: Pair, joined: u32) {
        let mut changed = HashSet::new();
        for at in self.places.remove(&pair).unwrap_or_default() {
            self.tally(at, false, &mut changed);
            let old = std::mem::take(&mut self.words[at].symbols);
            let mut symbols = Vec::with_capacity(old.len());
            let mut i = 0;
            while i < old.len() {
                if i + 1 < old.len() && (old[i], old[i + 1]) == pair {
                    symbols.push(joined);
                    i += 2;
                } else {
                    symbols.push(old[i]);
                    i += 1;
                }
            }
            self.words[at].symbols = symbols;
            self.tally(at, true, &mut changed);
        }
        self.propose(changed);
    }

    /// Adds the pairs of a word to the counts, or takes them away.
    fn tally(&mut self, at: usize, add: bool, changed: &mut HashSet<Pair>) {
        let Word { symbols, count } = &self.words[at];
        let mut skip = false;
        for (i, window) in symbols.windows(2).enumerate() {
            let pair = (window[0], window[1]);
            // In "aaa" the pair "aa" occurs once.
            skip = !skip && i > 0 && symbols[i - 1] == pair.0 && pair.0 == pair.1;
            if skip {
                continue;
            }
            let total = self.counts.entry(pair).or_default();
            if add {
                *total += count;
                self.places.entry(pair).or_default().insert(at);
            } else {
                *total = total.saturating_sub(*count);
                if let Some(places) = self.places.get_mut(&pair) {
                    places.remove(&at);
                }
            }
            changed.insert(pair);
        }
    }

    fn propose(&mut self, changed: HashSet<Pair>) {
        for pair in changed {
            let Some(&count) = self.counts.get(&pair) else { continue };
            if count == 0 {
                self.counts.remove(&pair);
                self.places.remove(&pair);
                continue;
            }
            let piece = format!("{}{}", self.symbols[pair.0 as usize], self.symbols[pair.1 as usize]);
            if self.config.allows(&piece) {
                self.agenda.push((count, Reverse(piece.chars().count()), Reverse(piece), pair));
            }
        }
    }
}
