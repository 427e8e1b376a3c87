use std::path::PathBuf;
use std::sync::Arc;

use burn::nn::loss::BinaryCrossEntropyLossConfig;
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use rand_chacha::ChaCha8Rng;
use rejoinder_models::card::{Bundle, FINALITY_ROLE};
use rejoinder_models::turn::convolutional::FAMILY;

use super::corpus::Corpus;
use super::hearing::Hearing;
use super::moments::{Moment, MomentConfig, draw};
use super::recipe::{TurnData, TurnRecipe};
use crate::augment::Augmenter;
use crate::data::drawn::{self, STATISTICS_SEED, VALID_SEED};
use crate::data::statistics::BinStatistics;
use crate::import;
use crate::nets::turn::{TurnNet, TurnNetConfig};
use crate::random;
use crate::trainer::{Batches, Figure, Loss, Task};
use crate::{Error, Result};

/// Moments whose features set the normalisation.
const STATISTICS_MOMENTS: usize = 400;

/// The net of turn ends and its data.
pub struct TurnTask {
    net: TurnNetConfig,
    batch: usize,
    train: Arc<Examples>,
    valid: Arc<Examples>,
    statistics: BinStatistics,
}

/// From moments to what the net takes. Immutable, shared by the loader's threads.
struct Examples {
    corpus: Corpus,
    moments: MomentConfig,
    hearing: Arc<Hearing>,
    frames: usize,
    augmenter: Option<Augmenter>,
}

/// Moments as the net sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TurnBatch {
    /// Features, shape (moment, frame, bin), row by row.
    pub features: Vec<f32>,
    /// Whether the turn is over at each moment.
    pub over: Vec<bool>,
}

impl Examples {
    fn open(
        recipe: &TurnRecipe,
        folders: &[PathBuf],
        augmenter: Option<Augmenter>,
        hearing: Arc<Hearing>,
    ) -> Result<Arc<Self>> {
        let TurnNetConfig { frames, stack, .. } = recipe.net;
        if stack == 0 || frames == 0 || !frames.is_multiple_of(stack) {
            let reason = format!("expected a multiple of net.stack, above zero, found {frames} and {stack}");
            return Err(Error::config("net.frames", reason));
        }
        let TurnData { manifest, least_s, .. } = &recipe.data;
        let corpus = Corpus::open(folders, manifest, &recipe.listener()?, *least_s, 0)?;
        Ok(Arc::new(Self { corpus, moments: recipe.moments.clone(), hearing, frames, augmenter }))
    }

    fn to_validate(recipe: &TurnRecipe, hearing: Arc<Hearing>) -> Result<Arc<Self>> {
        Self::open(recipe, std::slice::from_ref(&recipe.data.valid), None, hearing)
    }

    /// The features of one moment. Shape: (frame, bin), row by row.
    fn features(&self, moment: &Moment, rng: &mut ChaCha8Rng) -> Result<Vec<f32>> {
        let recording = self.corpus.reader()?.read(&self.corpus.turns()[moment.turn].sound)?;
        let moment = moment.clone().between_words(&recording, &self.moments, rng);
        let look = moment.look(&self.moments, rng);
        let silence = Moment::silence(&self.moments, rng);
        let mut sound = moment.sound(&recording, look, silence);
        let window = self.hearing.window(self.frames);
        // Speed changes the length, so that more is kept than the window takes.
        sound.drain(..sound.len().saturating_sub(2 * window));
        if let Some(augmenter) = &self.augmenter {
            augmenter.waveform(&mut sound, rng);
        }
        self.hearing.hear(&sound, self.frames)
    }

    /// The batches of one epoch but the first `done`.
    fn batches(
        self: &Arc<Self>,
        size: usize,
        seed: u64,
        done: usize,
    ) -> impl Iterator<Item = Result<TurnBatch>> + Send + use<> {
        let examples = self.clone();
        let moments = draw(self.corpus.turns(), &self.moments, seed);
        let example =
            move |moment: &Moment, rng: &mut ChaCha8Rng| Ok((examples.features(moment, rng)?, moment.is_over()));
        let generator = move |at: usize| random::generator(&[seed, at as u64]);
        drawn::batches(moments, size, done, generator, example)
    }
}

impl FromIterator<(Vec<f32>, bool)> for TurnBatch {
    fn from_iter<I: IntoIterator<Item = (Vec<f32>, bool)>>(examples: I) -> Self {
        let mut batch = Self::default();
        for (features, over) in examples {
            batch.features.extend(features);
            batch.over.push(over);
        }
        batch
    }
}

impl TurnTask {
    pub(super) fn new(recipe: &TurnRecipe) -> Result<Self> {
        let hearing = Arc::new(Hearing::open(recipe)?);
        let valid = Examples::to_validate(recipe, hearing.clone())?;
        let train = Examples::open(recipe, &recipe.data.train, Some(recipe.augmenter()?), hearing)?;
        let turns = train.corpus.turns();
        let pauses: usize = turns.iter().map(|turn| turn.speech.len() - 1).sum();
        let to_validate = valid.corpus.turns().len();
        tracing::info!("{} turns with {pauses} pauses to train on, {to_validate} to validate", turns.len());
        let measured = train.batches(recipe.batch, STATISTICS_SEED, 0).map(|batch| Ok(batch?.features));
        let some = STATISTICS_MOMENTS.div_ceil(recipe.batch.max(1));
        let statistics = BinStatistics::of(recipe.net.bins, measured.take(some))?;
        Ok(Self { net: recipe.net.clone(), batch: recipe.batch, train, valid, statistics })
    }

    /// Some moments of the validation turns, as the net sees them.
    pub(super) fn examples(recipe: &TurnRecipe) -> Result<TurnBatch> {
        let valid = Examples::to_validate(recipe, Arc::new(Hearing::open(recipe)?))?;
        valid.batches(recipe.batch, VALID_SEED, 0).next().unwrap_or_else(|| Ok(TurnBatch::default()))
    }

    fn log_odds(&self, net: &TurnNet, batch: &TurnBatch, device: &Device) -> Tensor<1> {
        let shape = [batch.over.len(), self.net.frames, self.net.bins];
        net.forward(Tensor::from_data(TensorData::new(batch.features.clone(), shape), device))
    }
}

fn loss(log_odds: Tensor<1>, over: &[bool], device: &Device) -> Tensor<1> {
    let targets: Vec<i64> = over.iter().map(|over| i64::from(*over)).collect();
    let targets = Tensor::<1, Int>::from_data(TensorData::new(targets, [over.len()]), device);
    BinaryCrossEntropyLossConfig::new().with_logits(true).init(device).forward(log_odds, targets)
}

impl Task for TurnTask {
    type Net = TurnNet;
    type Batch = TurnBatch;

    fn net(&self, device: &Device) -> TurnNet {
        self.net.init(device).with_statistics(&self.statistics.mean, &self.statistics.deviation)
    }

    fn weights_in(&self, bundle: &Bundle) -> Result<Vec<(&'static str, &'static str)>> {
        match self.train.hearing.as_ref() {
            Hearing::Fbank(fbank) => import::single_file(bundle, FAMILY, fbank.config()),
            Hearing::States(_) if bundle.has(FINALITY_ROLE) => Ok(vec![(FINALITY_ROLE, "")]),
            Hearing::States(_) => {
                let reason = format!("expected a recogniser with a file for {FINALITY_ROLE} to begin with, found none");
                Err(Error::config(bundle.root().display().to_string(), reason))
            }
        }
    }

    fn seconds(&self, batch: &TurnBatch) -> f64 {
        self.train.hearing.seconds(batch.features.len() / self.net.bins)
    }

    fn train_batches(&self, epoch: usize, seed: u64, done: usize) -> Result<Batches<TurnBatch>> {
        Ok(Box::new(self.train.batches(self.batch, drawn::epoch_seed(seed, epoch), done)))
    }

    fn valid_batches(&self) -> Result<Batches<TurnBatch>> {
        Ok(Box::new(self.valid.batches(self.batch, VALID_SEED, 0)))
    }

    fn loss(&self, net: &TurnNet, batch: TurnBatch, _step: usize, device: &Device) -> Result<Loss> {
        let total = loss(self.log_odds(net, &batch, device), &batch.over, device);
        let value = f64::from(total.clone().into_scalar::<f32>());
        Ok(Loss { total, parts: vec![("loss", value)] })
    }

    fn evaluate(&self, net: &TurnNet, batch: TurnBatch, device: &Device) -> Result<Vec<Figure>> {
        let log_odds = self.log_odds(net, &batch, device);
        let value = f64::from(loss(log_odds.clone(), &batch.over, device).into_scalar::<f32>());
        let said: Vec<f32> = activation::sigmoid(log_odds).into_data().iter::<f32>().collect();
        let share = |over: bool| {
            let asked: Vec<_> = said.iter().zip(&batch.over).filter(|(_, truth)| **truth == over).collect();
            let right = asked.iter().filter(|(said, _)| (**said >= 0.5) == over).count();
            (right as f64 / asked.len().max(1) as f64, asked.len() as f64)
        };
        let ((ends, of_ends), (pauses, of_pauses)) = (share(true), share(false));
        Ok(vec![
            Figure { name: "loss", value, weight: said.len() as f64 },
            Figure { name: "ends", value: ends, weight: of_ends },
            Figure { name: "pauses", value: pauses, weight: of_pauses },
        ])
    }
}
