use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor, s};

use super::{distance, ints, noise};
use crate::export::onnx::proto::DimensionValue;
use crate::export::{Axis, Element, OnnxExport, OnnxModel, Recorder, Result};

const WIDTH: usize = 8;

/// A text encoder over as many symbols as there are: positions, attention by distance, a convolution by shifts.
#[derive(Module, Debug)]
struct Encoder {
    table: Embedding,
    mix: Linear,
    distances: Embedding,
}

impl Encoder {
    fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let [batch, time] = ids.dims();
        let device = ids.device();
        let positions = Tensor::<1, Int>::arange(0..time as i64, &device);
        let angles = positions.clone().float().unsqueeze_dim::<2>(1)
            * Tensor::<1>::from_floats([1.0, 0.1], &device).unsqueeze::<2>();
        let waves = Tensor::cat(vec![angles.clone().sin(), angles.cos()], 1).repeat_dim(1, WIDTH / 4);
        let x = self.table.forward(ids) + waves.unsqueeze::<3>();
        let apart = positions.clone().unsqueeze_dim::<2>(0) - positions.unsqueeze_dim::<2>(1);
        let bias = self.distances.forward(apart.clamp(-3, 3) + 3).reshape([1, time, time]);
        let scores = x.clone().matmul(x.clone().swap_dims(1, 2)) + bias.expand([batch, time, time]);
        let mixed = softmax(scores, 2).matmul(x.clone());
        let heads = mixed.reshape([batch, time, 2, WIDTH / 2]).swap_dims(1, 2);
        let joined = heads.swap_dims(1, 2).reshape([batch, time, WIDTH]);
        let edge = Tensor::zeros([batch, 1, WIDTH], &device);
        let shifted = Tensor::cat(vec![edge, joined.clone().slice(s![.., 0..time - 1, ..])], 1);
        self.mix.forward(joined + shifted)
    }
}

fn outputs(model: &OnnxModel) -> Vec<Option<DimensionValue>> {
    let info = &model.proto.graph.as_ref().unwrap().output[0];
    let shape = info.r#type.clone().unwrap().tensor_type.unwrap().shape.unwrap();
    shape.dim.into_iter().map(|d| d.value).collect()
}

#[test]
fn a_text_encoder_runs_at_lengths_that_were_never_recorded() {
    let device = Device::flex();
    let net = Encoder {
        table: EmbeddingConfig::new(10, WIDTH).init(&device),
        mix: LinearConfig::new(WIDTH, 5).init(&device),
        distances: EmbeddingConfig::new(7, 1).init(&device),
    };
    let export = OnnxExport::new("encoder").input("ids", Element::Int, [Axis::from(1), Axis::symbol("L", &[5, 8, 13])]);
    let forward = |net: &Encoder, r: &mut Recorder<'_>| -> Result<()> {
        let ids = r.int::<2>("ids")?;
        r.output("encoded", net.forward(ids))
    };
    let model = export.record(&net, forward).unwrap();
    let size = DimensionValue::Size;
    assert_eq!(outputs(&model), [Some(size(1)), Some(DimensionValue::Symbol("L".to_owned())), Some(size(5))]);
    for length in [2, 5, 31] {
        let ids: Vec<i64> = (0..length as i64).map(|n| n * 3 % 10).collect();
        let far = distance(&model, &export, &net, &[("ids", ints(&ids, &[1, length]))], forward);
        assert!(far < 2e-5, "off by {far} at {length}");
    }
}

#[test]
fn sizes_follow_two_symbols() {
    let table = Tensor::<2>::from_data(noise(&[40, 3], 1), &Device::flex());
    let export = OnnxExport::new("two").input("a", Element::Float, [Axis::symbol("A", &[4, 6]), Axis::from(3)]).input(
        "b",
        Element::Float,
        [Axis::symbol("B", &[5, 9, 10]), Axis::from(3)],
    );
    let forward = |table: &Tensor<2>, r: &mut Recorder<'_>| -> Result<()> {
        let (a, b) = (r.float::<2>("a")?, r.float::<2>("b")?);
        let (n, m) = (a.dims()[0], b.dims()[0]);
        let known = table.clone().slice(s![n..2 * n + 3, ..]);
        r.output("window", known)?;
        r.output("table", table.clone().slice(s![0..2 * n + m, ..]))?;
        let outer = a.unsqueeze_dim::<3>(1) * b.unsqueeze_dim::<3>(0);
        r.output("flat", outer.clone().reshape([n * m, 3]))?;
        r.output("ones", Tensor::<2>::ones([n, m], r.device()))?;
        r.output("turned", outer.swap_dims(0, 1).repeat_dim(2, 2))
    };
    let model = export.record(&table, forward).unwrap();
    for (n, m) in [(2, 3), (7, 4)] {
        let inputs = [("a", noise(&[n, 3], 2)), ("b", noise(&[m, 3], 3))];
        let far = distance(&model, &export, &table, &inputs, forward);
        assert!(far < 2e-5, "off by {far} at {n} and {m}");
    }
}
