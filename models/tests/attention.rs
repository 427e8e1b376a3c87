//! The search of attention decoders, against all texts written out, and against SpeechBrain's: `golden/attention.json`,
//! made by `tests/peers/attention.py` at the root.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../training/tests/report/mod.rs"]
mod report;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rejoinder_models::Result;
use rejoinder_models::decode::attention::{
    AttentionConfig, BOUNDARY, CtcPrefixScorer, FusionScorer, NetScorer, Reading, Said, Scorer, Step, StepNet,
    Weighted, search,
};
use rejoinder_models::decode::ctc::{CtcConfig, CtcDecoder, LmUnit};
use rejoinder_models::decode::ngram::{Ngram, NgramConfig, count};
use rejoinder_models::text::Tokenizer;
use report::report;
use serde::Deserialize;

fn log_softmax(logits: &[f32], width: usize) -> Vec<f32> {
    let row = |row: &[f32]| {
        let sum: f32 = row.iter().map(|logit| logit.exp()).sum();
        row.iter().map(|logit| logit - sum.ln()).collect::<Vec<_>>()
    };
    logits.chunks_exact(width).flat_map(row).collect()
}

/// A net whose logits are the sum of a row for the last token and a row for the number of tokens.
#[derive(Clone, Deserialize)]
struct Table {
    /// (tokens, tokens)
    last: Vec<Vec<f32>>,
    /// (steps, tokens)
    place: Vec<Vec<f32>>,
    /// (tokens, frames): the logits of its attention; none for a language model.
    look: Vec<Vec<f32>>,
    #[serde(skip)]
    hypotheses: Vec<Vec<u32>>,
}

impl Table {
    fn row(&self, tokens: &[u32]) -> Vec<f32> {
        let last = &self.last[tokens.last().copied().unwrap_or(BOUNDARY) as usize];
        let logits: Vec<f32> = last.iter().zip(&self.place[tokens.len()]).map(|(a, b)| a + b).collect();
        log_softmax(&logits, logits.len())
    }
}

impl StepNet for Table {
    fn begin(&mut self) -> Result<()> {
        self.hypotheses = vec![Vec::new()];
        Ok(())
    }

    fn say(&mut self) -> Result<Said> {
        let log_probs = self.hypotheses.iter().flat_map(|tokens| self.row(tokens)).collect();
        let look = |tokens: &Vec<u32>| {
            let logits =
                self.look.get(tokens.last().copied().unwrap_or(BOUNDARY) as usize).cloned().unwrap_or_default();
            log_softmax(&logits, logits.len().max(1)).into_iter().map(f32::exp).collect::<Vec<_>>()
        };
        Ok(Said { log_probs, attention: self.hypotheses.iter().flat_map(look).collect() })
    }

    fn advance(&mut self, steps: &[Step]) -> Result<()> {
        let next = |step: &Step| self.hypotheses[step.from].iter().copied().chain([step.token]).collect();
        self.hypotheses = steps.iter().map(next).collect();
        Ok(())
    }
}

/// The probabilities of all texts, as the sum over their alignments.
fn all_texts(log_probs: &[f32], tokens: usize) -> BTreeMap<Vec<u32>, f64> {
    let mut paths = vec![(Vec::new(), 1.0)];
    for frame in log_probs.chunks_exact(tokens) {
        let longer = |(path, p): &(Vec<u32>, f64)| {
            let next = |(id, log): (usize, &f32)| {
                (path.iter().copied().chain([id as u32]).collect::<Vec<_>>(), p * f64::from(*log).exp())
            };
            frame.iter().enumerate().map(next).collect::<Vec<_>>()
        };
        paths = paths.iter().flat_map(longer).collect();
    }
    let mut texts = BTreeMap::new();
    for (mut path, probability) in paths {
        path.dedup();
        path.retain(|id| *id != 0);
        *texts.entry(path).or_default() += probability;
    }
    texts
}

const TOKENS: usize = 4;
const FRAMES: usize = 4;

fn numbers(count: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-3.0_f32..3.0, count)
}

fn table(values: &[f32]) -> Table {
    let rows = |values: &[f32]| values.chunks_exact(TOKENS).map(<[f32]>::to_vec).collect();
    let (last, place) = values.split_at(TOKENS * TOKENS);
    Table { last: rows(last), place: rows(place), look: Vec::new(), hypotheses: Vec::new() }
}

/// Every text of up to so many tokens.
fn sequences(most: usize) -> Vec<Vec<u32>> {
    let mut all: Vec<Vec<u32>> = vec![Vec::new()];
    let mut from = 0;
    for _ in 0..most {
        let to = all.len();
        for at in from..to {
            for token in 1..TOKENS as u32 {
                all.push(all[at].iter().copied().chain([token]).collect());
            }
        }
        from = to;
    }
    all
}

fn tokenizer() -> Arc<Tokenizer> {
    Arc::new(Tokenizer::new(["<blk>", "▁a", "▁b", "c"].map(str::to_owned).to_vec()).unwrap())
}

fn words_score(model: &Ngram, config: &CtcConfig, text: &str) -> f64 {
    let (mut state, mut sum) = (model.begin(), 0.0);
    for word in text.split_whitespace() {
        let (log_prob, next) = model.score(&state, model.id(word));
        let unknown = if model.knows(word) { 0.0 } else { f64::from(config.unknown_penalty) };
        sum += f64::from(config.lm_weight) * f64::from(log_prob) + f64::from(config.word_bonus) - unknown;
        state = next;
    }
    sum + f64::from(config.lm_weight) * f64::from(model.score_end(&state))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn prefix_scores_are_those_of_all_texts_with_the_prefix(logits in numbers(5 * 3), path in prop::collection::vec(1_u32..3, 4)) {
        let log_probs = log_softmax(&logits, 3);
        let texts = all_texts(&log_probs, 3);
        let sum = |prefix: &[u32]| texts.iter().filter(|(text, _)| text.starts_with(prefix)).map(|(_, p)| p).sum::<f64>();
        let mut scorer = CtcPrefixScorer::new(&log_probs, 3).unwrap();
        let mut prefix: Vec<u32> = Vec::new();
        for token in path {
            let scores = scorer.score(&[vec![0, 1, 2]]).unwrap().remove(0);
            let so_far = sum(&prefix);
            let expected = [
                texts.get(&prefix).copied().unwrap_or(0.0),
                sum(&[prefix.as_slice(), &[1]].concat()),
                sum(&[prefix.as_slice(), &[2]].concat()),
            ];
            for (found, expected) in scores.iter().zip(expected) {
                let expected = (expected / so_far).ln() as f32;
                prop_assert!(*found == expected || (found - expected).abs() < 1e-4, "{prefix:?}: {found} {expected}");
            }
            if scores[token as usize] == f32::NEG_INFINITY {
                break;
            }
            scorer.advance(&[Step { from: 0, token }]).unwrap();
            prefix.push(token);
        }
    }

    #[test]
    fn a_wide_beam_finds_the_best_of_all_texts(
        logits in numbers(FRAMES * TOKENS),
        values in numbers((TOKENS + FRAMES + 1) * TOKENS),
        others in numbers((TOKENS + FRAMES + 1) * TOKENS),
        normalize_length: bool,
    ) {
        let log_probs = log_softmax(&logits, TOKENS);
        let (texts, mut decoder, lm) = (all_texts(&log_probs, TOKENS), table(&values), table(&others));
        let config = AttentionConfig { beam: 1_000, candidates: TOKENS, normalize_length, ..AttentionConfig::default() };
        let fused = CtcConfig { lm_weight: 0.6, word_bonus: 0.3, unknown_penalty: 0.4, ..CtcConfig::default() };
        let model = Arc::new(count(["a bc b", "ac b", "b a"], &NgramConfig { order: 2, ..NgramConfig::default() }).unwrap());
        let first = CtcDecoder::new(fused.clone(), tokenizer()).unwrap().with_lm(model.clone(), LmUnit::Word);
        let said = |net: &Table, tokens: &[u32]| -> f64 {
            let ends = tokens.iter().copied().chain([BOUNDARY]).enumerate();
            ends.map(|(at, next)| f64::from(net.row(&tokens[..at])[next as usize])).sum()
        };
        let score = |tokens: &Vec<u32>| {
            let ctc = texts.get(tokens).copied().unwrap_or(0.0).ln();
            let sum = f64::from(1.0 - config.ctc_weight) * said(&decoder, tokens)
                + f64::from(config.ctc_weight) * ctc
                + f64::from(config.lm_weight) * said(&lm, tokens)
                + words_score(&model, &fused, &tokenizer().decode(tokens));
            if normalize_length { sum / (tokens.len() + 1) as f64 } else { sum }
        };
        let expected = sequences(FRAMES - 1).into_iter().map(|tokens| (score(&tokens), tokens));
        let (best, tokens) = expected.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        let mut scorers = [
            Weighted { scorer: Box::new(NetScorer::new(lm.clone(), 1.0)), weight: config.lm_weight, full: true },
            Weighted { scorer: Box::new(FusionScorer::new(Arc::new(first))), weight: config.fusion_weight, full: false },
            Weighted {
                scorer: Box::new(CtcPrefixScorer::new(&log_probs, TOKENS).unwrap()),
                weight: config.ctc_weight,
                full: false,
            },
        ];
        let found = search(&config, FRAMES, &mut decoder, &mut scorers).unwrap();
        prop_assert_eq!(&found[0].tokens, &tokens);
        prop_assert!((found[0].score - best).abs() < 1e-3, "{} {best}", found[0].score);
    }
}

#[derive(Deserialize)]
struct Golden {
    frames: usize,
    /// (frames, tokens): CTC's log probabilities.
    ctc: Vec<f32>,
    decoder: Table,
    lm: Table,
    cases: Vec<Case>,
    /// Tokens, and the scores of all tokens before each.
    prefix: (Vec<u32>, Vec<Vec<f32>>),
}

#[derive(Deserialize)]
struct Case {
    config: AttentionConfig,
    tokens: Vec<u32>,
    score: f64,
}

#[test]
fn the_search_is_speechbrains() {
    let golden: Golden = serde_json::from_str(include_str!("golden/attention.json")).unwrap();
    let tokens = golden.decoder.last.len();
    let mut worst = 0.0_f64;
    for Case { config, tokens: expected, score } in &golden.cases {
        let ctc = CtcPrefixScorer::new(&golden.ctc, tokens).unwrap();
        let lm = NetScorer::new(golden.lm.clone(), config.lm_temperature);
        let mut scorers = [
            Weighted { scorer: Box::new(lm), weight: config.lm_weight, full: true },
            Weighted { scorer: Box::new(ctc), weight: config.ctc_weight, full: false },
        ];
        let found = search(config, golden.frames, &mut golden.decoder.clone(), &mut scorers).unwrap();
        let Reading { tokens, score: found } = &found[0];
        assert_eq!(tokens, expected, "{config:?}");
        assert!((found - score).abs() < 1e-4, "{found} {score}, {config:?}");
        worst = worst.max((found - score).abs() / score.abs().max(1.0));
    }
    let searches = format!("scores of the same tokens, {} searches", golden.cases.len());
    report("joint search", "SpeechBrain's S2SBeamSearcher and scorers", &searches, worst as f32);
    let (path, expected) = &golden.prefix;
    let (mut scorer, mut worst) = (CtcPrefixScorer::new(&golden.ctc, tokens).unwrap(), 0.0_f32);
    for (token, expected) in path.iter().zip(expected) {
        let found = scorer.score(&[(0..tokens as u32).collect()]).unwrap().remove(0);
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?} {expected:?}");
        let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs() / b.abs().max(1.0));
        worst = apart.fold(worst, f32::max);
        scorer.advance(&[Step { from: 0, token: *token }]).unwrap();
    }
    report("CTC prefix scores", "SpeechBrain's CTCPrefixScore", "scores of each next token", worst);
}

#[test]
fn mistakes_are_named() {
    let config = AttentionConfig { ctc_weight: 1.0, ..AttentionConfig::default() };
    assert_eq!(config.check().unwrap_err().to_string(), "ctc_weight: expected 0 to below 1, found 1");
    let mut decoder = table(&[f32::NAN; (TOKENS + FRAMES + 1) * TOKENS]);
    let message = search(&AttentionConfig::default(), FRAMES, &mut decoder, &mut []).unwrap_err().to_string();
    assert_eq!(
        message,
        "token 0: expected log probabilities and attention for each of 1 hypotheses, found 4 values, or NaN"
    );
}
