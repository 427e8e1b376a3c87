//! Checkpoints of SpeechBrain's nets, by the names and in the layout of ours.
//!
//! A `.ckpt` is a state dictionary that `torch.save` wrote. It is read without executing anything that stands in it.

use std::collections::BTreeMap;
use std::path::Path;

use burn::store::{ModuleStore, PytorchStore, bridge};
use burn::tensor::TensorData;

use super::Weights;
use crate::{Error, Result};

/// Weights of a net of SpeechBrain's, by its names.
pub struct Theirs<'a> {
    path: &'a Path,
    tensors: BTreeMap<String, TensorData>,
    ours: BTreeMap<String, TensorData>,
}

/// From the weights of a net of SpeechBrain's to those of ours.
pub type Names = fn(&mut Theirs<'_>) -> Result<()>;

/// Whether a file is a checkpoint of PyTorch's, by its name.
pub(super) fn is_checkpoint(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["ckpt", "pt", "pth"].iter().any(|known| extension == *known))
}

/// The weights in a checkpoint.
///
/// # Errors
/// [`Error::Checkpoint`] when the file is missing or damaged, or lacks a weight.
pub(crate) fn read(path: &Path, names: Names) -> Result<Weights> {
    if !path.is_file() {
        return Err(Error::checkpoint(path, "there is no such checkpoint"));
    }
    // The numbers of its layers count those without weights.
    let mut store = PytorchStore::from_file(path).map_indices_contiguous(false);
    let stored = store.get_all_tensors().map_err(|e| Error::checkpoint(path, e))?;
    let read = |(name, tensor): (&String, _)| {
        let data = bridge::to_data(tensor).map_err(|e| Error::checkpoint(path, e))?;
        Ok((name.clone(), if data.dtype().is_float() { data.convert::<f32>() } else { data }))
    };
    let tensors = stored.iter().map(read).collect::<Result<_>>()?;
    let mut theirs = Theirs { path, tensors, ours: BTreeMap::new() };
    names(&mut theirs)?;
    Ok(Weights { place: path.to_owned(), tensors: theirs.ours })
}

impl Theirs<'_> {
    fn take(&self, name: &str) -> Result<(Vec<f32>, Vec<usize>)> {
        let found =
            self.tensors.get(name).map(|data| (data.iter::<f32>().collect(), data.shape().iter().copied().collect()));
        found.ok_or_else(|| {
            let some: Vec<&str> = self.tensors.keys().take(4).map(String::as_str).collect();
            let reason =
                format!("expected a weight `{name}`, found {} others such as {}", self.tensors.len(), some.join(", "));
            Error::checkpoint(self.path, reason)
        })
    }

    fn give(&mut self, name: String, values: Vec<f32>, shape: &[usize]) {
        self.ours.insert(name, TensorData::new(values, shape.to_vec()));
    }

    /// A vector, which has one layout only.
    fn vector(&mut self, ours: String, theirs: &str) -> Result<()> {
        let (values, shape) = self.take(theirs)?;
        self.give(ours, values, &shape);
        Ok(())
    }

    /// A convolution, (out, in, kernel), or a linear layer, (out, in), as a matrix (kernel x in, out), with its bias.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when the checkpoint lacks it.
    pub fn layer(&mut self, ours: &str, theirs: &str) -> Result<()> {
        let (values, shape) = self.take(&format!("{theirs}.weight"))?;
        let [out, inputs, kernel] = [0, 1, 2].map(|axis| shape.get(axis).copied().unwrap_or(1));
        let mut matrix = vec![0.0; values.len()];
        for (at, value) in values.into_iter().enumerate() {
            let (row, tap) = (at / kernel, at % kernel);
            matrix[(tap * inputs + row % inputs) * out + row / inputs] = value;
        }
        self.give(format!("{ours}.weight"), matrix, &[kernel * inputs, out]);
        let bias = format!("{theirs}.bias");
        if self.tensors.contains_key(&bias) { self.vector(format!("{ours}.bias"), &bias) } else { Ok(()) }
    }

    /// A batch norm.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when the checkpoint lacks a part of it.
    pub fn norm(&mut self, ours: &str, theirs: &str) -> Result<()> {
        let names =
            [("gamma", "weight"), ("beta", "bias"), ("running_mean", "running_mean"), ("running_var", "running_var")];
        names
            .into_iter()
            .try_for_each(|(our, their)| self.vector(format!("{ours}.{our}"), &format!("{theirs}.norm.{their}")))
    }

    /// The rows of a matrix of ours as two: of `parts` like parts the first under its own name, the others as that of another
    /// layer.
    pub fn part(&mut self, ours: &str, parts: usize, other: &str) {
        let Some(data) = self.ours.remove(&format!("{ours}.weight")) else { return };
        let (shape, values): (Vec<usize>, Vec<f32>) =
            (data.shape().iter().copied().collect(), data.iter::<f32>().collect());
        let rows = shape[0] / parts;
        let (first, second) = values.split_at(rows * shape[1]);
        self.give(format!("{ours}.weight"), first.to_vec(), &[rows, shape[1]]);
        self.give(format!("{other}.weight"), second.to_vec(), &[shape[0] - rows, shape[1]]);
    }

    /// Whether there are weights of a module.
    pub fn has(&self, module: &str) -> bool {
        self.tensors.keys().any(|name| name.starts_with(&format!("{module}.")))
    }
}
