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

use super::bottleneck::Parts;
use super::conformer::Conformer;
use crate::ops::{gelu, join, linear};
use predictor::Predictor;
pub use predictor::{EmbeddingKind, PredictorConfig};

/// What a joiner makes of the sum of encoder and prediction net.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// As in Graves, Mohamed and Hinton.
    #[default]
    Tanh,
    /// As in SpeechBrain's recipes.
    Gelu,
}

impl Activation {
    fn of<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Tanh => tanh(x),
            Self::Gelu => gelu(x),
        }
    }
}

/// The nets beside the encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JointConfig {
    /// The prediction net. Default: stateless, over two tokens.
    #[serde(default)]
    pub predictor: PredictorConfig,
    /// Its width.
    pub predictor_dim: usize,
    /// What it gets of a token. Default: an embedding that is learnt.
    #[serde(default)]
    pub embedding: EmbeddingKind,
    /// What the joiner makes of the sum of both. Default: its hyperbolic tangent.
    #[serde(default)]
    pub activation: Activation,
    /// Whether the joiner, and what leads to it, have biases. Default: true.
    #[serde(default = "with_bias")]
    pub bias: bool,
    /// The width at which it meets the encoder.
    pub dim: usize,
    /// The share of the embedding that is dropped in training. Default: none.
    #[serde(default)]
    pub embedding_dropout: f64,
    /// The share of what the prediction net knows that is dropped in training. Default: none.
    #[serde(default)]
    pub dropout: f64,
}

fn with_bias() -> bool {
    true
}

impl JointConfig {
    /// Refuses what does not go together.
    ///
    /// # Errors
    /// A sentence that names the keys.
    pub(crate) fn check(&self) -> Result<(), String> {
        match (self.embedding, self.predictor) {
            (EmbeddingKind::OneHot, PredictorConfig::Stateless { .. }) => {
                Err("embedding = \"one_hot\": expected `predictor = { kind = \"lstm\" }`, found a stateless one"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }

    /// A transducer of `encoder`, of width `dim`, with fresh weights beside it, for `vocabulary` tokens, the blank
    /// included.
    pub fn init(&self, encoder: Conformer, vocabulary: usize, device: &Device) -> Transducer {
        Transducer {
            encoder_out: LinearConfig::new(encoder.config().dim, self.dim).with_bias(self.bias).init(device),
            predictor: Predictor::new(self, vocabulary, device),
            joiner: LinearConfig::new(self.dim, vocabulary).with_bias(self.bias).init(device),
            activation: self.activation,
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
    #[module(skip)]
    activation: Activation,
}

impl Transducer {
    /// With bottlenecks in its encoder, as [`Conformer::with_bottlenecks`], behind parts such as `encoder.blocks.0.before`.
    pub fn with_bottlenecks(self, width: usize, behind: Parts<'_>) -> Option<Self> {
        let behind = |part: &str| behind(&format!("encoder.{part}"));
        Some(Self { encoder: self.encoder.with_bottlenecks(width, &behind)?, ..self })
    }

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
        linear(&self.joiner, self.activation.of(encoded + predicted))
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
        linear(&self.joiner, self.hidden(encoded, predicted)).cast(DType::F32)
    }

    /// (batch, frames, joint) and (batch, places, joint) to (batch, frames, places, joint).
    fn hidden(&self, encoded: Tensor<3>, predicted: Tensor<3>) -> Tensor<4> {
        match self.activation {
            Activation::Tanh => join(encoded, predicted),
            Activation::Gelu => gelu(encoded.unsqueeze_dim::<4>(2) + predicted.unsqueeze_dim::<4>(1)),
        }
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
        let text = "predictor_dim = 6\ndim = 5\nembedding_dropout = 0.2\ndropout = 0.1";
        let stateless: JointConfig = toml::from_str(text).unwrap();
        let lstm = JointConfig { predictor: PredictorConfig::Lstm, ..stateless.clone() };
        let (embedding, activation) = (EmbeddingKind::OneHot, Activation::Gelu);
        let published = JointConfig { embedding, activation, bias: false, ..lstm.clone() };
        assert!(JointConfig { embedding, ..stateless.clone() }.check().is_err());
        for config in [stateless, lstm, published] {
            config.check().unwrap();
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
