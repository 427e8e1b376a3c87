//! Inference engines behind one seam: named tensors in, named tensors out.
//!
//! A [`Runtime`] opens a file and prepares an immutable, shareable [`Model`]; each stream spawns a mutable
//! [`Session`] of its own. Tensors are bound by name, never by position.

use std::path::Path;
use std::sync::Arc;

use ndarray::ArrayD;

use crate::Result;

/// A tensor of one of the element types that speech models use at their borders.
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor {
    /// 32-bit floats.
    F32(ArrayD<f32>),
    /// 64-bit integers: token ids, lengths.
    I64(ArrayD<i64>),
    /// 32-bit integers.
    I32(ArrayD<i32>),
    /// Flags.
    Bool(ArrayD<bool>),
}

/// The element type of a [`Tensor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// 32-bit floats.
    F32,
    /// 64-bit integers.
    I64,
    /// 32-bit integers.
    I32,
    /// Flags.
    Bool,
}

/// One input or output of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The name by which it is bound.
    pub name: String,
    /// The element type.
    pub element: ElementType,
    /// The axes; `None` where the size is symbolic.
    pub shape: Vec<Option<usize>>,
}

/// An engine that opens ONNX files.
pub trait Runtime: Send + Sync {
    /// `onnxruntime` or `tract`.
    fn name(&self) -> &'static str;

    /// Opens and prepares a model file.
    ///
    /// # Errors
    /// [`Error::Model`](crate::Error::Model) when the file is missing, damaged, or uses an operator that the engine
    /// lacks.
    fn open(&self, path: &Path) -> Result<Arc<dyn Model>>;
}

/// A prepared model: immutable, shared by all its sessions.
pub trait Model: Send + Sync {
    /// The inputs, in the order of the file.
    fn inputs(&self) -> &[Port];
    /// The outputs, in the order of the file.
    fn outputs(&self) -> &[Port];
    /// A metadata value stored inside the file.
    fn metadata(&self, key: &str) -> Option<String>;
    /// A session for one stream.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) when the engine cannot make one.
    fn session(&self) -> Result<Box<dyn Session>>;
}

/// The mutable half of a model: scratch memory for one stream.
pub trait Session: Send {
    /// Runs the model once. Outputs come in the order of `wanted`; an empty `wanted` means all, in file order.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) for a missing or misshapen input, naming it.
    fn run(&mut self, inputs: Vec<(&str, Tensor)>, wanted: &[&str]) -> Result<Vec<Tensor>>;
}
