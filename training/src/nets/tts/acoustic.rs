use burn::config::Config;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{DType, Device, Int, Tensor};

use super::POSITION_WIDTH;
use crate::nets::blocks::{Attention, ConvBlock, ConvBlockConfig, apply_mask};
use crate::ops::{layer_norm, linear};

/// Configuration of the acoustic model.
#[derive(Config, Debug)]
pub struct AcousticConfig {
    /// Tokens of the front end.
    pub tokens: usize,
    /// Places of the front end.
    pub places: usize,
    /// Channels.
    #[config(default = 160)]
    pub width: usize,
    /// Blocks that read tokens.
    #[config(default = 4)]
    pub encoder_blocks: usize,
    /// Blocks that write frames.
    #[config(default = 5)]
    pub decoder_blocks: usize,
    /// Frames under the kernel of a decoder block.
    #[config(default = 7)]
    pub kernel: usize,
    /// Mel bands.
    #[config(default = 80)]
    pub mels: usize,
    /// The share of channels that is dropped in training.
    #[config(default = 0.1)]
    pub dropout: f64,
}

/// Reads the tokens of a clause: hidden states, durations, pitch.
#[derive(Module, Debug)]
pub struct Encoder {
    token: Embedding,
    place: Embedding,
    dropout: Dropout,
    blocks: Vec<ConvBlock>,
    attention: Vec<Attention>,
    norm: LayerNorm,
    duration: Predictor,
    pitch: Predictor,
    pitch_in: Linear,
}

#[derive(Module, Debug)]
struct Predictor {
    block: ConvBlock,
    norm: LayerNorm,
    dropout: Dropout,
    out: Linear,
}

/// What the encoder makes of a clause.
pub struct Encoded {
    /// `[batch, tokens, channels]`, with the pitch mixed in.
    pub hidden: Tensor<3>,
    /// The logarithm of one plus the number of frames of each token, `[batch, tokens]`.
    pub duration: Tensor<2>,
    /// The normalised log pitch of each token, `[batch, tokens]`.
    pub pitch: Tensor<2>,
}

/// Writes frames from hidden states that were repeated for the duration of their tokens.
#[derive(Module, Debug)]
pub struct Decoder {
    position: Linear,
    dropout: Dropout,
    blocks: Vec<ConvBlock>,
    norm: LayerNorm,
    out: Linear,
}

/// The acoustic model, in the manner of FastSpeech 2 (Ren et al., 2021) and FastPitch (Łańcucki, 2021), with
/// convolutions where those have Transformers.
#[derive(Module, Debug)]
pub struct Acoustic {
    /// Tokens to hidden states, durations and pitch.
    pub encoder: Encoder,
    /// Repeated hidden states to frames.
    pub decoder: Decoder,
}

impl AcousticConfig {
    /// A model with fresh weights.
    pub fn init(&self, device: &Device) -> Acoustic {
        Acoustic { encoder: self.encoder(device), decoder: self.decoder(device) }
    }

    fn block(&self, kernel: usize, device: &Device) -> ConvBlock {
        ConvBlockConfig::new(self.width, kernel).init(device)
    }

    fn predictor(&self, device: &Device) -> Predictor {
        Predictor {
            block: self.block(5, device),
            norm: LayerNormConfig::new(self.width).init(device),
            dropout: DropoutConfig::new(3.0 * self.dropout).init(),
            out: LinearConfig::new(self.width, 1).init(device),
        }
    }

    fn encoder(&self, device: &Device) -> Encoder {
        let embedding = |n| EmbeddingConfig::new(n, self.width).init(device);
        Encoder {
            token: embedding(self.tokens),
            place: embedding(self.places),
            dropout: DropoutConfig::new(self.dropout).init(),
            blocks: (0..self.encoder_blocks).map(|_| self.block(5, device)).collect(),
            attention: (0..self.encoder_blocks / 2).map(|_| Attention::new(self.width, 2, device)).collect(),
            norm: LayerNormConfig::new(self.width).init(device),
            duration: self.predictor(device),
            pitch: self.predictor(device),
            pitch_in: LinearConfig::new(1, self.width).init(device),
        }
    }

    fn decoder(&self, device: &Device) -> Decoder {
        Decoder {
            position: LinearConfig::new(POSITION_WIDTH, self.width).init(device),
            dropout: DropoutConfig::new(self.dropout).init(),
            blocks: (0..self.decoder_blocks).map(|_| self.block(self.kernel, device)).collect(),
            norm: LayerNormConfig::new(self.width).init(device),
            out: LinearConfig::new(self.width, self.mels + 2).init(device),
        }
    }

    /// How many frames to either side a frame of the decoder depends on.
    pub fn decoder_context(&self) -> usize {
        self.decoder_blocks * (self.kernel / 2)
    }
}

impl Predictor {
    fn forward(&self, x: Tensor<3>, mask: Option<&Tensor<3>>) -> Tensor<2> {
        let [batch, time, _] = x.dims();
        let seen = self.dropout.forward(layer_norm(&self.norm, self.block.forward(x, mask)));
        linear(&self.out, seen).cast(DType::F32).reshape([batch, time])
    }
}

impl Encoder {
    /// With `pitch`, the hidden states carry that pitch; without, the predicted one.
    ///
    /// # Shapes
    /// - tokens, places: `[batch, tokens]`
    /// - mask: `[batch, tokens, 1]`
    /// - pitch: `[batch, tokens]`
    pub fn forward(
        &self,
        tokens: Tensor<2, Int>,
        places: Tensor<2, Int>,
        pitch: Option<Tensor<2>>,
        mask: Option<&Tensor<3>>,
    ) -> Encoded {
        let [batch, time] = tokens.dims();
        let embedded = self.token.forward(tokens) + self.place.forward(places);
        let mut x = apply_mask(self.dropout.forward(embedded), mask);
        for (at, block) in self.blocks.iter().enumerate() {
            x = self.dropout.forward(block.forward(x, mask));
            if at % 2 == 1
                && let Some(attention) = self.attention.get(at / 2)
            {
                x = attention.forward(x, mask);
            }
        }
        let x = apply_mask(layer_norm(&self.norm, x), mask);
        let duration = self.duration.forward(x.clone(), mask);
        let predicted = self.pitch.forward(x.clone(), mask);
        let used = pitch.unwrap_or_else(|| predicted.clone()).reshape([batch, time, 1]);
        Encoded { hidden: x + linear(&self.pitch_in, used).cast(DType::F32), duration, pitch: predicted }
    }
}

impl Decoder {
    /// # Shapes
    /// - hidden: `[batch, frames, channels]`
    /// - position: `[batch, frames, 3]`
    /// - mask: `[batch, frames, 1]`
    /// - output: `[batch, frames, mels + 2]`: normalised log mel bands, normalised log pitch, voicing logit
    pub fn forward(&self, hidden: Tensor<3>, position: Tensor<3>, mask: Option<&Tensor<3>>) -> Tensor<3> {
        let mut x = apply_mask(hidden + linear(&self.position, position).cast(DType::F32), mask);
        for block in &self.blocks {
            x = self.dropout.forward(block.forward(x, mask));
        }
        linear(&self.out, layer_norm(&self.norm, x)).cast(DType::F32)
    }
}
