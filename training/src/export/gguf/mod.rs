//! Writes a Llama as a GGUF file (version 3; `gguf.md` in ggml's documentation), with tokenizer and chat template, and
//! reads such a file.

#[cfg(feature = "llama")]
mod check;
mod file;
mod format;
mod parse;

use burn::tensor::Tensor;
use rejoinder_models::llm::template::{CONTROLS, TEMPLATE};
use rejoinder_models::text::Tokenizer;

use crate::nets::llama::{Block, Llama, LlamaConfig};
use crate::{Error, Result};
#[cfg(feature = "llama")]
pub use check::{LLAMA_CPP, check_parity};
pub use file::GgufFile;
pub use format::Storage;
use format::{Stored, Value, matrix, vector, write};

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

/// The family of a bundle with such a file.
pub(crate) const FAMILY: &str = "gguf";

const TOKENS: &str = "tokenizer.ggml.tokens";
const HEADS: &str = "llama.attention.head_count";
const KV_HEADS: &str = "llama.attention.head_count_kv";

/// The bytes of a GGUF file of `net`.
///
/// # Errors
/// [`Error::Data`] when a width does not suit the storage, or the vocabulary lacks a control piece.
pub fn gguf(net: &Llama, config: &LlamaConfig, tokenizer: &Tokenizer, info: &GgufInfo<'_>) -> Result<Vec<u8>> {
    let metadata = metadata(config, tokenizer, info)?;
    let tensors = tensors(net, config, info.storage)?;
    Ok(write(&metadata, &tensors))
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
        (HEADS, count(config.heads)),
        (KV_HEADS, count(config.kv_heads)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(config.norm_epsilon as f32)),
        ("llama.rope.dimension_count", count(config.head_dim())),
        ("llama.rope.freq_base", Value::F32(config.rope_base)),
        ("llama.vocab_size", count(tokenizer.len())),
        ("tokenizer.ggml.model", Value::Text("llama".into())),
        ("tokenizer.ggml.pre", Value::Text("default".into())),
        (TOKENS, Value::Texts(tokenizer.pieces().to_vec())),
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
    reordered(rows, heads, head_dim, width, |within| within / 2 + (within % 2) * half)
}

/// What [`neighbours`] was made of.
fn halves(rows: &[f32], heads: usize, head_dim: usize, width: usize) -> Vec<f32> {
    let half = (head_dim / 2).max(1);
    reordered(rows, heads, head_dim, width, |within| 2 * (within % half) + within / half)
}

/// Rows in another order within each head: `from` tells for each of its rows which one comes there.
fn reordered(rows: &[f32], heads: usize, head_dim: usize, width: usize, from: impl Fn(usize) -> usize) -> Vec<f32> {
    let order = (0..heads * head_dim).map(|row| row / head_dim * head_dim + from(row % head_dim));
    order.flat_map(|row| rows[row * width..(row + 1) * width].iter().copied()).collect()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_head_alternate_its_halves() {
        let rows: Vec<f32> = (0..8).map(|row| row as f32).collect();
        let alternating = neighbours(&rows, 2, 4, 1);
        assert_eq!(alternating, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
        assert_eq!(halves(&alternating, 2, 4, 1), rows);
    }
}
