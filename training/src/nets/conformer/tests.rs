use burn::module::ModuleMapper;
use burn::tensor::Distribution;

use super::*;

/// Each kind in frames of 80 ms, and in those of 40 ms with what else differs there.
fn tiny_ones() -> Vec<ConformerConfig> {
    let kinds = [Kind::Conformer, Kind::Branchformer, Kind::Hyperconformer, Kind::Crdnn, Kind::Transformer];
    let finer = |config: ConformerConfig| {
        let front = if config.kind == Kind::Crdnn { FrontEnd::Conv1d } else { FrontEnd::Conv2d };
        // More frames before a chunk than a chunk has.
        ConformerConfig { subsampling: 4, front, convolution: Reach::Chunk, kernel: 11, ..config }
    };
    kinds.into_iter().map(tiny).chain(kinds.into_iter().map(tiny).map(finer)).collect()
}

fn tiny(kind: Kind) -> ConformerConfig {
    ConformerConfig {
        kind,
        bins: 80,
        dim: 32,
        layers: 3,
        heads: 2,
        feed_forward: 64,
        kernel: 5,
        convolution: Reach::Causal,
        subsampling: 8,
        front: FrontEnd::Conv1d,
        channels: 8,
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
    tiny_ones().into_iter().for_each(stream_equals_whole);
}

fn stream_equals_whole(config: ConformerConfig) {
    let device = Device::flex();
    device.seed(7);
    assert_eq!(config.mistake(), None);
    let net = config.init(30, 12, &device).map(&mut Shake);
    let chunks = 6;
    let step = config.subsampling * config.chunk;
    let total = config.features_for(chunks * config.chunk);
    let features = Tensor::<3>::random([1, total, 80], Distribution::Normal(0.0, 1.0), &device);
    let (whole, _) = net.forward(features.clone(), &[chunks * config.chunk]);
    let mut caches = net.caches(&device);
    let mut pieces = Vec::new();
    for chunk in 0..chunks {
        let piece = features.clone().narrow(1, chunk * step, config.features_for(config.chunk));
        let Stepped { heads, caches: next, .. } = net.step(piece, caches);
        caches = next;
        pieces.push((heads.tokens, heads.phones.unwrap()));
    }
    let (tokens, phones): (Vec<_>, Vec<_>) = pieces.into_iter().unzip();
    assert_eq!(Tensor::cat(phones.clone(), 1).dims(), [1, config.phone_frames() * chunks * config.chunk, 12]);
    for (whole, streamed) in [(whole.tokens, tokens), (whole.phones.unwrap(), phones)] {
        let difference: f32 = (whole - Tensor::cat(streamed, 1)).abs().max().into_scalar();
        assert!(difference < 2e-5, "{config:?}: {difference}");
    }
}

#[test]
fn padding_and_batch_change_nothing() {
    for config in tiny_ones() {
        padding_changes_nothing(&config, config.chunks());
        if config.kind != Kind::Hyperconformer {
            padding_changes_nothing(&config, Chunks::FULL);
        }
    }
}

fn padding_changes_nothing(config: &ConformerConfig, chunks: Chunks) {
    let device = Device::flex();
    device.seed(8);
    let net = config.init(30, 12, &device).map(&mut Shake);
    let long = Tensor::<3>::random([1, config.features_for(16), 80], Distribution::Normal(0.0, 1.0), &device);
    let short = long.clone().narrow(1, 0, config.features_for(8));
    let (alone, _) = net.forward_in(chunks, short, &[8]);
    let (together, _) = net.forward_in(chunks, Tensor::cat(vec![long.clone(), long], 0), &[16, 8]);
    let cut = together.tokens.narrow(0, 1, 1).narrow(1, 0, 8);
    let difference: f32 = (alone.tokens - cut).abs().max().into_scalar();
    assert!(difference < 2e-5, "{config:?} in {chunks:?}: {difference}");
}

#[test]
fn a_kernel_or_chunk_of_nothing_is_named() {
    let good = || tiny(Kind::Hyperconformer);
    assert_eq!(good().mistake(), None);
    assert_eq!(ConformerConfig { kernel: 0, ..tiny(Kind::Crdnn) }.mistake(), None);
    let centred = ConformerConfig { kernel: 4, convolution: Reach::Chunk, ..good() };
    for (config, expected) in [
        (ConformerConfig { chunk: 0, ..good() }, "expected chunk above zero"),
        (ConformerConfig { kernel: 1, ..good() }, "expected kernel above 1"),
        (centred, "expected kernel to be odd"),
        (ConformerConfig { subsampling: 6, ..good() }, "expected subsampling to be 4 or 8"),
        (ConformerConfig { front: FrontEnd::Conv2d, bins: 20, ..good() }, "front: conv2d"),
    ] {
        let mistake = config.mistake().unwrap();
        assert!(mistake.starts_with(expected), "{mistake}");
    }
}

#[test]
fn chunks_that_are_drawn_are_those_of_a_stream() {
    for convolution in [Reach::Causal, Reach::Chunk] {
        drawn_as_streamed(&ConformerConfig { convolution, ..tiny(Kind::Conformer) });
    }
}

fn drawn_as_streamed(config: &ConformerConfig) {
    let device = Device::flex();
    device.seed(9);
    let net = config.init(30, 0, &device);
    let features = Tensor::<3>::random([1, config.features_for(12), 80], Distribution::Normal(0.0, 1.0), &device);
    let in_chunks = |chunks| net.forward_in(chunks, features.clone(), &[12]).0.tokens;
    let full = in_chunks(Chunks::FULL);
    for chunks in [Chunks { chunk: 2, left: 4 }, Chunks { chunk: 6, left: 12 }] {
        let mut caches = net.caches_in(chunks.left, &device);
        let mut pieces = Vec::new();
        for at in (0..12).step_by(chunks.chunk) {
            let piece = features.clone().narrow(1, 8 * at, config.features_for(chunks.chunk));
            let Stepped { heads, caches: next, .. } = net.step(piece, caches);
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
