//! What a forward takes and gives, as it is declared.

use std::collections::BTreeMap;

use burn::backend::ir::TensorId;
use burn::tensor::DType;

/// One axis of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Axis {
    /// A size that never changes.
    Fixed(usize),
    /// A size that a caller chooses anew for each run.
    Symbol {
        /// The name that stands for it in the file.
        name: String,
        /// The sizes at which the forward is recorded: at least two, better three, with no simple ratio between them,
        /// so that what follows from the size can be told from what does not.
        sizes: Vec<usize>,
    },
}

impl Axis {
    /// A size that a caller chooses; see [`Axis::Symbol`].
    pub fn symbol(name: &str, sizes: &[usize]) -> Self {
        Self::Symbol { name: name.to_owned(), sizes: sizes.to_owned() }
    }
}

impl From<usize> for Axis {
    fn from(size: usize) -> Self {
        Self::Fixed(size)
    }
}

/// The element type of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32-bit floats.
    Float,
    /// 64-bit integers.
    Int,
    /// Flags.
    Bool,
}

/// A declared input.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) element: Element,
    pub(crate) axes: Vec<Axis>,
}

impl Input {
    pub(crate) fn shape(&self, sizes: &BTreeMap<String, usize>) -> Vec<usize> {
        let size = |axis: &Axis| match axis {
            Axis::Fixed(n) => *n,
            Axis::Symbol { name, .. } => sizes.get(name).copied().unwrap_or_default(),
        };
        self.axes.iter().map(size).collect()
    }
}

/// A declared output with its shape in one recording.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) id: TensorId,
    pub(crate) shape: Vec<usize>,
    pub(crate) dtype: DType,
}
