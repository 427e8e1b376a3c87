use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rejoinder_models::features::Fbank;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::augment::{Augmenter, resample_by};
use crate::data::padded::padded;
use crate::data::prepare::SAMPLE_RATE_HZ;
use crate::data::speakers::SpeakerDataset;
use crate::random::generator;
use crate::trainer::Batches;

/// How batches are formed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchConfig {
    /// Clips in a batch. What is left over at the end of an epoch, which is in another order each time, is not heard in it.
    /// Default: 32.
    pub clips: usize,
    /// A clip is cut to this many seconds at random, and a shorter one repeated. Default: 3.
    pub crop_s: f64,
    /// Whether the piece is cut from all of the recording that a clip is a part of, rather than from the clip: SpeechBrain's
    /// `random_chunk`, for lists of segments. Default: false.
    pub random_chunk: bool,
    /// Clips of each speaker in an epoch; 0 for every clip once, however many a speaker has. Default: 0.
    pub each: usize,
    /// Speeds at which clips are played. Each makes other speakers of those that there are, since the pitch goes with it
    /// (Yamamoto et al., "Speaker Augmentation and Bandwidth Extension for Deep Speaker Embedding", Interspeech 2019).
    /// Default: 1 alone.
    pub speeds: Vec<f32>,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self { clips: 32, crop_s: 3.0, random_chunk: false, each: 0, speeds: vec![1.0] }
    }
}

/// Clips and their speakers.
#[derive(Clone, Debug, PartialEq)]
pub struct SpeakerBatch {
    /// Features, shape (clip, frame, bin), row by row; zeros after a clip's end.
    pub features: Vec<f32>,
    /// Frames of the longest clip.
    pub frames: usize,
    /// Values in a frame.
    pub bins: usize,
    /// Frames of each clip.
    pub lengths: Vec<usize>,
    /// The number of each clip's speaker.
    pub speakers: Vec<usize>,
}

impl SpeakerBatch {
    fn of(rows: &[Vec<f32>], speakers: Vec<usize>, bins: usize) -> Self {
        let lengths: Vec<usize> = rows.iter().map(|row| row.len() / bins).collect();
        let frames = lengths.iter().copied().max().unwrap_or(0);
        Self { features: padded(rows, frames * bins), frames, bins, lengths, speakers }
    }
}

/// What makes batches of a data set.
#[derive(Clone)]
pub(super) struct Loader {
    pub(super) dataset: Arc<SpeakerDataset>,
    pub(super) fbank: Fbank,
    pub(super) augmenter: Arc<Augmenter>,
    pub(super) config: BatchConfig,
}

impl Loader {
    /// The batches of an epoch, the same for the same `epoch` and `seed`.
    pub(super) fn train(&self, epoch: usize, seed: u64, done: usize) -> Result<Batches<SpeakerBatch>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(epoch as u64);
        let drawn = self.dataset.draw(self.config.each, &mut rng);
        let plan: Vec<Vec<usize>> = drawn.chunks_exact(self.config.clips).map(<[usize]>::to_vec).collect();
        let loader = self.clone();
        let batches = plan.into_iter().enumerate().skip(done);
        Ok(Box::new(batches.map(move |(number, clips)| loader.batch(&clips, &[seed, epoch as u64, number as u64]))))
    }

    /// Each clip is augmented by a generator of its own, so that a batch depends neither on those before it nor on the threads
    /// that make it.
    fn batch(&self, clips: &[usize], place: &[u64]) -> Result<SpeakerBatch> {
        let known = self.dataset.speakers().len();
        let make = |(number, clip): (usize, &usize)| {
            let mut rng = generator(&[place, &[number as u64]].concat());
            let (clip, mut reader) = (&self.dataset.clips()[*clip], self.dataset.reader()?);
            let samples = match self.config.random_chunk {
                true => reader.read(&clip.sound.whole())?,
                false => reader.read(&clip.sound)?,
            };
            let speed = rng.random_range(0..self.config.speeds.len());
            let cut = self.crop(&samples, self.config.speeds[speed], &mut rng);
            let copies = self.augmenter.courses(&mut rng).into_iter().map(|course| {
                let mut copy = cut.clone();
                self.augmenter.apply(&course, &mut copy, &mut rng);
                copy.resize(cut.len(), 0.0);
                let mut row = self.fbank.compute(&copy)?;
                self.augmenter.features(&mut row, self.fbank.bins(), &mut rng);
                Ok(row)
            });
            Ok((copies.collect::<Result<Vec<_>>>()?, speed * known + clip.speaker))
        };
        let made = clips.par_iter().enumerate().map(make).collect::<Result<Vec<_>>>()?;
        let speakers = made.iter().flat_map(|(copies, speaker)| vec![*speaker; copies.len()]).collect();
        let rows: Vec<Vec<f32>> = made.into_iter().flat_map(|(copies, _)| copies).collect();
        Ok(SpeakerBatch::of(&rows, speakers, self.fbank.bins()))
    }

    /// A piece of a clip that lasts `crop_s` when it is played at `speed`.
    fn crop(&self, samples: &[f32], speed: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
        let length = (self.config.crop_s * f64::from(SAMPLE_RATE_HZ)) as usize;
        let before = (length as f64 * f64::from(speed)).ceil() as usize;
        let start = rng.random_range(0..=samples.len().saturating_sub(before));
        let piece: Vec<f32> = samples[start..].iter().chain(samples.iter().cycle()).take(before).copied().collect();
        let mut piece = if speed == 1.0 { piece } else { resample_by(&piece, speed) };
        piece.resize(length, 0.0);
        piece
    }

    /// All clips in one batch, cut to `longest_s` seconds and otherwise as they are.
    pub(super) fn whole(&self, longest_s: f64) -> Result<SpeakerBatch> {
        let mut reader = self.dataset.reader()?;
        let longest = (longest_s * f64::from(SAMPLE_RATE_HZ)) as usize;
        let mut rows = Vec::with_capacity(self.dataset.clips().len());
        for clip in self.dataset.clips() {
            let mut samples = reader.read(&clip.sound)?;
            samples.truncate(longest);
            rows.push(self.fbank.compute(&samples)?);
        }
        let speakers = self.dataset.clips().iter().map(|clip| clip.speaker).collect();
        Ok(SpeakerBatch::of(&rows, speakers, self.fbank.bins()))
    }
}
