use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::TensorData;
use rejoinder_models::text::Tokenizer;

use super::format::Value;
use super::parse::{Read, read};
use super::{HEADS, KV_HEADS, TOKENS, halves};
use crate::{Error, Result};

/// A Llama's file that [`gguf`](super::gguf) has written.
#[derive(Clone, Debug)]
pub struct GgufFile {
    keys: BTreeMap<String, Value>,
    tensors: BTreeMap<String, Read>,
}

impl GgufFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Checkpoint`] for a damaged file, or one that holds what [`gguf`](super::gguf) does not write.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let (keys, tensors) = read(&bytes).map_err(|reason| Error::checkpoint(path, reason))?;
        Ok(Self { keys, tensors })
    }

    /// The vocabulary.
    ///
    /// # Errors
    /// [`Error::Models`] where there is none.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let pieces = match self.keys.get(TOKENS) {
            Some(Value::Texts(pieces)) => pieces.as_slice(),
            _ => &[],
        };
        Ok(Tokenizer::new(pieces.to_vec())?)
    }

    /// The weights of the net by module path, as 32-bit floats.
    ///
    /// # Errors
    /// What is missing, or not of the size that it has to be, by its name in the file.
    pub(crate) fn weights(&self) -> Result<BTreeMap<String, TensorData>, String> {
        let (heads, kv_heads) = (self.count(HEADS)?, self.count(KV_HEADS)?);
        let (embedding, dim) = self.rows("token_embd")?;
        let mut weights = BTreeMap::from([
            ("embedding".to_owned(), data(embedding.to_vec(), [embedding.len() / dim, dim])),
            ("norm.gamma".to_owned(), self.vector("output_norm")?),
        ]);
        if let Ok((output, dim)) = self.rows("output") {
            weights.insert("output".to_owned(), data(output.to_vec(), [output.len() / dim, dim]));
        }
        for at in (0..).take_while(|at| self.tensors.contains_key(&format!("blk.{at}.attn_norm.weight"))) {
            let name = |part: &str| format!("blk.{at}.{part}");
            let (q, k, v) = (self.rows(&name("attn_q"))?, self.rows(&name("attn_k"))?, self.rows(&name("attn_v"))?);
            let q = halves(q.0, heads, q.0.len() / q.1 / heads, q.1);
            let k = halves(k.0, kv_heads, k.0.len() / k.1 / kv_heads, k.1);
            let (gate, up) = (self.rows(&name("ffn_gate"))?, self.rows(&name("ffn_up"))?);
            let (out, down) = (self.rows(&name("attn_output"))?, self.rows(&name("ffn_down"))?);
            let parts = [
                ("query_key_value", columns(&[q.as_slice(), k.as_slice(), v.0].concat(), v.1)),
                ("attention_out", columns(out.0, out.1)),
                ("gate_up", columns(&[gate.0, up.0].concat(), up.1)),
                ("down", columns(down.0, down.1)),
            ];
            weights.extend(parts.map(|(part, data)| (format!("blocks.{at}.{part}.weight"), data)));
            let norms = [("attention_norm", "attn_norm"), ("feed_forward_norm", "ffn_norm")];
            for (ours, theirs) in norms {
                weights.insert(format!("blocks.{at}.{ours}.gamma"), self.vector(&name(theirs))?);
            }
        }
        Ok(weights)
    }

    fn count(&self, key: &str) -> Result<usize, String> {
        match self.keys.get(key) {
            Some(Value::U32(count)) if *count > 0 => Ok(*count as usize),
            _ => Err(format!("{key}: expected a number from 1 on, found none")),
        }
    }

    fn tensor(&self, name: &str) -> Result<&Read, String> {
        let name = format!("{name}.weight");
        self.tensors.get(&name).ok_or_else(|| format!("{name} is missing"))
    }

    fn vector(&self, name: &str) -> Result<TensorData, String> {
        let values = self.tensor(name)?.values.clone();
        let length = values.len();
        Ok(data(values, [length]))
    }

    /// The values of a matrix, row by row, and how wide a row is.
    fn rows(&self, name: &str) -> Result<(&[f32], usize), String> {
        let Read { dims, values } = self.tensor(name)?;
        match dims.as_slice() {
            [width, _] if *width > 0 => Ok((values, *width)),
            _ => Err(format!("{name}.weight: expected two axes, found {dims:?}")),
        }
    }
}

fn data<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> TensorData {
    TensorData::new(values, shape)
}

/// The transpose of a matrix of rows of `width`: burn keeps a projection as (input, output).
fn columns(rows: &[f32], width: usize) -> TensorData {
    let height = rows.len() / width;
    let values = (0..width).flat_map(|column| (0..height).map(move |row| rows[row * width + column]));
    data(values.collect(), [width, height])
}
