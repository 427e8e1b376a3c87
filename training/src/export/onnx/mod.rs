//! ONNX files: the messages, and a builder that names values and stores each constant once.

pub mod proto;

mod builder;
mod constant;

pub(crate) use builder::{GraphBuilder, float_attr, int_attr, ints_attr, text_attr, value_info};
pub(crate) use constant::{Constant, onnx_type};

/// The operator set of the files we write. tract 0.23 is tested by its authors up to 18, ONNX Runtime far beyond;
/// 17 is the first with `LayerNormalization`.
pub const OPSET: i64 = 17;

/// The version of the file format that belongs to [`OPSET`].
pub const IR_VERSION: i64 = 8;
