//! The searches of transducers, against all alignments written out.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rejoinder_models::Result;
use rejoinder_models::decode::ctc::{CtcConfig, Hotword, Hypothesis, LmUnit};
use rejoinder_models::decode::ngram::{NgramConfig, count};
use rejoinder_models::decode::transducer::{TransducerDecoder, TransducerNets};
use rejoinder_models::text::Tokenizer;

const VOCABULARY: usize = 3;
const MAX_SYMBOLS: usize = 2;

/// Log probabilities by frame, which is a number, and by the tokens so far.
#[derive(Clone)]
struct Table(u64);

impl Table {
    fn row(&self, frame: f32, tokens: &[u32]) -> Vec<f32> {
        let seed = tokens.iter().fold(self.0 ^ frame.to_bits() as u64, |hash, token| {
            (hash ^ (u64::from(*token) + 1)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
        });
        let logit = |id: u64| {
            let mixed = (seed ^ (id + 7)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (mixed >> 40) as f32 / (1 << 24) as f32 * 4.0
        };
        let logits: Vec<f32> = (0..VOCABULARY as u64).map(logit).collect();
        let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
        logits.iter().map(|logit| logit - sum.ln()).collect()
    }
}

impl TransducerNets for Table {
    type Predicted = Vec<u32>;

    fn begin(&mut self) -> Result<Vec<u32>> {
        Ok(Vec::new())
    }

    fn extend(&mut self, before: &Vec<u32>, token: u32) -> Result<Vec<u32>> {
        Ok(before.iter().copied().chain([token]).collect())
    }

    fn log_probs(&mut self, frame: &[f32], predicted: &[&Vec<u32>]) -> Result<Vec<f32>> {
        Ok(predicted.iter().flat_map(|tokens| self.row(frame[0], tokens)).collect())
    }
}

/// The probabilities of all token sequences: a frame gives up to [`MAX_SYMBOLS`] tokens, and a blank after fewer.
fn all_sequences(nets: &Table, frames: usize) -> BTreeMap<Vec<u32>, f64> {
    let mut now = BTreeMap::from([(Vec::new(), 1.0)]);
    for frame in 0..frames {
        let mut next: BTreeMap<Vec<u32>, f64> = BTreeMap::new();
        for (tokens, probability) in &now {
            let mut open = vec![(tokens.clone(), *probability)];
            for _ in 0..MAX_SYMBOLS {
                let mut longer = Vec::new();
                for (tokens, probability) in open {
                    let row = nets.row(frame as f32, &tokens);
                    for id in 1..VOCABULARY as u32 {
                        let more = tokens.iter().copied().chain([id]).collect();
                        longer.push((more, probability * f64::from(row[id as usize]).exp()));
                    }
                    *next.entry(tokens).or_default() += probability * f64::from(row[0]).exp();
                }
                open = longer;
            }
            for (tokens, probability) in open {
                *next.entry(tokens).or_default() += probability;
            }
        }
        now = next;
    }
    now
}

fn tokenizer() -> Arc<Tokenizer> {
    Arc::new(Tokenizer::new(["<blk>", "▁a", "▁b"].map(str::to_owned).to_vec()).unwrap())
}

fn decoder(beam: usize) -> TransducerDecoder {
    let config = CtcConfig { beam, token_margin: 100.0, beam_margin: 100.0, ..CtcConfig::default() };
    TransducerDecoder::new(config, MAX_SYMBOLS, tokenizer()).unwrap()
}

fn decode(decoder: &TransducerDecoder, nets: &mut Table, frames: usize) -> Hypothesis {
    let mut search = decoder.search(nets).unwrap();
    for frame in 0..frames {
        search.push(&[frame as f32], decoder, nets).unwrap();
    }
    search.finish(decoder)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_wide_beam_finds_the_likeliest_tokens(seed: u64, frames in 1_usize..4) {
        let mut nets = Table(seed);
        let all = all_sequences(&nets, frames);
        prop_assert!((all.values().sum::<f64>() - 1.0).abs() < 1e-5);
        let (expected, probability) = all.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        let found = decode(&decoder(1_000), &mut nets, frames);
        prop_assert_eq!(&found.ids(), expected);
        prop_assert!((found.log_prob - probability.ln()).abs() < 1e-4, "{} {}", found.log_prob, probability.ln());
    }

    #[test]
    fn greedy_takes_the_best_token_until_the_blank(seed: u64) {
        let (mut nets, frames) = (Table(seed), 5);
        let mut expected: Vec<u32> = Vec::new();
        for frame in 0..frames {
            for _ in 0..MAX_SYMBOLS {
                let row = nets.row(frame as f32, &expected);
                match (0..VOCABULARY).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap() {
                    0 => break,
                    id => expected.push(id as u32),
                }
            }
        }
        prop_assert_eq!(decode(&decoder(1), &mut nets, frames).ids(), expected);
    }

    #[test]
    fn the_language_model_weighs_in_as_the_formula_says(seed: u64) {
        let (mut nets, frames) = (Table(seed), 2);
        let texts = ["a b", "a b a b", "b a b", "a"];
        let model = count(texts.into_iter(), &NgramConfig { order: 2, ..NgramConfig::default() }).unwrap();
        let (weight, bonus) = (0.8_f32, 0.4_f32);
        let config =
            CtcConfig { beam: 1_000, token_margin: 100.0, beam_margin: 100.0, lm_weight: weight, word_bonus: bonus, ..CtcConfig::default() };
        let decoder = TransducerDecoder::new(config, MAX_SYMBOLS, tokenizer()).unwrap();
        let score = |tokens: &[u32], probability: f64| {
            let (mut state, mut sum) = (model.begin(), 0.0);
            for token in tokens {
                let (log_prob, next) = model.score(&state, model.id(if *token == 1 { "a" } else { "b" }));
                (state, sum) = (next, sum + f64::from(weight) * f64::from(log_prob) + f64::from(bonus));
            }
            probability.ln() + sum + f64::from(weight) * f64::from(model.score_end(&state))
        };
        let all = all_sequences(&nets, frames);
        let expected = all.iter().map(|(tokens, p)| score(tokens, *p)).max_by(f64::total_cmp).unwrap();
        let decoder = decoder.with_lm(Arc::new(model.clone()), LmUnit::Word);
        let found = decode(&decoder, &mut nets, frames);
        prop_assert!((found.score - expected).abs() < 1e-4, "{} {expected}", found.score);
    }
}

#[test]
fn a_hotword_that_is_loud_enough_is_heard() {
    let quiet = (0..).find(|seed| !decode(&decoder(8), &mut Table(*seed), 3).ids().contains(&2)).unwrap();
    let loud = decoder(8).with_hotwords(&[Hotword { text: "b".to_owned(), boost: 20.0 }]).unwrap();
    assert!(decode(&loud, &mut Table(quiet), 3).ids().contains(&2));
}

#[test]
fn settings_out_of_range_are_refused() {
    let message = TransducerDecoder::new(CtcConfig::default(), 0, tokenizer()).err().unwrap().to_string();
    assert_eq!(message, "max_symbols: expected 1 to 100, found 0");
}
