use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rejoinder_models::card::Bundle;
use rejoinder_models::features::Fbank;
use rejoinder_models::vad::crdnn::FAMILY;

use super::mixture::{Mixture, MixtureConfig, Utterances};
use super::parties::Parties;
use super::recipe::{VadData, VadRecipe};
use super::score::Counts;
use crate::augment::Augmenter;
use crate::data::drawn::{self, STATISTICS_SEED, VALID_SEED};
use crate::data::energy::FRAME;
use crate::data::prepare::SAMPLE_RATE_HZ;
use crate::data::statistics::BinStatistics;
use crate::import;
use crate::losses::BinaryLoss;
use crate::nets::vad::{VadNet, VadNetConfig};
use crate::random::generator;
use crate::tasks::fbank;
use crate::trainer::{Batches, Figure, Loss, Task};
use crate::{Error, Result};

/// Mixtures whose features set the normalisation.
const STATISTICS_MIXTURES: usize = 200;
/// Mixtures that validate.
const VALID_MIXTURES: usize = 160;

/// The net of voice activity and its data.
pub struct VadTask {
    net: VadNetConfig,
    batch: usize,
    loss: BinaryLoss,
    train: Arc<Mixtures>,
    valid: Arc<Mixtures>,
    statistics: BinStatistics,
}

/// From clips to what the net takes. Immutable, shared by the loader's threads.
struct Mixtures {
    utterances: Utterances,
    parties: Parties,
    /// How many are pieces of parties.
    share: f64,
    config: MixtureConfig,
    count: usize,
    fbank: Fbank,
    augmenter: Augmenter,
}

/// Mixtures as the net sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VadBatch {
    /// Features, shape (mixture, feature frame, bin), row by row.
    pub features: Vec<f32>,
    /// Whether somebody speaks, 1 or 0: (mixture, frame).
    pub speech: Vec<f32>,
    /// How many mixtures.
    pub mixtures: usize,
}

impl Mixtures {
    /// Feature frames of a mixture, a whole number of the net's.
    fn frames(&self) -> usize {
        let seconds = f64::from(SAMPLE_RATE_HZ) / FRAME as f64;
        (self.config.window_s * seconds) as usize / VadNetConfig::SUBSAMPLING * VadNetConfig::SUBSAMPLING
    }

    /// Features, and whether somebody speaks in each frame of the net.
    fn example(&self, rng: &mut ChaCha8Rng) -> Result<(Vec<f32>, Vec<f32>)> {
        let mixture = self.mixture(rng)?;
        let speaks = |frames: &[bool]| f32::from(u8::from(frames.iter().any(|speech| *speech)));
        let speech = mixture.speech.chunks_exact(VadNetConfig::SUBSAMPLING).map(speaks).collect();
        Ok((self.fbank.compute(&mixture.sound)?, speech))
    }

    fn mixture(&self, rng: &mut ChaCha8Rng) -> Result<Mixture> {
        let (frames, augmenter) = (self.frames(), &self.augmenter);
        let is_piece = match (self.utterances.is_empty(), self.parties.is_empty()) {
            (_, true) => false,
            (true, _) => true,
            _ => rng.random_bool(self.share),
        };
        if is_piece {
            return self.parties.piece(&mut self.parties.reader()?, augmenter, frames, rng);
        }
        self.utterances.mix(&mut self.utterances.reader()?, &self.config, augmenter, frames, rng)
    }

    /// The batches of one epoch but the first `done`.
    fn batches(
        self: &Arc<Self>,
        size: usize,
        seed: u64,
        done: usize,
    ) -> impl Iterator<Item = Result<VadBatch>> + Send + use<> {
        let mixtures = self.clone();
        let example = move |(): &(), rng: &mut ChaCha8Rng| mixtures.example(rng);
        drawn::batches(vec![(); self.count], size, done, move |at| generator(&[seed, at as u64]), example)
    }
}

impl FromIterator<(Vec<f32>, Vec<f32>)> for VadBatch {
    fn from_iter<I: IntoIterator<Item = (Vec<f32>, Vec<f32>)>>(examples: I) -> Self {
        let mut batch = Self::default();
        for (features, speech) in examples {
            batch.mixtures += 1;
            batch.features.extend(features);
            batch.speech.extend(speech);
        }
        batch
    }
}

impl VadTask {
    pub(super) fn new(recipe: &VadRecipe) -> Result<Self> {
        recipe.check()?;
        let fbank = fbank(&recipe.features, recipe.net.bins)?;
        if !recipe.net.bins.is_multiple_of(4) {
            return Err(Error::config("net.bins", format!("expected a multiple of 4, found {}", recipe.net.bins)));
        }
        if fbank.hop().0 as usize != FRAME {
            return Err(Error::config("features.hop_ms", format!("expected 10, found {}", recipe.features.hop_ms)));
        }
        let VadData { parties: known, manifest, .. } = &recipe.data;
        let mixtures = |name, speech: &[_], parties: &[_], count| -> Result<Arc<Mixtures>> {
            let training = name == "train";
            let utterances = Utterances::open(speech, manifest, training)?;
            let parties = Parties::open(parties, manifest, training)?;
            if utterances.is_empty() && parties.is_empty() {
                let reason = "expected clips of speech, here or in `parties`, found none";
                return Err(Error::data(format!("data.{name}"), reason));
            }
            let (config, augmenter) = (recipe.mixtures.clone(), recipe.augmenter(recipe.data.noise.as_deref())?);
            let fbank = fbank.clone();
            Ok(Arc::new(Mixtures { utterances, parties, share: known.share, config, count, fbank, augmenter }))
        };
        let train = mixtures("train", &recipe.data.train, &known.train, recipe.mixtures.count)?;
        let count = VALID_MIXTURES.min(recipe.mixtures.count);
        let valid = mixtures("valid", &recipe.data.valid, &known.valid, count)?;
        let measured = train.batches(recipe.batch, STATISTICS_SEED, 0).map(|batch| Ok(batch?.features));
        let some = STATISTICS_MIXTURES.div_ceil(recipe.batch.max(1));
        let statistics = BinStatistics::of(recipe.net.bins, measured.take(some))?;
        Ok(Self { net: recipe.net.clone(), batch: recipe.batch, loss: recipe.loss, train, valid, statistics })
    }

    /// Some validation mixtures.
    pub(super) fn examples(&self) -> Result<VadBatch> {
        self.valid.batches(self.batch, VALID_SEED, 0).next().unwrap_or_else(|| Ok(VadBatch::default()))
    }

    /// The log-odds of speech, and the truth: (mixture, frame) each.
    fn log_odds(&self, net: &VadNet, batch: &VadBatch, device: &Device) -> [Tensor<2>; 2] {
        let frames = batch.features.len() / (batch.mixtures * self.net.bins);
        let data = TensorData::new(batch.features.clone(), [batch.mixtures, frames, self.net.bins]);
        let (log_odds, _) = net.forward(Tensor::from_data(data, device), net.state(batch.mixtures, device));
        let speech = TensorData::new(batch.speech.clone(), log_odds.dims());
        [log_odds, Tensor::from_data(speech, device)]
    }
}

impl Task for VadTask {
    type Net = VadNet;
    type Batch = VadBatch;

    fn net(&self, device: &Device) -> VadNet {
        self.net.init(device).with_statistics(&self.statistics.mean, &self.statistics.deviation)
    }

    fn weights_in(&self, bundle: &Bundle) -> Result<Vec<(&'static str, &'static str)>> {
        import::single_file(bundle, FAMILY, self.train.fbank.config())
    }

    fn seconds(&self, batch: &VadBatch) -> f64 {
        batch.mixtures as f64 * self.train.config.window_s
    }

    fn train_batches(&self, epoch: usize, seed: u64, done: usize) -> Result<Batches<VadBatch>> {
        Ok(Box::new(self.train.batches(self.batch, drawn::epoch_seed(seed, epoch), done)))
    }

    fn valid_batches(&self) -> Result<Batches<VadBatch>> {
        Ok(Box::new(self.valid.batches(self.batch, VALID_SEED, 0)))
    }

    fn loss(&self, net: &VadNet, batch: VadBatch, _step: usize, device: &Device) -> Result<Loss> {
        let [log_odds, speech] = self.log_odds(net, &batch, device);
        let total = self.loss.forward(log_odds, speech).mean();
        let value = f64::from(total.clone().into_scalar::<f32>());
        Ok(Loss { total, parts: vec![("loss", value)] })
    }

    fn evaluate(&self, net: &VadNet, batch: VadBatch, device: &Device) -> Result<Vec<Figure>> {
        let [log_odds, speech] = self.log_odds(net, &batch, device);
        let value = f64::from(self.loss.forward(log_odds.clone(), speech).mean().into_scalar::<f32>());
        let mut counts = Counts::default();
        for (log_odds, speech) in log_odds.into_data().iter::<f32>().zip(&batch.speech) {
            counts.add(log_odds >= 0.0, *speech == 1.0);
        }
        Ok(vec![
            Figure { name: "loss", value, weight: batch.mixtures as f64 },
            Figure { name: "precision", value: counts.precision(), weight: (counts.hits + counts.alarms) as f64 },
            Figure { name: "f1", value: counts.f1(), weight: (2 * counts.hits + counts.alarms + counts.misses) as f64 },
            Figure { name: "recall", value: counts.recall(), weight: (counts.hits + counts.misses) as f64 },
        ])
    }
}
