//! Smaller and faster files: 8-bit products with weights, and weights stored in half precision.

use std::collections::{HashMap, HashSet};

use burn::tensor::f16;

use super::OnnxModel;
use super::onnx::proto::{DataType, GraphProto, NodeProto, TensorProto};
use super::onnx::{Constant, int_attr};

/// What the name of a weight goes on with where it is stored in 8 bits, and those of its scales and zero points.
pub(super) const INT8: &str = ".i8";
pub(super) const INT8_SCALE: &str = ".i8_scale";
pub(super) const INT8_ZERO: &str = ".i8_zero";
/// What it goes on with where it is stored in half precision.
pub(super) const HALF: &str = ".f16";

/// How products with weights become 8-bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int8 {
    /// One scale for each output of a weight, instead of one for the whole weight: closer to the trained net.
    pub per_channel: bool,
    /// Weights in 7 bits: on processors with AVX2 but without VNNI two 8-bit products can overflow their 16-bit sum.
    /// Default: true, since a file does not choose its processor.
    pub reduce_range: bool,
    /// Weights with fewer elements stay as they are.
    pub at_least: usize,
}

impl Default for Int8 {
    fn default() -> Self {
        Self { per_channel: true, reduce_range: true, at_least: 1024 }
    }
}

/// Replaces each `MatMul` by a constant matrix `[k, n]` with its 8-bit form: the left side is quantised at run time
/// over its whole range, the weight here and symmetrically.
///
/// This is what ONNX Runtime's own `quantize_dynamic(op_types_to_quantize=["MatMul"], weight_type=QInt8)` makes, in
/// the same arithmetic. Convolutions stay in floats, where 8 bits are slower.
#[must_use]
pub fn quantize_matmul(model: &OnnxModel, options: Int8) -> OnnxModel {
    let mut model = model.clone();
    if let Some(graph) = model.proto.graph.take() {
        model.proto.graph = Some(Quantizer::new(graph, options).run());
    }
    model
}

/// Stores each constant of floats with at least `at_least` elements in half precision, followed by a cast to the
/// single precision in which the runtimes go on computing: half the size, the same speed. Constants with elements
/// beyond what half precision holds stay as they are.
#[must_use]
pub fn store_half(model: &OnnxModel, at_least: usize) -> OnnxModel {
    let mut model = model.clone();
    let Some(graph) = &mut model.proto.graph else { return model };
    let mut casts = Vec::new();
    for tensor in &mut graph.initializer {
        let Some(values) = floats(tensor).filter(|v| v.len() >= at_least) else { continue };
        if values.iter().any(|v| v.abs() > f16::MAX.to_f32()) {
            continue;
        }
        let name = tensor.name.clone().unwrap_or_default();
        let half = format!("{name}{HALF}");
        tensor.raw_data = Some(values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect());
        tensor.data_type = Some(DataType::Float16 as i32);
        tensor.name = Some(half.clone());
        casts.push(node("Cast", &[&half], &[&name], vec![int_attr("to", DataType::Float as i64)]));
    }
    graph.node.splice(0..0, casts);
    model
}

struct Quantizer {
    graph: GraphProto,
    options: Int8,
    weights: HashMap<String, TensorProto>,
    added: Vec<TensorProto>,
    /// Quantised weight, scale and zero point of a weight.
    done: HashMap<String, [String; 3]>,
    /// Quantised value, scale and zero point of a left side.
    sides: HashMap<String, [String; 3]>,
    nodes: Vec<NodeProto>,
}

impl Quantizer {
    fn new(mut graph: GraphProto, options: Int8) -> Self {
        let nodes = std::mem::take(&mut graph.node);
        let named = |t: &TensorProto| Some((t.name.clone()?, t.clone()));
        let weights = graph.initializer.iter().filter_map(named).collect();
        let (done, sides) = (HashMap::new(), HashMap::new());
        Self { graph, options, weights, added: Vec::new(), done, sides, nodes }
    }

    fn run(mut self) -> GraphProto {
        for node in std::mem::take(&mut self.nodes) {
            let right = match node.op_type.as_deref() {
                Some("MatMul") => self.weight(&node.input[1]),
                _ => None,
            };
            match right {
                Some(right) => self.product(&node, right),
                None => self.nodes.push(node),
            }
        }
        let read: HashSet<&str> = self.nodes.iter().flat_map(|n| &n.input).map(String::as_str).collect();
        let outputs: HashSet<&str> = self.graph.output.iter().filter_map(|o| o.name.as_deref()).collect();
        let mut constants = std::mem::take(&mut self.graph.initializer);
        constants.retain(|t| t.name.as_deref().is_some_and(|n| read.contains(n) || outputs.contains(n)));
        constants.append(&mut self.added);
        self.graph.initializer = constants;
        self.graph.node = self.nodes;
        self.graph
    }

    fn product(&mut self, node: &NodeProto, [weight, weight_scale, weight_zero]: [String; 3]) {
        let [side, side_scale, side_zero] = self.side(&node.input[0]);
        let out = &node.output[0];
        let [sum, real, scale] = ["sum", "real", "scale"].map(|part| format!("{out}.{part}"));
        let inputs = [&side, &weight, &side_zero, &weight_zero].map(String::as_str);
        self.nodes.push(self::node("MatMulInteger", &inputs, &[&sum], vec![]));
        self.nodes.push(self::node("Cast", &[&sum], &[&real], vec![int_attr("to", DataType::Float as i64)]));
        self.nodes.push(self::node("Mul", &[&side_scale, &weight_scale], &[&scale], vec![]));
        self.nodes.push(self::node("Mul", &[&real, &scale], &[out], vec![]));
    }

    fn side(&mut self, name: &str) -> [String; 3] {
        if let Some(parts) = self.sides.get(name) {
            return parts.clone();
        }
        let parts = ["u8", "u8_scale", "u8_zero"].map(|part| format!("{name}.{part}"));
        let outputs = parts.each_ref().map(String::as_str);
        self.nodes.push(node("DynamicQuantizeLinear", &[name], &outputs, vec![]));
        self.sides.insert(name.to_owned(), parts.clone());
        parts
    }

    fn weight(&mut self, name: &str) -> Option<[String; 3]> {
        if let Some(parts) = self.done.get(name) {
            return Some(parts.clone());
        }
        let tensor = self.weights.get(name)?;
        let [rows, columns] = matrix(&tensor.dims)?;
        let values = floats(tensor).filter(|v| v.len() >= self.options.at_least)?;
        let (bytes, scales) = quantize(&values, columns as usize, self.options);
        let parts = [INT8, INT8_SCALE, INT8_ZERO].map(|part| format!("{name}{part}"));
        let channels = if self.options.per_channel { vec![columns] } else { vec![] };
        let zeros = vec![0; scales.len()];
        let scales = scales.iter().flat_map(|s| s.to_le_bytes()).collect();
        let constants = [
            Constant { element: DataType::Int8, dims: vec![rows, columns], bytes },
            Constant { element: DataType::Float, dims: channels.clone(), bytes: scales },
            Constant { element: DataType::Int8, dims: channels, bytes: zeros },
        ];
        self.added.extend(constants.into_iter().zip(&parts).map(|(c, name)| c.into_proto(name)));
        self.done.insert(name.to_owned(), parts.clone());
        Some(parts)
    }
}

/// The sizes of a matrix; axes of one before them count for nothing, since both sides of a recorded product have the
/// same number of axes.
fn matrix(dims: &[i64]) -> Option<[i64; 2]> {
    let (before, matrix) = dims.split_at_checked(dims.len().checked_sub(2)?)?;
    before.iter().all(|&axis| axis == 1).then_some([matrix[0], matrix[1]])
}

/// Symmetric rounding of a matrix `[k, n]` to signed bytes with one scale, or one for each column. The ranges are
/// those of ONNX Runtime's quantiser (`quant_utils.py`, `get_qmin_qmax_for_qType`): ±127, or ±64 when reduced.
fn quantize(values: &[f32], columns: usize, options: Int8) -> (Vec<u8>, Vec<f32>) {
    let groups = if options.per_channel { columns } else { 1 };
    let largest_step = if options.reduce_range { 64.0 } else { 127.0 };
    let mut scales = vec![0f32; groups];
    for (at, value) in values.iter().enumerate() {
        let scale = &mut scales[at % columns % groups];
        *scale = scale.max(value.abs());
    }
    for scale in &mut scales {
        *scale = if *scale > 0.0 { *scale / largest_step } else { 1.0 };
    }
    let step = |(at, value): (usize, &f32)| {
        let steps = (value / scales[at % columns % groups]).round_ties_even();
        (steps.clamp(-largest_step, largest_step) as i8) as u8
    };
    let bytes = values.iter().enumerate().map(step).collect();
    (bytes, scales)
}

/// The elements of a constant of single-precision floats.
fn floats(tensor: &TensorProto) -> Option<Vec<f32>> {
    if tensor.data_type != Some(DataType::Float as i32) {
        return None;
    }
    let bytes = tensor.raw_data.as_deref()?;
    Some(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

fn node(op: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<super::onnx::proto::AttributeProto>) -> NodeProto {
    NodeProto {
        input: inputs.iter().map(|&s| s.to_owned()).collect(),
        output: outputs.iter().map(|&s| s.to_owned()).collect(),
        name: Some(format!("{}/{op}", outputs[0])),
        op_type: Some(op.to_owned()),
        domain: None,
        attribute,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_fills_its_own_range() {
        let values = [1.0, -0.012, 0.5, 0.02, -0.25, 0.0];
        let (bytes, scales) = quantize(&values, 2, Int8 { reduce_range: false, ..Int8::default() });
        assert_eq!(bytes.iter().map(|&b| b as i8).collect::<Vec<_>>(), [127, -76, 64, 127, -32, 0]);
        assert!((scales[0] - 1.0 / 127.0).abs() < 1e-9 && (scales[1] - 0.02 / 127.0).abs() < 1e-9);
    }

    #[test]
    fn one_scale_serves_the_whole_weight() {
        let options = Int8 { per_channel: false, reduce_range: true, at_least: 0 };
        let (bytes, scales) = quantize(&[1.0, -0.5, 0.25, 0.0], 2, options);
        assert_eq!(bytes.iter().map(|&b| b as i8).collect::<Vec<_>>(), [64, -32, 16, 0]);
        assert_eq!(scales, [1.0 / 64.0]);
    }

    #[test]
    fn a_column_of_zeros_stays_zero() {
        let (bytes, scales) = quantize(&[0.0, 1.0], 2, Int8::default());
        assert_eq!((bytes[0], scales[0]), (0, 1.0));
    }
}
