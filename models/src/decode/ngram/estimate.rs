//! Interpolated modified Kneser-Ney estimation.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

use super::{
    BEGIN_ID, END_ID, Entry, Gram, MAX_ORDER, Ngram, SENTENCE_BEGIN, SENTENCE_END, UNKNOWN_ID, UNKNOWN_WORD, prune,
};

/// How a model is counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NgramConfig {
    /// The length of the longest n-grams, 1 to 5.
    pub order: usize,
    /// A word that occurs less often is counted as `<unk>`.
    pub min_word_count: u64,
    /// For each length from 1 on, the fewest occurrences of an n-gram that is kept; may not fall from one length to
    /// the next. Unigrams are always kept; lengths without a number take the last one given, or 1.
    pub min_counts: Vec<u64>,
    /// N-grams are dropped whose loss raises the perplexity by less than this share; 0 drops none, `1e-7` is a usual
    /// value.
    pub prune: f64,
}

impl Default for NgramConfig {
    fn default() -> Self {
        Self { order: 3, min_word_count: 1, min_counts: Vec::new(), prune: 0.0 }
    }
}

/// Counts a model from sentences whose words (or pieces) are separated by white space.
///
/// The estimate is interpolated modified Kneser-Ney (Chen and Goodman, "An Empirical Study of Smoothing Techniques
/// for Language Modeling", 1999, equations 21 to 26), with the conventions of KenLM's `lmplz` (Heafield et al. 2013):
/// lower orders count the words that come before, n-grams that begin a sentence keep their own count, and what the
/// unigrams leave is shared by all words, `<unk>` and `</s>`. Where counts of counts give no discount, it is 0.5, 1
/// and 1.5. Pruning by entropy is Stolcke's ("Entropy-based Pruning of Backoff Language Models", 1998).
///
/// # Errors
/// [`Error::Invalid`] when the config is out of range or there is no word.
pub fn count<'a>(sentences: impl IntoIterator<Item = &'a str>, config: &NgramConfig) -> Result<Ngram> {
    if !(1..=MAX_ORDER).contains(&config.order) {
        return Err(Error::invalid("order", "1 to 5", config.order));
    }
    if config.min_counts.windows(2).any(|pair| pair[0] > pair[1]) {
        return Err(Error::invalid("min_counts", "numbers that do not fall", format!("{:?}", config.min_counts)));
    }
    let sentences: Vec<&str> = sentences.into_iter().collect();
    let (vocabulary, ids) = vocabulary(&sentences, config.min_word_count);
    if vocabulary.len() <= 3 {
        return Err(Error::invalid("the text of a language model", "at least one word", "none"));
    }
    let mut text = Vec::new();
    for sentence in sentences {
        text.push(BEGIN_ID);
        text.extend(sentence.split_whitespace().map(|word| ids.get(word).copied().unwrap_or(UNKNOWN_ID)));
        text.push(END_ID);
    }
    let raw: Vec<Vec<(Gram, u64)>> = (1..=config.order).map(|n| raw_counts(&text, n)).collect();
    let mut levels: Vec<Vec<Entry>> = Vec::with_capacity(config.order);
    for n in 1..=config.order {
        let adjusted = adjusted_counts(&raw, n);
        let discounts = Discounts::of(adjusted.iter().filter(|c| n > 1 || c.0[0] != BEGIN_ID).map(|c| c.1));
        if n == 1 {
            levels.push(unigrams(&adjusted, &discounts, vocabulary.len()));
            continue;
        }
        let fewest = config.min_counts.get(n - 1).or(config.min_counts.last()).copied().unwrap_or(1);
        let kept: Vec<bool> = raw[n - 1].iter().map(|(_, count)| *count >= fewest).collect();
        let level = higher(&adjusted, &kept, &discounts, n, &mut levels);
        levels.push(level);
    }
    let model = Ngram::from_entries(vocabulary, &levels)?;
    if config.prune > 0.0 { prune::prune(&model, config.prune) } else { Ok(model) }
}

/// The words by number, the most frequent first after the control words.
fn vocabulary<'a>(sentences: &[&'a str], fewest: u64) -> (Vec<String>, HashMap<&'a str, u32>) {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for word in sentences.iter().flat_map(|sentence| sentence.split_whitespace()) {
        *counts.entry(word).or_default() += 1;
    }
    let control = [UNKNOWN_WORD, SENTENCE_BEGIN, SENTENCE_END];
    let mut words: Vec<(&str, u64)> =
        counts.into_iter().filter(|(w, n)| *n >= fewest && !control.contains(w)).collect();
    words.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    // A control word within the text is the unknown word.
    let ordered: Vec<&str> = control.into_iter().chain(words.into_iter().map(|(word, _)| word)).collect();
    let ids = ordered.iter().copied().zip(0..).skip(control.len()).collect();
    (ordered.into_iter().map(str::to_owned).collect(), ids)
}

/// The n-grams of a text of sentences and how often each occurs, in order.
fn raw_counts(text: &[u32], n: usize) -> Vec<(Gram, u64)> {
    let grams = text.windows(n).filter(|window| !window[..n - 1].contains(&END_ID)).map(|window| {
        let mut gram = Gram::default();
        gram[..n].copy_from_slice(window);
        gram
    });
    tally(grams.collect())
}

fn tally(mut grams: Vec<Gram>) -> Vec<(Gram, u64)> {
    grams.sort_unstable();
    let mut counts: Vec<(Gram, u64)> = Vec::new();
    for gram in grams {
        match counts.last_mut() {
            Some((last, count)) if *last == gram => *count += 1,
            _ => counts.push((gram, 1)),
        }
    }
    counts
}

/// The counts that order `n` is estimated from, for the same n-grams as its raw counts: below the highest order, how
/// many words come before.
fn adjusted_counts(raw: &[Vec<(Gram, u64)>], n: usize) -> Vec<(Gram, u64)> {
    let Some(longer) = raw.get(n) else { return raw[n - 1].clone() };
    let shortened = longer.iter().map(|(gram, _)| {
        let mut end = Gram::default();
        end[..n].copy_from_slice(&gram[1..=n]);
        end
    });
    let continued = tally(shortened.collect());
    let count = |gram: &Gram, raw: u64| match continued.binary_search_by(|(other, _)| other.cmp(gram)) {
        Ok(at) if gram[0] != BEGIN_ID => continued[at].1,
        _ => raw,
    };
    raw[n - 1].iter().map(|(gram, raw)| (*gram, count(gram, *raw))).collect()
}

/// What is taken off a count of 1, 2, and 3 or more.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Discounts([f64; 3]);

impl Discounts {
    fn of(counts: impl Iterator<Item = u64>) -> Self {
        let mut times = [0.0; 5];
        for count in counts.filter(|count| (1..=4).contains(count)) {
            times[count as usize] += 1.0;
        }
        let share = times[1] / (times[1] + 2.0 * times[2]);
        let discounts = [1, 2, 3].map(|j| j as f64 - (j + 1) as f64 * share * times[j + 1] / times[j]);
        let valid = discounts.iter().zip([1.0, 2.0, 3.0]).all(|(d, most)| (0.0..=most).contains(d));
        Self(if valid { discounts } else { [0.5, 1.0, 1.5] })
    }

    fn rest(&self, count: u64) -> f64 {
        match count {
            0 => 0.0,
            n => n as f64 - self.0[(n.min(3) - 1) as usize],
        }
    }
}

/// A logarithm for what cannot occur, as in ARPA files.
const IMPOSSIBLE: f32 = -99.0 * std::f32::consts::LN_10;

fn unigrams(counts: &[(Gram, u64)], discounts: &Discounts, words: usize) -> Vec<Entry> {
    let mut by_word = vec![0; words];
    for (gram, count) in counts.iter().filter(|(gram, _)| gram[0] != BEGIN_ID) {
        by_word[gram[0] as usize] = *count;
    }
    let total = by_word.iter().sum::<u64>() as f64;
    let taken: f64 = by_word.iter().map(|&count| discounts.rest(count)).sum();
    let uniform = (1.0 - taken / total) / (words - 1) as f64;
    let entry = |(id, count): (u32, &u64)| {
        let log_prob = if id == BEGIN_ID { IMPOSSIBLE } else { (discounts.rest(*count) / total + uniform).ln() as f32 };
        let mut gram = Gram::default();
        gram[0] = id;
        Entry { gram, log_prob, backoff: 0.0 }
    };
    (0..).zip(&by_word).map(entry).collect()
}

/// The n-grams of order `n` of two or more; sets the backoffs of those one shorter.
fn higher(
    counts: &[(Gram, u64)],
    kept: &[bool],
    discounts: &Discounts,
    n: usize,
    levels: &mut [Vec<Entry>],
) -> Vec<Entry> {
    let place = |level: &[Entry], gram: &[u32]| level.binary_search_by(|entry| entry.gram[..n - 1].cmp(gram)).ok();
    let shorter = &mut levels[n - 2];
    let mut entries = Vec::new();
    let mut from = 0;
    while from < counts.len() {
        let context = &counts[from].0[..n - 1];
        let length = counts[from..].iter().take_while(|(gram, _)| &gram[..n - 1] == context).count();
        let group = from..from + length;
        let total = counts[group.clone()].iter().map(|(_, count)| count).sum::<u64>() as f64;
        let share = |at: usize| if kept[at] { discounts.rest(counts[at].1) / total } else { 0.0 };
        let left = 1.0 - group.clone().map(share).sum::<f64>();
        if let Some(at) = place(shorter, context) {
            shorter[at].backoff = left.max(f64::MIN_POSITIVE).ln() as f32;
        }
        for at in group.filter(|&at| kept[at]) {
            let gram = counts[at].0;
            let lower = place(shorter, &gram[1..n]).map_or(0.0, |at| f64::from(shorter[at].log_prob).exp());
            let log_prob = (share(at) + left * lower).ln() as f32;
            entries.push(Entry { gram, log_prob, backoff: 0.0 });
        }
        from += length;
    }
    entries
}
