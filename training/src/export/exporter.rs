use std::path::Path;

use burn::module::Module;
use burn::tensor::TensorData;
use prost::Message;

use super::border::Input;
use super::onnx::proto::{DataType, ModelProto, OperatorSetIdProto, StringStringEntryProto};
use super::onnx::{IR_VERSION, OPSET};
use super::program::{Program, plan};
use super::record::{compute, record};
use super::translate::translate;
use super::{Axis, Case, Element, ExportError, Recorder, Result, fold};

impl Element {
    pub(crate) fn onnx(self) -> DataType {
        match self {
            Self::Float => DataType::Float,
            Self::Int => DataType::Int64,
            Self::Bool => DataType::Bool,
        }
    }
}

/// The declaration of an export: a name, the inputs, and metadata. [`OnnxExport::record`] makes the model.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::tensor::Device;
/// use rejoinder_training::export::{Axis, Element, OnnxExport};
///
/// # fn main() -> rejoinder_training::export::Result<()> {
/// let net = LinearConfig::new(80, 32).init(&Device::flex());
/// let model = OnnxExport::new("projection")
///     .input("frames", Element::Float, [Axis::from(1), Axis::symbol("T", &[7, 12, 23]), Axis::from(80)])
///     .metadata("sample_rate", "16000")
///     .record(&net, |net, recorder| {
///         let frames = recorder.float::<3>("frames")?;
///         recorder.output("projected", net.forward(frames))
///     })?;
/// assert_eq!(model.operators()["MatMul"], 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OnnxExport {
    name: String,
    inputs: Vec<Input>,
    metadata: Vec<(String, String)>,
}

impl OnnxExport {
    /// An export without inputs; `name` is the name of the graph in the file.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), inputs: Vec::new(), metadata: Vec::new() }
    }

    /// Declares an input. The order of the calls is the order in the file.
    #[must_use]
    pub fn input(mut self, name: &str, element: Element, axes: impl IntoIterator<Item = Axis>) -> Self {
        self.inputs.push(Input { name: name.to_owned(), element, axes: axes.into_iter().collect() });
        self
    }

    /// Adds a metadata entry, which a loader finds by its key.
    #[must_use]
    pub fn metadata(mut self, key: &str, value: impl Into<String>) -> Self {
        self.metadata.push((key.to_owned(), value.into()));
        self
    }

    /// Records `forward` with the weights of `net`, once for every size to tell apart, and translates it.
    ///
    /// The net is exported as in validation (no dropout), from whatever device it lives on. `forward` must take every
    /// declared input from the [`Recorder`], and must not read the elements of a tensor: nothing is computed.
    ///
    /// # Errors
    /// [`ExportError`] for an operation without translation, naming it and its place, and for everything that
    /// [`Recorder`] refuses.
    pub fn record<M: Module>(
        &self,
        net: &M,
        forward: impl Fn(&M, &mut Recorder<'_>) -> Result<()>,
    ) -> Result<OnnxModel> {
        for (at, input) in self.inputs.iter().enumerate() {
            if self.inputs[..at].iter().any(|i| i.name == input.name) {
                return Err(ExportError::border(&input.name, "a name of its own", "two inputs of this name"));
            }
        }
        let plan = plan(&self.inputs)?;
        let recordings = plan.iter().map(|sizes| record(net, &self.inputs, sizes, &forward)).collect::<Result<_>>()?;
        let mut program = Program::new(&self.inputs, &plan, recordings)?;
        fold::fold(&mut program)?;
        let graph = translate(&self.name, &self.inputs, &program)?;
        let entry = |(key, value): &(String, String)| StringStringEntryProto {
            key: Some(key.clone()),
            value: Some(value.clone()),
        };
        Ok(OnnxModel {
            proto: ModelProto {
                ir_version: Some(IR_VERSION),
                opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(OPSET) }],
                producer_name: Some("rejoinder-train".to_owned()),
                producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                doc_string: None,
                graph: Some(graph),
                metadata_props: self.metadata.iter().map(entry).collect(),
            },
        })
    }
}

impl OnnxExport {
    /// What the net itself makes of the given inputs, computed in single precision on the processor: a case for
    /// [`check_parity`](super::check_parity). `forward` is the closure that [`record`](Self::record) took.
    ///
    /// # Errors
    /// [`ExportError::Border`] for an input that is missing or does not fit its declaration.
    pub fn case<M: Module>(
        &self,
        net: &M,
        inputs: &[(&str, TensorData)],
        forward: impl Fn(&M, &mut Recorder<'_>) -> Result<()>,
    ) -> Result<Case> {
        let given = inputs.iter().map(|(name, data)| ((*name).to_owned(), data.clone())).collect();
        let outputs = compute(net, &self.inputs, &given, &forward)?;
        let case = inputs.iter().try_fold(Case::new(), |case, (name, data)| case.input(name, data.clone()))?;
        outputs.into_iter().try_fold(case, |case, (name, data)| case.expect(&name, data))
    }
}

/// An ONNX model in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct OnnxModel {
    /// The messages of the file.
    pub proto: ModelProto,
}

impl OnnxModel {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ExportError::Io`] when it cannot be read, [`ExportError::Format`] when it is not ONNX.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|source| ExportError::Io { path: path.to_owned(), source })?;
        let format = |reason: String| ExportError::Format { path: path.to_owned(), reason };
        let proto = ModelProto::decode(bytes.as_slice()).map_err(|e| format(e.to_string()))?;
        if proto.graph.is_none() {
            return Err(format("no graph".to_owned()));
        }
        Ok(Self { proto })
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`ExportError::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.to_bytes()).map_err(|source| ExportError::Io { path: path.to_owned(), source })
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.proto.encode_to_vec()
    }

    /// How many nodes there are of each operator.
    pub fn operators(&self) -> std::collections::BTreeMap<&str, usize> {
        let mut counts = std::collections::BTreeMap::new();
        for node in self.proto.graph.iter().flat_map(|g| &g.node) {
            *counts.entry(node.op_type.as_deref().unwrap_or_default()).or_default() += 1;
        }
        counts
    }

    /// The names of the constants.
    pub fn constants(&self) -> impl Iterator<Item = &str> {
        self.proto.graph.iter().flat_map(|g| &g.initializer).filter_map(|t| t.name.as_deref())
    }

    /// Sets a metadata value.
    pub fn set_metadata(&mut self, key: &str, value: &str) {
        self.proto.metadata_props.retain(|e| e.key.as_deref() != Some(key));
        let entry = StringStringEntryProto { key: Some(key.to_owned()), value: Some(value.to_owned()) };
        self.proto.metadata_props.push(entry);
    }

    /// A metadata value.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        let entry = self.proto.metadata_props.iter().find(|e| e.key.as_deref() == Some(key))?;
        entry.value.as_deref()
    }
}
