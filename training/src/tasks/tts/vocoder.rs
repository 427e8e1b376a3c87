use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rejoinder_models::card::Bundle;
use rejoinder_models::tts::rejoinder::{FAMILY, VoiceSettings};
use rejoinder_models::tts::source_filter::{SourceFilterConfig, sources};

use super::corpus::{Corpus, Utterance};
use super::mel::MelConfig;
use crate::data::drawn;
use crate::import::check_family;
use crate::losses::spectral::{Comparison, Renderer, SpectralDistance};
use crate::nets::tts::{DiscriminatorConfig, JUDGED_FRAMES, JudgedVocoder, Vocoder, VocoderConfig, play};
use crate::trainer::{Batches, Figure, Loss, Task};
use crate::{Error, Result};

/// The logarithm of the level of unit pulses at 200 Hz over that of their mean magnitude under a Hann window of 1200
/// samples at 24 kHz, scaled as [`MelConfig`] scales it; and the same of unit noise.
const HARMONIC_LEVEL: f32 = 3.3;
const NOISE_LEVEL: f32 = 2.8;
/// How much weaker the noise of a voiced frame is, as a logarithm.
const VOICED_NOISE: f32 = 2.0;

/// The windows whose spectra are compared.
const WINDOWS: [usize; 3] = [1200, 512, 192];

/// How much the judges count, and from which step on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Adversary {
    /// The weight of persuading the judges, 0 for no judges.
    pub weight: f64,
    /// The step at which they begin.
    pub from: usize,
}

impl Adversary {
    pub(super) fn plays(&self, step: usize) -> bool {
        self.weight > 0.0 && step >= self.from
    }
}

/// Trains the vocoder's filter net on a corpus.
#[derive(Debug)]
pub struct VocoderTask {
    corpus: Arc<Corpus>,
    geometry: SourceFilterConfig,
    net: VocoderConfig,
    segments: usize,
    segment_frames: usize,
    batches: usize,
    adversary: Adversary,
    training: Rig,
    validation: Rig,
}

#[derive(Debug)]
struct Rig {
    renderer: Renderer,
    distance: SpectralDistance,
}

impl Rig {
    fn new(geometry: &SourceFilterConfig, device: &Device) -> Self {
        let distance = SpectralDistance::new(&WINDOWS, device);
        Self { renderer: Renderer::new(geometry, device), distance }
    }
}

/// Segments of recordings: rows are segments.
#[derive(Clone, Debug)]
pub struct VocoderBatch {
    size: usize,
    frames: usize,
    inputs: Vec<f32>,
    pulses: Vec<f32>,
    noise: Vec<f32>,
    sound: Vec<f32>,
}

impl VocoderTask {
    /// `segments` of `segment_frames` a batch, `batches` an epoch. The matrices of the loss lie on `device`, which
    /// is without gradients.
    ///
    /// # Errors
    /// Segments that are too short for the judges, where they play.
    pub fn new(
        corpus: Arc<Corpus>,
        geometry: &SourceFilterConfig,
        net: VocoderConfig,
        [segments, segment_frames, batches]: [usize; 3],
        adversary: Adversary,
        device: &Device,
    ) -> Result<Self> {
        let hop = WINDOWS[0] / 4;
        let least = ((JUDGED_FRAMES + 3) * hop).div_ceil(geometry.hop) + 1;
        if adversary.weight > 0.0 && segment_frames < least {
            let wanted = format!("expected at least {least}, of which the judges see enough, found {segment_frames}");
            return Err(Error::config("vocoder.segment_frames", wanted));
        }
        Ok(Self {
            corpus,
            geometry: geometry.clone(),
            net,
            segments,
            segment_frames,
            batches,
            adversary,
            training: Rig::new(geometry, &device.clone().autodiff()),
            validation: Rig::new(geometry, device),
        })
    }

    /// The cepstra of the spectral envelope that the mel bands show, as a linear map of the net's inputs: `[inputs,
    /// outputs]` and `[outputs]`. Voiced frames get [`VOICED_NOISE`] less noise.
    fn direct(&self) -> (Vec<f32>, Vec<f32>) {
        let statistics = &self.corpus.statistics;
        let bands = statistics.mel_mean.len();
        let geometry = &self.geometry;
        let mel = MelConfig { rate_hz: geometry.rate_hz, window: 4 * geometry.hop, hop: geometry.hop, bands };
        let (bins, weights) = mel.interpolation();
        let top = (bins.len() - 1) as f32;
        let orders = [(geometry.harmonic_order, HARMONIC_LEVEL), (geometry.noise_order, NOISE_LEVEL)];
        let outputs = geometry.width();
        let mut weight = vec![0.0; (bands + 2) * outputs];
        let mut bias = vec![0.0; outputs];
        let mut column = 0;
        for (order, level) in orders {
            for n in 0..order {
                let scale = if n == 0 { 1.0 } else { 2.0 } / top;
                for (k, shares) in bins.iter().enumerate() {
                    let edge = if k == 0 || k + 1 == bins.len() { 0.5 } else { 1.0 };
                    let part = edge * scale * (std::f32::consts::PI * n as f32 * k as f32 / top).cos();
                    for &(band, share) in shares {
                        weight[band * outputs + column] += part * share * statistics.mel_scale[band];
                        bias[column] += part * share * (statistics.mel_mean[band] - weights[band]);
                    }
                    bias[column] += part * level;
                }
                column += 1;
            }
        }
        weight[(bands + 1) * outputs + geometry.harmonic_order] = -VOICED_NOISE;
        (weight, bias)
    }

    /// Segments, each from a random place of a random utterance; the first `done` of `count` batches are drawn and not made.
    fn random(&self, held_out: bool, count: usize, seed: u64, done: usize) -> Batches<VocoderBatch> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (corpus, geometry) = (Arc::clone(&self.corpus), self.geometry.clone());
        let (size, frames) = (self.segments, self.segment_frames);
        let fits = |u: &Utterance| u.prepared.held_out == held_out && u.frames() > frames + 1;
        let chosen: Vec<usize> = (0..corpus.utterances.len()).filter(|&i| fits(&corpus.utterances[i])).collect();
        let count = if chosen.is_empty() { 0 } else { count };
        let all = corpus.clone();
        let draws = (0..count).map(move |_| -> Vec<(usize, usize, u64)> {
            let draw = |_| {
                let at = chosen[rng.random_range(0..chosen.len())];
                let start = rng.random_range(0..all.utterances[at].frames() - frames);
                (at, start, rng.random())
            };
            (0..size).map(draw).collect()
        });
        Box::new(draws.skip(done).map(move |draws| -> Result<VocoderBatch> {
            let one =
                |(at, start, seed)| VocoderBatch::one(&corpus.utterances[at], start, frames, &corpus, &geometry, seed);
            let segments: Vec<VocoderBatch> = draws.into_par_iter().map(one).collect();
            Ok(VocoderBatch::of(segments))
        }))
    }

    fn distances(&self, rig: &Rig, net: &Vocoder, batch: VocoderBatch, device: &Device) -> Comparison {
        let (b, t, hop) = (batch.size, batch.frames, self.geometry.hop);
        let rows = |values: Vec<f32>| {
            let width = values.len() / b;
            Tensor::<2>::from_data(TensorData::new(values, [b, width]), device)
        };
        let width = batch.inputs.len() / (b * t);
        let cepstra = net.forward(rows(batch.inputs).reshape([b, t, width]));
        let rendered = rig.renderer.forward(cepstra, rows(batch.pulses), rows(batch.noise));
        let sound = rows(batch.sound);
        let inner = [0..b, self.geometry.fft - hop..(t - 1) * hop];
        rig.distance.forward(rendered.slice(inner.clone()), sound.slice(inner))
    }
}

impl VocoderBatch {
    /// One segment.
    fn one(
        utterance: &Utterance,
        start: usize,
        frames: usize,
        corpus: &Corpus,
        geometry: &SourceFilterConfig,
        seed: u64,
    ) -> Self {
        let inputs = utterance.frame_inputs(&corpus.statistics, start..start + frames);
        let (pulses, noise) = sources(geometry, &utterance.pitch[start..start + frames], seed >> 1);
        let sound = start * geometry.hop..(start + frames - 1) * geometry.hop;
        let sound = sound.map(|i| utterance.samples.get(i).copied().unwrap_or(0.0)).collect();
        Self { size: 1, frames, inputs, pulses, noise, sound }
    }

    /// Segments of equal length, one after the other.
    fn of(segments: Vec<Self>) -> Self {
        let join = |part: fn(&Self) -> &Vec<f32>| segments.iter().flat_map(part).copied().collect();
        Self {
            size: segments.len(),
            frames: segments.first().map_or(0, |s| s.frames),
            inputs: join(|s| &s.inputs),
            pulses: join(|s| &s.pulses),
            noise: join(|s| &s.noise),
            sound: join(|s| &s.sound),
        }
    }
}

impl Task for VocoderTask {
    type Net = JudgedVocoder;
    type Batch = VocoderBatch;

    fn net(&self, device: &Device) -> JudgedVocoder {
        let (weight, bias) = self.direct();
        let rows = weight.len() / bias.len();
        let weight = Tensor::from_data(TensorData::new(weight, [rows, bias.len()]), device);
        let fresh = judged(self.net.init(device), device);
        JudgedVocoder { net: fresh.net.with_direct(weight, Tensor::from_floats(bias.as_slice(), device)), ..fresh }
    }

    fn weights_in(&self, bundle: &Bundle) -> Result<Vec<(&'static str, &'static str)>> {
        check_family(bundle, FAMILY)?;
        let theirs: VoiceSettings = bundle.card().params(bundle.root())?;
        if theirs.geometry != self.geometry {
            let reason = format!("expected that of {}, {:?}", bundle.root().display(), theirs.geometry);
            return Err(Error::config("[voice.geometry]", reason));
        }
        Ok(vec![("vocoder", "net")])
    }

    fn heads(&self) -> &'static [&'static str] {
        &["judges"]
    }

    fn seconds(&self, batch: &VocoderBatch) -> f64 {
        batch.sound.len() as f64 / f64::from(self.geometry.rate_hz)
    }

    fn train_batches(&self, epoch: usize, seed: u64, done: usize) -> Result<Batches<VocoderBatch>> {
        Ok(self.random(false, self.batches, drawn::epoch_seed(seed, epoch), done))
    }

    fn valid_batches(&self) -> Result<Batches<VocoderBatch>> {
        Ok(self.random(true, 4, 7, 0))
    }

    fn loss(&self, net: &JudgedVocoder, batch: VocoderBatch, step: usize, device: &Device) -> Result<Loss> {
        let found = self.distances(&self.training, &net.net, batch, device);
        let mut shown = vec![("loss", found.total.clone()), ("log", found.log)];
        let mut total = found.total;
        if self.adversary.plays(step) {
            let even = |logs: &[Tensor<3>]| logs.iter().map(|x| x.clone().add_scalar(2.0).mul_scalar(0.5)).collect();
            let (made, real): (Vec<_>, Vec<_>) = (even(&found.sounds), even(&found.targets));
            let game = play(&net.judges, &made, &real);
            shown.extend([("maker", game.maker.clone()), ("judge", game.judge.clone())]);
            total = total + game.maker.mul_scalar(self.adversary.weight) + game.judge.mul_scalar(JUDGE_SCALE);
        }
        let read = |(name, x): (&'static str, Tensor<1>)| (name, f64::from(x.into_scalar::<f32>()));
        let parts = if step.is_multiple_of(10) { shown.into_iter().map(read).collect() } else { Vec::new() };
        Ok(Loss { total, parts })
    }

    fn evaluate(&self, net: &JudgedVocoder, batch: VocoderBatch, device: &Device) -> Result<Vec<Figure>> {
        let weight = batch.size as f64;
        let found = self.distances(&self.validation, &net.net, batch, device);
        let figure = |name, x: Tensor<1>| Figure { name, value: f64::from(x.into_scalar::<f32>()), weight };
        Ok(vec![figure("loss", found.total), figure("log", found.log)])
    }
}

/// Scales the judges' own loss down: the optimizer evens it out, but the clipping of gradients sees both sides.
pub(super) const JUDGE_SCALE: f64 = 0.1;

/// A vocoder with fresh judges.
pub(super) fn judged(net: Vocoder, device: &Device) -> JudgedVocoder {
    let judge = |window: &usize| DiscriminatorConfig::new(window / 2 + 1).init(device);
    JudgedVocoder { net, judges: WINDOWS.iter().map(judge).collect() }
}
