//! Pooling and resampling.

use burn::backend::ir::{InterpolateModeIr, InterpolateOpIr, ModuleOperationIr, TensorIr};

use super::Translator;
use crate::export::Result;
use crate::export::onnx::proto::AttributeProto;
use crate::export::onnx::{int_attr, ints_attr};

impl Translator<'_> {
    pub(super) fn pooling(&mut self, op: &ModuleOperationIr) -> Result<()> {
        use ModuleOperationIr as Op;
        match op {
            Op::AvgPool1d(op) => {
                let mut attributes = window(&[op.kernel_size], &[op.stride], &[op.padding], op.ceil_mode);
                attributes.push(int_attr("count_include_pad", i64::from(op.count_include_pad)));
                self.pool("AveragePool", &op.x, &op.out, attributes)
            }
            Op::AvgPool2d(op) => {
                let mut attributes = window(&op.kernel_size, &op.stride, &op.padding, op.ceil_mode);
                attributes.push(int_attr("count_include_pad", i64::from(op.count_include_pad)));
                self.pool("AveragePool", &op.x, &op.out, attributes)
            }
            Op::MaxPool1d(op) => {
                let mut attributes = window(&[op.kernel_size], &[op.stride], &[op.padding], op.ceil_mode);
                attributes.push(ints_attr("dilations", [op.dilation as i64]));
                self.pool("MaxPool", &op.x, &op.out, attributes)
            }
            Op::MaxPool2d(op) => {
                let mut attributes = window(&op.kernel_size, &op.stride, &op.padding, op.ceil_mode);
                attributes.push(ints_attr("dilations", op.dilation.map(|d| d as i64)));
                self.pool("MaxPool", &op.x, &op.out, attributes)
            }
            Op::AdaptiveAvgPool1d(op) if op.output_size == 1 => {
                self.pool("GlobalAveragePool", &op.x, &op.out, Vec::new())
            }
            Op::AdaptiveAvgPool2d(op) if op.output_size == [1, 1] => {
                self.pool("GlobalAveragePool", &op.x, &op.out, Vec::new())
            }
            Op::Interpolate(op) => self.interpolate(op),
            _ => Err(self.unsupported()),
        }
    }

    fn pool(&mut self, op: &str, x: &TensorIr, out: &TensorIr, attributes: Vec<AttributeProto>) -> Result<()> {
        let x = self.read(x)?;
        self.write(out, op, &[&x], attributes)
    }

    /// Nearest-neighbour growth by whole factors: each element of `[b, c, h, w]` becomes a block of copies.
    fn interpolate(&mut self, op: &InterpolateOpIr) -> Result<()> {
        let (from, to) = (self.dims(&op.x), self.dims(&op.out));
        let factor = |axis: usize| {
            let (from, to) = (from[axis].fixed()?, to[axis].fixed()?);
            (from > 0 && to % from == 0).then_some((to / from) as i64)
        };
        let nearest = matches!(op.options.mode, InterpolateModeIr::Nearest | InterpolateModeIr::NearestExact);
        let (true, Some(high), Some(wide)) = (nearest, factor(2), factor(3)) else {
            return Err(self.unsupported());
        };
        let x = self.read(&op.x)?;
        let axes = self.graph.ints(&[3, 5]);
        let split = self.inner("Unsqueeze", &[&x, &axes], Vec::new());
        let times = self.graph.ints(&[1, 1, 1, high, 1, wide]);
        let copies = self.inner("Tile", &[&split, &times], Vec::new());
        let shape = self.shape_of(&op.out, &[&op.x])?;
        self.write(&op.out, "Reshape", &[&copies, &shape], Vec::new())
    }
}

fn window(kernel: &[usize], stride: &[usize], padding: &[usize], ceil: bool) -> Vec<AttributeProto> {
    let ints = |values: &[usize]| values.iter().map(|&v| v as i64).collect::<Vec<_>>();
    let pads = [ints(padding), ints(padding)].concat();
    vec![
        ints_attr("kernel_shape", ints(kernel)),
        ints_attr("strides", ints(stride)),
        ints_attr("pads", pads),
        int_attr("ceil_mode", i64::from(ceil)),
    ]
}
