//! Beam search, token by token.

use super::{AttentionConfig, BOUNDARY, Said, Step, StepNet, Weighted, soften};
use crate::{Error, Result};

/// What an utterance may say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The tokens.
    pub tokens: Vec<u32>,
    /// What decoder and scorers make of them and of their end; for a token, where the length is normalised.
    pub score: f64,
}

/// A hypothesis that may go on.
#[derive(Clone, Debug, Default)]
struct Open {
    tokens: Vec<u32>,
    score: f64,
    /// The attention that each frame has had.
    coverage: Vec<f32>,
}

/// One more token for the hypothesis `from`.
struct Candidate {
    from: usize,
    token: u32,
    score: f64,
}

/// The likeliest texts of an utterance of as many encoder frames, the best first; of no frames the
/// empty one. None where the beam is 0, or where the scorers forbid every text.
///
/// It ends when as many hypotheses have ended as are followed, when no open one can become better than the best of them,
/// or after `max_ratio` tokens for each frame. Hypotheses that are open then count only where none has ended. The second
/// is never so with normalised lengths, bonuses, or scores that may be above zero.
///
/// # Errors
/// When a net fails or gives what is no log probability; [`Error::Invalid`] when the config is out of range.
pub fn search(
    config: &AttentionConfig,
    frames: usize,
    decoder: &mut dyn StepNet,
    scorers: &mut [Weighted<'_>],
) -> Result<Vec<Reading>> {
    config.check()?;
    let steps = |ratio: f32| (frames as f32 * ratio) as usize;
    let (fewest, most) = (steps(config.min_ratio), steps(config.max_ratio));
    let gains = |one: &Weighted<'_>| one.weight < 0.0 || (one.weight != 0.0 && one.scorer.may_gain());
    let only_costs = !config.normalize_length && config.token_bonus <= 0.0 && !scorers.iter().any(gains);
    decoder.begin()?;
    scorers.iter_mut().try_for_each(|one| one.scorer.begin())?;
    let (mut open, mut ended) = (vec![Open::default()], Vec::new());
    for step in 0..most {
        let said = decoder.say()?;
        check(&said, open.len(), step)?;
        cover(&mut open, &said, step, config);
        let rows = rows(&said, open.len(), step < fewest, config);
        let candidates = best(config, &open, rows, scorers)?;
        let mut kept = Vec::new();
        for candidate in candidates {
            match candidate.token {
                BOUNDARY if ended.len() < config.beam => {
                    ended.push(reading(&open[candidate.from].tokens, candidate.score, step + 1, config));
                }
                BOUNDARY => {}
                _ => kept.push(candidate),
            }
        }
        if ended.len() >= config.beam.max(1) || kept.is_empty() || (only_costs && decided(&ended, &kept)) {
            open.clear();
            break;
        }
        let steps: Vec<Step> = kept.iter().map(|kept| Step { from: kept.from, token: kept.token }).collect();
        open = kept.into_iter().map(|candidate| grow(&open, candidate)).collect();
        decoder.advance(&steps)?;
        scorers.iter_mut().try_for_each(|one| one.scorer.advance(&steps))?;
    }
    if ended.is_empty() {
        let length = |open: &Open| open.tokens.len().max(1);
        ended = open.iter().map(|open| reading(&open.tokens, open.score, length(open), config)).collect();
    }
    ended.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ok(ended)
}

fn check(said: &Said, hypotheses: usize, step: usize) -> Result<()> {
    let values = said.log_probs.len();
    let looked = said.attention.is_empty()
        || (said.attention.len() >= hypotheses && said.attention.len().is_multiple_of(hypotheses));
    let whole = values > 0 && values.is_multiple_of(hypotheses);
    if !looked || !whole || said.log_probs.iter().any(|value| value.is_nan()) {
        let expected = format!("log probabilities and attention for each of {hypotheses} hypotheses");
        return Err(Error::invalid(format!("token {step}"), expected, format!("{values} values, or NaN")));
    }
    Ok(())
}

/// Counts the attention of a step, and what the frames that have had more than enough cost each hypothesis, as
/// SpeechBrain's `CoverageScorer` does.
fn cover(open: &mut [Open], said: &Said, step: usize, config: &AttentionConfig) {
    if config.coverage_weight == 0.0 || said.attention.is_empty() {
        return;
    }
    let frames = said.attention.len() / open.len();
    for (open, now) in open.iter_mut().zip(said.attention.chunks_exact(frames)) {
        open.coverage.resize(frames, 0.0);
        open.coverage.iter_mut().zip(now).for_each(|(sum, now)| *sum += now);
        let over: f32 = open.coverage.iter().map(|sum| (sum - config.coverage_threshold).max(0.0)).sum();
        open.score -= f64::from(config.coverage_weight * over) / (step + 1) as f64;
    }
}

/// The decoder's scores, with ends left out where there may be none.
fn rows(said: &Said, hypotheses: usize, too_early: bool, config: &AttentionConfig) -> Vec<Vec<f32>> {
    let row = |said: &[f32]| {
        let said = soften(said, config.temperature);
        let most = said.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let end = said[BOUNDARY as usize];
        let ends = !too_early && config.end_threshold.is_none_or(|threshold| end > threshold * most);
        let mut row: Vec<f32> = said.iter().map(|log_prob| (1.0 - config.ctc_weight) * log_prob).collect();
        if !ends {
            row[BOUNDARY as usize] = f32::NEG_INFINITY;
        }
        row
    };
    said.log_probs.chunks_exact(said.log_probs.len() / hypotheses).map(row).collect()
}

/// The best ways to go on, the best first.
fn best(
    config: &AttentionConfig,
    open: &[Open],
    mut rows: Vec<Vec<f32>>,
    scorers: &mut [Weighted<'_>],
) -> Result<Vec<Candidate>> {
    let all: Vec<Vec<u32>> = rows.iter().map(|row| (0..row.len() as u32).collect()).collect();
    for one in scorers.iter_mut().filter(|one| one.full) {
        add(&mut rows, &one.scorer.score(&all)?, one.weight);
    }
    let asked: Vec<Vec<u32>> = rows.iter().map(|row| likeliest(row, config)).collect();
    let pick = |(row, asked): (&Vec<f32>, &Vec<u32>)| asked.iter().map(|token| row[*token as usize]).collect();
    let mut scores: Vec<Vec<f32>> = rows.iter().zip(&asked).map(pick).collect();
    for one in scorers.iter_mut().filter(|one| !one.full) {
        add(&mut scores, &one.scorer.score(&asked)?, one.weight);
    }
    let mut candidates = Vec::new();
    for (from, ((open, asked), scores)) in open.iter().zip(&asked).zip(&scores).enumerate() {
        for (token, score) in asked.iter().zip(scores).filter(|(_, score)| **score > f32::NEG_INFINITY) {
            let score = open.score + f64::from(score + config.token_bonus);
            candidates.push(Candidate { from, token: *token, score });
        }
    }
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    candidates.truncate(config.beam);
    Ok(candidates)
}

fn add(rows: &mut [Vec<f32>], scores: &[Vec<f32>], weight: f32) {
    for (row, scores) in rows.iter_mut().zip(scores) {
        // A weight of zero leaves what is forbidden forbidden.
        let weigh = |score: f32| if score == f32::NEG_INFINITY { score } else { weight * score };
        row.iter_mut().zip(scores).for_each(|(sum, score)| *sum += weigh(*score));
    }
}

/// The likeliest tokens, and the end.
fn likeliest(row: &[f32], config: &AttentionConfig) -> Vec<u32> {
    let mut tokens: Vec<u32> = (0..row.len() as u32).collect();
    let order = |a: &u32, b: &u32| row[*b as usize].total_cmp(&row[*a as usize]).then(a.cmp(b));
    let count = config.candidates.max(config.beam).min(row.len());
    if count < tokens.len() {
        tokens.select_nth_unstable_by(count, order);
        tokens.truncate(count);
    }
    if !tokens.contains(&BOUNDARY) {
        tokens.push(BOUNDARY);
    }
    tokens.sort_unstable_by(order);
    tokens
}

/// Whether no open hypothesis is as good as the best that has ended.
fn decided(ended: &[Reading], kept: &[Candidate]) -> bool {
    let best = ended.iter().map(|ended| ended.score).fold(f64::NEG_INFINITY, f64::max);
    kept.iter().all(|kept| kept.score <= best)
}

fn grow(open: &[Open], candidate: Candidate) -> Open {
    let before = &open[candidate.from];
    let tokens = before.tokens.iter().copied().chain([candidate.token]).collect();
    Open { tokens, score: candidate.score, coverage: before.coverage.clone() }
}

fn reading(tokens: &[u32], score: f64, length: usize, config: &AttentionConfig) -> Reading {
    let length = if config.normalize_length { length as f64 } else { 1.0 };
    Reading { tokens: tokens.to_vec(), score: score / length }
}
