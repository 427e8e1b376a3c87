//! Speech with transcripts: clips of several manifests as one data set.

pub mod items;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::held_out::HeldOut;
use super::loader::{self, AsrBatches, Front, LoaderConfig};
use super::manifest::{self, Item, Manifest, ManifestConfig};
use super::pipeline::{Pipeline, Values};
use super::sounds::{SoundReader, Sounds};
use crate::random::generator;
use crate::{Error, Result};

/// A prepared folder, or a manifest, in a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The folder, with `manifest.csv` or `manifest.json`, and `audio.pack`; or a manifest itself (`.csv` or `.json`). Where
    /// there is no pack, clips are read from the files that the manifest names.
    pub folder: PathBuf,
    /// How much of it an epoch sees: 1 for every clip once, 0.5 for another random half each time, 3 for three times.
    #[serde(default = "one")]
    pub share: f64,
}

fn one() -> f64 {
    1.0
}

/// A clip with its tokens.
#[derive(Clone, Debug, Default)]
pub struct AsrClip {
    /// Its row.
    pub item: Item,
    /// The transcript as a recogniser learns it, once [`AsrDataset::transcribe`] has run.
    pub text: String,
    /// Its token numbers, where they were asked for.
    pub tokens: Vec<u32>,
    /// Its phone numbers, where they were asked for.
    pub phones: Vec<u32>,
    /// The phone that sounds in each feature frame, 0 for none; empty as long as [`AsrDataset::align`] has not run.
    pub labels: Vec<u8>,
    source: usize,
}

/// Clips with transcripts. Immutable once encoded, shared by the loader's threads.
#[derive(Clone, Debug, Default)]
pub struct AsrDataset {
    clips: Vec<AsrClip>,
    sounds: Vec<Sounds>,
    shares: Vec<f64>,
}

impl AsrDataset {
    /// Opens one prepared folder or manifest, to evaluate on. Clips without words stay out.
    ///
    /// # Errors
    /// A missing or malformed file, or a clip that the pack lacks.
    pub fn open(place: impl AsRef<Path>, config: &ManifestConfig) -> Result<Self> {
        let mut dataset = Self::default();
        let (manifest, sounds) = Sounds::open(place.as_ref(), config)?;
        dataset.add(manifest, sounds, 1.0)?;
        Ok(dataset)
    }

    /// Opens prepared folders and manifests to train on, and refuses held-out clips.
    ///
    /// # Errors
    /// As [`AsrDataset::open`]; a held-out clip; packs of several rates; a share that is no positive number.
    pub fn open_training(sources: &[Source], config: &ManifestConfig) -> Result<Self> {
        let held_out = HeldOut::default();
        let mut dataset = Self::default();
        for source in sources {
            let (manifest, sounds) = Sounds::open(&source.folder, config)?;
            held_out.check(&manifest::locate(&source.folder).display().to_string(), &manifest)?;
            if !(source.share.is_finite() && source.share > 0.0) {
                return Err(Error::config(
                    format!("share of {}", source.folder.display()),
                    format!("expected a number above zero, found {}", source.share),
                ));
            }
            dataset.add(manifest, sounds, source.share)?;
        }
        Ok(dataset)
    }

    fn add(&mut self, manifest: Manifest, sounds: Sounds, share: f64) -> Result<()> {
        if let Some(first) = self.sounds.first()
            && first.sample_rate_hz() != sounds.sample_rate_hz()
        {
            let (expected, found) = (first.sample_rate_hz(), sounds.sample_rate_hz());
            return Err(Error::data("data set", format!("expected a pack at {expected} Hz, found {found} Hz")));
        }
        let source = self.sounds.len();
        let (said, silent): (Vec<_>, Vec<_>) = manifest.items.into_iter().partition(|item| !item.words.is_empty());
        if !silent.is_empty() {
            tracing::warn!("{} clips without a transcript are left out, such as {}", silent.len(), silent[0].id);
        }
        self.clips.extend(said.into_iter().map(|item| AsrClip { item, source, ..AsrClip::default() }));
        self.sounds.push(sounds);
        self.shares.push(share);
        Ok(())
    }

    /// The clips, in file order.
    pub fn clips(&self) -> &[AsrClip] {
        &self.clips
    }

    /// The sum of all durations in hours, each clip once.
    pub fn hours(&self) -> f64 {
        self.clips.iter().map(|clip| clip.item.duration_s).sum::<f64>() / 3600.0
    }

    /// Leaves only clips of `min_s` to `max_s` seconds. Returns how many went.
    pub fn limit(&mut self, min_s: f64, max_s: f64) -> usize {
        let before = self.clips.len();
        self.clips.retain(|clip| (min_s..=max_s).contains(&clip.item.duration_s));
        before - self.clips.len()
    }

    /// Leaves at most this many clips, spread evenly over the file; 0 for all.
    pub fn thin(&mut self, most: usize) {
        let all = self.clips.len();
        if most > 0 && most < all {
            let mut index = 0;
            self.clips.retain(|_| {
                index += 1;
                index * most / all > (index - 1) * most / all
            });
        }
    }

    /// Computes what a pipeline that begins with [`items::transcript`] puts out of each clip's words.
    ///
    /// # Errors
    /// The first clip whose item fails.
    pub fn transcribe(&mut self, pipeline: &mut Pipeline) -> Result<()> {
        for clip in &mut self.clips {
            let given = Values::default().with(items::WORDS, clip.item.words.clone());
            let mut values = pipeline.run(given).map_err(|e| Error::data(&clip.item.id, e))?;
            clip.text = values.take(items::TEXT).unwrap_or_default();
            clip.tokens = values.take(items::TOKENS).unwrap_or_default();
            clip.phones = values.take(items::PHONES).unwrap_or_default();
        }
        Ok(())
    }

    /// Takes the phones at the feature frames of each clip, in the order of the clips.
    pub fn align(&mut self, labels: Vec<Vec<u8>>) {
        self.clips.iter_mut().zip(labels).for_each(|(clip, labels)| clip.labels = labels);
    }

    /// Leaves only clips with at least so many seconds for each token and each phone, since CTC cannot align more of them
    /// than there are frames. Returns how many went.
    pub fn limit_rate(&mut self, token_s: f64, phone_s: f64) -> usize {
        let before = self.clips.len();
        let least_s = |clip: &AsrClip| (token_s * clip.tokens.len() as f64).max(phone_s * clip.phones.len() as f64);
        self.clips.retain(|clip| clip.item.duration_s >= least_s(clip));
        before - self.clips.len()
    }

    /// The samples of a clip, mono in [-1, 1].
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn samples(&self, index: usize) -> Result<Vec<f32>> {
        let clip = &self.clips[index];
        self.sounds[clip.source].reader()?.read(&clip.item.id, &clip.item.wav)
    }

    /// Samples per second of all clips; 0 when there is none.
    pub fn sample_rate_hz(&self) -> u32 {
        self.sounds.first().map_or(0, Sounds::sample_rate_hz)
    }

    /// Whether it is known which phone sounds where.
    pub(super) fn is_aligned(&self) -> bool {
        self.clips.iter().any(|clip| !clip.labels.is_empty())
    }

    /// A reader for each source, for a thread of its own.
    fn readers(&self) -> Result<Vec<SoundReader>> {
        self.sounds.iter().map(Sounds::reader).collect()
    }

    fn read(&self, readers: &mut [SoundReader], index: usize) -> Result<Vec<f32>> {
        let clip = &self.clips[index];
        readers[clip.source].read(&clip.item.id, &clip.item.wav)
    }

    /// The batches of an epoch but the first `done`, made ahead on threads of their own.
    ///
    /// # Errors
    /// When a pack cannot be opened or no clip is left.
    pub fn batches(
        self: &Arc<Self>,
        config: &LoaderConfig,
        front: &Arc<Front>,
        epoch: usize,
        done: usize,
    ) -> Result<AsrBatches> {
        if self.clips.is_empty() {
            return Err(Error::data("data set", "expected clips with transcripts, found none"));
        }
        loader::batches(self, config, front, epoch, done)
    }

    /// Which clips go together in an epoch: clips of like length, at most `max_seconds` with padding, in random order.
    ///
    /// The same seed and epoch give the same plan. Without shuffling, clips stand from short to long, each once.
    pub fn plan(&self, config: &LoaderConfig, epoch: usize) -> Vec<Vec<usize>> {
        let mut rng = generator(&[config.seed, epoch as u64]);
        let mut order = if config.shuffle { self.draw(&mut rng) } else { (0..self.clips.len()).collect() };
        // Lengths within 10 % count as alike, so that a clip meets others in the next epoch.
        let spread = if config.shuffle { 0.1 } else { 0.0 };
        let mut keyed: Vec<_> = order
            .drain(..)
            .map(|i| (self.clips[i].item.duration_s * (1.0 + spread * rng.random_range(-1.0..1.0)), i))
            .collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut plan: Vec<Vec<usize>> = Vec::new();
        let (mut batch, mut longest) = (Vec::new(), 0.0_f64);
        for (_, index) in keyed {
            let with = longest.max(self.clips[index].item.duration_s);
            let full = with * (batch.len() + 1) as f64 > config.max_seconds || batch.len() >= config.max_clips;
            if full && !batch.is_empty() {
                plan.push(std::mem::take(&mut batch));
                longest = 0.0;
            }
            longest = longest.max(self.clips[index].item.duration_s);
            batch.push(index);
        }
        plan.extend((!batch.is_empty()).then_some(batch));
        if config.shuffle {
            plan.shuffle(&mut rng);
        }
        plan
    }

    /// The clips of an epoch: every source as often as its share says.
    fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let mut drawn = Vec::new();
        for (source, share) in self.shares.iter().enumerate() {
            let mut own: Vec<_> = (0..self.clips.len()).filter(|i| self.clips[*i].source == source).collect();
            own.shuffle(rng);
            let count = (share * own.len() as f64).round() as usize;
            drawn.extend(own.iter().cycle().take(count).copied());
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_leaves_as_many_as_asked_for_and_spreads_them() {
        let clip = |number: usize| {
            let item = Item { id: number.to_string(), duration_s: 1.0, ..Item::default() };
            AsrClip { item, ..AsrClip::default() }
        };
        for (all, most, left) in [(100, 10, 10), (100, 33, 33), (7, 7, 7), (7, 9, 7), (7, 0, 7), (0, 3, 0)] {
            let mut dataset = AsrDataset { clips: (0..all).map(clip).collect(), ..AsrDataset::default() };
            dataset.thin(most);
            assert_eq!(dataset.clips().len(), left);
            let numbers: Vec<usize> = dataset.clips().iter().map(|clip| clip.item.id.parse().unwrap()).collect();
            let step = all.div_ceil(left.max(1));
            assert!(numbers.windows(2).all(|pair| (1..=step).contains(&(pair[1] - pair[0]))), "{numbers:?}");
        }
    }
}
