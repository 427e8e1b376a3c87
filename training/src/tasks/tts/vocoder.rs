use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rejoinder_models::tts::source_filter::{SourceFilterConfig, frame_spectra};

use super::corpus::{Corpus, Utterance};
use super::mel::MelConfig;
use crate::Result;
use crate::losses::spectral::{Renderer, SpectralDistance};
use crate::nets::tts::{Vocoder, VocoderConfig};
use crate::trainer::{Batches, Figure, Loss, Task};

/// The logarithm of the level of unit pulses at 200 Hz over that of their mean magnitude under a Hann window of 1200
/// samples at 24 kHz, scaled as [`MelConfig`] scales it; and the same of unit noise.
const HARMONIC_LEVEL: f32 = 3.3;
const NOISE_LEVEL: f32 = 2.8;
/// How much weaker the noise of a voiced frame is, as a logarithm.
const VOICED_NOISE: f32 = 2.0;

/// Trains the vocoder's filter net on a corpus.
#[derive(Debug)]
pub struct VocoderTask {
    corpus: Arc<Corpus>,
    geometry: SourceFilterConfig,
    net: VocoderConfig,
    segments: usize,
    segment_frames: usize,
    batches: usize,
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
        let distance = SpectralDistance::new(&[1200, 512, 192], device);
        Self { renderer: Renderer::new(geometry, device), distance }
    }
}

/// Segments of recordings: rows are segments.
#[derive(Clone, Debug)]
pub struct VocoderBatch {
    size: usize,
    frames: usize,
    inputs: Vec<f32>,
    sources: Vec<f32>,
    sound: Vec<f32>,
}

impl VocoderTask {
    /// `segments` of `segment_frames` a batch, `batches` an epoch. The matrices of the loss lie on `device`, which
    /// is without gradients.
    pub fn new(
        corpus: Arc<Corpus>,
        geometry: &SourceFilterConfig,
        net: VocoderConfig,
        [segments, segment_frames, batches]: [usize; 3],
        device: &Device,
    ) -> Self {
        Self {
            corpus,
            geometry: geometry.clone(),
            net,
            segments,
            segment_frames,
            batches,
            training: Rig::new(geometry, &device.clone().autodiff()),
            validation: Rig::new(geometry, device),
        }
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

    /// Segments, each from a random place of a random utterance.
    fn random(&self, held_out: bool, count: usize, seed: u64) -> Batches<VocoderBatch> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (corpus, geometry) = (Arc::clone(&self.corpus), self.geometry.clone());
        let (size, frames) = (self.segments, self.segment_frames);
        let fits = |u: &Utterance| u.prepared.held_out == held_out && u.frames() > frames + 1;
        let chosen: Vec<usize> = (0..corpus.utterances.len()).filter(|&i| fits(&corpus.utterances[i])).collect();
        let count = if chosen.is_empty() { 0 } else { count };
        Box::new((0..count).map(move |_| -> Result<VocoderBatch> {
            let mut batch = VocoderBatch { size, frames, inputs: vec![], sources: vec![], sound: vec![] };
            for _ in 0..size {
                let utterance = &corpus.utterances[chosen[rng.random_range(0..chosen.len())]];
                let start = rng.random_range(0..utterance.frames() - frames);
                batch.add(utterance, start, &corpus, &geometry, rng.random())?;
            }
            Ok(batch)
        }))
    }

    fn distances(&self, rig: &Rig, net: &Vocoder, batch: VocoderBatch, device: &Device) -> (Tensor<1>, Tensor<1>) {
        let (b, t, hop) = (batch.size, batch.frames, self.geometry.hop);
        let cube = |values: Vec<f32>| {
            let width = values.len() / (b * t);
            Tensor::<3>::from_data(TensorData::new(values, [b, t, width]), device)
        };
        let cepstra = net.forward(cube(batch.inputs));
        let rendered = rig.renderer.forward(cepstra, cube(batch.sources));
        let sound = Tensor::<2>::from_data(TensorData::new(batch.sound, [b, (t - 1) * hop]), device);
        let inner = [0..b, self.geometry.fft - hop..(t - 1) * hop];
        rig.distance.forward(rendered.slice(inner.clone()), sound.slice(inner))
    }
}

impl VocoderBatch {
    fn add(
        &mut self,
        utterance: &Utterance,
        start: usize,
        corpus: &Corpus,
        geometry: &SourceFilterConfig,
        seed: u64,
    ) -> Result<()> {
        let inputs = utterance.frame_inputs(&corpus.statistics);
        let width = inputs.len() / utterance.frames();
        self.inputs.extend_from_slice(&inputs[start * width..(start + self.frames) * width]);
        let pitch = &utterance.pitch[start..start + self.frames];
        self.sources.extend(frame_spectra(geometry, pitch, seed >> 1)?);
        let hop = geometry.hop;
        let sound = start * hop..(start + self.frames - 1) * hop;
        self.sound.extend(sound.map(|i| utterance.samples.get(i).copied().unwrap_or(0.0)));
        Ok(())
    }
}

impl Task for VocoderTask {
    type Net = Vocoder;
    type Batch = VocoderBatch;

    fn net(&self, device: &Device) -> Vocoder {
        let (weight, bias) = self.direct();
        let rows = weight.len() / bias.len();
        let weight = Tensor::from_data(TensorData::new(weight, [rows, bias.len()]), device);
        self.net.init(device).with_direct(weight, Tensor::from_floats(bias.as_slice(), device))
    }

    fn train_batches(&self, epoch: usize, seed: u64) -> Result<Batches<VocoderBatch>> {
        Ok(self.random(false, self.batches, seed.wrapping_add(epoch as u64)))
    }

    fn valid_batches(&self) -> Result<Batches<VocoderBatch>> {
        Ok(self.random(true, 4, 7))
    }

    fn loss(&self, net: &Vocoder, batch: VocoderBatch, step: usize, device: &Device) -> Result<Loss> {
        let (total, log) = self.distances(&self.training, net, batch, device);
        let shown = |x: &Tensor<1>| f64::from(x.clone().into_scalar::<f32>());
        let parts =
            if step.is_multiple_of(10) { vec![("loss", shown(&total)), ("log", shown(&log))] } else { Vec::new() };
        Ok(Loss { total, parts })
    }

    fn evaluate(&self, net: &Vocoder, batch: VocoderBatch, device: &Device) -> Result<Vec<Figure>> {
        let weight = batch.size as f64;
        let (total, log) = self.distances(&self.validation, net, batch, device);
        let figure = |name, x: Tensor<1>| Figure { name, value: f64::from(x.into_scalar::<f32>()), weight };
        Ok(vec![figure("loss", total), figure("log", log)])
    }
}
