//! When each phone of a transcript sounds: a forced aligner that trains itself on the recordings that it aligns.
//!
//! Three-state left-to-right models of single phones with diagonal Gaussians start out equal ("flat start"), are
//! trained by the forward-backward algorithm, are split into mixtures, and align by the Viterbi algorithm (L. Rabiner,
//! "A tutorial on hidden Markov models", Proceedings of the IEEE 77, 1989; The HTK Book, sections 1.6 and 3.2). Between
//! words silence may stand or not.

mod chain;
mod gaussians;

use rayon::prelude::*;
use rejoinder_models::tts::phones;
use serde::{Deserialize, Serialize};

use chain::Chain;
use gaussians::{Accumulator, Gaussians};

/// States of each phone's model.
const STATES: usize = 3;
/// Utterances whose frames a thread counts at a time.
const UTTERANCES: usize = 256;

/// How the aligner trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlignerConfig {
    /// Rounds of training with one Gaussian a state.
    pub rounds: usize,
    /// How often the Gaussians are doubled.
    pub splits: usize,
    /// Rounds after each doubling.
    pub rounds_after_split: usize,
}

impl Default for AlignerConfig {
    fn default() -> Self {
        Self { rounds: 12, splits: 1, rounds_after_split: 4 }
    }
}

/// A recording to align.
#[derive(Clone, Debug)]
pub struct Utterance {
    /// Features, `[frames, width]`.
    pub features: Vec<f32>,
    /// Numbers in a frame.
    pub width: usize,
    /// The phones of each word.
    pub words: Vec<Vec<u8>>,
}

impl Utterance {
    fn frame(&self, t: usize) -> &[f32] {
        &self.features[t * self.width..(t + 1) * self.width]
    }

    fn frames(&self) -> usize {
        self.features.len() / self.width
    }
}

/// Mel cepstra with their first and second differences, and how many numbers make a frame.
///
/// # Shapes
/// - `logs`: `[frames, bands]`, the logarithms of mel energies
/// - returns: `[frames, width]`
pub fn cepstra(logs: &[f32], bands: usize) -> (Vec<f32>, usize) {
    const CEPSTRA: usize = 13;
    let frames = logs.len() / bands.max(1);
    let angle = |c: usize, b: usize| std::f32::consts::PI * c as f32 * (b as f32 + 0.5) / bands as f32;
    let cosines: Vec<f32> = (0..CEPSTRA * bands).map(|i| angle(i / bands, i % bands).cos()).collect();
    let cepstrum = |frame: &[f32], c: usize| -> f32 {
        frame.iter().zip(&cosines[c * bands..(c + 1) * bands]).map(|(log, cosine)| log * cosine).sum()
    };
    let statics: Vec<f32> = logs
        .chunks_exact(bands)
        .flat_map(|frame| (0..CEPSTRA).map(|c| cepstrum(frame, c)).collect::<Vec<_>>())
        .collect();
    let slope = |row: &[f32]| -> Vec<f32> {
        let at = |t: isize, c: usize| row[t.clamp(0, frames as isize - 1) as usize * CEPSTRA + c];
        let one = |t: isize, c: usize| (1..=3).map(|d| d as f32 * (at(t + d, c) - at(t - d, c))).sum::<f32>() / 28.0;
        (0..frames * CEPSTRA).map(|i| one((i / CEPSTRA) as isize, i % CEPSTRA)).collect()
    };
    let first = slope(&statics);
    let second = slope(&first);
    let width = 3 * CEPSTRA;
    let mut features = Vec::with_capacity(frames * width);
    for t in 0..frames {
        for part in [&statics, &first, &second] {
            features.extend_from_slice(&part[t * CEPSTRA..(t + 1) * CEPSTRA]);
        }
    }
    (features, width)
}

/// Where the phones of an utterance lie, in frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alignment {
    /// For each phone, in order of the words, its first frame and the frame after its last. Silence fills the gaps.
    pub phones: Vec<(usize, usize)>,
    /// The mean log likelihood of a frame, in hundredths.
    pub score: i64,
}

/// Trains on the utterances and aligns them. `None` for one with fewer frames than its phones need.
pub fn align(utterances: &[Utterance], config: &AlignerConfig) -> Vec<Option<Alignment>> {
    Aligner::train(utterances, config).align(utterances)
}

/// Models of phones that have learnt from recordings.
#[derive(Debug)]
pub struct Aligner {
    models: Gaussians,
}

impl Aligner {
    /// Learns from utterances of one width.
    pub fn train(utterances: &[Utterance], config: &AlignerConfig) -> Self {
        Self { models: train(utterances, config) }
    }

    /// Aligns utterances of the same width. `None` for one with fewer frames than its phones need.
    pub fn align(&self, utterances: &[Utterance]) -> Vec<Option<Alignment>> {
        let best = |utterance: &Utterance| Chain::new(&utterance.words).best(utterance, &self.models);
        utterances.par_iter().map(best).collect()
    }
}

fn train(utterances: &[Utterance], config: &AlignerConfig) -> Gaussians {
    let chains: Vec<Chain> = utterances.iter().map(|u| Chain::new(&u.words)).collect();
    let mut models = flat_start(utterances);
    let pairs: Vec<(&Utterance, &Chain)> = utterances.iter().zip(&chains).collect();
    for round in 0..config.rounds + config.splits * config.rounds_after_split {
        let after = round.checked_sub(config.rounds);
        if after.is_some_and(|after| after.is_multiple_of(config.rounds_after_split.max(1))) {
            models.split();
        }
        // Always in the same order, whichever thread is first: a run can be repeated bit for bit.
        let parts: Vec<_> = pairs
            .par_iter()
            .fold_chunks(
                UTTERANCES,
                || Accumulator::new(&models),
                |mut sum, (u, c)| {
                    c.accumulate(u, &models, &mut sum);
                    sum
                },
            )
            .collect();
        let sum = parts.into_iter().fold(Accumulator::new(&models), Accumulator::merge);
        tracing::info!("aligner round {round}: {:.3} a frame", sum.mean_log_likelihood());
        models.update(&sum);
    }
    models
}

/// Every phone starts as the mean of all frames, silence as the mean of the quietest: the first feature is taken to be
/// the energy.
fn flat_start(utterances: &[Utterance]) -> Gaussians {
    let width = utterances.first().map_or(1, |u| u.width);
    let mut quiet = Accumulator::single(width);
    let mut all = Accumulator::single(width);
    for utterance in utterances {
        let mut energies: Vec<f32> = (0..utterance.frames()).map(|t| utterance.frame(t)[0]).collect();
        energies.sort_by(f32::total_cmp);
        let limit = energies.get(energies.len() / 8).copied().unwrap_or(f32::NEG_INFINITY);
        for t in 0..utterance.frames() {
            let frame = utterance.frame(t);
            if frame[0] <= limit {
                quiet.add(0, 0, 1.0, frame);
            } else {
                all.add(0, 0, 1.0, frame);
            }
        }
    }
    Gaussians::flat(phones::TOKENS * STATES, &all, |state| state / STATES == usize::from(phones::SILENCE), &quiet)
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Words of three "phones" whose features are three points, with silence around them.
    #[test]
    fn boundaries_of_made_up_phones_are_found() {
        let (a, b, c) = (20, 30, 31);
        let point = |phone: Option<u8>| match phone {
            None => [-3.0f32, 0.0, 0.0],
            Some(20) => [1.0, 2.0, 0.0],
            Some(30) => [1.5, -2.0, 1.0],
            Some(_) => [1.0, 0.0, -2.0],
        };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut jitter = || rng.random_range(-0.5..0.5_f32);
        let orders = [[a, b, c], [b, a, c], [c, a, b], [c, b, a], [a, c, b], [b, c, a]];
        let mut utterances = Vec::new();
        let mut truth = Vec::new();
        for i in 0..24 {
            let order = orders[i % 6];
            let (mut features, mut bounds, mut t) = (Vec::new(), Vec::new(), 0);
            let parts =
                [(None, 6), (Some(order[0]), 5 + i % 4), (Some(order[1]), 7), (Some(order[2]), 6 + i % 3), (None, 8)];
            for (phone, length) in parts {
                if phone.is_some() {
                    bounds.push((t, t + length));
                }
                t += length;
                (0..length).for_each(|_| features.extend(point(phone).map(|x| x + jitter())));
            }
            utterances.push(Utterance { features, width: 3, words: vec![order.to_vec()] });
            truth.push(bounds);
        }
        let config = AlignerConfig { rounds: 12, splits: 0, rounds_after_split: 0 };
        let mut off = 0;
        for (alignment, bounds) in align(&utterances, &config).into_iter().zip(truth) {
            for (found, expected) in alignment.unwrap().phones.iter().zip(&bounds) {
                off += found.0.abs_diff(expected.0) + found.1.abs_diff(expected.1);
            }
        }
        assert!(off <= 24, "the 144 bounds are off by {off} frames in all");
    }
}
