use burn::module::ModuleMapper;
use burn::tensor::Distribution;

use super::*;

const KINDS: [Kind; 4] = [Kind::Conformer, Kind::Branchformer, Kind::Hyperconformer, Kind::Crdnn];

fn tiny(kind: Kind) -> ConformerConfig {
    ConformerConfig {
        kind,
        bins: 80,
        dim: 32,
        layers: 3,
        heads: 2,
        feed_forward: 64,
        kernel: 5,
        channels: 32,
        chunk: 4,
        left: 8,
        dropout: 0.0,
    }
}

/// Fresh weights may be such that an error in the net does not show.
struct Shake;

impl ModuleMapper for Shake {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| value.clone() + value.random_like(Distribution::Normal(0.0, 0.2)))
    }
}

#[test]
fn a_stream_of_chunks_equals_the_whole() {
    for kind in KINDS {
        stream_equals_whole(kind);
    }
}

fn stream_equals_whole(kind: Kind) {
    let device = Device::flex();
    device.seed(7);
    let config = tiny(kind);
    let net = config.init(30, 12, &device).map(&mut Shake);
    let chunks = 6;
    let step = 8 * config.chunk;
    let total = ConformerConfig::LEFT_FEATURES + chunks * step;
    let features = Tensor::<3>::random([1, total, 80], Distribution::Normal(0.0, 1.0), &device);
    let (whole, _) = net.forward(features.clone(), &[chunks * config.chunk]);
    let mut caches = net.caches(&device);
    let mut pieces = Vec::new();
    for chunk in 0..chunks {
        let piece = features.clone().narrow(1, chunk * step, ConformerConfig::LEFT_FEATURES + step);
        let (heads, next) = net.step(piece, caches);
        caches = next;
        pieces.push((heads.tokens, heads.phones.unwrap()));
    }
    let (tokens, phones): (Vec<_>, Vec<_>) = pieces.into_iter().unzip();
    assert_eq!(Tensor::cat(phones.clone(), 1).dims(), [1, 2 * chunks * config.chunk, 12]);
    for (whole, streamed) in [(whole.tokens, tokens), (whole.phones.unwrap(), phones)] {
        let difference: f32 = (whole - Tensor::cat(streamed, 1)).abs().max().into_scalar();
        assert!(difference < 2e-5, "{kind:?}: {difference}");
    }
}

#[test]
fn padding_and_batch_change_nothing() {
    for kind in KINDS {
        padding_changes_nothing(kind);
    }
}

fn padding_changes_nothing(kind: Kind) {
    let device = Device::flex();
    device.seed(8);
    let config = tiny(kind);
    let net = config.init(30, 12, &device).map(&mut Shake);
    let frames = ConformerConfig::LEFT_FEATURES + 8 * config.chunk * 4;
    let long = Tensor::<3>::random([1, frames, 80], Distribution::Normal(0.0, 1.0), &device);
    let short_frames = ConformerConfig::LEFT_FEATURES + 8 * config.chunk * 2;
    let short = long.clone().narrow(1, 0, short_frames);
    let (alone, _) = net.forward(short, &[8]);
    let (together, _) = net.forward(Tensor::cat(vec![long.clone(), long], 0), &[16, 8]);
    let cut = together.tokens.narrow(0, 1, 1).narrow(1, 0, 8);
    let difference: f32 = (alone.tokens - cut).abs().max().into_scalar();
    assert!(difference < 2e-5, "{kind:?}: {difference}");
}

#[test]
fn a_kernel_or_chunk_of_nothing_is_named() {
    assert_eq!(tiny(Kind::Hyperconformer).mistake(), None);
    let no_chunk = ConformerConfig { chunk: 0, ..tiny(Kind::Hyperconformer) };
    let no_kernel = ConformerConfig { kernel: 0, ..tiny(Kind::Crdnn) };
    for config in [no_chunk, no_kernel] {
        let mistake = config.mistake().unwrap();
        assert!(mistake.starts_with("expected kernel and chunk above zero"), "{mistake}");
    }
}

#[test]
fn chunks_that_are_drawn_are_those_of_a_stream() {
    let device = Device::flex();
    device.seed(9);
    let net = tiny(Kind::Conformer).init(30, 0, &device);
    let features =
        Tensor::<3>::random([1, ConformerConfig::LEFT_FEATURES + 8 * 12, 80], Distribution::Normal(0.0, 1.0), &device);
    let in_chunks = |chunks| net.forward_in(chunks, features.clone(), &[12]).0.tokens;
    let full = in_chunks(Chunks::FULL);
    for chunks in [Chunks { chunk: 2, left: 4 }, Chunks { chunk: 6, left: 12 }] {
        let mut caches = net.caches_in(chunks.left, &device);
        let mut pieces = Vec::new();
        for at in (0..12).step_by(chunks.chunk) {
            let piece = features.clone().narrow(1, 8 * at, ConformerConfig::LEFT_FEATURES + 8 * chunks.chunk);
            let (heads, next) = net.step(piece, caches);
            caches = next;
            pieces.push(heads.tokens);
        }
        let whole = in_chunks(chunks);
        let difference: f32 = (whole.clone() - Tensor::cat(pieces, 1)).abs().max().into_scalar();
        assert!(difference < 2e-5, "{chunks:?}: {difference}");
        assert!((whole - full.clone()).abs().max().into_scalar::<f32>() > 1e-4);
    }
    let one = in_chunks(Chunks { chunk: 12, left: 0 });
    assert!((one - full).abs().max().into_scalar::<f32>() < 2e-5);
}
