//! Batches: read, augment, compute features and pad, ahead of the trainer and on threads of their own.

use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rejoinder_models::features::Fbank;
use serde::{Deserialize, Serialize};

use super::asr::{AsrDataset, items};
use super::ordered::Ordered;
use super::padded::padded;
use super::pipeline::{Pipeline, Values};
use crate::augment::Augmenter;
use crate::random::seed;
use crate::{Error, Result};

/// How batches are formed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoaderConfig {
    /// Seed of order and augmentation: no key of a recipe, whose `train.seed` it is.
    #[serde(skip)]
    pub seed: u64,
    /// The most audio in a batch, padding included, before augmentation. A longer clip stands alone.
    pub max_seconds: f64,
    /// The most clips in a batch.
    pub max_clips: usize,
    /// How batches follow each other (SpeechBrain's option of that name). In each, sources are drawn by their shares.
    /// Default: at random.
    pub sorting: Sorting,
    /// Threads that make batches. The batches do not depend on it.
    pub workers: usize,
    /// Batches that each thread may be ahead; a full queue blocks its thread.
    pub queue: usize,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        Self { seed: 0, max_seconds: 120.0, max_clips: 128, sorting: Sorting::Random, workers: 1, queue: 4 }
    }
}

/// How batches follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sorting {
    /// At random; clips that go together are of like length, and others in each epoch.
    #[default]
    Random,
    /// From short to long.
    Ascending,
    /// From long to short.
    Descending,
}

/// From samples to features.
#[derive(Clone)]
pub struct Front {
    /// The features, the same as in serving.
    pub fbank: Fbank,
    /// What changes clips and features in training; nothing in evaluation.
    pub augmenter: Option<Augmenter>,
}

/// A padded batch of `clips.len()` clips.
#[derive(Clone, Debug, PartialEq)]
pub struct AsrBatch {
    /// Which clips of the data set. One of which augmentation makes copies stands once for each.
    pub clips: Vec<usize>,
    /// Features, shape (clip, frame, bin), row by row; zeros after a clip's end.
    pub features: Vec<f32>,
    /// Frames of the longest clip: the second dimension of `features`.
    pub frames: usize,
    /// Values in a frame: the third dimension of `features`.
    pub bins: usize,
    /// Frames of each clip.
    pub lengths: Vec<usize>,
    /// Token numbers, shape (clip, token), row by row; zeros after a clip's end.
    pub tokens: Vec<u32>,
    /// Tokens of the longest clip: the second dimension of `tokens`.
    pub max_tokens: usize,
    /// Tokens of each clip.
    pub token_lengths: Vec<usize>,
    /// Phone numbers of each clip; empty where the data set has none.
    pub phones: Vec<Vec<u32>>,
    /// The phone of each feature frame of each clip, 0 for none; empty where the data set is not aligned.
    pub labels: Vec<Vec<u8>>,
    /// Seconds of audio in the clips as recorded, without padding.
    pub seconds: f64,
}

impl Front {
    /// How many copies augmentation makes of a clip with this seed.
    fn copies(&self, seed: u64) -> usize {
        let copies = |augmenter: &Augmenter| augmenter.courses(&mut ChaCha8Rng::seed_from_u64(seed)).len();
        self.augmenter.as_ref().map_or(1, copies)
    }
}

impl AsrBatch {
    /// Makes a batch. Each clip is augmented by a generator of its own, seeded by all three numbers.
    fn make(work: &Work, batch: usize, pipeline: &mut Pipeline) -> Result<Self> {
        let (dataset, planned) = (&work.dataset, &work.plan[batch]);
        let bins = work.front.fbank.bins();
        let (mut clips, mut rows, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for (place, index) in planned.iter().enumerate() {
            let seed = seed(&[work.seed, work.epoch as u64, batch as u64, place as u64]);
            for copy in 0..work.front.copies(seed) {
                let given = Values::default().with(items::CLIP, *index).with(items::SEED, seed).with(items::COPY, copy);
                let mut values = pipeline.run(given).map_err(|e| Error::data(&dataset.clips()[*index].item.id, e))?;
                clips.push(*index);
                labels.push(values.take(items::LABELS).unwrap_or_default());
                rows.push(values.take(items::FEATURES).unwrap_or_default());
            }
        }
        let lengths: Vec<usize> = rows.iter().map(|row: &Vec<f32>| row.len() / bins).collect();
        let frames = lengths.iter().copied().max().unwrap_or(0);
        let features = padded(&rows, frames * bins);
        let of = |index: &usize| &dataset.clips()[*index];
        let token_lengths: Vec<_> = clips.iter().map(|i| of(i).tokens.len()).collect();
        let max_tokens = token_lengths.iter().copied().max().unwrap_or(0);
        let tokens = padded(&clips.iter().map(|i| &of(i).tokens).collect::<Vec<_>>(), max_tokens);
        let phones = clips.iter().map(|i| of(i).phones.clone()).collect();
        let seconds = clips.iter().map(|i| of(i).item.duration_s).sum();
        Ok(Self { clips, features, frames, bins, lengths, tokens, max_tokens, token_lengths, phones, labels, seconds })
    }
}

/// What all threads of an epoch share.
struct Work {
    dataset: Arc<AsrDataset>,
    front: Arc<Front>,
    plan: Vec<Vec<usize>>,
    seed: u64,
    epoch: usize,
}

/// The batches of an epoch, in the order of its plan.
pub type AsrBatches = Ordered<AsrBatch>;

/// The batches of an epoch but the first `done`, made ahead on threads of their own.
///
/// # Errors
/// Features of another rate than the data; a thread that does not start.
pub(super) fn batches(
    dataset: &Arc<AsrDataset>,
    config: &LoaderConfig,
    front: &Arc<Front>,
    epoch: usize,
    done: usize,
) -> Result<AsrBatches> {
    if !(config.max_seconds.is_finite() && config.max_seconds > 0.0 && config.max_clips > 0) {
        let reason = format!(
            "max_seconds, max_clips: expected numbers above 0, found {} and {}",
            config.max_seconds, config.max_clips
        );
        return Err(Error::config("[loader]", reason));
    }
    let expected = front.fbank.rate().get();
    if dataset.sample_rate_hz() != expected {
        let found = dataset.sample_rate_hz();
        return Err(Error::data("data set", format!("expected {expected} Hz for the features, found {found} Hz")));
    }
    let plan = dataset.plan(config, epoch);
    let numbers = done.min(plan.len())..plan.len();
    let work = Arc::new(Work { dataset: dataset.clone(), front: front.clone(), plan, seed: config.seed, epoch });
    let mut outputs = vec![items::FEATURES.name()];
    outputs.extend(dataset.is_aligned().then_some(items::LABELS.name()));
    Ordered::start(numbers, [config.workers, config.queue], || {
        let (work, mut pipeline) = (work.clone(), items::sound(dataset, front, &outputs)?);
        Ok(move |batch| AsrBatch::make(&work, batch, &mut pipeline))
    })
}

#[cfg(test)]
mod tests {
    use rejoinder_models::audio::{Clip, write_wav};
    use rejoinder_models::features::FbankConfig;
    use rejoinder_models::units::SampleRate;

    use super::super::asr::Source;
    use super::super::manifest::{Item, Manifest, ManifestConfig};
    use super::super::pack::PackWriter;
    use super::super::prepare::{MANIFEST, PACK};
    use super::*;
    use crate::augment::AugmentConfig;

    /// Clips of 0.5, 0.6, ... seconds: tones that say their number.
    fn folder(name: &str, clips: usize) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut pack = PackWriter::create(dir.path().join(PACK), 16_000).unwrap();
        let mut manifest = Manifest::default();
        for i in 0..clips {
            let samples: Vec<f32> =
                (0..8000 + 1600 * i).map(|n| 0.3 * (n as f32 * 0.01 * (i + 1) as f32).sin()).collect();
            let id = format!("{name}/{i}");
            pack.append(&id, &samples).unwrap();
            manifest.items.push(Item {
                id,
                duration_s: samples.len() as f64 / 16_000.0,
                wav: PACK.into(),
                speaker: name.into(),
                words: "a".repeat(i + 1),
                ..Item::default()
            });
        }
        pack.flush().unwrap();
        manifest.write(dir.path().join(MANIFEST)).unwrap();
        dir
    }

    fn front(augment: bool) -> Arc<Front> {
        let augmenter = augment.then(|| {
            Augmenter::open(AugmentConfig::of_all_kinds(), None, None, &ManifestConfig::default(), 16_000).unwrap()
        });
        Arc::new(Front { fbank: Fbank::new(FbankConfig::kaldi()).unwrap(), augmenter })
    }

    #[test]
    fn copies_keep_the_labels_of_their_clip() {
        let (one, labelled) = (folder("a", 3), |text: &str| text.chars().map(u32::from).collect());
        let mut dataset = AsrDataset::open(one.path(), &ManifestConfig::default()).unwrap();
        tokens(&mut dataset, labelled);
        let dataset = Arc::new(dataset);
        let batch = |augment: AugmentConfig| {
            let augmenter = Augmenter::open(augment, None, None, &ManifestConfig::default(), 16_000).unwrap();
            let front = Front { fbank: Fbank::new(FbankConfig::kaldi()).unwrap(), augmenter: Some(augmenter) };
            let config = LoaderConfig { sorting: Sorting::Ascending, ..LoaderConfig::default() };
            dataset.batches(&config, &Arc::new(front), 0, 0).unwrap().next().unwrap().unwrap()
        };
        let usual = batch(AugmentConfig::of_all_kinds());
        assert_eq!((&usual.clips[..], &usual.token_lengths[..]), (&[0, 1, 2][..], &[1, 2, 3][..]));
        let twice = AugmentConfig { concat_original: true, repeat: 2, ..AugmentConfig::of_all_kinds() };
        let copied = batch(twice);
        assert_eq!(copied.clips, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
        assert_eq!(copied.token_lengths, [1, 1, 1, 2, 2, 2, 3, 3, 3]);
        assert_eq!(copied.tokens.len(), 9 * copied.max_tokens);
        let row = |clip: usize| &copied.features[clip * copied.frames * copied.bins..][..copied.frames * copied.bins];
        assert!(row(0) != row(1) && row(1) != row(2));
        // The original of each clip has its length.
        assert_eq!(
            copied.lengths[0],
            Fbank::new(FbankConfig::kaldi()).unwrap().compute(&[0.1; 8000]).unwrap().len() / copied.bins
        );
    }

    fn tokens(dataset: &mut AsrDataset, encode: fn(&str) -> Vec<u32>) {
        let builder = items::transcript(str::to_owned).item(items::TOKENS, items::TEXT, move |text| Ok(encode(text)));
        dataset.transcribe(&mut builder.build(&[items::TOKENS.name()]).unwrap()).unwrap();
    }

    fn dataset(clips: usize) -> (tempfile::TempDir, Arc<AsrDataset>) {
        let dir = folder("tones", clips);
        let mut dataset = AsrDataset::open(dir.path(), &ManifestConfig::default()).unwrap();
        tokens(&mut dataset, |text| text.bytes().map(u32::from).collect());
        (dir, Arc::new(dataset))
    }

    #[test]
    fn every_clip_comes_once_and_padding_is_zero() {
        let (_dir, dataset) = dataset(12);
        let config = LoaderConfig { max_seconds: 4.0, ..LoaderConfig::default() };
        let mut seen = Vec::new();
        for batch in dataset.batches(&config, &front(false), 0, 0).unwrap() {
            let batch = batch.unwrap();
            assert_eq!(batch.features.len(), batch.clips.len() * batch.frames * batch.bins);
            for (row, clip) in batch.clips.iter().enumerate() {
                let values = &batch.features[row * batch.frames * batch.bins..(row + 1) * batch.frames * batch.bins];
                let alone =
                    Fbank::new(FbankConfig::kaldi()).unwrap().compute(&dataset.samples(*clip).unwrap()).unwrap();
                let (own, padding) = values.split_at(batch.lengths[row] * batch.bins);
                assert_eq!(own, alone);
                assert!(padding.iter().all(|x| *x == 0.0));
                assert_eq!(batch.token_lengths[row], clip + 1);
                let tokens = &batch.tokens[row * batch.max_tokens..(row + 1) * batch.max_tokens];
                assert!(tokens[..clip + 1].iter().all(|t| *t == 97) && tokens[clip + 1..].iter().all(|t| *t == 0));
            }
            let longest = batch.clips.iter().map(|i| dataset.clips()[*i].item.duration_s).fold(0.0, f64::max);
            assert!(longest * batch.clips.len() as f64 <= 4.0);
            seen.extend(batch.clips);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..12).collect::<Vec<_>>());
    }

    #[test]
    fn batches_depend_on_seed_and_epoch_but_not_on_threads() {
        let (_dir, dataset) = dataset(10);
        let run = |seed, epoch, workers| -> Vec<AsrBatch> {
            let config = LoaderConfig { seed, workers, max_seconds: 3.0, ..LoaderConfig::default() };
            dataset.batches(&config, &front(true), epoch, 0).unwrap().collect::<Result<_>>().unwrap()
        };
        assert_eq!(run(1, 0, 1), run(1, 0, 3));
        assert_ne!(run(1, 0, 1), run(1, 1, 1));
        assert_ne!(run(1, 0, 1), run(2, 0, 1));
    }

    #[test]
    fn an_epoch_goes_on_where_it_was_left_without_reading_what_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let file = |clip: usize| dir.path().join(format!("{clip}.wav"));
        let mut manifest = Manifest::default();
        for clip in 0..10 {
            let samples: Vec<f32> = (0..8000 + 1600 * clip).map(|n| 0.3 * (n as f32 * 0.01).sin()).collect();
            let (id, duration_s) = (clip.to_string(), samples.len() as f64 / 16_000.0);
            write_wav(file(clip), &Clip::new(samples, SampleRate::INTERNAL)).unwrap();
            let wav = file(clip).display().to_string().into();
            manifest.items.push(Item {
                id,
                duration_s,
                wav,
                speaker: "s".into(),
                words: "a".into(),
                ..Item::default()
            });
        }
        manifest.write(dir.path().join(MANIFEST)).unwrap();
        let dataset = Arc::new(AsrDataset::open(dir.path(), &ManifestConfig::default()).unwrap());
        let batches = |workers, done| -> Result<Vec<AsrBatch>> {
            let config = LoaderConfig { seed: 1, workers, max_seconds: 3.0, ..LoaderConfig::default() };
            dataset.batches(&config, &front(true), 2, done).unwrap().collect()
        };
        let whole = batches(1, 0).unwrap();
        whole[0].clips.iter().for_each(|clip| std::fs::remove_file(file(*clip)).unwrap());
        assert!(batches(1, 0).is_err());
        for (workers, done) in [(1, 1), (3, 2), (2, whole.len()), (2, whole.len() + 1)] {
            assert_eq!(batches(workers, done).unwrap(), whole[done.min(whole.len())..], "{workers} {done}");
        }
    }

    #[test]
    fn shares_say_how_often_a_source_comes() {
        let (few, many) = (folder("few", 4), folder("many", 20));
        let source = |dir: &tempfile::TempDir, share| Source { folder: dir.path().to_owned(), share };
        let dataset =
            AsrDataset::open_training(&[source(&few, 3.0), source(&many, 0.25)], &ManifestConfig::default()).unwrap();
        let drawn: Vec<_> = dataset.plan(&LoaderConfig::default(), 0).into_iter().flatten().collect();
        assert_eq!(drawn.iter().filter(|i| **i < 4).count(), 12);
        assert_eq!(drawn.iter().filter(|i| **i >= 4).count(), 5);
    }

    #[test]
    fn training_refuses_a_held_out_clip_and_a_share_of_nothing() {
        let dir = folder("sentences_misc", 2);
        let source = Source { folder: dir.path().to_owned(), share: 1.0 };
        let message = AsrDataset::open_training(&[source], &ManifestConfig::default()).unwrap_err().to_string();
        assert!(message.contains("sentences_misc/0") && message.contains("1 more"), "{message}");
        let dir = folder("tones", 2);
        let source = Source { folder: dir.path().to_owned(), share: 0.0 };
        assert!(
            AsrDataset::open_training(&[source], &ManifestConfig::default()).unwrap_err().to_string().contains("share")
        );
    }

    #[test]
    fn limits_take_out_what_cannot_be_learnt() {
        let dir = folder("tones", 6);
        let mut dataset = AsrDataset::open(dir.path(), &ManifestConfig::default()).unwrap();
        assert_eq!(dataset.limit(0.6, 0.9), 2);
        tokens(&mut dataset, |text| vec![1; 10 * text.len()]);
        assert_eq!(dataset.limit_rate(0.025, 0.0), 3);
        assert_eq!(dataset.clips().len(), 1);
    }

    #[test]
    fn a_dropped_epoch_ends_its_threads() {
        let (_dir, dataset) = dataset(12);
        let config = LoaderConfig { max_seconds: 1.0, queue: 1, workers: 2, ..LoaderConfig::default() };
        let mut batches = dataset.batches(&config, &front(false), 0, 0).unwrap();
        assert!(batches.next().unwrap().is_ok());
        drop(batches);
        assert_eq!(Arc::strong_count(&dataset), 1);
    }
}
