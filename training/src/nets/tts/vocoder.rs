use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor};

use crate::nets::blocks::{ConvBlock, ConvBlockConfig};
use crate::ops::{layer_norm, linear};

/// Configuration of the filter net.
#[derive(Config, Debug)]
pub struct VocoderConfig {
    /// Numbers in a frame: mel bands, pitch, voicing.
    pub inputs: usize,
    /// Cepstral coefficients of the filter on the pulses.
    pub harmonic_order: usize,
    /// Cepstral coefficients of the filter on the noise.
    pub noise_order: usize,
    /// Channels.
    #[config(default = 160)]
    pub width: usize,
    /// Blocks.
    #[config(default = 4)]
    pub blocks: usize,
    /// Frames under a block's kernel, all in the past but the last.
    #[config(default = 5)]
    pub kernel: usize,
}

/// Predicts the two filters of a source-filter synthesizer as cepstra, causally. The filters and their order follow the
/// neural homomorphic vocoder (Z. Liu, K. Chen and K. Yu, Interspeech 2020), with minimum phase. A direct linear way
/// beside the blocks can begin with what signal theory knows, so that the blocks learn only the rest.
#[derive(Module, Debug)]
pub struct Vocoder {
    input: Linear,
    blocks: Vec<ConvBlock>,
    norm: LayerNorm,
    out: Linear,
    direct: Linear,
}

impl VocoderConfig {
    /// A net with fresh weights.
    pub fn init(&self, device: &Device) -> Vocoder {
        let outputs = self.harmonic_order + self.noise_order;
        let linear = |width, initializer| LinearConfig::new(width, outputs).with_initializer(initializer).init(device);
        let block = ConvBlockConfig::new(self.width, self.kernel).with_causal(true);
        Vocoder {
            input: LinearConfig::new(self.inputs, self.width).init(device),
            blocks: (0..self.blocks).map(|_| block.init(device)).collect(),
            norm: LayerNormConfig::new(self.width).init(device),
            out: linear(self.width, Initializer::Normal { mean: 0.0, std: 0.01 }),
            direct: linear(self.inputs, Initializer::Zeros),
        }
    }

    /// How many frames of the past a frame depends on.
    pub fn context(&self) -> usize {
        self.blocks * (self.kernel - 1)
    }
}

impl Vocoder {
    /// The net with a direct way from inputs to outputs to begin with: `weight` is `[inputs, outputs]`, `bias`
    /// `[outputs]`.
    #[must_use]
    pub fn with_direct(mut self, weight: Tensor<2>, bias: Tensor<1>) -> Self {
        self.direct.weight = Param::from_tensor(weight);
        self.direct.bias = Some(Param::from_tensor(bias));
        self
    }

    /// # Shapes
    /// - frames: `[batch, frames, inputs]`
    /// - output: `[batch, frames, harmonic_order + noise_order]`
    pub fn forward(&self, frames: Tensor<3>) -> Tensor<3> {
        let direct = linear(&self.direct, frames.clone());
        let mut x = linear(&self.input, frames).cast(DType::F32);
        for block in &self.blocks {
            x = block.forward(x, None);
        }
        (direct + linear(&self.out, layer_norm(&self.norm, x))).cast(DType::F32)
    }
}
