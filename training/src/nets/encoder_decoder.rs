//! An encoder with CTC, and a Transformer decoder that looks at its frames.
//!
//! Kim, Hori and Watanabe, "Joint CTC-attention based end-to-end speech recognition using multi-task learning", ICASSP
//! 2017, over a streaming encoder, as in Zhang et al., "Unified streaming and non-streaming two-pass end-to-end model for
//! speech recognition", 2020.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::bottleneck::Parts;
use super::conformer::Conformer;
use super::transformer::{Transformer, TransformerConfig, length_mask, shifted};

/// The net.
#[derive(Module, Debug)]
pub struct EncoderDecoder {
    encoder: Conformer,
    decoder: Transformer,
}

impl EncoderDecoder {
    /// A net of `encoder` with a fresh decoder for `vocabulary` tokens, the blank included.
    pub fn new(encoder: Conformer, decoder: &TransformerConfig, vocabulary: usize, device: &Device) -> Self {
        let decoder = decoder.init(vocabulary, Some(encoder.config().dim), device);
        Self { encoder, decoder }
    }

    /// With bottlenecks in its encoder, as [`Conformer::with_bottlenecks`], behind parts such as `encoder.blocks.0.before`.
    pub fn with_bottlenecks(self, width: usize, behind: Parts<'_>) -> Option<Self> {
        let behind = |part: &str| behind(&format!("encoder.{part}"));
        Some(Self { encoder: self.encoder.with_bottlenecks(width, &behind)?, ..self })
    }

    /// The encoder.
    pub fn encoder(&self) -> &Conformer {
        &self.encoder
    }

    /// The decoder.
    pub fn decoder(&self) -> &Transformer {
        &self.decoder
    }

    /// What the decoder says after each token of the utterances, and before the first.
    ///
    /// # Shapes
    /// - `frames`: (batch, frames, dim), of the encoder
    /// - `lengths`: the frames that count, for each utterance
    /// - returns: log probabilities, (batch, most tokens + 1, vocabulary)
    pub fn say(&self, frames: Tensor<3>, lengths: &[usize], tokens: &[Vec<u32>]) -> Tensor<3> {
        let device = frames.device();
        let mask = length_mask(frames.dims()[1], lengths, &device);
        self.decoder.forward(shifted(tokens, &device), Some((self.decoder.memory(frames), mask)))
    }
}
