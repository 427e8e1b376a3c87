use std::sync::{Arc, OnceLock};

use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rejoinder_models::card::Bundle;
use rejoinder_models::features::Fbank;
use rejoinder_models::vad::crdnn::FAMILY;

use super::party::{Guests, PartyConfig};
use super::recipe::VadRecipe;
use super::score::Counts;
use crate::augment::Augmenter;
use crate::data::energy::FRAME;
use crate::data::prepare::SAMPLE_RATE_HZ;
use crate::data::statistics::BinStatistics;
use crate::import;
use crate::losses::BinaryLoss;
use crate::nets::vad::{VadNet, VadNetConfig};
use crate::trainer::{Batches, Figure, Loss, Task};
use crate::{Error, Result};

/// Parties whose features set the normalisation.
const STATISTICS_PARTIES: usize = 200;
/// Parties that validate, and their seed.
const VALID_PARTIES: usize = 160;
const VALID_SEED: u64 = 1;

/// The net of voice activity and its data.
pub struct VadTask {
    net: VadNetConfig,
    batch: usize,
    loss: BinaryLoss,
    train: Arc<Parties>,
    valid: Arc<Parties>,
    statistics: OnceLock<(Vec<f32>, Vec<f32>)>,
}

/// From clips to what the net takes. Immutable, shared by the loader's threads.
struct Parties {
    guests: Guests,
    config: PartyConfig,
    count: usize,
    fbank: Fbank,
    augmenter: Augmenter,
}

/// Parties as the net sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VadBatch {
    /// Features, shape (party, feature frame, bin), row by row.
    pub features: Vec<f32>,
    /// Whether somebody speaks, 1 or 0: (party, frame).
    pub speech: Vec<f32>,
    /// How many parties.
    pub parties: usize,
}

impl Parties {
    /// Feature frames of a party, a whole number of the net's.
    fn frames(&self) -> usize {
        let seconds = f64::from(SAMPLE_RATE_HZ) / FRAME as f64;
        (self.config.window_s * seconds) as usize / VadNetConfig::SUBSAMPLING * VadNetConfig::SUBSAMPLING
    }

    /// A batch of parties, each with a generator of its own.
    fn batch(&self, parties: std::ops::Range<usize>, seed: u64) -> Result<VadBatch> {
        let each = |party: usize| -> Result<(Vec<f32>, Vec<f32>)> {
            let mut rng = ChaCha8Rng::seed_from_u64((seed ^ party as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let mut readers = self.guests.readers()?;
            let party = self.guests.party(&mut readers, &self.config, &self.augmenter, self.frames(), &mut rng)?;
            let speaks = |frames: &[bool]| f32::from(u8::from(frames.iter().any(|speech| *speech)));
            let speech = party.speech.chunks_exact(VadNetConfig::SUBSAMPLING).map(speaks).collect();
            Ok((self.fbank.compute(&party.sound)?, speech))
        };
        let made = parties.into_par_iter().map(each).collect::<Result<Vec<_>>>()?;
        let mut batch = VadBatch { parties: made.len(), ..VadBatch::default() };
        for (features, speech) in made {
            batch.features.extend(features);
            batch.speech.extend(speech);
        }
        Ok(batch)
    }
}

/// The batches of one epoch but the first `done`.
fn batches(
    parties: &Arc<Parties>,
    size: usize,
    seed: u64,
    done: usize,
) -> impl Iterator<Item = Result<VadBatch>> + Send + use<> {
    let parties = parties.clone();
    let starts = (0..parties.count).step_by(size.max(1));
    starts.skip(done).map(move |start| parties.batch(start..(start + size.max(1)).min(parties.count), seed))
}

impl VadTask {
    pub(super) fn new(recipe: &VadRecipe) -> Result<Self> {
        let fbank = Fbank::new(recipe.features.clone())?;
        if fbank.bins() != recipe.net.bins || !recipe.net.bins.is_multiple_of(4) {
            let reason = format!(
                "expected {}, the features' bins, and a multiple of 4, found {}",
                fbank.bins(),
                recipe.net.bins
            );
            return Err(Error::config("net.bins", reason));
        }
        if fbank.hop().0 as usize != FRAME {
            return Err(Error::config("features.hop_ms", format!("expected 10, found {}", recipe.features.hop_ms)));
        }
        let parties = |folders: &[_], count| -> Result<Arc<Parties>> {
            let augmenter = recipe.augmenter(recipe.data.noise.as_deref())?;
            let (guests, config) = (Guests::open(folders)?, recipe.parties.clone());
            Ok(Arc::new(Parties { guests, config, count, fbank: fbank.clone(), augmenter }))
        };
        let task = Self {
            net: recipe.net.clone(),
            batch: recipe.batch,
            loss: recipe.loss,
            train: parties(&recipe.data.train, recipe.parties.count)?,
            valid: parties(&recipe.data.valid, VALID_PARTIES.min(recipe.parties.count))?,
            statistics: OnceLock::new(),
        };
        let mut statistics = BinStatistics::new(task.net.bins);
        for batch in batches(&task.train, task.batch, 0, 0).take(STATISTICS_PARTIES.div_ceil(task.batch.max(1))) {
            statistics.add(&batch?.features);
        }
        task.statistics.get_or_init(|| statistics.mean_and_deviation());
        Ok(task)
    }

    /// Some validation parties.
    pub(super) fn examples(&self) -> Result<VadBatch> {
        batches(&self.valid, self.batch, VALID_SEED, 0).next().unwrap_or_else(|| Ok(VadBatch::default()))
    }

    /// The log-odds of speech, and the truth: (party, frame) each.
    fn log_odds(&self, net: &VadNet, batch: &VadBatch, device: &Device) -> [Tensor<2>; 2] {
        let frames = batch.features.len() / (batch.parties * self.net.bins);
        let data = TensorData::new(batch.features.clone(), [batch.parties, frames, self.net.bins]);
        let (log_odds, _) = net.forward(Tensor::from_data(data, device), net.state(batch.parties, device));
        let speech = TensorData::new(batch.speech.clone(), log_odds.dims());
        [log_odds, Tensor::from_data(speech, device)]
    }
}

impl Task for VadTask {
    type Net = VadNet;
    type Batch = VadBatch;

    fn net(&self, device: &Device) -> VadNet {
        let net = self.net.init(device);
        match self.statistics.get() {
            Some((mean, deviation)) => net.with_statistics(mean, deviation),
            None => net,
        }
    }

    fn weights_in(&self, bundle: &Bundle) -> Result<Vec<(&'static str, &'static str)>> {
        import::single_file(bundle, FAMILY, self.train.fbank.config())
    }

    fn train_batches(&self, epoch: usize, seed: u64, done: usize) -> Result<Batches<VadBatch>> {
        let seed = seed ^ (epoch as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Ok(Box::new(batches(&self.train, self.batch, seed, done)))
    }

    fn valid_batches(&self) -> Result<Batches<VadBatch>> {
        Ok(Box::new(batches(&self.valid, self.batch, VALID_SEED, 0)))
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
            Figure { name: "loss", value, weight: batch.parties as f64 },
            Figure { name: "precision", value: counts.precision(), weight: (counts.hits + counts.alarms) as f64 },
            Figure { name: "recall", value: counts.recall(), weight: (counts.hits + counts.misses) as f64 },
        ])
    }
}
