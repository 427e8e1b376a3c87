use std::ops::Range;
use std::sync::Arc;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rejoinder_models::features::Fbank;
use serde::{Deserialize, Serialize};

use super::corpus::{Clip, Corpus};
use crate::augment::{Augmenter, Draw, resample_by};
use crate::data::drawn;
use crate::data::energy::{extent, power};
use crate::data::prepare::SAMPLE_RATE_HZ;
use crate::data::sounds::LibraryReader;
use crate::random::generator;
use crate::{Error, Result};

/// Samples over which sound that is cut fades away: 10 ms.
const FADE: usize = SAMPLE_RATE_HZ as usize / 100;

/// What the net sees in an epoch: each keyword clip once, and other sound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExampleConfig {
    /// The length of an example, in seconds. Default: 2.5.
    pub window_s: f64,
    /// Examples of other speech, for each keyword clip. Default: 1.
    pub others: f64,
    /// Examples of the first half of a keyword, for each keyword clip: they are none. Default: 0.15.
    pub halves: f64,
    /// How often other speech stands before and after a keyword, rather than silence. Default: 0.4.
    pub amid_speech: f64,
}

impl Default for ExampleConfig {
    fn default() -> Self {
        Self { window_s: 2.5, others: 1.0, halves: 0.15, amid_speech: 0.4 }
    }
}

impl ExampleConfig {
    /// Refuses examples that cannot be made.
    pub(super) fn check(&self) -> Result<()> {
        let Self { window_s, others, halves, amid_speech } = *self;
        let values = [
            ("window_s", window_s, 0.5..=60.0),
            ("others", others, 0.0..=1e3),
            ("halves", halves, 0.0..=1e3),
            ("amid_speech", amid_speech, 0.0..=1.0),
        ];
        match values.into_iter().find(|(_, value, possible)| !possible.contains(value)) {
            Some((key, value, possible)) => {
                let reason = format!("expected {} to {}, found {value}", possible.start(), possible.end());
                Err(Error::config(format!("examples.{key}"), reason))
            }
            None => Ok(()),
        }
    }
}

/// Examples as the net sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeywordBatch {
    /// Features, shape (example, frame, bin), row by row.
    pub features: Vec<f32>,
    /// Whether each keyword is said, 1 or 0: (example, keyword).
    pub targets: Vec<f32>,
    /// The sample at which the keyword of each example ends; zero where there is none.
    pub ends: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Example {
    Keyword(usize),
    Half(usize),
    Other(usize),
}

/// From clips to what the net takes. Immutable, shared by the loader's threads.
pub(super) struct Examples {
    pub(super) corpus: Corpus,
    pub(super) config: ExampleConfig,
    pub(super) keywords: usize,
    pub(super) fbank: Fbank,
    /// Playback speeds of keywords, and the other effects; nothing in validation.
    pub(super) augment: Option<(Draw, Augmenter)>,
}

impl Examples {
    /// Samples in an example: a whole number of `multiple` feature frames.
    pub(super) fn window(&self, multiple: usize) -> usize {
        let step = multiple * self.fbank.hop().0 as usize;
        (self.config.window_s * f64::from(SAMPLE_RATE_HZ)) as usize / step * step
    }

    /// The examples of one epoch, in random order.
    fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<Example> {
        let spoken = self.corpus.spoken.len();
        let times = |share: f64| (share * spoken as f64).round() as usize;
        let mut drawn: Vec<Example> = (0..spoken).map(Example::Keyword).collect();
        drawn.extend((0..times(self.config.halves)).map(|_| Example::Half(rng.random_range(0..spoken))));
        let others = self.corpus.others.len();
        drawn.extend((0..times(self.config.others)).map(|_| Example::Other(rng.random_range(0..others))));
        drawn.shuffle(rng);
        drawn
    }

    fn sound(
        &self,
        reader: &mut LibraryReader,
        example: Example,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Vec<f32>, &[usize], usize)> {
        let window = self.window(2);
        let ((mut sound, end), keywords): (_, &[usize]) = match example {
            Example::Keyword(number) => {
                let clip = &self.corpus.spoken[number];
                let mut word = reader.read(&clip.sound)?;
                // Half of the recordings keep the sound around the word.
                if rng.random_bool(0.5) {
                    word = cut(&word, extent(&word));
                }
                (self.amid(reader, word, window, rng)?, &clip.keywords)
            }
            Example::Half(number) => {
                let word = reader.read(&self.corpus.spoken[number].sound)?;
                let Range { start, end } = extent(&word);
                let length = ((end - start) as f64 * rng.random_range(0.25..0.5)) as usize;
                (self.amid(reader, cut(&word, start..start + length), window, rng)?, &[])
            }
            Example::Other(number) => ((self.piece(reader, &self.corpus.others[number], window, rng)?, 0), &[]),
        };
        if let Some((_, augmenter)) = &self.augment {
            augmenter.waveform(&mut sound, rng);
        }
        sound.resize(window, 0.0);
        Ok((sound, keywords, end))
    }

    /// A word with other speech or silence around it, and the sample at which it ends.
    fn amid(
        &self,
        reader: &mut LibraryReader,
        word: Vec<f32>,
        window: usize,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Vec<f32>, usize)> {
        let speed = self.augment.as_ref().and_then(|(speed, _)| speed.draw(rng));
        let word = speed.map_or_else(|| word.clone(), |speed| resample_by(&word, speed));
        let word = &word[word.len().saturating_sub(window)..];
        let room = window - word.len();
        let before = room - rng.random_range(0..=room * 2 / 3);
        let mut sound = vec![0.0; window];
        if rng.random_bool(self.config.amid_speech) && !word.is_empty() {
            let other = &self.corpus.others[rng.random_range(0..self.corpus.others.len())];
            sound = self.piece(reader, other, window, rng)?;
            let decibels: f32 = rng.random_range(-6.0..6.0);
            let gain = (power(word) / power(&sound).max(1e-10)).sqrt() * 10.0_f32.powf(decibels / 20.0);
            sound.iter_mut().for_each(|sample| *sample *= gain.min(100.0));
            let gap = rng.random_range(0..SAMPLE_RATE_HZ as usize * 3 / 10);
            let quiet = before.saturating_sub(gap)..(before + word.len() + gap).min(window);
            sound[quiet].fill(0.0);
        }
        sound[before..before + word.len()].copy_from_slice(word);
        Ok((sound, before + extent(word).end))
    }

    /// A piece of a clip, or all of it with silence around.
    fn piece(&self, reader: &mut LibraryReader, clip: &Clip, window: usize, rng: &mut ChaCha8Rng) -> Result<Vec<f32>> {
        let samples = reader.read(&clip.sound)?;
        if samples.len() >= window {
            let start = rng.random_range(0..=samples.len() - window);
            return Ok(samples[start..start + window].to_vec());
        }
        let mut sound = vec![0.0; window];
        let before = rng.random_range(0..=window - samples.len());
        sound[before..before + samples.len()].copy_from_slice(&samples);
        Ok(sound)
    }

    /// Features, targets and the end of the keyword.
    fn example(&self, example: Example, rng: &mut ChaCha8Rng) -> Result<(Vec<f32>, Vec<f32>, usize)> {
        let (sound, keywords, end) = self.sound(&mut self.corpus.reader()?, example, rng)?;
        let mut targets = vec![0.0; self.keywords];
        keywords.iter().for_each(|keyword| targets[*keyword] = 1.0);
        Ok((self.fbank.compute(&sound)?, targets, end))
    }

    /// The batches of one epoch but the first `done`.
    pub(super) fn batches(
        self: &Arc<Self>,
        size: usize,
        seed: u64,
        done: usize,
    ) -> impl Iterator<Item = Result<KeywordBatch>> + Send + use<> {
        let examples = self.clone();
        let drawn = self.draw(&mut ChaCha8Rng::seed_from_u64(seed));
        let example = move |example: &Example, rng: &mut ChaCha8Rng| examples.example(*example, rng);
        drawn::batches(drawn, size, done, move |at| generator(&[seed, at as u64]), example)
    }
}

impl FromIterator<(Vec<f32>, Vec<f32>, usize)> for KeywordBatch {
    fn from_iter<I: IntoIterator<Item = (Vec<f32>, Vec<f32>, usize)>>(examples: I) -> Self {
        let mut batch = Self::default();
        for (features, targets, end) in examples {
            batch.features.extend(features);
            batch.targets.extend(targets);
            batch.ends.push(end);
        }
        batch
    }
}

/// A piece of a sound, with its ends faded.
fn cut(samples: &[f32], range: Range<usize>) -> Vec<f32> {
    let mut piece = samples[range].to_vec();
    let length = piece.len();
    for at in 0..FADE.min(length / 2) {
        let gain = at as f32 / FADE as f32;
        piece[at] *= gain;
        piece[length - 1 - at] *= gain;
    }
    piece
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_begins_and_ends_in_silence() {
        let samples: Vec<f32> = (0..16_000).map(|n| 0.3 * (n as f32 * 0.3).sin()).collect();
        let piece = cut(&samples, 4_000..9_600);
        assert_eq!((piece.len(), piece[0], piece[5_599]), (5_600, 0.0, 0.0));
        assert_eq!(piece[1_000], samples[5_000]);
    }
}
