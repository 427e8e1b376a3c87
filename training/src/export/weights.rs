//! Weights read back out of a file that the exporter wrote, by the module paths that its constants are called by.

use std::collections::{BTreeMap, HashMap};

use burn::tensor::{TensorData, f16};

use super::OnnxModel;
use super::fold::FOLDED;
use super::onnx::proto::{DataType, TensorProto};
use super::quantize::{HALF, INT8, INT8_SCALE, INT8_ZERO};

impl OnnxModel {
    /// The weights of the net that was exported, by module path: 8-bit ones times their scales and half-precision ones,
    /// all as 32-bit floats. Axes of one may stand between those of the net's own tensor. What the exporter made of weights
    /// by arithmetic, and constants that no weight is behind, are left out.
    ///
    /// # Errors
    /// What is wrong with a constant, by its name.
    pub fn weights(&self) -> Result<BTreeMap<String, TensorData>, String> {
        let constants: Vec<(&str, &TensorProto)> =
            self.proto.graph.iter().flat_map(|graph| &graph.initializer).map(|t| (t.name(), t)).collect();
        let by_name: HashMap<&str, &TensorProto> = constants.iter().copied().collect();
        let mut weights = BTreeMap::new();
        for (name, tensor) in constants {
            let (path, values) = if let Some(path) = name.strip_suffix(INT8) {
                (path, int8(path, tensor, &by_name))
            } else if let Some(path) = name.strip_suffix(HALF) {
                (path, half(tensor))
            } else {
                (name, single(tensor))
            };
            let is_part = [INT8_SCALE, INT8_ZERO].iter().any(|part| name.ends_with(part));
            if is_part || tensor.data_type() == DataType::Int64 || !is_weight(path) {
                continue;
            }
            let dims: Vec<usize> = tensor.dims.iter().map(|&n| n as usize).collect();
            let values = values.filter(|values| values.len() == dims.iter().product::<usize>());
            let values = values.ok_or_else(|| format!("{name}: expected {dims:?} whole elements, found others"))?;
            weights.insert(path.to_owned(), TensorData::new(values, dims));
        }
        Ok(weights)
    }
}

/// Whether a constant has the name of a weight: the translation calls its own ones `constant` or by their value.
fn is_weight(name: &str) -> bool {
    let own = name == "constant" || ["constant.", "scalar_", "ints_"].iter().any(|own| name.starts_with(own));
    !own && !name.contains(FOLDED)
}

fn single(tensor: &TensorProto) -> Option<Vec<f32>> {
    let bytes = tensor.raw_data.as_deref().filter(|_| tensor.data_type() == DataType::Float)?;
    Some(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

fn half(tensor: &TensorProto) -> Option<Vec<f32>> {
    let bytes = tensor.raw_data.as_deref().filter(|_| tensor.data_type() == DataType::Float16)?;
    Some(bytes.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect())
}

/// `scale (q - zero)`, with one scale and zero point for the weight or for each of its columns.
fn int8(path: &str, tensor: &TensorProto, constants: &HashMap<&str, &TensorProto>) -> Option<Vec<f32>> {
    let part = |suffix: &str| constants.get(format!("{path}{suffix}").as_str()).copied();
    let scales = single(part(INT8_SCALE)?)?;
    let bytes = |tensor: &TensorProto| tensor.raw_data.clone().filter(|_| tensor.data_type() == DataType::Int8);
    let (zeros, steps) = (bytes(part(INT8_ZERO)?)?, bytes(tensor)?);
    let columns = *tensor.dims.last()? as usize;
    if zeros.len() != scales.len() || ![1, columns].contains(&scales.len()) {
        return None;
    }
    let value = |(at, step): (usize, &u8)| {
        let column = at % columns % scales.len();
        scales[column] * (f32::from(*step as i8) - f32::from(zeros[column] as i8))
    };
    Some(steps.iter().enumerate().map(value).collect())
}
