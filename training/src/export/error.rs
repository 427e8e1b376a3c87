/// The result of every fallible call of the exporter.
pub type Result<T, E = ExportError> = std::result::Result<T, E>;

/// Why a net could not be exported. All kinds are final for the same net.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// An operation without a translation to ONNX.
    #[error(
        "operation {at} of {count}: no translation to ONNX for {operation}; write the forward with other operations"
    )]
    Unsupported {
        /// The operation, with the shapes that it reads and makes.
        operation: String,
        /// Its place in the recording, from 0.
        at: usize,
        /// The length of the recording.
        count: usize,
    },
    /// A number inside the forward that changes with a symbolic axis in a way that ONNX cannot be told.
    #[error("operation {at} of {count}: {operation} depends on a symbolic axis: {reason}")]
    SizeDependent {
        /// The operation, with the shapes that it reads and makes.
        operation: String,
        /// Its place in the recording, from 0.
        at: usize,
        /// The length of the recording.
        count: usize,
        /// What changes, and how to write it instead.
        reason: String,
    },
    /// An element type that the runtimes do not take.
    #[error("element type: expected f32, f64, f16, i64, i32, i16, i8, u8 or bool, found {found}")]
    ElementType {
        /// The type.
        found: String,
    },
    /// An input or output that does not fit its declaration.
    #[error("{what}: expected {expected}, found {found}")]
    Border {
        /// The name of the input or output.
        what: String,
        /// What was declared.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The recording itself failed.
    #[error("recording the forward: {reason}")]
    Recording {
        /// What is wrong.
        reason: String,
    },
    /// A file that does not compute what the net computes.
    #[error(
        "{file}: output {output} on {runtime}: expected the net's own numbers to within {allowed:e}, found a difference of {found:e}"
    )]
    Parity {
        /// The file.
        file: String,
        /// The runtime.
        runtime: String,
        /// The output that is farthest off.
        output: String,
        /// How far off it may be.
        allowed: f64,
        /// How far off it is.
        found: f64,
    },
    /// A file that could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file that is not ONNX.
    #[error("{}: expected an ONNX model, found {reason}", path.display())]
    Format {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A runtime or bundle failed.
    #[error(transparent)]
    Model(#[from] rejoinder_models::Error),
}

impl ExportError {
    pub(crate) fn border(what: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Border { what: what.into(), expected: expected.into(), found: found.into() }
    }

    pub(crate) fn recording(reason: impl Into<String>) -> Self {
        Self::Recording { reason: reason.into() }
    }
}
