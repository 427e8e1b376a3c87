use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rejoinder_models::card::{Bundle, MODEL_ROLE};
use rejoinder_models::enhance::conv_tasnet::FAMILY;

use super::mixture::{Mixture, MixtureConfig, Voices};
use super::recipe::{SeparationData, SeparationRecipe};
use super::recorded::Recorded;
use crate::augment::Augmenter;
use crate::data::drawn::{self, VALID_SEED};
use crate::data::prepare::SAMPLE_RATE_HZ;
use crate::import;
use crate::losses::SeparationLoss;
use crate::metrics::{separation, si_snr};
use crate::nets::conv_tasnet::{ConvTasNet, ConvTasNetConfig};
use crate::random::generator;
use crate::trainer::{Batches, Figure, Loss, Task};
use crate::{Error, Result};

/// Mixtures that validate, where they are made.
const VALID_MIXTURES: usize = 160;

/// The net that takes voices out of a mixture, and its data.
pub struct SeparationTask {
    net: ConvTasNetConfig,
    batch: usize,
    loss: SeparationLoss,
    train: Arc<Mixtures>,
    valid: Arc<Mixtures>,
}

/// Where mixtures come from. Immutable, shared by the loader's threads.
struct Mixtures {
    voices: Voices,
    recorded: Recorded,
    /// How many are recorded ones.
    share: f64,
    config: MixtureConfig,
    count: usize,
    augmenter: Augmenter,
    /// Voices of a mixture, and its samples, a whole number of the net's frames.
    sizes: [usize; 2],
}

/// Mixtures as the net hears them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeparationBatch {
    /// Samples, shape (mixture, sample), row by row; zeros behind the end of one that is shorter.
    pub sound: Vec<f32>,
    /// Its voices: (mixture, source, sample).
    pub sources: Vec<f32>,
    /// The samples of each mixture that count.
    pub lengths: Vec<usize>,
}

impl Mixtures {
    fn mixture(&self, rng: &mut ChaCha8Rng) -> Result<Mixture> {
        let recorded = match (self.voices.is_empty(), self.recorded.is_empty()) {
            (_, true) => false,
            (true, _) => true,
            _ => rng.random_bool(self.share),
        };
        if recorded {
            return self.recorded.piece(&mut self.recorded.reader()?, self.sizes[1], rng);
        }
        self.voices.mix(&mut self.voices.reader()?, &self.config, &self.augmenter, self.sizes, rng)
    }

    /// The batches of one epoch but the first `done`.
    fn batches(
        self: &Arc<Self>,
        size: usize,
        seed: u64,
        done: usize,
    ) -> impl Iterator<Item = Result<SeparationBatch>> + Send + use<> {
        let mixtures = self.clone();
        let example = move |(): &(), rng: &mut ChaCha8Rng| Ok((mixtures.mixture(rng)?, mixtures.sizes[1]));
        drawn::batches(vec![(); self.count], size, done, move |at| generator(&[seed, at as u64]), example)
    }
}

impl FromIterator<(Mixture, usize)> for SeparationBatch {
    fn from_iter<I: IntoIterator<Item = (Mixture, usize)>>(mixtures: I) -> Self {
        let mut batch = Self::default();
        for (Mixture { sound, sources }, samples) in mixtures {
            batch.lengths.push(sound.len());
            let padded = |mut signal: Vec<f32>| {
                signal.resize(samples, 0.0);
                signal
            };
            batch.sound.extend(padded(sound));
            batch.sources.extend(sources.into_iter().flat_map(padded));
        }
        batch
    }
}

impl SeparationTask {
    pub(super) fn new(recipe: &SeparationRecipe) -> Result<Self> {
        recipe.check()?;
        let SeparationData { recorded: lists, manifest, .. } = &recipe.data;
        let (hop, window) = (recipe.net.hop(), (recipe.mixtures.window_s * f64::from(SAMPLE_RATE_HZ)) as usize);
        let sizes = [recipe.net.sources, window / hop * hop];
        let mixtures = |name, voices: &[_], recorded: &[_], count| -> Result<Arc<Mixtures>> {
            let training = name == "train";
            let voices = Voices::open(voices, manifest, training)?;
            let recorded = Recorded::open(recorded, lists, manifest, training)?;
            if voices.is_empty() && recorded.is_empty() {
                let reason = "expected clips of single voices, here or mixtures in `recorded`, found none";
                return Err(Error::data(format!("data.{name}"), reason));
            }
            let (config, augmenter) = (recipe.mixtures.clone(), recipe.augmenter(recipe.data.noise.as_deref())?);
            Ok(Arc::new(Mixtures { voices, recorded, share: lists.share, config, count, augmenter, sizes }))
        };
        let train = mixtures("train", &recipe.data.train, &lists.train, recipe.mixtures.count)?;
        let valid = mixtures("valid", &recipe.data.valid, &lists.valid, VALID_MIXTURES.min(recipe.mixtures.count))?;
        Ok(Self { net: recipe.net.clone(), batch: recipe.batch, loss: recipe.loss, train, valid })
    }

    /// A validation mixture.
    pub(super) fn example(&self) -> Result<Vec<f32>> {
        Ok(self.valid.mixture(&mut generator(&[VALID_SEED, 0]))?.sound)
    }

    /// What the net makes of the mixtures and what they are made of: (mixture, source, sample) each.
    fn estimates(&self, net: &ConvTasNet, batch: &SeparationBatch, device: &Device) -> [Tensor<3>; 2] {
        let mixtures = batch.lengths.len();
        let samples = batch.sound.len() / mixtures.max(1);
        let sound = Tensor::from_data(TensorData::new(batch.sound.clone(), [mixtures, samples]), device);
        let shape = [mixtures, self.net.sources, samples];
        [net.forward(sound), Tensor::from_data(TensorData::new(batch.sources.clone(), shape), device)]
    }
}

impl Task for SeparationTask {
    type Net = ConvTasNet;
    type Batch = SeparationBatch;

    fn net(&self, device: &Device) -> ConvTasNet {
        self.net.init(device)
    }

    fn weights_in(&self, bundle: &Bundle) -> Result<Vec<(&'static str, &'static str)>> {
        import::check_family(bundle, FAMILY)?;
        Ok(vec![(MODEL_ROLE, "")])
    }

    fn seconds(&self, batch: &SeparationBatch) -> f64 {
        batch.lengths.iter().sum::<usize>() as f64 / f64::from(SAMPLE_RATE_HZ)
    }

    fn train_batches(&self, epoch: usize, seed: u64, done: usize) -> Result<Batches<SeparationBatch>> {
        Ok(Box::new(self.train.batches(self.batch, drawn::epoch_seed(seed, epoch), done)))
    }

    fn valid_batches(&self) -> Result<Batches<SeparationBatch>> {
        Ok(Box::new(self.valid.batches(self.batch, VALID_SEED, 0)))
    }

    fn loss(&self, net: &ConvTasNet, batch: SeparationBatch, _step: usize, device: &Device) -> Result<Loss> {
        let [estimates, sources] = self.estimates(net, &batch, device);
        let total = self.loss.forward(estimates, sources, &batch.lengths).losses.mean();
        let value = f64::from(total.clone().into_scalar::<f32>());
        Ok(Loss { total, parts: vec![("loss", value)] })
    }

    fn evaluate(&self, net: &ConvTasNet, batch: SeparationBatch, device: &Device) -> Result<Vec<Figure>> {
        let [estimates, sources] = self.estimates(net, &batch, device);
        let losses = self.loss.forward(estimates.clone(), sources, &batch.lengths).losses;
        let value = f64::from(losses.mean().into_scalar::<f32>());
        let (mixtures, count) = (batch.lengths.len(), self.net.sources);
        let samples = batch.sound.len() / mixtures.max(1);
        let estimates: Vec<f32> = estimates.into_data().iter::<f32>().collect();
        let (mut ratio, mut gained) = (0.0, 0.0);
        for (number, length) in batch.lengths.iter().enumerate() {
            let signal = |signals: &[f32], at: usize| signals[at * samples..at * samples + length].to_vec();
            let of = |signals: &[f32]| (0..count).map(|s| signal(signals, number * count + s)).collect::<Vec<_>>();
            let (estimates, sources, sound) = (of(&estimates), of(&batch.sources), signal(&batch.sound, number));
            let found = separation(&estimates, &sources).si_snr_db.iter().sum::<f64>() / count as f64;
            let mixed = sources.iter().map(|source| si_snr(&sound, source)).sum::<f64>() / count as f64;
            (ratio, gained) = (ratio + found, gained + found - mixed);
        }
        let weight = mixtures as f64;
        Ok(vec![
            Figure { name: "loss", value, weight },
            Figure { name: "si_snr_db", value: ratio / weight, weight },
            Figure { name: "si_snr_gained_db", value: gained / weight, weight },
        ])
    }
}
