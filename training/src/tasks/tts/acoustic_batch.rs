use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rejoinder_models::tts::phones;
use rejoinder_models::tts::rejoinder::{expansion, positions};

use super::corpus::{Corpus, Utterance};
use crate::nets::tts::{Acoustic, Encoded, POSITION_WIDTH};

/// Batches are as long as a multiple of this, so that kernels run on even sizes and meet few of them.
const LENGTHS: usize = 16;

/// Utterances of similar length, padded: rows are utterances.
#[derive(Clone, Debug)]
pub struct AcousticBatch {
    size: usize,
    tokens: usize,
    frames: usize,
    pub(super) token: Vec<i64>,
    place: Vec<i64>,
    token_mask: Vec<f32>,
    pub(super) duration: Vec<f32>,
    token_pitch: Vec<f32>,
    alignment: Vec<f32>,
    position: Vec<f32>,
    pub(super) frame_mask: Vec<f32>,
    target: Vec<f32>,
}

/// A batch on the device, with what the net makes of it.
pub(super) struct Tensors {
    token_mask: Tensor<3>,
    pub(super) frame_mask: Tensor<3>,
    pub(super) target: Tensor<3>,
    pub(super) encoded: Encoded,
    pub(super) frames: Tensor<3>,
    duration: Tensor<2>,
    pitch: Tensor<2>,
}

impl AcousticBatch {
    /// A batch of utterances.
    pub fn new(utterances: &[&Utterance], corpus: &Corpus) -> Self {
        let bands = corpus.statistics.mel_mean.len();
        let size = utterances.len();
        let tokens = utterances.iter().map(|u| u.prepared.tokens.len()).max().unwrap_or(0).next_multiple_of(LENGTHS);
        let frames = utterances.iter().map(|u| u.frames()).max().unwrap_or(0).next_multiple_of(LENGTHS);
        let mut batch = Self {
            size,
            tokens,
            frames,
            token: vec![0; size * tokens],
            place: vec![0; size * tokens],
            token_mask: vec![0.0; size * tokens],
            duration: vec![0.0; size * tokens],
            token_pitch: vec![0.0; size * tokens],
            alignment: vec![0.0; size * frames * tokens],
            position: vec![0.0; size * frames * POSITION_WIDTH],
            frame_mask: vec![0.0; size * frames],
            target: vec![0.0; size * frames * (bands + 2)],
        };
        for (row, utterance) in utterances.iter().enumerate() {
            batch.fill(row, utterance, corpus);
        }
        batch
    }

    fn fill(&mut self, row: usize, utterance: &Utterance, corpus: &Corpus) {
        let prepared = &utterance.prepared;
        let pitch = token_pitch(utterance, corpus);
        for (at, pitch) in pitch.iter().enumerate().take(prepared.tokens.len()) {
            let to = row * self.tokens + at;
            self.token[to] = i64::from(prepared.tokens[at]);
            self.place[to] = i64::from(prepared.places[at]);
            self.token_mask[to] = 1.0;
            self.duration[to] = (1.0 + prepared.durations[at] as f32).ln();
            self.token_pitch[to] = *pitch;
        }
        for (t, token) in expansion(&prepared.durations).into_iter().enumerate() {
            self.alignment[(row * self.frames + t) * self.tokens + token] = 1.0;
        }
        let first = row * self.frames;
        let position = positions(&prepared.durations);
        self.position[first * POSITION_WIDTH..][..position.len()].copy_from_slice(&position);
        self.frame_mask[first..first + utterance.frames()].fill(1.0);
        let target = utterance.frame_inputs(&corpus.statistics, 0..utterance.frames());
        let width = self.target.len() / (self.size * self.frames);
        self.target[first * width..][..target.len()].copy_from_slice(&target);
    }

    pub(super) fn run(self, net: &Acoustic, device: &Device) -> Tensors {
        let (b, l, t) = (self.size, self.tokens, self.frames);
        let width = self.target.len() / (b * t);
        let matrix = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [b, l]), device);
        let ids = |values: Vec<i64>| Tensor::<2, Int>::from_data(TensorData::new(values, [b, l]), device);
        let cube = |values: Vec<f32>, n, w| Tensor::<3>::from_data(TensorData::new(values, [b, n, w]), device);
        let token_mask = cube(self.token_mask, l, 1);
        let frame_mask = cube(self.frame_mask, t, 1);
        let pitch = matrix(self.token_pitch);
        let encoded = net.encoder.forward(ids(self.token), ids(self.place), Some(pitch.clone()), Some(&token_mask));
        let hidden = cube(self.alignment, t, l).matmul(encoded.hidden.clone());
        let frames = net.decoder.forward(hidden, cube(self.position, t, POSITION_WIDTH), Some(&frame_mask));
        let (duration, target) = (matrix(self.duration), cube(self.target, t, width));
        Tensors { token_mask, frame_mask, target, encoded, frames, duration, pitch }
    }
}

/// The mean normalised log pitch of each token's voiced frames, or of all its frames when none is voiced.
fn token_pitch(utterance: &Utterance, corpus: &Corpus) -> Vec<f32> {
    let mut start = 0;
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len().max(1) as f32;
    let durations = utterance.prepared.durations.iter().zip(&utterance.prepared.tokens);
    let of = |(&frames, &token): (&usize, &u8)| {
        let own = &utterance.pitch[start..start + frames];
        start += frames;
        let all: Vec<f32> = own.iter().map(|p| corpus.statistics.pitch(p.hz)).collect();
        let voiced: Vec<f32> =
            own.iter().zip(&all).filter(|(p, _)| p.voicing > 0.5).map(|(_, normalised)| *normalised).collect();
        match phones::is_phone(token) {
            true if !voiced.is_empty() => mean(&voiced),
            true => mean(&all),
            false => 0.0,
        }
    };
    durations.map(of).collect()
}

impl Tensors {
    /// Predicted and real mel bands, silence where there is no frame.
    pub(super) fn mels(&self) -> [Tensor<3>; 2] {
        let [b, t, width] = self.target.dims();
        [&self.frames, &self.target].map(|x| x.clone().slice([0..b, 0..t, 0..width - 2]) * self.frame_mask.clone())
    }

    /// The parts of the loss: mel, pitch contour, voicing, duration, token pitch.
    pub(super) fn losses(self) -> [Tensor<1>; 5] {
        let [b, t, width] = self.target.dims();
        let mels = width - 2;
        let part = |x: &Tensor<3>, from: usize, to: usize| x.clone().slice([0..b, 0..t, from..to]);
        let frames = self.frame_mask.clone().sum();
        let over_frames = |x: Tensor<3>| (x * self.frame_mask.clone()).sum() / frames.clone();
        let mel = part(&self.frames, 0, mels) - part(&self.target, 0, mels);
        let mel = over_frames(mel.abs()).div_scalar(mels as f64);
        let voiced = part(&self.target, width - 1, width);
        let contour = part(&self.frames, mels, mels + 1) - part(&self.target, mels, mels + 1);
        let contour = over_frames(contour.abs() * voiced.clone().mul_scalar(0.9).add_scalar(0.1));
        let logit = part(&self.frames, width - 1, width);
        let unvoiced = voiced.clone().neg().add_scalar(1.0);
        let voicing = voiced * log_sigmoid(logit.clone()) + unvoiced * log_sigmoid(logit.neg());
        let voicing = over_frames(voicing).neg();
        let [_, l, _] = self.token_mask.dims();
        let mask: Tensor<2> = self.token_mask.reshape([b, l]);
        let tokens = mask.clone().sum();
        let over_tokens = |x: Tensor<2>| (x * mask.clone()).sum() / tokens.clone();
        let duration = over_tokens((self.encoded.duration - self.duration).powi_scalar(2));
        let pitch = over_tokens((self.encoded.pitch - self.pitch).powi_scalar(2));
        [mel, contour, voicing, duration, pitch]
    }
}
