use std::sync::Arc;

use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rejoinder_models::card::Bundle;
use rejoinder_models::tts::phones;
use rejoinder_models::tts::rejoinder::FAMILY;

use super::acoustic_batch::AcousticBatch;
use super::corpus::{Corpus, Utterance};
use super::vocoder::{Adversary, JUDGE_SCALE};
use crate::Result;
use crate::data::drawn;
use crate::import::check_family;
use crate::nets::tts::{Acoustic, AcousticConfig, DiscriminatorConfig, JudgedAcoustic, play};
use crate::trainer::{Batches, Figure, Loss, Metric, Task};

pub use rejoinder_models::tts::rejoinder::{expansion, positions};

/// Predicted and real mel bands of the same frames, normalised, `[frames, bands]`.
#[derive(Clone, Debug, Default)]
pub struct Bands {
    /// What the model predicts, given the real durations and pitch.
    pub predicted: Vec<f32>,
    /// What was recorded.
    pub real: Vec<f32>,
}

/// How far durations and pitch of the held-out utterances are from the recordings, the pitch given the real durations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prosody {
    /// The mean difference of a phone's duration, in frames.
    pub duration_frames: f64,
    /// The root mean square difference of the normalised log pitch, over voiced frames.
    pub pitch: f64,
    /// The share of frames whose voicing is wrong.
    pub wrong_voicing: f64,
}

/// Trains the acoustic model on a corpus.
#[derive(Clone, Debug)]
pub struct AcousticTask {
    /// The corpus.
    pub corpus: Arc<Corpus>,
    /// The net.
    pub net: AcousticConfig,
    /// Frames in a batch, about.
    pub batch_frames: usize,
    /// Seconds from one frame to the next.
    pub frame_s: f64,
    /// The judge of the mel bands.
    pub adversary: Adversary,
}

/// An acoustic model with a fresh judge.
pub(super) fn judged(net: &AcousticConfig, device: &Device) -> JudgedAcoustic {
    JudgedAcoustic { net: net.init(device), judges: vec![DiscriminatorConfig::new(net.mels).init(device)] }
}

const NAMES: [&str; 5] = ["mel", "contour", "voicing", "duration", "pitch"];
const WEIGHTS: [f64; 5] = [1.0, 0.3, 0.2, 0.3, 0.1];

impl AcousticTask {
    fn select(&self, held_out: bool) -> Vec<usize> {
        let chosen = |i: &usize| self.corpus.utterances[*i].prepared.held_out == held_out;
        (0..self.corpus.utterances.len()).filter(chosen).collect()
    }

    /// The mel bands of at most `limit` utterances, held-out ones or others.
    ///
    /// # Errors
    /// None in practice: those of the batches.
    pub fn bands(&self, net: &Acoustic, held_out: bool, limit: usize, device: &Device) -> Result<Bands> {
        let mut chosen = self.select(held_out);
        chosen.truncate(limit);
        let mut bands = Bands::default();
        for batch in self.batches(chosen, None, 0) {
            let batch = batch?;
            let mask = batch.frame_mask.clone();
            let tensors = batch.run(net, device);
            let [b, t, width] = tensors.target.dims();
            let mels = |x: Tensor<3>| x.slice([0..b, 0..t, 0..width - 2]).into_data().iter::<f32>().collect::<Vec<_>>();
            let (predicted, real) = (mels(tensors.frames), mels(tensors.target));
            let rows = predicted.chunks(width - 2).zip(real.chunks(width - 2)).zip(mask);
            for ((p, r), _) in rows.filter(|(_, there)| *there > 0.5) {
                bands.predicted.extend_from_slice(p);
                bands.real.extend_from_slice(r);
            }
        }
        Ok(bands)
    }

    /// The prosody of the held-out utterances.
    ///
    /// # Errors
    /// None in practice: those of the batches.
    pub fn prosody(&self, net: &Acoustic, device: &Device) -> Result<Prosody> {
        let (mut tokens, mut frames, mut voiced) = (0.0, 0.0, 0.0);
        let mut sum = Prosody::default();
        for batch in self.batches(self.select(true), None, 0) {
            let batch = batch?;
            let (token, real, mask) = (batch.token.clone(), batch.duration.clone(), batch.frame_mask.clone());
            let tensors = batch.run(net, device);
            let read = |x: Tensor<2>| x.into_data().iter::<f32>().collect::<Vec<_>>();
            let phones = token.iter().zip(read(tensors.encoded.duration)).zip(real);
            for ((_, made), real) in phones.filter(|((token, _), _)| phones::is_phone(**token as u8)) {
                tokens += 1.0;
                sum.duration_frames += f64::from((made.exp() - real.exp()).abs());
            }
            let width = tensors.target.dims()[2];
            let flat = |x: Tensor<3>| x.into_data().iter::<f32>().collect::<Vec<_>>();
            let (made, real) = (flat(tensors.frames), flat(tensors.target));
            let rows = made.chunks(width).zip(real.chunks(width)).zip(mask);
            for ((made, real), _) in rows.filter(|(_, there)| *there > 0.5) {
                let is_voiced = real[width - 1] > 0.5;
                frames += 1.0;
                sum.wrong_voicing += f64::from(u8::from((made[width - 1] > 0.0) != is_voiced));
                if is_voiced {
                    voiced += 1.0;
                    sum.pitch += f64::from(made[width - 2] - real[width - 2]).powi(2);
                }
            }
        }
        let mean = |sum: f64, n: f64| sum / f64::max(n, 1.0);
        Ok(Prosody {
            duration_frames: mean(sum.duration_frames, tokens),
            pitch: mean(sum.pitch, voiced).sqrt(),
            wrong_voicing: mean(sum.wrong_voicing, frames),
        })
    }

    /// Batches of utterances of similar length.
    fn batches(&self, mut chosen: Vec<usize>, rng: Option<ChaCha8Rng>, done: usize) -> Batches<AcousticBatch> {
        let mut rng = rng;
        let length = |i: usize| self.corpus.utterances[i].frames();
        let mut noise: Vec<usize> = vec![0; self.corpus.utterances.len()];
        if let Some(rng) = &mut rng {
            noise.iter_mut().for_each(|n| *n = rng.random_range(0..40));
        }
        chosen.sort_by_key(|&i| length(i) + noise[i]);
        let mut groups: Vec<Vec<usize>> = vec![Vec::new()];
        for i in chosen {
            let last = groups.last().map_or(0, Vec::len);
            if last > 0 && (last + 1) * length(i) > self.batch_frames {
                groups.push(Vec::new());
            }
            if let Some(group) = groups.last_mut() {
                group.push(i);
            }
        }
        groups.retain(|group| !group.is_empty());
        if let Some(rng) = &mut rng {
            groups.shuffle(rng);
        }
        let corpus = Arc::clone(&self.corpus);
        Box::new(groups.into_iter().skip(done).map(move |group| -> Result<AcousticBatch> {
            let utterances: Vec<&Utterance> = group.iter().map(|&i| &corpus.utterances[i]).collect();
            Ok(AcousticBatch::new(&utterances, &corpus))
        }))
    }
}

impl Task for AcousticTask {
    type Net = JudgedAcoustic;
    type Batch = AcousticBatch;

    fn net(&self, device: &Device) -> JudgedAcoustic {
        judged(&self.net, device)
    }

    fn weights_in(&self, bundle: &Bundle) -> Result<Vec<(&'static str, &'static str)>> {
        check_family(bundle, FAMILY)?;
        Ok(vec![("encoder", "net.encoder"), ("decoder", "net.decoder")])
    }

    fn heads(&self) -> &'static [&'static str] {
        &["judges"]
    }

    fn metric(&self) -> Metric {
        Metric::lowest("mel")
    }

    fn seconds(&self, batch: &AcousticBatch) -> f64 {
        batch.frame_mask.iter().map(|inside| f64::from(*inside)).sum::<f64>() * self.frame_s
    }

    fn train_batches(&self, epoch: usize, seed: u64, done: usize) -> Result<Batches<AcousticBatch>> {
        let rng = ChaCha8Rng::seed_from_u64(drawn::epoch_seed(seed, epoch));
        Ok(self.batches(self.select(false), Some(rng), done))
    }

    fn valid_batches(&self) -> Result<Batches<AcousticBatch>> {
        Ok(self.batches(self.select(true), None, 0))
    }

    fn loss(&self, net: &JudgedAcoustic, batch: AcousticBatch, step: usize, device: &Device) -> Result<Loss> {
        let tensors = batch.run(&net.net, device);
        let mels = self.adversary.plays(step).then(|| tensors.mels());
        let losses = tensors.losses();
        let mut shown: Vec<(&'static str, Tensor<1>)> = NAMES.into_iter().zip(losses.clone()).collect();
        let weighted = losses.into_iter().zip(WEIGHTS).map(|(loss, weight)| loss.mul_scalar(weight));
        let mut total = weighted.reduce(|a, b| a + b).unwrap_or_else(|| Tensor::zeros([1], device));
        if let Some([made, real]) = mels {
            let game = play(&net.judges, &[made], &[real]);
            shown.extend([("maker", game.maker.clone()), ("judge", game.judge.clone())]);
            total = total + game.maker.mul_scalar(self.adversary.weight) + game.judge.mul_scalar(JUDGE_SCALE);
        }
        let read = |(name, x): (&'static str, Tensor<1>)| (name, f64::from(x.into_scalar::<f32>()));
        let parts = if step.is_multiple_of(10) { shown.into_iter().map(read).collect() } else { Vec::new() };
        Ok(Loss { total, parts })
    }

    fn evaluate(&self, net: &JudgedAcoustic, batch: AcousticBatch, device: &Device) -> Result<Vec<Figure>> {
        let weight = batch.frame_mask.iter().map(|m| f64::from(*m)).sum();
        let tensors = batch.run(&net.net, device);
        let [b, t, width] = tensors.target.dims();
        let part = |x: &Tensor<3>| x.clone().slice([0..b, 0..t, width - 1..width]);
        let wrong = (sigmoid(part(&tensors.frames)).round() - part(&tensors.target)).abs() * tensors.frame_mask.clone();
        let wrong = f64::from(wrong.sum().into_scalar::<f32>()) / weight;
        let losses = tensors.losses().map(|l| f64::from(l.into_scalar::<f32>()));
        let figure = |(name, value)| Figure { name, value, weight };
        Ok(NAMES.into_iter().zip(losses).chain([("voicing_error", wrong)]).map(figure).collect())
    }
}
