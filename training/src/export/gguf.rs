//! Writes a Llama as a GGUF file (version 3; `gguf.md` in ggml's documentation), with tokenizer and chat template.

use burn::tensor::Tensor;
use rejoinder_models::llm::template::{CONTROLS, TEMPLATE};
use rejoinder_models::text::Tokenizer;
use serde::{Deserialize, Serialize};

use crate::nets::llama::{Block, Llama, LlamaConfig};
use crate::{Error, Result};

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

/// What the file says of the model beside its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct GgufInfo<'a> {
    /// The model's name.
    pub name: &'a str,
    /// Its licence.
    pub licence: &'a str,
    /// The tokens of context that it was trained with.
    pub context: usize,
    /// How matrices are stored.
    pub storage: Storage,
}

const ALIGNMENT: usize = 32;

enum Value {
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

fn text(out: &mut Vec<u8>, value: &str) {
    out.extend((value.len() as u64).to_le_bytes());
    out.extend(value.as_bytes());
}

/// A tensor as the file holds it. The first of `dims` is the one along which values are neighbours.
struct Stored {
    name: String,
    dims: Vec<u64>,
    code: u32,
    bytes: Vec<u8>,
}

/// The bytes of a GGUF file of `net`.
///
/// # Errors
/// [`Error::Data`] when a width does not suit the storage, or the vocabulary lacks a control piece.
pub fn gguf(net: &Llama, config: &LlamaConfig, tokenizer: &Tokenizer, info: &GgufInfo<'_>) -> Result<Vec<u8>> {
    let metadata = metadata(config, tokenizer, info)?;
    let tensors = tensors(net, config, info.storage)?;
    let mut out: Vec<u8> = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in &metadata {
        text(&mut out, key);
        out.extend(value.code().to_le_bytes());
        value.write(&mut out);
    }
    let mut offset = 0usize;
    for tensor in &tensors {
        text(&mut out, &tensor.name);
        out.extend((tensor.dims.len() as u32).to_le_bytes());
        tensor.dims.iter().for_each(|dim| out.extend(dim.to_le_bytes()));
        out.extend(tensor.code.to_le_bytes());
        out.extend((offset as u64).to_le_bytes());
        offset = (offset + tensor.bytes.len()).next_multiple_of(ALIGNMENT);
    }
    for tensor in &tensors {
        out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        out.extend(&tensor.bytes);
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    Ok(out)
}

fn metadata(config: &LlamaConfig, tokenizer: &Tokenizer, info: &GgufInfo<'_>) -> Result<Vec<(String, Value)>> {
    let count = |value: usize| Value::U32(value as u32);
    let control = |piece: &str| {
        let id = tokenizer.id(piece).ok_or_else(|| Error::data("tokenizer", format!("no piece {piece}")))?;
        Ok::<_, Error>(Value::U32(id))
    };
    let kinds = (0..tokenizer.len() as u32).map(|id| kind(tokenizer.piece(id).unwrap_or_default())).collect();
    let entries = [
        ("general.architecture", Value::Text("llama".into())),
        ("general.name", Value::Text(info.name.into())),
        ("general.license", Value::Text(info.licence.into())),
        ("general.file_type", Value::U32(if info.storage == Storage::F16 { 1 } else { 7 })),
        ("general.quantization_version", Value::U32(2)),
        ("llama.context_length", count(info.context)),
        ("llama.embedding_length", count(config.dim)),
        ("llama.block_count", count(config.layers)),
        ("llama.feed_forward_length", count(config.feed_forward)),
        ("llama.attention.head_count", count(config.heads)),
        ("llama.attention.head_count_kv", count(config.kv_heads)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(config.norm_epsilon as f32)),
        ("llama.rope.dimension_count", count(config.head_dim())),
        ("llama.rope.freq_base", Value::F32(config.rope_base)),
        ("llama.vocab_size", count(tokenizer.len())),
        ("tokenizer.ggml.model", Value::Text("llama".into())),
        ("tokenizer.ggml.pre", Value::Text("default".into())),
        ("tokenizer.ggml.tokens", Value::Texts(tokenizer.pieces().to_vec())),
        ("tokenizer.ggml.scores", Value::F32s((0..tokenizer.len()).map(|id| -(id as f32)).collect())),
        ("tokenizer.ggml.token_type", Value::I32s(kinds)),
        ("tokenizer.ggml.bos_token_id", control("<s>")?),
        ("tokenizer.ggml.eos_token_id", control("<|end|>")?),
        ("tokenizer.ggml.eot_token_id", control("<|end|>")?),
        ("tokenizer.ggml.unknown_token_id", control("<unk>")?),
        ("tokenizer.ggml.add_bos_token", Value::Bool(false)),
        ("tokenizer.ggml.add_eos_token", Value::Bool(false)),
        ("tokenizer.ggml.add_space_prefix", Value::Bool(false)),
        ("tokenizer.chat_template", Value::Text(TEMPLATE.into())),
    ];
    Ok(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The kind of a piece by llama.cpp's numbers: 1 normal, 2 unknown, 3 control, 6 byte.
fn kind(piece: &str) -> i32 {
    match piece {
        "<unk>" => 2,
        _ if CONTROLS.contains(&piece) => 3,
        _ if piece.len() == 6 && piece.starts_with("<0x") && piece.ends_with('>') => 6,
        _ => 1,
    }
}

fn tensors(net: &Llama, config: &LlamaConfig, storage: Storage) -> Result<Vec<Stored>> {
    let width = config.dim;
    let mut all = vec![matrix("token_embd.weight", values(net.embedding.val()), width, storage)?];
    all.push(vector("output_norm.weight", values(net.norm.gamma.val())));
    if let Some(output) = &net.output {
        all.push(matrix("output.weight", values(output.val()), width, storage)?);
    }
    for (at, block) in net.blocks.iter().enumerate() {
        block_tensors(at, block, config, storage, &mut all)?;
    }
    Ok(all)
}

fn block_tensors(
    at: usize,
    block: &Block,
    config: &LlamaConfig,
    storage: Storage,
    all: &mut Vec<Stored>,
) -> Result<()> {
    let (dim, head_dim) = (config.dim, config.head_dim());
    let (queries, keys) = (config.heads * head_dim, config.kv_heads * head_dim);
    let name = |part: &str| format!("blk.{at}.{part}.weight");
    // burn keeps a projection as (input, output); the file wants (output, input).
    let qkv = block.query_key_value.weight.val().transpose();
    let gate_up = block.gate_up.weight.val().transpose();
    let rows = |of: &Tensor<2>, start: usize, count: usize| values(of.clone().narrow(0, start, count));
    let q = neighbours(&rows(&qkv, 0, queries), config.heads, head_dim, dim);
    let k = neighbours(&rows(&qkv, queries, keys), config.kv_heads, head_dim, dim);
    all.push(vector(&name("attn_norm"), values(block.attention_norm.gamma.val())));
    all.push(matrix(&name("attn_q"), q, dim, storage)?);
    all.push(matrix(&name("attn_k"), k, dim, storage)?);
    all.push(matrix(&name("attn_v"), rows(&qkv, queries + keys, keys), dim, storage)?);
    all.push(matrix(&name("attn_output"), values(block.attention_out.weight.val().transpose()), dim, storage)?);
    all.push(vector(&name("ffn_norm"), values(block.feed_forward_norm.gamma.val())));
    all.push(matrix(&name("ffn_gate"), rows(&gate_up, 0, config.feed_forward), dim, storage)?);
    all.push(matrix(&name("ffn_up"), rows(&gate_up, config.feed_forward, config.feed_forward), dim, storage)?);
    let down = values(block.down.weight.val().transpose());
    all.push(matrix(&name("ffn_down"), down, config.feed_forward, storage)?);
    Ok(())
}

/// Puts the two halves of each head in turns: the rotary order of llama.cpp's `llama` architecture, as
/// `LlamaModel.permute` of its converter does.
fn neighbours(rows: &[f32], heads: usize, head_dim: usize, width: usize) -> Vec<f32> {
    let half = head_dim / 2;
    let order = (0..heads * head_dim).map(|row| {
        let (head, within) = (row / head_dim, row % head_dim);
        head * head_dim + within / 2 + (within % 2) * half
    });
    order.flat_map(|row| rows[row * width..(row + 1) * width].iter().copied()).collect()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn vector(name: &str, values: Vec<f32>) -> Stored {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Stored { name: name.into(), dims: vec![values.len() as u64], code: 0, bytes }
}

fn matrix(name: &str, values: Vec<f32>, width: usize, storage: Storage) -> Result<Stored> {
    let dims = vec![width as u64, (values.len() / width) as u64];
    let (code, bytes) = match storage {
        Storage::F16 => (1, values.iter().flat_map(|value| half(*value).to_le_bytes()).collect()),
        Storage::Q8_0 if !width.is_multiple_of(32) => {
            let reason = format!("{name}: expected a width in steps of 32 for q8_0, found {width}");
            return Err(Error::data("gguf", reason));
        }
        Storage::Q8_0 => (8, values.chunks(32).flat_map(q8_block).collect()),
    };
    Ok(Stored { name: name.into(), dims, code, bytes })
}

/// One block of `quantize_row_q8_0_ref` in ggml: a scale of a 127th of the largest magnitude, then 32 rounded values.
fn q8_block(values: &[f32]) -> Vec<u8> {
    let largest = values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    let scale = largest / 127.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let quantized = values.iter().map(|value| (value * inverse).round() as i8 as u8);
    half(scale).to_le_bytes().into_iter().chain(quantized).collect()
}

/// The nearest IEEE 754 half float, ties to even.
fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00;
    }
    // 65520 and above round to infinity.
    if magnitude >= 0x477f_f000 {
        return sign | 0x7c00;
    }
    if magnitude < 0x3880_0000 {
        // Subnormal halves are multiples of 2^-24; scaling is exact, and adding 2^23 rounds to an integer.
        let scaled = f32::from_bits(magnitude) * 16_777_216.0;
        let rounded = (scaled + 8_388_608.0) - 8_388_608.0;
        return sign | rounded as u16;
    }
    let odd = (magnitude >> 13) & 1;
    let rounded = magnitude + 0xfff + odd;
    sign | ((rounded - 0x3800_0000) >> 13) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_those_of_ieee_754() {
        // numpy: np.float16(x).view(np.uint16)
        let known = [
            (0.0, 0x0000),
            (1.0, 0x3c00),
            (-2.5, 0xc100),
            (0.1, 0x2e66),
            (65504.0, 0x7bff),
            (65520.0, 0x7c00),
            (6.103_515_6e-5, 0x0400),
            (5.960_464_5e-8, 0x0001),
            (1e-9, 0x0000),
            (1.000_488_3, 0x3c00),
            (1.001_464_8, 0x3c02),
        ];
        for (value, bits) in known {
            assert_eq!(half(value), bits, "{value}");
        }
    }

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

    #[test]
    fn rows_of_a_head_alternate_its_halves() {
        let rows: Vec<f32> = (0..8).map(|row| row as f32).collect();
        assert_eq!(neighbours(&rows, 2, 4, 1), [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    }
}
