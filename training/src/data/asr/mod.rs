//! Speech with transcripts: clips of several manifests as one data set.

pub mod items;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::Rng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::held_out::HeldOut;
use super::loader::{self, AsrBatches, Front, LoaderConfig, Sorting};
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
        // Weights count in training.
        let config = ManifestConfig { weight: String::new(), ..config.clone() };
        let (manifest, sounds) = Sounds::open(place.as_ref(), &config)?;
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
            held_out.check(&manifest::locate(&source.folder).display().to_string(), &manifest.items)?;
            if !(source.share.is_finite() && source.share > 0.0) {
                return Err(Error::config(
                    format!("share of {}", source.folder.display()),
                    format!("expected a number above zero, found {}", source.share),
                ));
            }
            let weights = manifest.items.iter().filter_map(|item| item.weight);
            if weights.clone().count() > 0 && weights.sum::<f64>() <= 0.0 {
                let reason = "expected a weight above zero in some row, found none";
                return Err(Error::data(source.folder.display().to_string(), reason));
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

    /// Computes what a pipeline that begins with [`items::transcript`] puts out of each clip's words. Clips of which that
    /// leaves none stay out.
    ///
    /// # Errors
    /// The first clip whose item fails.
    pub fn transcribe(&mut self, pipeline: &mut Pipeline) -> Result<()> {
        let mut wordless = Vec::new();
        for (number, clip) in self.clips.iter_mut().enumerate() {
            let given = Values::default().with(items::WORDS, clip.item.words.clone());
            let mut values = pipeline.run(given).map_err(|e| Error::data(&clip.item.id, e))?;
            let text = values.take(items::TEXT);
            wordless.extend(text.as_ref().is_some_and(String::is_empty).then_some(number));
            clip.text = text.unwrap_or_default();
            clip.tokens = values.take(items::TOKENS).unwrap_or_default();
            clip.phones = values.take(items::PHONES).unwrap_or_default();
        }
        if let Some(first) = wordless.first() {
            let Item { id, words, .. } = &self.clips[*first].item;
            let count = wordless.len();
            tracing::warn!(
                "{count} clips in whose transcript there are no words are left out, such as {id}: `{words}`"
            );
        }
        let (mut number, mut wordless) = (0.., wordless.into_iter().peekable());
        self.clips.retain(|_| {
            let number = number.next();
            wordless.next_if(|wordless| number == Some(*wordless)).is_none()
        });
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

    /// Which clips go together in an epoch: clips of like length, at most `max_seconds` with padding.
    ///
    /// The same seed and epoch give the same plan.
    pub fn plan(&self, config: &LoaderConfig, epoch: usize) -> Vec<Vec<usize>> {
        let mut rng = generator(&[config.seed, epoch as u64]);
        let mut order = self.draw(&mut rng);
        // Lengths within 10 % count as alike, so that a clip meets others in the next epoch.
        let spread = if config.sorting == Sorting::Random { 0.1 } else { 0.0 };
        let mut keyed: Vec<_> = order
            .drain(..)
            .map(|i| (self.clips[i].item.duration_s * (1.0 + spread * rng.random_range(-1.0..1.0)), i))
            .collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        if config.sorting == Sorting::Descending {
            keyed.reverse();
        }
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
        if config.sorting == Sorting::Random {
            plan.shuffle(&mut rng);
        }
        plan
    }

    /// The clips of an epoch: every source as often as its share says. Clips with weights are drawn with replacement.
    fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let mut drawn = Vec::new();
        for (source, share) in self.shares.iter().enumerate() {
            let mut own: Vec<_> = (0..self.clips.len()).filter(|i| self.clips[*i].source == source).collect();
            let count = (share * own.len() as f64).round() as usize;
            let weights: Option<Vec<f64>> = own.iter().map(|i| self.clips[*i].item.weight).collect();
            match weights.and_then(|weights| WeightedIndex::new(weights).ok()) {
                Some(weighted) => drawn.extend((0..count).map(|_| own[weighted.sample(rng)])),
                None => {
                    own.shuffle(rng);
                    drawn.extend(own.iter().cycle().take(count).copied());
                }
            }
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_without_words_for_the_recogniser_stay_out() {
        let clip = |words: &str| {
            let item = Item { id: words.to_owned(), duration_s: 1.0, words: words.to_owned(), ..Item::default() };
            AsrClip { item, ..AsrClip::default() }
        };
        let mut dataset =
            AsrDataset { clips: ["hello", "日本語", "Hi!"].map(clip).to_vec(), ..AsrDataset::default() };
        let english = |words: &str| rejoinder_models::text::TextForm::English.normalise(words);
        let mut transcript = items::transcript(english).build(&[items::TEXT.name()]).unwrap();
        dataset.transcribe(&mut transcript).unwrap();
        assert_eq!(dataset.clips().iter().map(|clip| clip.text.as_str()).collect::<Vec<_>>(), ["hello", "hi"]);
    }

    #[test]
    fn clips_are_drawn_as_often_as_their_weights_say() {
        let clip = |number: usize, weight: Option<f64>| {
            let item = Item { id: number.to_string(), duration_s: 1.0, weight, ..Item::default() };
            AsrClip { item, source: number / 3, ..AsrClip::default() }
        };
        let clips = [Some(0.0), Some(1.0), Some(3.0), None, None, None];
        let clips = clips.into_iter().enumerate().map(|(number, weight)| clip(number, weight)).collect();
        let dataset = AsrDataset { clips, shares: vec![1_000.0, 2.0], ..AsrDataset::default() };
        let drawn = dataset.draw(&mut generator(&[7]));
        let times = |clip: usize| drawn.iter().filter(|drawn| **drawn == clip).count();
        assert_eq!((times(0), times(1) + times(2)), (0, 3_000));
        assert!((2_150..2_350).contains(&times(2)), "{}", times(2));
        assert_eq!([times(3), times(4), times(5)], [2; 3]);
        assert_eq!(drawn, dataset.draw(&mut generator(&[7])));
    }

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
