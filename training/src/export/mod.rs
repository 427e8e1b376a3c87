//! From a trained net to a file that the runtimes open.
//!
//! The forward that was trained is recorded as operations, and each is translated to ONNX nodes: there is no second
//! description of a net to keep in step. Recording at several sizes shows what follows from a symbolic axis.

pub mod gguf;
pub mod onnx;

mod border;
mod bundle;
mod config;
mod error;
mod exporter;
mod fold;
mod parity;
mod program;
mod quantize;
mod record;
mod translate;
mod weights;

pub use border::{Axis, Element};
pub use bundle::{Package, commit};
pub use config::ExportConfig;
pub use error::{ExportError, Result};
pub use exporter::{OnnxExport, OnnxModel};
pub use parity::{Case, Difference, border_tensor, check_parity};
pub use quantize::{Int8, quantize_matmul, store_half};
pub use record::Recorder;

#[cfg(test)]
mod tests;
