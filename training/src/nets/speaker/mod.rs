//! Nets that make a vector of an utterance, in which the speakers lie apart.

mod ecapa;
mod pooling;
mod tdnn;
mod xvector;

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

pub use ecapa::{EcapaConfig, EcapaTdnn};
use pooling::{Mask, mean};
pub use xvector::{Xvector, XvectorConfig};

/// The least length by which a vector is divided, as in PyTorch's `normalize`.
const LEAST_NORM: f64 = 1e-12;

/// Which net embeds utterances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EncoderConfig {
    /// ECAPA-TDNN.
    Ecapa(EcapaConfig),
    /// X-vectors.
    Xvector(XvectorConfig),
}

impl EncoderConfig {
    /// Feature bins.
    pub fn bins(&self) -> usize {
        match self {
            Self::Ecapa(config) => config.input_size,
            Self::Xvector(config) => config.in_channels,
        }
    }

    /// The length of an embedding.
    pub fn dim(&self) -> usize {
        match self {
            Self::Ecapa(config) => config.lin_neurons,
            Self::Xvector(config) => config.lin_neurons,
        }
    }

    /// What is wrong with the sizes, if something is.
    pub fn mistake(&self) -> Option<String> {
        match self {
            Self::Ecapa(config) if config.res2net_scale < 2 || config.channels % config.res2net_scale != 0 => {
                let EcapaConfig { channels, res2net_scale, .. } = config;
                Some(format!(
                    "expected channels to be a multiple of res2net_scale, found {channels} and {res2net_scale}"
                ))
            }
            _ => None,
        }
    }

    /// A net with fresh weights that tells this many speakers apart.
    pub fn init(&self, speakers: usize, device: &Device) -> SpeakerNet {
        let encoder = match self {
            Self::Ecapa(config) => Encoder::Ecapa(config.init(device)),
            Self::Xvector(config) => Encoder::Xvector(config.init(device)),
        };
        let dim = self.dim();
        let uniform = Initializer::XavierUniform { gain: 1.0 };
        SpeakerNet { encoder, speakers: uniform.init_with([speakers, dim], Some(dim), Some(speakers), device) }
    }
}

/// The part that embeds.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a net has one, and is not moved about")]
enum Encoder {
    Ecapa(EcapaTdnn),
    Xvector(Xvector),
}

/// An encoder, and a direction for each training speaker: SpeechBrain's `Classifier` without further layers.
#[derive(Module, Debug)]
pub struct SpeakerNet {
    encoder: Encoder,
    speakers: Param<Tensor<2>>,
}

impl SpeakerNet {
    /// The embeddings of clips, of any length. Each clip's mean is taken off its features first: SpeechBrain's
    /// `InputNormalization` by sentence, without the deviation.
    ///
    /// # Shapes
    /// - `features`: (batch, frames, bins)
    /// - `lengths`: frames of each clip, where the batch is padded
    /// - returns: (batch, dim)
    pub fn embed(&self, features: Tensor<3>, lengths: Option<&[usize]>) -> Tensor<2> {
        let mask = lengths.map(|lengths| Mask::new(lengths, features.dims()[1], &features.device()));
        let features = features.clone() - mean(features, mask.as_ref());
        self.encode(features, mask.as_ref())
    }

    fn encode(&self, features: Tensor<3>, mask: Option<&Mask>) -> Tensor<2> {
        let embeddings = match &self.encoder {
            Encoder::Ecapa(net) => net.forward(features, mask),
            Encoder::Xvector(net) => net.forward(features, mask),
        };
        embeddings.cast(DType::F32)
    }

    /// Embeddings of length 1, of clips that all fill their frames.
    ///
    /// # Shapes
    /// (batch, frames, bins) to (batch, dim)
    pub fn direction(&self, features: Tensor<3>) -> Tensor<2> {
        unit(self.embed(features, None))
    }

    /// The cosines between embeddings and the training speakers.
    ///
    /// # Shapes
    /// (batch, dim) to (batch, speakers)
    pub fn cosines(&self, embeddings: Tensor<2>) -> Tensor<2> {
        unit(embeddings).matmul(unit(self.speakers.val()).transpose())
    }

    /// The number of training speakers.
    pub fn speakers(&self) -> usize {
        self.speakers.dims()[0]
    }
}

/// Rows of length 1.
fn unit(rows: Tensor<2>) -> Tensor<2> {
    let length = rows.clone().square().sum_dim(1).sqrt().clamp_min(LEAST_NORM);
    rows / length
}
