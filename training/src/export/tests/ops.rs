use burn::tensor::activation::{
    gelu, hard_sigmoid, leaky_relu, log_sigmoid, log_softmax, quiet_softmax, relu, sigmoid, silu, softmax, softmin,
    softplus, tanh,
};
use burn::tensor::module::{attention, avg_pool1d, conv_transpose1d, conv1d, conv2d, max_pool1d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, ConvTransposeOptions, MaxPoolOptions};
use burn::tensor::{Bool, Int, Tensor, s};

use super::{ints, noise, same};
use crate::export::{Axis, Element, OnnxExport, Recorder, Result};

fn fixed(shape: &[usize]) -> Vec<Axis> {
    shape.iter().map(|&n| Axis::Fixed(n)).collect()
}

/// A named function of a tensor `[2, 3, 4]`.
type Case = (&'static str, fn(Tensor<3>) -> Tensor<3>);

/// The cases as the outputs of one file.
fn each(cases: &[Case]) {
    let export = OnnxExport::new("each").input("x", Element::Float, fixed(&[2, 3, 4]));
    let forward = |_: &usize, recorder: &mut Recorder<'_>| -> Result<()> {
        let x = recorder.float::<3>("x")?;
        cases.iter().try_for_each(|(name, f)| recorder.output(name, f(x.clone())))
    };
    same(&export, &0, &[("x", noise(&[2, 3, 4], 1))], forward);
}

#[test]
fn functions_of_one_number() {
    each(&[
        ("exp", |x| x.exp()),
        ("log", |x| (x.abs() + 0.1).log()),
        ("log1p", |x| x.abs().log1p()),
        ("erf", |x| x.erf()),
        ("sqrt", |x| x.abs().sqrt()),
        ("sin", |x| x.sin()),
        ("cos", |x| x.cos()),
        ("tanh", |x| tanh(x)),
        ("atan", |x| x.atan()),
        ("recip", |x| (x.abs() + 0.5).recip()),
        ("floor", |x| x.floor()),
        ("ceil", |x| x.ceil()),
        ("round", |x| (x * 3.7).round()),
        ("trunc", |x| (x * 3.7).trunc()),
        ("sign", |x| x.sign()),
        ("neg", |x| -x),
        ("square", |x| x.powf_scalar(2.0)),
        ("cube", |x| x.powi_scalar(3)),
        ("root", |x| x.abs().powf_scalar(0.3)),
        ("clamp", |x| x.clamp(-0.5, 0.7)),
        ("clamp_min", |x| x.clamp_min(-0.1)),
        ("clamp_max", |x| x.clamp_max(0.2)),
        ("remainder", |x| x.remainder_scalar(0.4)),
        ("scalars", |x| (x * 2.0 + 1.0 - 0.25) / 3.0),
    ]);
}

#[test]
fn activations() {
    each(&[
        ("relu", |x| relu(x)),
        ("leaky", |x| leaky_relu(x, 0.1)),
        ("gelu", |x| gelu(x)),
        ("silu", |x| silu(x)),
        ("sigmoid", |x| sigmoid(x)),
        ("log_sigmoid", |x| log_sigmoid(x)),
        ("hard_sigmoid", |x| hard_sigmoid(x, 0.2, 0.5)),
        ("softplus", |x| softplus(x, 1.0)),
        ("softmax", |x| softmax(x, 1)),
        ("log_softmax", |x| log_softmax(x, 2)),
        ("softmin", |x| softmin(x, 2)),
        ("quiet", |x| quiet_softmax(x, 2)),
    ]);
}

#[test]
fn shapes() {
    each(&[
        ("reshape", |x| x.reshape([4, 3, 2])),
        ("swap", |x| x.swap_dims(0, 2)),
        ("permute", |x| x.permute([2, 0, 1])),
        ("flip", |x| x.flip([0, 2])),
        ("slice", |x| x.slice(s![.., 1..3, 0..2])),
        ("from_the_end", |x| x.slice(s![.., -2.., ..-1])),
        ("steps", |x| x.slice(s![.., .., ..;2])),
        ("backward", |x| x.slice(s![.., .., 1..;-1])),
        ("cat", |x| Tensor::cat(vec![x.clone().slice(s![.., .., 2..]), x], 2)),
        ("narrow", |x| x.narrow(1, 1, 2)),
        ("repeat", |x| x.repeat_dim(1, 3)),
        ("repeat_all", |x| x.repeat(&[2, 1, 2])),
        ("expand", |x| x.slice(s![.., 0..1, ..]).expand([2, 5, 4])),
        ("pad", |x| x.pad((1, 2, 0, 3), 0.5)),
        ("squeeze", |x| x.slice(s![0..1, .., ..]).squeeze_dim::<2>(0).unsqueeze_dim::<3>(1)),
        ("stack", |x| Tensor::stack::<4>(vec![x.clone(), x], 1).flatten(0, 1)),
        ("unfold", |x| x.unfold::<4, _>(2, 2, 1).flatten(0, 1)),
        ("assign", |x| x.clone().slice_assign(s![.., 1..2, ..], x.slice(s![.., 2..3, ..]) * 2.0)),
        ("assign_block", |x| x.clone().slice_assign(s![.., 1..2, 1..3], x.slice(s![.., 0..1, 0..2]) * 2.0)),
        ("chunk", |x| x.chunk(2, 2).remove(1)),
    ]);
}

#[test]
fn reductions() {
    each(&[
        ("mean_dim", |x| x.mean_dim(1)),
        ("sum_dim", |x| x.sum_dim(2)),
        ("max_dim", |x| x.max_dim(2)),
        ("min_dim", |x| x.min_dim(0)),
        ("prod_dim", |x| x.prod_dim(2)),
        ("mean", |x| x.mean().reshape([1, 1, 1])),
        ("sum", |x| x.sum().reshape([1, 1, 1])),
        ("max", |x| x.max().reshape([1, 1, 1])),
        ("max_abs", |x| x.max_abs().reshape([1, 1, 1])),
        ("var", |x| x.var(2)),
        ("cumsum", |x| x.cumsum(1)),
        ("argmax", |x| x.argmax(2).float()),
        ("argmin", |x| x.argmin(1).float()),
        ("with_indices", |x| {
            let (value, index) = x.max_dim_with_indices(2);
            value + index.float()
        }),
        ("topk", |x| x.topk(2, 2)),
        ("sort", |x| x.sort(2)),
        ("argsort", |x| x.argsort(2).float()),
    ]);
}

#[test]
fn comparisons_and_masks() {
    each(&[
        ("greater", |x| x.clone().greater(x.flip([1])).float()),
        ("lower_equal", |x| x.lower_equal_elem(0.1).float()),
        ("equal", |x| x.clone().equal(x.sort(2)).float()),
        ("not_equal", |x| x.clone().not_equal(x.sort(2)).float()),
        ("logic", |x| {
            let (low, high) = (x.clone().lower_elem(-0.5), x.greater_elem(0.5));
            low.clone().bool_or(high.clone()).bool_and(low.bool_not().bool_xor(high)).float()
        }),
        ("mask_fill", |x| x.clone().mask_fill(x.lower_elem(0.0), -9.0)),
        ("mask_where", |x| x.clone().mask_where(x.clone().lower_elem(0.0), x * 3.0)),
        ("any", |x| x.greater_elem(1.2).any_dim(2).float()),
        ("all", |x| x.greater_elem(-1.0).all_dim(1).float()),
        ("to_int", |x| (x * 4.0).int().float()),
        ("triangle", |x| {
            let mask = Tensor::<2, Bool>::tril_mask([3, 4], 0, &x.device());
            x.mask_fill(mask.unsqueeze::<3>().expand([2, 3, 4]), 0.0)
        }),
    ]);
}

#[test]
fn integers_pick_rows() {
    let export = OnnxExport::new("integers")
        .input("ids", Element::Int, fixed(&[2, 3]))
        .input("table", Element::Float, fixed(&[5, 4]))
        .input("keep", Element::Bool, fixed(&[2, 3]));
    let forward = |_: &usize, r: &mut Recorder<'_>| -> Result<()> {
        let (ids, table, keep) = (r.int::<2>("ids")?, r.float::<2>("table")?, r.bool::<2>("keep")?);
        r.output("embedding", burn::tensor::module::embedding(table.clone(), ids.clone()))?;
        r.output("select", table.clone().select(0, ids.clone().reshape([6])))?;
        r.output("gather", table.clone().slice(s![0..2, ..]).gather(1, ids.clone().clamp(0, 3)))?;
        r.output("arithmetic", (ids.clone() * 7 + 3) / 2 - ids.clone())?;
        r.output("mod", ids.clone().remainder_scalar(3))?;
        r.output("cumsum", ids.clone().cumsum(1))?;
        r.output("sum", ids.clone().sum_dim(1))?;
        r.output("masked", ids.clone().mask_fill(keep.clone(), -1))?;
        r.output("count", keep.clone().int().sum_dim(1))?;
        r.output("not", keep.bool_not())?;
        let positions = Tensor::<1, Int>::arange(0..3, r.device()).unsqueeze::<2>().expand([2, 3]);
        r.output("before", positions.lower(ids).float())
    };
    let inputs = [
        ("ids", ints(&[0, 4, 2, 3, 1, 1], &[2, 3])),
        ("table", noise(&[5, 4], 2)),
        ("keep", burn::tensor::TensorData::new(vec![true, false, false, true, true, false], [2, 3])),
    ];
    same(&export, &0, &inputs, forward);
}

#[test]
fn convolutions_and_pools() {
    let export = OnnxExport::new("convolutions").input("x", Element::Float, fixed(&[1, 4, 11])).input(
        "image",
        Element::Float,
        fixed(&[1, 2, 9, 8]),
    );
    let forward = |_: &usize, r: &mut Recorder<'_>| -> Result<()> {
        let (x, image) = (r.float::<3>("x")?, r.float::<4>("image")?);
        let device = r.device().clone();
        let weight = |shape: [usize; 3], seed| Tensor::<3>::from_data(noise(&shape, seed), &device);
        let bias = Some(Tensor::<1>::from_data(noise(&[6], 9), &device));
        let grouped = conv1d(x.clone(), weight([6, 2, 3], 3), bias.clone(), ConvOptions::new([2], [1], [1], 2));
        r.output("grouped", grouped)?;
        r.output("depthwise", conv1d(x.clone(), weight([4, 1, 3], 4), None, ConvOptions::new([1], [2], [2], 4)))?;
        let causal = Tensor::cat(vec![x.clone().slice(s![.., .., 0..2]) * 0.0, x.clone()], 2);
        r.output("causal", conv1d(causal, weight([6, 4, 3], 5), bias.clone(), ConvOptions::new([1], [0], [1], 1)))?;
        let up = ConvTransposeOptions::new([3], [1], [2], [1], 1);
        r.output("up", conv_transpose1d(x.clone(), weight([4, 6, 5], 6), bias.clone(), up))?;
        let grouped_up = ConvTransposeOptions::new([2], [0], [0], [2], 2);
        r.output("grouped_up", conv_transpose1d(x.clone(), weight([4, 3, 4], 7), bias.clone(), grouped_up))?;
        let kernel = Tensor::<4>::from_data(noise(&[6, 2, 3, 3], 8), &device);
        r.output("image_out", conv2d(image, kernel, bias, ConvOptions::new([2, 2], [1, 0], [1, 1], 1)))?;
        r.output("max", max_pool1d(x.clone(), MaxPoolOptions::new([3]).with_stride([2]).with_padding([1])))?;
        r.output("mean", avg_pool1d(x, AvgPoolOptions::new([3]).with_stride([2]).with_padding([1])))
    };
    same(&export, &0, &[("x", noise(&[1, 4, 11], 10)), ("image", noise(&[1, 2, 9, 8], 11))], forward);
}

#[test]
fn fused_attention() {
    let export = OnnxExport::new("attention")
        .input("q", Element::Float, fixed(&[1, 2, 3, 4]))
        .input("k", Element::Float, fixed(&[1, 2, 5, 4]))
        .input("mask", Element::Bool, fixed(&[1, 2, 3, 5]));
    let forward = |_: &usize, r: &mut Recorder<'_>| -> Result<()> {
        let (q, k, mask) = (r.float::<4>("q")?, r.float::<4>("k")?, r.bool::<4>("mask")?);
        let options = burn::tensor::ops::AttentionModuleOptions::default;
        let plain = attention(q.clone(), k.clone(), k.clone(), Some(mask), None, options());
        r.output("masked", plain)?;
        let causal = burn::tensor::ops::AttentionModuleOptions { is_causal: true, ..options() };
        r.output("causal", attention(q.clone(), q.clone(), q, None, None, causal))
    };
    let mask: Vec<bool> = (0..30).map(|n| n % 3 == 0 || n < 5).collect();
    let inputs = [
        ("q", noise(&[1, 2, 3, 4], 1)),
        ("k", noise(&[1, 2, 5, 4], 2)),
        ("mask", burn::tensor::TensorData::new(mask, [1, 2, 3, 5])),
    ];
    same(&export, &0, &inputs, forward);
}
