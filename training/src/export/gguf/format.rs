//! The file: keys with values, and tensors (`gguf.md` in ggml's documentation).

use burn::tensor::f16;
use serde::{Deserialize, Serialize};

use crate::Error;

/// How matrices are stored; vectors are f32 always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// Half floats.
    F16,
    /// Blocks of 32 bytes with one half float as scale (`block_q8_0` in ggml).
    #[default]
    Q8_0,
}

pub(super) const MAGIC: &[u8] = b"GGUF";
pub(super) const VERSION: u32 = 3;
pub(super) const ALIGNMENT: usize = 32;
/// Values in a block of `q8_0`, and the bytes of one with its scale.
pub(super) const Q8_VALUES: usize = 32;
pub(super) const Q8_BYTES: usize = Q8_VALUES + 2;

/// The value of a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    F32s(Vec<f32>),
    I32s(Vec<i32>),
}

impl Value {
    /// The type's number in the file.
    fn code(&self) -> u32 {
        match self {
            Self::U32(_) => 4,
            Self::F32(_) => 6,
            Self::Bool(_) => 7,
            Self::Text(_) => 8,
            Self::Texts(_) | Self::F32s(_) | Self::I32s(_) => 9,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let array = |out: &mut Vec<u8>, code: u32, length: usize| {
            out.extend(code.to_le_bytes());
            out.extend((length as u64).to_le_bytes());
        };
        match self {
            Self::U32(value) => out.extend(value.to_le_bytes()),
            Self::F32(value) => out.extend(value.to_le_bytes()),
            Self::Bool(value) => out.push(u8::from(*value)),
            Self::Text(value) => text(out, value),
            Self::Texts(values) => {
                array(out, 8, values.len());
                values.iter().for_each(|value| text(out, value));
            }
            Self::F32s(values) => {
                array(out, 6, values.len());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
            Self::I32s(values) => {
                array(out, 5, values.len());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
        }
    }
}

/// A text as the file holds it.
fn text(out: &mut Vec<u8>, value: &str) {
    out.extend((value.len() as u64).to_le_bytes());
    out.extend(value.as_bytes());
}

/// A tensor as the file holds it. The first of `dims` is the one along which values are neighbours.
pub(super) struct Stored {
    name: String,
    dims: Vec<u64>,
    code: u32,
    bytes: Vec<u8>,
}

/// The bytes of a file with these keys and tensors.
pub(super) fn write(metadata: &[(String, Value)], tensors: &[Stored]) -> Vec<u8> {
    let mut out: Vec<u8> = MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        text(&mut out, key);
        out.extend(value.code().to_le_bytes());
        value.write(&mut out);
    }
    let mut offset = 0usize;
    for tensor in tensors {
        text(&mut out, &tensor.name);
        out.extend((tensor.dims.len() as u32).to_le_bytes());
        tensor.dims.iter().for_each(|dim| out.extend(dim.to_le_bytes()));
        out.extend(tensor.code.to_le_bytes());
        out.extend((offset as u64).to_le_bytes());
        offset = (offset + tensor.bytes.len()).next_multiple_of(ALIGNMENT);
    }
    for tensor in tensors {
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out.extend(&tensor.bytes);
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    out
}

/// A vector.
pub(super) fn vector(name: &str, values: Vec<f32>) -> Stored {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Stored { name: name.into(), dims: vec![values.len() as u64], code: 0, bytes }
}

/// A matrix of rows of `width`.
pub(super) fn matrix(name: &str, values: Vec<f32>, width: usize, storage: Storage) -> crate::Result<Stored> {
    let dims = vec![width as u64, (values.len() / width) as u64];
    let (code, bytes) = match storage {
        Storage::F16 => (1, values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect()),
        Storage::Q8_0 if !width.is_multiple_of(Q8_VALUES) => {
            let reason = format!("{name}: expected a width in steps of {Q8_VALUES} for q8_0, found {width}");
            return Err(Error::data("gguf", reason));
        }
        Storage::Q8_0 => (8, values.chunks(Q8_VALUES).flat_map(q8_block).collect()),
    };
    Ok(Stored { name: name.into(), dims, code, bytes })
}

/// One block of `quantize_row_q8_0_ref` in ggml: a scale of a 127th of the largest magnitude, then 32 rounded values.
fn q8_block(values: &[f32]) -> Vec<u8> {
    let largest = values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let scale = largest / 127.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let quantized = values.iter().map(|value| (value * inverse).round() as i8 as u8);
    f16::from_f32(scale).to_le_bytes().into_iter().chain(quantized).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_values_within_half_a_step() {
        let values: Vec<f32> = (0..32).map(|n| (n as f32 * 0.7).sin()).collect();
        let block = q8_block(&values);
        assert_eq!(block.len(), 34);
        let step = values.iter().fold(0.0_f32, |largest, v| largest.max(v.abs())) / 127.0;
        for (value, byte) in values.iter().zip(&block[2..]) {
            assert!((value - f32::from(*byte as i8) * step).abs() < 0.6 * step, "{value} {byte}");
        }
    }
}
