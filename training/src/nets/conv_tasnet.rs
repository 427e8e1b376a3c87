//! The net that takes voices out of a mixture, sample by sample. It sees only the past, and a few milliseconds more.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{DType, Device, Tensor};

use crate::ops::{depthwise, layer_norm, linear, prelu, relu};
use crate::{Error, Result};

/// The slope of the rectifiers below zero before they have learnt, as PyTorch's.
const SLOPE: f32 = 0.25;

/// Configuration of a [`ConvTasNet`]; letters are those of the paper.
#[derive(Config, Debug)]
pub struct ConvTasNetConfig {
    /// Samples of a frame (L), an even number. Frames overlap by half, by which the output is late.
    #[config(default = 32)]
    pub window: usize,
    /// Filters of the encoder (N).
    #[config(default = 256)]
    pub filters: usize,
    /// Channels between blocks (B).
    #[config(default = 128)]
    pub width: usize,
    /// Channels within a block (H).
    #[config(default = 256)]
    pub hidden: usize,
    /// Frames under a kernel (P), which lie twice as far apart in each block as in the one before.
    #[config(default = 3)]
    pub kernel: usize,
    /// Blocks until they lie close together again (X).
    #[config(default = 8)]
    pub blocks: usize,
    /// How often (R).
    #[config(default = 3)]
    pub repeats: usize,
    /// Voices that are taken out of the mixture (C): with one, all that is no voice is left out.
    #[config(default = 1)]
    pub sources: usize,
}

/// A learnt filterbank, a mask for each source from dilated causal convolutions, and the way back to samples: the causal form
/// of Y. Luo and N. Mesgarani, "Conv-TasNet", IEEE/ACM TASLP 27(8), 2019, figure 1, without skip connections, as SpeechBrain's
/// `lobes/models/conv_tasnet.py` with `causal=True` and `norm_type="cLN"`: each frame is normalised over its channels. (There, causal
/// kernels lie half their length further in the past, since they are padded twice.)
#[derive(Module, Debug)]
pub struct ConvTasNet {
    encoder: Linear,
    norm: LayerNorm,
    bottleneck: Linear,
    blocks: Vec<Block>,
    mask: Linear,
    decoder: Linear,
    sources: usize,
}

/// One by one convolution, depthwise convolution, one by one convolution, with a residual connection.
#[derive(Module, Debug)]
struct Block {
    wide: Linear,
    slope: Param<Tensor<1>>,
    norm: LayerNorm,
    depthwise: Conv1d,
    depthwise_slope: Param<Tensor<1>>,
    depthwise_norm: LayerNorm,
    narrow: Linear,
}

/// What a stream carries from one run to the next.
#[derive(Clone, Debug)]
pub struct SeparatorState {
    /// The newest half of a frame: (1, samples).
    pub samples: Tensor<2>,
    /// What the kernels see of the past, one block's frames behind the other's: (1, frames, hidden).
    pub past: Tensor<3>,
    /// What the newest frame adds to the samples after it: (1, sources, samples).
    pub overlap: Tensor<3>,
}

impl ConvTasNetConfig {
    /// Refuses shapes that no net has.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key.
    pub fn check(&self) -> Result<()> {
        let Self { window, filters, width, hidden, kernel, blocks, repeats, sources } = *self;
        let sizes = [
            ("filters", filters),
            ("width", width),
            ("hidden", hidden),
            ("blocks", blocks),
            ("repeats", repeats),
            ("sources", sources),
        ];
        if let Some((key, _)) = sizes.into_iter().find(|(_, size)| *size == 0) {
            return Err(Error::config(format!("net.{key}"), "expected a number above 0, found 0"));
        }
        if kernel < 2 {
            return Err(Error::config("net.kernel", format!("expected 2 frames or more, found {kernel}")));
        }
        if blocks > 16 {
            return Err(Error::config("net.blocks", format!("expected 1 to 16, found {blocks}")));
        }
        if window == 0 || !window.is_multiple_of(2) {
            return Err(Error::config("net.window", format!("expected an even number of samples, found {window}")));
        }
        Ok(())
    }

    /// From one frame to the next, in samples: half of one.
    pub fn hop(&self) -> usize {
        self.window / 2
    }

    /// A net with fresh weights.
    pub fn init(&self, device: &Device) -> ConvTasNet {
        let layer = |from, to| LinearConfig::new(from, to).init(device);
        let unbiased = |from, to| LinearConfig::new(from, to).with_bias(false).init(device);
        let dilations = (0..self.repeats).flat_map(|_| (0..self.blocks).map(|block| 1 << block));
        ConvTasNet {
            encoder: unbiased(self.window, self.filters),
            norm: LayerNormConfig::new(self.filters).init(device),
            bottleneck: layer(self.filters, self.width),
            blocks: dilations.map(|dilation| Block::new(self, dilation, device)).collect(),
            mask: layer(self.width, self.sources * self.filters),
            decoder: unbiased(self.filters, self.window),
            sources: self.sources,
        }
    }
}

impl Block {
    fn new(config: &ConvTasNetConfig, dilation: usize, device: &Device) -> Self {
        let (width, hidden) = (config.width, config.hidden);
        let slope = || Param::from_tensor(Tensor::from_floats([SLOPE], device));
        let convolution = Conv1dConfig::new(hidden, hidden, config.kernel).with_groups(hidden).with_dilation(dilation);
        Self {
            wide: LinearConfig::new(width, hidden).init(device),
            slope: slope(),
            norm: LayerNormConfig::new(hidden).init(device),
            depthwise: convolution.init(device),
            depthwise_slope: slope(),
            depthwise_norm: LayerNormConfig::new(hidden).init(device),
            narrow: LinearConfig::new(hidden, width).init(device),
        }
    }

    /// Frames of the past that the kernel sees.
    fn past(&self) -> usize {
        let [_, _, kernel] = self.depthwise.weight.dims();
        (kernel - 1) * self.depthwise.dilation
    }

    /// (batch, frames, width) to (batch, frames, hidden).
    fn widen(&self, x: Tensor<3>) -> Tensor<3> {
        layer_norm(&self.norm, prelu(linear(&self.wide, x).cast(DType::F32), self.slope.val()))
    }

    /// (batch, frames, hidden) back to (batch, frames, width).
    fn narrowed(&self, y: Tensor<3>) -> Tensor<3> {
        let y = layer_norm(&self.depthwise_norm, prelu(y, self.depthwise_slope.val()));
        linear(&self.narrow, y).cast(DType::F32)
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let y = depthwise(&self.depthwise, self.widen(x.clone()), self.past());
        x + self.narrowed(y)
    }

    fn step(&self, x: Tensor<3>, past: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let frames = x.dims()[1];
        let known = Tensor::cat(vec![past, self.widen(x.clone())], 1);
        let next = known.clone().narrow(1, frames, self.past());
        (x + self.narrowed(depthwise(&self.depthwise, known, 0)), next)
    }
}

impl ConvTasNet {
    /// Samples that a frame is later than the one before.
    fn hop(&self) -> usize {
        self.encoder.weight.dims()[0] / 2
    }

    /// A stream that has not begun.
    pub fn state(&self, device: &Device) -> SeparatorState {
        let (hop, frames) = (self.hop(), self.blocks.iter().map(Block::past).sum());
        let hidden = self.blocks.first().map_or(0, |block| block.wide.weight.dims()[1]);
        SeparatorState {
            samples: Tensor::zeros([1, hop], device),
            past: Tensor::zeros([1, frames, hidden], device),
            overlap: Tensor::zeros([1, self.sources, hop], device),
        }
    }

    /// # Shapes
    /// - mixture: (batch, samples), a multiple of half a window
    /// - returns: (batch, sources, samples)
    pub fn forward(&self, mixture: Tensor<2>) -> Tensor<3> {
        let [batch, samples] = mixture.dims();
        let (hop, device) = (self.hop(), mixture.device());
        let silence = Tensor::zeros([batch, hop], &device);
        let encoded = self.encode(Tensor::cat(vec![silence.clone(), mixture, silence], 1));
        let x = self.blocks.iter().fold(self.narrowed(encoded.clone()), |x, block| block.forward(x));
        let [first, second] = self.decode(encoded, x);
        // The first frame's first half and the last one's second lie outside the mixture.
        let halves = samples / hop;
        let sum = first.narrow(1, 1, halves) + second.narrow(1, 0, halves); // (batch, halves, sources, hop)
        sum.swap_dims(1, 2).reshape([batch, self.sources, samples])
    }

    /// The next samples of one stream, which come out half a window later.
    ///
    /// # Shapes
    /// - mixture: (1, samples), a multiple of half a window
    /// - returns: (1, sources, samples), and the next state
    pub fn step(&self, mixture: Tensor<2>, state: SeparatorState) -> (Tensor<3>, SeparatorState) {
        let [batch, samples] = mixture.dims();
        let hop = self.hop();
        let heard = Tensor::cat(vec![state.samples, mixture], 1);
        let newest = heard.clone().narrow(1, samples, hop);
        let encoded = self.encode(heard);
        let (mut x, mut at, mut past) = (self.narrowed(encoded.clone()), 0, Vec::with_capacity(self.blocks.len()));
        for block in &self.blocks {
            let (y, kept) = block.step(x, state.past.clone().narrow(1, at, block.past()));
            (x, at) = (y, at + block.past());
            past.push(kept);
        }
        let [first, second] = self.decode(encoded, x);
        let halves = samples / hop;
        let before = state.overlap.reshape([batch, 1, self.sources, hop]);
        let overlap = second.clone().narrow(1, halves - 1, 1).reshape([batch, self.sources, hop]);
        let earlier = match halves {
            1 => before,
            _ => Tensor::cat(vec![before, second.narrow(1, 0, halves - 1)], 1),
        };
        let sum = (first + earlier).swap_dims(1, 2).reshape([batch, self.sources, samples]);
        (sum, SeparatorState { samples: newest, past: Tensor::cat(past, 1), overlap })
    }

    /// Frames that overlap by half, through the filters: (batch, samples) to (batch, samples / hop - 1, filters).
    fn encode(&self, sound: Tensor<2>) -> Tensor<3> {
        let [batch, samples] = sound.dims();
        let (hop, halves) = (self.hop(), samples / self.hop());
        let sound = sound.reshape([batch, halves, hop]);
        let [first, second] = [0, 1].map(|half| sound.clone().narrow(1, half, halves - 1));
        relu(linear(&self.encoder, Tensor::cat(vec![first, second], 2)).cast(DType::F32))
    }

    /// What the blocks see of the filters.
    fn narrowed(&self, encoded: Tensor<3>) -> Tensor<3> {
        linear(&self.bottleneck, layer_norm(&self.norm, encoded)).cast(DType::F32)
    }

    /// The first and the second half of all frames of all sources: (batch, frames, sources, hop) each.
    fn decode(&self, encoded: Tensor<3>, x: Tensor<3>) -> [Tensor<4>; 2] {
        let [batch, frames, filters] = encoded.dims();
        let masks = relu(linear(&self.mask, x).cast(DType::F32)).reshape([batch, frames, self.sources, filters]);
        let masked = masks * encoded.reshape([batch, frames, 1, filters]);
        let decoded = linear(&self.decoder, masked).cast(DType::F32); // (batch, frames, sources, window)
        let hop = self.hop();
        [0, hop].map(|from| decoded.clone().narrow(3, from, hop))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    fn tiny(device: &Device) -> ConvTasNet {
        device.seed(5);
        let config = ConvTasNetConfig::new().with_window(8).with_filters(12).with_width(6).with_hidden(10);
        config.with_blocks(3).with_repeats(2).with_sources(2).init(device)
    }

    #[test]
    fn steps_give_what_the_whole_gives() {
        let device = Device::flex();
        let net = tiny(&device);
        let mixture = Tensor::<2>::random([1, 240], Distribution::Normal(0.0, 1.0), &device);
        let whole = net.forward(mixture.clone());
        let (mut state, mut at, mut pieces) = (net.state(&device), 0, Vec::new());
        for samples in [4, 16, 40, 4, 100, 76] {
            let (voices, next) = net.step(mixture.clone().narrow(1, at, samples), state);
            (state, at) = (next, at + samples);
            pieces.push(voices);
        }
        let stream = Tensor::cat(pieces, 2).narrow(2, 4, 236);
        let difference: f32 = (whole.narrow(2, 0, 236) - stream).abs().max().into_scalar();
        assert!(difference < 1e-5, "{difference}");
    }

    #[test]
    fn what_is_said_later_changes_nothing_before() {
        let device = Device::flex();
        let net = tiny(&device);
        let mixture = Tensor::<2>::random([1, 240], Distribution::Normal(0.0, 1.0), &device);
        let cut = Tensor::cat(vec![mixture.clone().narrow(1, 0, 160), Tensor::zeros([1, 80], &device)], 1);
        let [all, cut] = [mixture, cut].map(|mixture| net.forward(mixture).narrow(2, 0, 156));
        let difference: f32 = (all - cut).abs().max().into_scalar();
        assert!(difference == 0.0, "{difference}");
    }

    #[test]
    fn impossible_shapes_are_named() {
        let message = |config: ConvTasNetConfig| config.check().unwrap_err().to_string();
        assert!(message(ConvTasNetConfig::new().with_window(33)).starts_with("net.window: expected an even number"));
        assert!(message(ConvTasNetConfig::new().with_hidden(0)).starts_with("net.hidden: expected a number above 0"));
        assert!(ConvTasNetConfig::new().check().is_ok());
    }
}
