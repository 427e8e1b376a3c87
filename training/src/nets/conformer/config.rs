use serde::{Deserialize, Serialize};

use super::layer::Kind;
use super::{Chunks, crdnn};

/// The shape of a streaming Conformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConformerConfig {
    /// The kind of its blocks. Default: `conformer`.
    #[serde(default)]
    pub kind: Kind,
    /// Mel bins of the input.
    pub bins: usize,
    /// Width of the encoder.
    pub dim: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Attention heads; divides `dim` into even parts.
    pub heads: usize,
    /// Width of the feed-forward parts.
    pub feed_forward: usize,
    /// Frames that the depthwise convolution sees, its own and earlier ones.
    pub kernel: usize,
    /// Width of the subsampling.
    pub channels: usize,
    /// Encoder frames of a chunk (80 ms each at a hop of 10 ms), where none is drawn. No weight depends on it.
    pub chunk: usize,
    /// Encoder frames before the chunk that attention sees, likewise.
    pub left: usize,
    /// Share of activations dropped in training.
    pub dropout: f64,
}

/// The most frames of a chunk and of what is seen before it: ten minutes.
const MOST_FRAMES: usize = 7_500;

impl ConformerConfig {
    /// Feature frames for one encoder frame.
    pub const SUBSAMPLING: usize = 8;
    /// Feature frames before a chunk that the subsampling sees: 2 (1 + 2 + 4) for three kernels of 3 with stride 2.
    pub const LEFT_FEATURES: usize = 14;

    /// Frames of the phone head for one encoder frame: 40 ms each, since people speak more phones in a second than there
    /// are encoder frames.
    pub const PHONE_FRAMES: usize = 2;

    /// What is wrong with the sizes, if something is.
    pub fn mistake(&self) -> Option<String> {
        let Self { kind, bins, dim, heads, feed_forward, kernel, chunk, left, .. } = *self;
        if !(0.0..1.0).contains(&self.dropout) {
            return Some(format!("expected dropout from 0 on and below 1, found {}", self.dropout));
        }
        if dim == 0 || self.layers == 0 || feed_forward == 0 {
            return Some(format!(
                "expected dim, layers and feed_forward above zero, found {dim}, {} and {feed_forward}",
                self.layers
            ));
        }
        if kernel == 0 || chunk == 0 {
            return Some(format!("expected kernel and chunk above zero, found {kernel} and {chunk}"));
        }
        if chunk.max(left) > MOST_FRAMES {
            return Some(format!("expected chunk and left of at most {MOST_FRAMES} frames, found {chunk} and {left}"));
        }
        if heads == 0 || dim % (2 * heads) != 0 {
            return Some(format!("expected dim to be a multiple of twice the heads, found {dim} and {heads}"));
        }
        match kind {
            Kind::Branchformer if feed_forward % 2 != 0 => {
                Some(format!("expected feed_forward to be even, found {feed_forward}"))
            }
            Kind::Crdnn if bins == 0 || bins % crdnn::BINS != 0 => {
                Some(format!("expected bins to be a multiple of {}, found {bins}", crdnn::BINS))
            }
            Kind::Hyperconformer if left % chunk != 0 => {
                Some(format!("expected left to be a multiple of chunk, found {left} and {chunk}"))
            }
            _ => None,
        }
    }

    /// The chunks of a stream.
    pub fn chunks(&self) -> Chunks {
        Chunks { chunk: self.chunk, left: self.left }
    }
}
