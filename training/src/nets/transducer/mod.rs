//! A Conformer transducer: the encoder, a prediction net over the tokens, and the joiner of both.
//!
//! Graves, "Sequence transduction with recurrent neural networks", 2012, with the joiner of Graves, Mohamed and Hinton,
//! "Speech recognition with deep recurrent neural networks", ICASSP 2013.

mod predictor;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::tanh;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::conformer::Conformer;
use crate::ops::{join, linear};
use predictor::Predictor;
pub use predictor::PredictorConfig;

/// The nets beside the encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JointConfig {
    /// The prediction net. Default: stateless, over two tokens.
    #[serde(default)]
    pub predictor: PredictorConfig,
    /// Its width.
    pub predictor_dim: usize,
    /// The width at which it meets the encoder.
    pub dim: usize,
    /// The share of the embedding that is dropped in training. Default: none.
    #[serde(default)]
    pub embedding_dropout: f64,
    /// The share of what the prediction net knows that is dropped in training. Default: none.
    #[serde(default)]
    pub dropout: f64,
}

impl JointConfig {
    /// A transducer of `encoder`, of width `dim`, with fresh weights beside it, for `vocabulary` tokens, the blank
    /// included.
    pub fn init(&self, encoder: Conformer, vocabulary: usize, device: &Device) -> Transducer {
        Transducer {
            encoder_out: LinearConfig::new(encoder.config().dim, self.dim).init(device),
            predictor: Predictor::new(self, vocabulary, device),
            joiner: LinearConfig::new(self.dim, vocabulary).init(device),
            encoder,
        }
    }
}

/// The net.
#[derive(Module, Debug)]
pub struct Transducer {
    encoder: Conformer,
    encoder_out: Linear,
    predictor: Predictor,
    joiner: Linear,
}

impl Transducer {
    /// The encoder.
    pub fn encoder(&self) -> &Conformer {
        &self.encoder
    }

    /// The tokens that the prediction net takes at a time.
    pub fn context(&self) -> usize {
        self.predictor.context()
    }

    /// The shapes of what the prediction net carries from token to token.
    pub fn states(&self) -> Vec<[usize; 2]> {
        self.predictor.states()
    }

    /// An encoder's frames as the joiner takes them: (batch, frames, dim) to (batch, frames, joint).
    pub fn encoder_out(&self, frames: Tensor<3>) -> Tensor<3> {
        linear(&self.encoder_out, frames)
    }

    /// One more token.
    ///
    /// # Shapes
    /// - `tokens`: (batch, context), the last ones, blanks before the first
    /// - `states`: as [`states`](Self::states), for a batch of 1
    /// - returns: (batch, joint) and the next states
    pub fn predict(&self, tokens: Tensor<2, Int>, states: Vec<Tensor<2>>) -> (Tensor<2>, Vec<Tensor<2>>) {
        self.predictor.step(tokens, states)
    }

    /// (batch, joint) and (batch, joint) to (batch, vocabulary), not normalised.
    pub fn join(&self, encoded: Tensor<2>, predicted: Tensor<2>) -> Tensor<2> {
        linear(&self.joiner, tanh(encoded + predicted))
    }

    /// What the joiner says of every frame after every number of tokens.
    ///
    /// # Shapes
    /// - `frames`: (batch, frames, dim)
    /// - returns: (batch, frames, most tokens + 1, vocabulary), not normalised
    pub fn logits(&self, frames: Tensor<3>, tokens: &[Vec<u32>]) -> Tensor<4> {
        let device = frames.device();
        let (context, longest) = (self.context(), tokens.iter().map(Vec::len).max().unwrap_or(0));
        let mut padded = vec![0_i64; tokens.len() * (context + longest)];
        for (row, tokens) in padded.chunks_exact_mut(context + longest).zip(tokens) {
            row[context..].iter_mut().zip(tokens).for_each(|(slot, token)| *slot = i64::from(*token));
        }
        let padded = TensorData::new(padded, [tokens.len(), context + longest]);
        let predicted = self.predictor.forward(Tensor::from_data(padded, &device)); // (batch, places, joint)
        let encoded = self.encoder_out(frames); // (batch, frames, joint)
        linear(&self.joiner, join(encoded, predicted)).cast(DType::F32)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;
    use crate::nets::conformer::ConformerConfig;

    fn encoder() -> ConformerConfig {
        let text = "bins = 8\ndim = 8\nlayers = 1\nheads = 2\nfeed_forward = 8\nkernel = 3\nchannels = 8\nchunk = 2\n\
                    left = 2\ndropout = 0.0";
        toml::from_str(text).unwrap()
    }

    #[test]
    fn one_token_after_the_other_gives_the_whole_lattice() {
        let device = Device::flex();
        device.seed(12);
        for predictor in [PredictorConfig::Stateless { context: 2 }, PredictorConfig::Lstm] {
            let config = JointConfig { predictor, predictor_dim: 6, dim: 5, embedding_dropout: 0.2, dropout: 0.1 };
            let net = config.init(encoder().init(7, 0, &device), 7, &device);
            let frames = Tensor::<3>::random([1, 4, 8], Distribution::Normal(0.0, 1.0), &device);
            let tokens = vec![3_u32, 1, 1, 6];
            let whole = net.logits(frames.clone(), std::slice::from_ref(&tokens)); // (1, 4, 5, 7)
            let encoded = net.encoder_out(frames);
            let mut states: Vec<_> = net.states().into_iter().map(|s| Tensor::zeros(s, &device)).collect();
            let mut last = vec![0_i64; net.context()];
            for place in 0..=tokens.len() {
                let input = Tensor::from_data(TensorData::new(last.clone(), [1, last.len()]), &device);
                let (predicted, next) = net.predict(input, states);
                states = next;
                for frame in 0..4 {
                    let logits = net.join(encoded.clone().narrow(1, frame, 1).squeeze_dim(1), predicted.clone());
                    let cell = whole.clone().slice([0..1, frame..frame + 1, place..place + 1, 0..7]).reshape([1, 7]);
                    assert!((logits - cell).abs().max().into_scalar::<f32>() < 1e-5, "{config:?}");
                }
                last.remove(0);
                last.push(tokens.get(place).map_or(0, |token| i64::from(*token)));
            }
        }
    }
}
