use burn::module::Module;
use burn::nn::conv::{Conv1d, Conv1dConfig, ConvTranspose1d, ConvTranspose1dConfig};
use burn::nn::gru::GruConfig;
use burn::nn::{BatchNormConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, LstmConfig, RmsNormConfig};
use burn::tensor::activation::{glu, silu, softmax};
use burn::tensor::{Device, Tensor, s};

use super::{noise, same};
use crate::export::{Axis, Element, OnnxExport, Recorder, Result, store_half};

const WIDTH: usize = 16;
const HEADS: usize = 2;
const KERNEL: usize = 5;
const CHUNK: usize = 4;
const LEFT: usize = 6;

fn fixed(shape: &[usize]) -> Vec<Axis> {
    shape.iter().map(|&n| Axis::Fixed(n)).collect()
}

/// One block of a streaming Conformer: attention over cached keys and values, a causal convolution over cached
/// frames, two feed-forward layers.
#[derive(Module, Debug)]
struct Block {
    norm: LayerNorm,
    query: Linear,
    pair: Linear,
    out: Linear,
    gate: Conv1d,
    depthwise: Conv1d,
    up: Linear,
    down: Linear,
}

impl Block {
    fn new(device: &Device) -> Self {
        let linear = |i, o| LinearConfig::new(i, o).init(device);
        Self {
            norm: LayerNormConfig::new(WIDTH).init(device),
            query: linear(WIDTH, WIDTH),
            pair: linear(WIDTH, 2 * WIDTH),
            out: linear(WIDTH, WIDTH),
            gate: Conv1dConfig::new(WIDTH, 2 * WIDTH, 1).init(device),
            depthwise: Conv1dConfig::new(WIDTH, WIDTH, KERNEL).with_groups(WIDTH).init(device),
            up: linear(WIDTH, 2 * WIDTH),
            down: linear(2 * WIDTH, WIDTH),
        }
    }

    /// # Shapes
    /// `x` [1, chunk, width], `seen` [1, left, 2 width], `frames` [1, width, kernel - 1], `bias` [left + chunk].
    fn forward(&self, x: Tensor<3>, seen: Tensor<3>, frames: Tensor<3>, bias: Tensor<1>) -> [Tensor<3>; 3] {
        let y = self.norm.forward(x.clone());
        let heads = |t: Tensor<3>| {
            let [batch, time, _] = t.dims();
            t.reshape([batch, time, HEADS, WIDTH / HEADS]).swap_dims(1, 2)
        };
        let pairs = Tensor::cat(vec![seen, self.pair.forward(y.clone())], 1);
        let kept = pairs.clone().slice(s![.., CHUNK.., ..]);
        let [query, key, value] = [
            heads(self.query.forward(y)),
            heads(pairs.clone().slice(s![.., .., ..WIDTH])),
            heads(pairs.slice(s![.., .., WIDTH..])),
        ];
        let scores = query.matmul(key.transpose()) / (WIDTH as f64 / HEADS as f64).sqrt();
        let weights = softmax(scores + bias.reshape([1, 1, 1, LEFT + CHUNK]), 3);
        let mixed = weights.matmul(value).swap_dims(1, 2).reshape([1, CHUNK, WIDTH]);
        let x = x + self.out.forward(mixed);
        let gated = glu(self.gate.forward(x.clone().swap_dims(1, 2)), 1);
        let window = Tensor::cat(vec![frames, gated], 2);
        let frames = window.clone().slice(s![.., .., CHUNK..]);
        let x = x + silu(self.depthwise.forward(window)).swap_dims(1, 2);
        let y = self.down.forward(silu(self.up.forward(x.clone())));
        [x + y, kept, frames]
    }
}

#[test]
fn a_conformer_block_with_its_caches() {
    let net = Block::new(&Device::flex());
    let export = OnnxExport::new("conformer")
        .input("chunk", Element::Float, fixed(&[1, CHUNK, WIDTH]))
        .input("seen", Element::Float, fixed(&[1, LEFT, 2 * WIDTH]))
        .input("frames", Element::Float, fixed(&[1, WIDTH, KERNEL - 1]))
        .input("bias", Element::Float, fixed(&[LEFT + CHUNK]))
        .metadata("chunk_frames", CHUNK.to_string());
    let forward = |net: &Block, r: &mut Recorder<'_>| -> Result<()> {
        let inputs = (r.float("chunk")?, r.float("seen")?, r.float("frames")?, r.float("bias")?);
        let [out, seen, frames] = net.forward(inputs.0, inputs.1, inputs.2, inputs.3);
        r.output("out", out)?;
        r.output("seen_next", seen)?;
        r.output("frames_next", frames)
    };
    let inputs = [
        ("chunk", noise(&[1, CHUNK, WIDTH], 1)),
        ("seen", noise(&[1, LEFT, 2 * WIDTH], 2)),
        ("frames", noise(&[1, WIDTH, KERNEL - 1], 3)),
        ("bias", noise(&[LEFT + CHUNK], 4)),
    ];
    let model = same(&export, &net, &inputs, forward);
    assert_eq!(model.metadata("chunk_frames"), Some("4"));
    let names: Vec<&str> = model.constants().collect();
    for name in ["query.weight", "pair.bias", "depthwise.weight", "norm.gamma"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    let operators = model.operators();
    assert!(!operators.contains_key("Shape"), "a fixed net has no use for sizes: {operators:?}");
    assert_eq!((operators["Conv"], operators["LayerNormalization"]), (2, 1));
}

#[test]
fn a_net_on_a_training_device_is_exported_as_in_validation() {
    let net = LinearConfig::new(4, 3).init(&Device::flex().autodiff());
    let export = OnnxExport::new("linear").input("x", Element::Float, fixed(&[2, 4]));
    let forward = |net: &Linear, r: &mut Recorder<'_>| -> Result<()> {
        let x = r.float::<2>("x")?;
        r.output("y", net.forward(x))
    };
    same(&export, &net, &[("x", noise(&[2, 4], 1))], forward);
}

#[test]
fn recurrent_nets() {
    let device = Device::flex();
    let net = (LstmConfig::new(3, 5, true).init(&device), GruConfig::new(3, 4, true).init(&device));
    let export = OnnxExport::new("recurrent").input("x", Element::Float, fixed(&[1, 6, 3]));
    let forward = |net: &(burn::nn::Lstm, burn::nn::gru::Gru), r: &mut Recorder<'_>| -> Result<()> {
        let x = r.float::<3>("x")?;
        let (hidden, state) = net.0.forward(x.clone(), None);
        r.output("lstm", hidden)?;
        r.output("cell", state.cell)?;
        r.output("gru", net.1.forward(x, None))
    };
    same(&export, &net, &[("x", noise(&[1, 6, 3], 1))], forward);
}

#[test]
fn norms() {
    let device = Device::flex();
    let net = (BatchNormConfig::new(4).init(&device), RmsNormConfig::new(6).init(&device));
    let export = OnnxExport::new("norms").input("x", Element::Float, fixed(&[2, 4, 6]));
    let forward = |net: &(burn::nn::BatchNorm, burn::nn::RmsNorm), r: &mut Recorder<'_>| -> Result<()> {
        let x = r.float::<3>("x")?;
        r.output("batch", net.0.forward(x.clone()))?;
        r.output("rms", net.1.forward(x))
    };
    same(&export, &net, &[("x", noise(&[2, 4, 6], 1))], forward);
}

/// A causal vocoder stage: growth by a transposed convolution whose overlap is carried, then dilated filters.
#[derive(Module, Debug)]
struct Vocoder {
    grow: ConvTranspose1d,
    filters: Vec<Conv1d>,
}

#[test]
fn a_vocoder_stage_with_weights_in_half_precision() {
    let device = Device::flex();
    let filter = |dilation| Conv1dConfig::new(8, 8, 3).with_dilation(dilation).init(&device);
    let net = Vocoder {
        grow: ConvTranspose1dConfig::new([16, 8], 8).with_stride(4).init(&device),
        filters: vec![filter(1), filter(3)],
    };
    let export = OnnxExport::new("vocoder").input("mel", Element::Float, fixed(&[1, 16, 6]));
    let forward = |net: &Vocoder, r: &mut Recorder<'_>| -> Result<()> {
        let mut x = net.grow.forward(r.float::<3>("mel")?).slice(s![.., .., ..24]);
        for (filter, dilation) in net.filters.iter().zip([1, 3]) {
            let y =
                filter.forward(burn::tensor::activation::leaky_relu(x.clone(), 0.1).pad((2 * dilation, 0, 0, 0), 0.0));
            x = x + y;
        }
        r.output("wave", x.mean_dim(1).tanh())
    };
    let inputs = [("mel", noise(&[1, 16, 6], 1))];
    let model = same(&export, &net, &inputs, forward);
    let half = store_half(&model, 64);
    assert!(half.to_bytes().len() < model.to_bytes().len() * 7 / 10);
    let far = super::distance(&half, &export, &net, &inputs, forward);
    assert!(far > 0.0 && far < 2e-3, "off by {far}");
}

#[test]
fn what_follows_from_weights_alone_is_computed_once() {
    let device = Device::flex();
    let net = LinearConfig::new(6, 6).init(&device);
    let export = OnnxExport::new("folded").input("x", Element::Float, fixed(&[2, 6]));
    let forward = |net: &Linear, r: &mut Recorder<'_>| -> Result<()> {
        let weight = net.weight.val();
        let length = weight.clone().powf_scalar(2.0).sum_dim(0).sqrt();
        let x = r.float::<2>("x")?;
        let unused = x.clone().exp();
        drop(unused);
        r.output("y", x.matmul(weight / length))
    };
    let model = same(&export, &net, &[("x", noise(&[2, 6], 1))], forward);
    assert_eq!(model.operators().into_iter().collect::<Vec<_>>(), [("MatMul", 1)]);
    assert_eq!(model.constants().collect::<Vec<_>>(), ["weight.folded"]);
}
