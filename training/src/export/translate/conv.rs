//! Convolutions.

use burn::backend::ir::{Conv1dOpIr, Conv2dOpIr, ConvTranspose1dOpIr, ConvTranspose2dOpIr, TensorIr};

use super::Translator;
use crate::export::Result;
use crate::export::onnx::proto::AttributeProto;
use crate::export::onnx::{int_attr, ints_attr};

impl Translator<'_> {
    pub(super) fn conv1d(&mut self, op: &Conv1dOpIr) -> Result<()> {
        let o = &op.options;
        let attributes = window(&op.weight, &o.stride, &o.padding, &o.dilation, o.groups);
        self.convolution("Conv", [&op.x, &op.weight], op.bias.as_ref(), &op.out, attributes)
    }

    pub(super) fn conv2d(&mut self, op: &Conv2dOpIr) -> Result<()> {
        let o = &op.options;
        let attributes = window(&op.weight, &o.stride, &o.padding, &o.dilation, o.groups);
        self.convolution("Conv", [&op.x, &op.weight], op.bias.as_ref(), &op.out, attributes)
    }

    pub(super) fn conv_transpose1d(&mut self, op: &ConvTranspose1dOpIr) -> Result<()> {
        let o = &op.options;
        let mut attributes = window(&op.weight, &o.stride, &o.padding.map(|p| (p, p)), &o.dilation, o.groups);
        attributes.push(ints_attr("output_padding", o.padding_out.map(|p| p as i64)));
        self.convolution("ConvTranspose", [&op.x, &op.weight], op.bias.as_ref(), &op.out, attributes)
    }

    pub(super) fn conv_transpose2d(&mut self, op: &ConvTranspose2dOpIr) -> Result<()> {
        let o = &op.options;
        let mut attributes = window(&op.weight, &o.stride, &o.padding.map(|p| (p, p)), &o.dilation, o.groups);
        attributes.push(ints_attr("output_padding", o.padding_out.map(|p| p as i64)));
        self.convolution("ConvTranspose", [&op.x, &op.weight], op.bias.as_ref(), &op.out, attributes)
    }

    fn convolution(
        &mut self,
        op: &str,
        inputs: [&TensorIr; 2],
        bias: Option<&TensorIr>,
        out: &TensorIr,
        attributes: Vec<AttributeProto>,
    ) -> Result<()> {
        let mut names = vec![self.read(inputs[0])?, self.read(inputs[1])?];
        if let Some(bias) = bias {
            names.push(self.read(bias)?);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.write(out, op, &names, attributes)
    }
}

fn window(
    weight: &TensorIr,
    stride: &[usize],
    padding: &[(usize, usize)],
    dilation: &[usize],
    groups: usize,
) -> Vec<AttributeProto> {
    let ints = |values: &[usize]| values.iter().map(|&v| v as i64).collect::<Vec<_>>();
    let kernel: Vec<usize> = weight.shape.iter().skip(2).copied().collect();
    let pads = padding.iter().map(|p| p.0 as i64).chain(padding.iter().map(|p| p.1 as i64));
    vec![
        ints_attr("kernel_shape", ints(&kernel)),
        ints_attr("strides", ints(stride)),
        ints_attr("pads", pads),
        ints_attr("dilations", ints(dilation)),
        int_attr("group", groups as i64),
    ]
}
