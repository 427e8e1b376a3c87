use serde::{Deserialize, Serialize};

use super::convolution::Reach;
use super::layer::Kind;
use super::subsampling::FrontEnd;
use super::{Chunks, crdnn};

/// The shape of a streaming Conformer, or of one of its relatives.
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
    /// Frames that the depthwise convolution sees.
    pub kernel: usize,
    /// Which frames those are. Default: `causal`.
    #[serde(default)]
    pub convolution: Reach,
    /// Feature frames that become one encoder frame, 4 or 8: 40 or 80 ms at a hop of 10 ms. Default: 8.
    #[serde(default = "eight")]
    pub subsampling: usize,
    /// What makes them one. A CRDNN has convolutions of its own. Default: `conv1d`.
    #[serde(default)]
    pub front: FrontEnd,
    /// Width of the subsampling.
    pub channels: usize,
    /// Encoder frames of a chunk, where none is drawn. No weight depends on it.
    pub chunk: usize,
    /// Encoder frames before the chunk that attention sees, likewise.
    pub left: usize,
    /// Share of activations dropped in training.
    pub dropout: f64,
}

/// The most frames of a chunk and of what is seen before it: ten minutes of 40 ms.
const MOST_FRAMES: usize = 15_000;

fn eight() -> usize {
    8
}

impl ConformerConfig {
    /// Feature frames before a chunk that the subsampling sees: 2 (1 + 2 + 4) for three kernels of 3 with stride 2, which a
    /// CRDNN's convolutions do not exceed.
    pub fn left_features(&self) -> usize {
        if self.kind == Kind::Crdnn { crdnn::LEFT_FEATURES } else { 2 * (self.subsampling - 1) }
    }

    /// Feature frames that are seen for `frames` encoder frames.
    pub fn features_for(&self, frames: usize) -> usize {
        self.left_features() + self.subsampling * frames
    }

    /// Encoder frames for `frames` feature frames in `chunks`: whole ones, the last padded.
    pub fn encoder_frames(&self, chunks: Chunks, frames: usize) -> usize {
        let frames = frames.div_ceil(self.subsampling);
        if chunks.chunk == usize::MAX { frames } else { frames.div_ceil(chunks.chunk) * chunks.chunk }
    }

    /// Frames of the phone head for one encoder frame: 40 ms each at a hop of 10 ms, since people speak more phones in a
    /// second than there are encoder frames of 80 ms.
    pub fn phone_frames(&self) -> usize {
        self.subsampling / 4
    }

    /// Frames before a chunk that the depthwise convolutions see, where there are some.
    pub fn frames_before(&self) -> Option<usize> {
        self.kind.has_convolutions().then(|| self.convolution.before(self.kernel))
    }

    /// What is wrong with the sizes, if something is.
    pub fn mistake(&self) -> Option<String> {
        let Self { kind, bins, dim, heads, feed_forward, kernel, chunk, left, subsampling, .. } = *self;
        if !(0.0..1.0).contains(&self.dropout) {
            return Some(format!("expected dropout from 0 on and below 1, found {}", self.dropout));
        }
        if dim == 0 || self.layers == 0 || feed_forward == 0 {
            return Some(format!(
                "expected dim, layers and feed_forward above zero, found {dim}, {} and {feed_forward}",
                self.layers
            ));
        }
        if chunk == 0 {
            return Some("expected chunk above zero, found 0".to_owned());
        }
        if chunk.max(left) > MOST_FRAMES {
            return Some(format!("expected chunk and left of at most {MOST_FRAMES} frames, found {chunk} and {left}"));
        }
        if ![4, 8].contains(&subsampling) {
            return Some(format!("expected subsampling to be 4 or 8, found {subsampling}"));
        }
        if kind.has_convolutions() {
            match self.convolution {
                Reach::Causal if kernel < 2 => return Some(format!("expected kernel above 1, found {kernel}")),
                Reach::Chunk if kernel < 3 || kernel.is_multiple_of(2) => {
                    return Some(format!("expected kernel to be odd and above 1, found {kernel}"));
                }
                _ => {}
            }
        }
        if self.channels == 0 {
            return Some("expected channels above zero, found 0".to_owned());
        }
        let uneven = !bins.is_multiple_of(subsampling) || !self.channels.is_multiple_of(2);
        if self.front == FrontEnd::Conv2d && (kind == Kind::Crdnn || uneven) {
            return Some(format!(
                "front: conv2d is for other kinds than crdnn, and expects bins to be a multiple of {subsampling} and channels \
                 to be even, found {bins} and {}",
                self.channels
            ));
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
