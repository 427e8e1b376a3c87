//! Speech with transcripts: clips of several prepared folders as one data set.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::held_out::HeldOut;
use super::loader::{AsrBatches, Front, LoaderConfig};
use super::manifest::{Item, Manifest};
use super::pack::{Pack, PackReader};
use super::prepare::{MANIFEST, PACK};
use crate::{Error, Result};

/// A prepared folder in a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The folder, with `manifest.csv` and `audio.pack`.
    pub folder: PathBuf,
    /// How much of it an epoch sees: 1 for every clip once, 0.5 for another random half each time, 3 for three times.
    #[serde(default = "one")]
    pub share: f64,
}

fn one() -> f64 {
    1.0
}

/// A clip with its tokens.
#[derive(Clone, Debug)]
pub struct AsrClip {
    /// Its row.
    pub item: Item,
    /// Token numbers of the transcript, once [`AsrDataset::encode`] has run.
    pub tokens: Vec<u32>,
    /// Phone numbers of the transcript, once [`AsrDataset::pronounce`] has run.
    pub phones: Vec<u32>,
    /// The phone that sounds in each feature frame, 0 for none; empty as long as [`AsrDataset::align`] has not run.
    pub labels: Vec<u8>,
    source: usize,
}

/// Clips with transcripts. Immutable once encoded, shared by the loader's threads.
#[derive(Clone, Debug, Default)]
pub struct AsrDataset {
    clips: Vec<AsrClip>,
    packs: Vec<Pack>,
    shares: Vec<f64>,
}

impl AsrDataset {
    /// Opens one manifest and its pack, to evaluate on. Clips without words stay out.
    ///
    /// # Errors
    /// A missing or malformed file, or a clip that the pack lacks.
    pub fn open(manifest: impl AsRef<Path>, pack: impl AsRef<Path>) -> Result<Self> {
        let mut dataset = Self::default();
        dataset.add(Manifest::read(manifest)?, Pack::open(pack)?, 1.0)?;
        Ok(dataset)
    }

    /// Opens one prepared folder, to evaluate on.
    ///
    /// # Errors
    /// As [`AsrDataset::open`].
    pub fn open_folder(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        Self::open(folder.join(MANIFEST), folder.join(PACK))
    }

    /// Opens prepared folders to train on, and refuses held-out clips.
    ///
    /// # Errors
    /// As [`AsrDataset::open`]; a held-out clip; packs of several rates; a share that is no positive number.
    pub fn open_training(sources: &[Source]) -> Result<Self> {
        let held_out = HeldOut::default();
        let mut dataset = Self::default();
        for source in sources {
            let path = source.folder.join(MANIFEST);
            let manifest = Manifest::read(&path)?;
            held_out.check(&path.display().to_string(), &manifest)?;
            if !(source.share.is_finite() && source.share > 0.0) {
                return Err(Error::config(
                    format!("share of {}", source.folder.display()),
                    format!("expected a number above zero, found {}", source.share),
                ));
            }
            dataset.add(manifest, Pack::open(source.folder.join(PACK))?, source.share)?;
        }
        Ok(dataset)
    }

    fn add(&mut self, manifest: Manifest, pack: Pack, share: f64) -> Result<()> {
        if let Some(first) = self.packs.first() {
            // Only the rate is checked; the reader is not kept.
            pack.reader_at(first.sample_rate_hz())?;
        }
        let source = self.packs.len();
        for item in manifest.items.into_iter().filter(|item| !item.words.is_empty()) {
            if pack.span(&item.id).is_none() {
                return Err(Error::data(
                    &item.id,
                    "stands in the manifest but not in the pack; prepare the data again",
                ));
            }
            self.clips.push(AsrClip { item, tokens: Vec::new(), phones: Vec::new(), labels: Vec::new(), source });
        }
        self.packs.push(pack);
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

    /// Turns every transcript into tokens.
    pub fn encode(&mut self, encode: impl Fn(&str) -> Vec<u32>) {
        self.clips.iter_mut().for_each(|clip| clip.tokens = encode(&clip.item.words));
    }

    /// Turns every transcript into phones.
    pub fn pronounce(&mut self, pronounce: impl Fn(&str) -> Vec<u32>) {
        self.clips.iter_mut().for_each(|clip| clip.phones = pronounce(&clip.item.words));
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
    /// When the pack cannot be read.
    pub fn samples(&self, index: usize) -> Result<Vec<f32>> {
        let clip = &self.clips[index];
        let mut samples = Vec::new();
        self.packs[clip.source].reader()?.read(&clip.item.id, &mut samples)?;
        Ok(samples)
    }

    /// Samples per second of all clips; 0 when there is none.
    pub fn sample_rate_hz(&self) -> u32 {
        self.packs.first().map_or(0, Pack::sample_rate_hz)
    }

    /// A reader for each source, for a thread of its own.
    pub(super) fn readers(&self) -> Result<Vec<PackReader>> {
        self.packs.iter().map(Pack::reader).collect()
    }

    pub(super) fn read(&self, readers: &mut [PackReader], index: usize, samples: &mut Vec<f32>) -> Result<()> {
        let clip = &self.clips[index];
        readers[clip.source].read(&clip.item.id, samples)
    }

    /// The batches of an epoch, made ahead on threads of their own.
    ///
    /// # Errors
    /// When a pack cannot be opened or no clip is left.
    pub fn batches(self: &Arc<Self>, config: &LoaderConfig, front: &Arc<Front>, epoch: usize) -> Result<AsrBatches> {
        if self.clips.is_empty() {
            return Err(Error::data("data set", "expected clips with transcripts, found none"));
        }
        AsrBatches::start(self, config, front, self.plan(config, epoch), epoch)
    }

    /// Which clips go together in an epoch: clips of like length, at most `max_seconds` with padding, in random order.
    ///
    /// The same seed and epoch give the same plan. Without shuffling, clips stand from short to long, each once.
    pub fn plan(&self, config: &LoaderConfig, epoch: usize) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed ^ (epoch as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
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
            let (id, text) = (number.to_string(), String::new);
            let item = Item { id, duration_s: 1.0, wav: text(), speaker: text(), words: text() };
            AsrClip { item, tokens: Vec::new(), phones: Vec::new(), labels: Vec::new(), source: 0 }
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
