//! Learns a unigram vocabulary from the words of a text.

use std::collections::{BTreeMap, HashMap};

use crate::decode::log_add;
use crate::{Error, Result};

use super::tokenizer::{Tokenizer, WORD_BOUNDARY};
use super::vocabulary::VocabularyConfig;

/// The most pieces to begin with.
const SEEDS: usize = 1_000_000;
/// Rounds of expectation and maximisation between two prunings.
const ROUNDS: usize = 2;
/// A piece that is expected less often goes.
const LEAST_EXPECTED: f64 = 0.5;
/// The share of the pieces that one pruning leaves.
const KEPT: f64 = 0.75;
/// Pruning by loss ends at this multiple of the vocabulary; the rest goes by probability.
const SPARE: f64 = 1.1;

/// Learns a vocabulary with the probability of each piece from `words` and how often each occurs (Kudo 2018, "Subword
/// Regularization", section 3.2, as SentencePiece's `unigram_model_trainer.cc` does it).
///
/// Beginning with all frequent parts of words, probabilities are estimated by expectation and maximisation, and the
/// pieces without which the text loses the least are dropped, until `vocab_size` are left. The pieces stand in the order
/// special, bytes, all others from the most to the least probable; each single character is among them.
///
/// # Errors
/// [`Error::Invalid`] when the single characters alone are more than `vocab_size`, or there is no word.
pub fn train_unigram(words: &BTreeMap<String, u64>, config: &VocabularyConfig) -> Result<Tokenizer> {
    let words: Vec<Word> =
        words.iter().filter(|(word, count)| !word.is_empty() && **count > 0).map(Word::new).collect();
    if words.is_empty() {
        return Err(Error::invalid("the text for a tokenizer", "at least one word", "none"));
    }
    let mut model = Model::seed(&words, config);
    let (fixed, characters) = (config.fixed(), model.pieces.iter().filter(|piece| piece.single).count());
    let least = fixed.len() + characters;
    if config.vocab_size < least {
        return Err(Error::invalid(
            "vocab_size",
            format!("at least {least}, one for each character"),
            config.vocab_size,
        ));
    }
    let learnt = config.vocab_size - fixed.len();
    let wanted = (learnt as f64 * SPARE) as usize;
    loop {
        for _ in 0..ROUNDS {
            let expected = model.expected(&words);
            model.maximise(&expected);
        }
        let before = model.pieces.len();
        if before <= wanted {
            break;
        }
        model.prune(&words, wanted);
        if model.pieces.len() == before {
            break;
        }
    }
    let scored = fixed.into_iter().map(|piece| (piece, 0.0)).chain(model.finish(learnt));
    Tokenizer::unigram(scored.collect())
}

/// A word with its boundary sign.
struct Word {
    text: String,
    count: f64,
}

impl Word {
    fn new((word, count): (&String, &u64)) -> Self {
        Self { text: format!("{WORD_BOUNDARY}{word}"), count: *count as f64 }
    }
}

struct Piece {
    text: String,
    log_probability: f64,
    /// Whether it is a single character, which never goes.
    single: bool,
}

#[derive(Default)]
struct Model {
    pieces: Vec<Piece>,
    numbers: HashMap<String, usize>,
    /// Bytes of the longest piece.
    longest: usize,
}

/// Where a piece stands in a text: its number, its first byte and the byte after it.
type Place = (usize, usize, usize);

impl Model {
    fn new(weighted: Vec<(String, f64, bool)>) -> Self {
        let total: f64 = weighted.iter().map(|(_, weight, _)| weight).sum();
        let piece = |(text, weight, single): (String, f64, bool)| {
            let log_probability = (weight / total).ln();
            Piece { text, log_probability, single }
        };
        Self::of(weighted.into_iter().map(piece).collect())
    }

    fn of(pieces: Vec<Piece>) -> Self {
        let numbers = pieces.iter().enumerate().map(|(number, piece)| (piece.text.clone(), number)).collect();
        let longest = pieces.iter().map(|piece| piece.text.len()).max().unwrap_or(0);
        Self { pieces, numbers, longest }
    }

    /// The single characters, and the parts of words that occur at least twice, weighed by occurrences times length.
    fn seed(words: &[Word], config: &VocabularyConfig) -> Self {
        let mut characters: BTreeMap<char, f64> = BTreeMap::new();
        let mut parts: HashMap<&str, f64> = HashMap::new();
        for Word { text, count } in words {
            let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            text.chars().for_each(|c| *characters.entry(c).or_default() += count);
            for first in 0..ends.len() - 1 {
                let last = (first + config.max_piece_chars).min(ends.len() - 1);
                for end in first + 2..=last {
                    *parts.entry(&text[ends[first]..ends[end]]).or_default() += count;
                }
            }
        }
        let mut seeds: Vec<(String, f64, bool)> = parts
            .into_iter()
            .filter(|(part, count)| *count >= 2.0 && config.allows(part))
            .map(|(part, count)| (part.to_owned(), count * part.chars().count() as f64, false))
            .collect();
        seeds.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        seeds.truncate(SEEDS);
        let characters = characters.into_iter().map(|(c, count)| (c.to_string(), count, true));
        Self::new(characters.chain(seeds).collect())
    }

    /// All pieces that stand in a text, by where they begin and then from short to long.
    fn places(&self, text: &str) -> Vec<Place> {
        let mut places = Vec::new();
        for (start, _) in text.char_indices() {
            let rest = &text[start..];
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= self.longest);
            let known =
                ends.filter_map(|end| self.numbers.get(&rest[..end]).map(|number| (*number, start, start + end)));
            places.extend(known);
        }
        places
    }

    fn score(&self, place: &Place) -> f64 {
        self.pieces[place.0].log_probability
    }

    /// How often each piece is expected in the words, over all ways to cut them.
    fn expected(&self, words: &[Word]) -> Vec<f64> {
        let mut expected = vec![0.0; self.pieces.len()];
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for Word { text, count } in words {
            let places = self.places(text);
            for sums in [&mut before, &mut after] {
                sums.clear();
                sums.resize(text.len() + 1, f64::NEG_INFINITY);
            }
            (before[0], after[text.len()]) = (0.0, 0.0);
            for place in &places {
                before[place.2] = log_add(before[place.2], before[place.1] + self.score(place));
            }
            for place in places.iter().rev() {
                after[place.1] = log_add(after[place.1], after[place.2] + self.score(place));
            }
            let total = before[text.len()];
            for place in &places {
                let log = before[place.1] + self.score(place) + after[place.2] - total;
                expected[place.0] += count * log.exp();
            }
        }
        expected
    }

    /// Takes over probabilities, with the prior of a Dirichlet process (digamma), and drops what is hardly expected.
    fn maximise(&mut self, expected: &[f64]) {
        let pieces = std::mem::take(&mut self.pieces);
        let mut kept: Vec<(Piece, f64)> = pieces
            .into_iter()
            .zip(expected)
            .filter(|(piece, expected)| piece.single || **expected >= LEAST_EXPECTED)
            .map(|(piece, expected)| (piece, expected.max(LEAST_EXPECTED)))
            .collect();
        let total = digamma(kept.iter().map(|(_, expected)| expected).sum());
        kept.iter_mut().for_each(|(piece, expected)| piece.log_probability = digamma(*expected) - total);
        *self = Self::of(kept.into_iter().map(|(piece, _)| piece).collect());
    }

    /// The most probable way to cut a text, without one of the pieces.
    fn best(&self, text: &str, without: Option<usize>) -> Vec<usize> {
        let mut best: Vec<Option<(f64, Place)>> = vec![None; text.len() + 1];
        for place in self.places(text).into_iter().filter(|place| Some(place.0) != without) {
            let before = if place.1 == 0 { Some(0.0) } else { best[place.1].map(|(score, _)| score) };
            let Some(score) = before.map(|before| before + self.score(&place)) else { continue };
            if best[place.2].is_none_or(|(old, _)| score > old) {
                best[place.2] = Some((score, place));
            }
        }
        let (mut numbers, mut end) = (Vec::new(), text.len());
        while let Some((_, place)) = best[end].filter(|_| end > 0) {
            numbers.push(place.0);
            end = place.1;
        }
        numbers
    }

    /// Drops the pieces without which the text loses the least, down to `wanted`, but at most a quarter of them.
    fn prune(&mut self, words: &[Word], wanted: usize) {
        let mut found = vec![0.0; self.pieces.len()];
        for Word { text, count } in words {
            self.best(text, None).into_iter().for_each(|number| found[number] += count);
        }
        let (total, texts) = (found.iter().sum::<f64>(), words.iter().map(|word| word.count).sum::<f64>());
        let loss = |number: usize| {
            let (text, own) = (&self.pieces[number].text, found[number]);
            if own == 0.0 || self.best(text, None) != [number] {
                return None;
            }
            // In place of each occurrence stand the pieces of the next best way, which occur the more often.
            let others = self.best(text, Some(number));
            let log_total = (total + own * (others.len() as f64 - 1.0)).ln();
            let instead: f64 = others.iter().map(|other| (found[*other] + own).ln() - log_total).sum();
            Some(own / texts * (own.ln() - total.ln() - instead))
        };
        let singles = self.pieces.iter().filter(|piece| piece.single).count();
        let mut losses: Vec<(f64, usize)> = (0..self.pieces.len())
            .filter(|number| !self.pieces[*number].single)
            .filter_map(|number| loss(number).map(|loss| (loss, number)))
            .collect();
        losses.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let most = wanted.max((KEPT * self.pieces.len() as f64) as usize);
        losses.truncate(most.saturating_sub(singles));
        let mut keep: Vec<bool> = self.pieces.iter().map(|piece| piece.single).collect();
        losses.iter().for_each(|(_, number)| keep[*number] = true);
        let pieces = std::mem::take(&mut self.pieces);
        *self = Self::of(pieces.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(piece, _)| piece).collect());
    }

    /// The `most` most probable pieces, every single character among them.
    fn finish(mut self, most: usize) -> Vec<(String, f32)> {
        let order = |a: &Piece, b: &Piece| b.log_probability.total_cmp(&a.log_probability).then(a.text.cmp(&b.text));
        self.pieces.sort_unstable_by(|a, b| b.single.cmp(&a.single).then_with(|| order(a, b)));
        self.pieces.truncate(most);
        self.pieces.sort_unstable_by(order);
        self.pieces.into_iter().map(|piece| (piece.text, piece.log_probability as f32)).collect()
    }
}

/// The derivative of the logarithm of the gamma function: its recurrence up to 7, then its asymptotic series.
fn digamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 7.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    sum + x.ln() - 0.5 / x - inverse * (1.0 / 12.0 - inverse * (1.0 / 120.0 - inverse / 252.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digamma_has_its_known_values() {
        let euler = 0.577_215_664_901_532_9;
        for (x, expected) in [(1.0, -euler), (0.5, -euler - 2.0 * 2.0_f64.ln()), (10.0, 2.251_752_589_066_721)] {
            assert!((digamma(x) - expected).abs() < 1e-8, "{x}: {}", digamma(x));
        }
    }

    #[test]
    fn expected_counts_are_those_of_all_ways() {
        // "▁aa" with p(▁) = 0.5, p(a) = 0.3 and p(aa) = 0.2: two ways, 0.5 x 0.09 and 0.5 x 0.2.
        let weights = [("▁", 0.5, true), ("a", 0.3, true), ("aa", 0.2, false)];
        let model = Model::new(weights.map(|(text, weight, single)| (text.to_owned(), weight, single)).to_vec());
        let found = model.expected(&[Word { text: "▁aa".to_owned(), count: 29.0 }]);
        for (found, expected) in found.iter().zip([29.0, 18.0, 20.0]) {
            assert!((found - expected).abs() < 1e-9, "{found} and {expected}");
        }
        assert_eq!(model.best("▁aa", None), [2, 0]);
        assert_eq!(model.best("aa", Some(2)), [1, 1]);
    }
}
