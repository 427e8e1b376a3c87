use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData, activation};
use rejoinder_models::card::Bundle;
use rejoinder_models::keyword::convolutional::FAMILY;

use super::corpus::{Corpus, Part};
use super::examples::{Examples, KeywordBatch};
use super::recipe::KeywordRecipe;
use crate::Result;
use crate::data::drawn::{self, STATISTICS_SEED, VALID_SEED};
use crate::data::prepare::SAMPLE_RATE_HZ;
use crate::data::statistics::BinStatistics;
use crate::import;
use crate::losses::BinaryLoss;
use crate::nets::keyword::{KeywordNet, KeywordNetConfig};
use crate::tasks::fbank;
use crate::trainer::{Batches, Figure, Loss, Task};

/// Examples whose features set the normalisation.
const STATISTICS_EXAMPLES: usize = 400;
/// How long before the end of a keyword, by its energy, and how long after it the net may be sure of it.
const EARLY_MS: usize = 100;
const LATE_MS: usize = 260;
const SAMPLES_PER_MS: usize = SAMPLE_RATE_HZ as usize / 1_000;
/// What takes log-odds out of a maximum.
const FAR: f64 = 1e4;

/// The net of keywords and its data.
pub struct KeywordTask {
    net: KeywordNetConfig,
    keywords: usize,
    batch: usize,
    loss: BinaryLoss,
    train: Arc<Examples>,
    valid: Arc<Examples>,
    statistics: BinStatistics,
}

impl KeywordTask {
    pub(super) fn new(recipe: &KeywordRecipe) -> Result<Self> {
        recipe.examples.check()?;
        let fbank = fbank(&recipe.features, recipe.net.bins)?;
        let examples = |corpus, augment| {
            let (config, keywords) = (recipe.examples.clone(), recipe.keywords.len());
            Arc::new(Examples { corpus, config, keywords, fbank: fbank.clone(), augment })
        };
        let train = recipe.corpus(Part::Train)?.check(&recipe.keywords, "training data")?;
        let valid = recipe.corpus(Part::Valid)?.check(&recipe.keywords, "validation data")?;
        let count = |corpus: &Corpus| (corpus.spoken.len(), corpus.others.len());
        let ((spoken, others), (valid_spoken, valid_others)) = (count(&train), count(&valid));
        tracing::info!("{spoken} keyword clips and {others} others; {valid_spoken} and {valid_others} validate");
        let (train, valid) = (examples(train, Some(recipe.augmenter()?)), examples(valid, None));
        let measured = train.batches(recipe.batch, STATISTICS_SEED, 0).map(|batch| Ok(batch?.features));
        let some = STATISTICS_EXAMPLES.div_ceil(recipe.batch.max(1));
        let statistics = BinStatistics::of(recipe.net.bins, measured.take(some))?;
        let (net, keywords) = (recipe.net.clone(), recipe.keywords.len());
        Ok(Self { net, keywords, batch: recipe.batch, loss: recipe.loss, train, valid, statistics })
    }

    /// Some validation examples.
    pub(super) fn examples(&self) -> Result<KeywordBatch> {
        self.valid.batches(self.batch, VALID_SEED, 0).next().unwrap_or_else(|| Ok(KeywordBatch::default()))
    }

    /// # Shapes
    /// (batch, keywords): whether each is said; the log-odds of each just after its end, weighted by how sure the net is of
    /// it (their softmax over frames); and the largest of those elsewhere.
    fn said_after_elsewhere(&self, net: &KeywordNet, batch: &KeywordBatch, device: &Device) -> [Tensor<2>; 3] {
        let (examples, keywords) = (batch.ends.len(), self.keywords);
        let feature_frames = batch.features.len() / (examples * self.net.bins);
        let data = TensorData::new(batch.features.clone(), [examples, feature_frames, self.net.bins]);
        let log_odds = net.forward(Tensor::from_data(data, device)); // (batch, frames, keywords)
        let frames = log_odds.dims()[1];
        let after = TensorData::new(self.after(&batch.ends, frames), [examples, frames, 1]);
        let after = Tensor::<3>::from_data(after, device);
        let said = Tensor::<3>::from_data(TensorData::new(batch.targets.clone(), [examples, 1, keywords]), device);
        let weights = activation::softmax(log_odds.clone() + (after.clone() - 1.0) * FAR, 1);
        let there = (weights * log_odds.clone()).sum_dim(1);
        let elsewhere = (log_odds - after * said.clone() * FAR).max_dim(1);
        [said, there, elsewhere].map(|x| x.reshape([examples, keywords]))
    }

    /// Whether each frame is just after the end of a keyword, 1 or 0: (batch, frames).
    fn after(&self, ends: &[usize], frames: usize) -> Vec<f32> {
        let frame = KeywordNetConfig::SUBSAMPLING * self.train.fbank.hop().0 as usize;
        let (early, late) = (EARLY_MS * SAMPLES_PER_MS, LATE_MS * SAMPLES_PER_MS);
        let row = |end: &usize| {
            let span = end.saturating_sub(early) / frame..(end + late) / frame + 1;
            // An example without a keyword has some span too, which no target looks at.
            (0..frames).map(move |at| f32::from(u8::from(span.contains(&at))))
        };
        ends.iter().flat_map(row).collect()
    }

    /// Summed over keywords, averaged over examples.
    fn loss_of(&self, [said, there, elsewhere]: [Tensor<2>; 3]) -> Tensor<1> {
        let [examples, _] = said.dims();
        let missed = self.loss.forward(there, said.ones_like()) * said.clone();
        let alarms = self.loss.forward(elsewhere, said.zeros_like());
        (missed + alarms).sum().div_scalar(examples as f64)
    }
}

impl Task for KeywordTask {
    type Net = KeywordNet;
    type Batch = KeywordBatch;

    fn net(&self, device: &Device) -> KeywordNet {
        self.net.init(self.keywords, device).with_statistics(&self.statistics.mean, &self.statistics.deviation)
    }

    fn weights_in(&self, bundle: &Bundle) -> Result<Vec<(&'static str, &'static str)>> {
        import::single_file(bundle, FAMILY, self.train.fbank.config())
    }

    fn heads(&self) -> &'static [&'static str] {
        &["output"]
    }

    fn seconds(&self, batch: &KeywordBatch) -> f64 {
        self.train.fbank.config().seconds(batch.features.len())
    }

    fn train_batches(&self, epoch: usize, seed: u64, done: usize) -> Result<Batches<KeywordBatch>> {
        Ok(Box::new(self.train.batches(self.batch, drawn::epoch_seed(seed, epoch), done)))
    }

    fn valid_batches(&self) -> Result<Batches<KeywordBatch>> {
        Ok(Box::new(self.valid.batches(self.batch, VALID_SEED, 0)))
    }

    fn loss(&self, net: &KeywordNet, batch: KeywordBatch, _step: usize, device: &Device) -> Result<Loss> {
        let total = self.loss_of(self.said_after_elsewhere(net, &batch, device));
        let value = f64::from(total.clone().into_scalar::<f32>());
        Ok(Loss { total, parts: vec![("loss", value)] })
    }

    fn evaluate(&self, net: &KeywordNet, batch: KeywordBatch, device: &Device) -> Result<Vec<Figure>> {
        let pooled = self.said_after_elsewhere(net, &batch, device);
        let value = f64::from(self.loss_of(pooled.clone()).into_scalar::<f32>());
        let [_, there, elsewhere] = pooled.map(|x| x.into_data().iter::<f32>().collect::<Vec<_>>());
        let share = |log_odds: &[f32], said: f32| {
            let asked: Vec<_> = log_odds.iter().zip(&batch.targets).filter(|(_, target)| **target == said).collect();
            let fired = asked.iter().filter(|(log_odds, _)| **log_odds >= 0.0).count();
            (fired as f64 / asked.len().max(1) as f64, asked.len() as f64)
        };
        let ((hits, said), (alarms, unsaid)) = (share(&there, 1.0), share(&elsewhere, 0.0));
        Ok(vec![
            Figure { name: "loss", value, weight: batch.ends.len() as f64 },
            Figure { name: "hits", value: hits, weight: said },
            Figure { name: "alarms", value: alarms, weight: unsaid },
        ])
    }
}
