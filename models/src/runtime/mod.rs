//! Inference engines behind one seam: named tensors in, named tensors out.
//!
//! A [`Runtime`] opens a file and prepares an immutable, shareable [`Model`]; each stream spawns a mutable
//! [`Session`] of its own. Tensors are bound by name, never by position.
//!
//! State tensors travel as plain [`Tensor`]s: ONNX Runtime takes the arrays as they are, and each engine hands new ones
//! out with one `memcpy`.

mod bind;
mod config;
mod locate;
#[cfg(feature = "ort")]
mod ort;
mod tensor;
#[cfg(feature = "tract")]
mod tract;

use std::path::Path;
use std::sync::Arc;

pub use config::{Provider, RuntimeConfig, RuntimeKind, open};
pub use locate::find_onnxruntime;
pub use tensor::{ElementType, Tensor};

use crate::Result;

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

    /// Runs once with `inputs` and throws the result away, so that the next run with inputs of the same shapes is
    /// as fast as any later one. An engine may plan for exactly these shapes.
    ///
    /// # Errors
    /// As [`Session::run`].
    fn warm_up(&self, inputs: Vec<(&str, Tensor)>) -> Result<()> {
        self.session()?.run(inputs, &[]).map(drop)
    }

    /// The input of a name.
    fn input(&self, name: &str) -> Option<&Port> {
        self.inputs().iter().find(|port| port.name == name)
    }

    /// The output of a name.
    fn output(&self, name: &str) -> Option<&Port> {
        self.outputs().iter().find(|port| port.name == name)
    }
}

/// The mutable half of a model: scratch memory for one stream.
pub trait Session: Send {
    /// Runs the model once. Outputs come in the order of `wanted`; an empty `wanted` means all, in file order.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) for a missing or misshapen input, naming it.
    fn run(&mut self, inputs: Vec<(&str, Tensor)>, wanted: &[&str]) -> Result<Vec<Tensor>>;
}
