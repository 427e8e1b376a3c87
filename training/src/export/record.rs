//! Recording a forward: the net runs on a device that computes nothing and writes down every operation.

use std::collections::{BTreeMap, HashMap};

use burn::backend::ir::{OperationIr, TensorId};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Capture as CaptureBackend, DispatchTensor, TensorMetadata};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{BackendPrimitive, Bool, Device, Int, Shape, Tensor, TensorData};

use super::border::{Element, Input, Output};
use super::{ExportError, Result};

/// What a forward sees while it is recorded, or run for comparison: its inputs by name, and a place for its outputs.
pub struct Recorder<'a> {
    device: Device,
    declared: &'a [Input],
    mode: Mode<'a>,
    taken: HashMap<String, TensorId>,
    outputs: Vec<Output>,
    /// A handle on every border tensor: the capture takes a tensor whose last handle is gone for consumed.
    kept: Vec<Handle>,
}

enum Mode<'a> {
    /// Writes operations down, at these sizes of the symbols.
    Record(&'a BTreeMap<String, usize>),
    /// Computes, from these inputs.
    Run { given: &'a BTreeMap<String, TensorData>, made: Vec<(String, TensorData)> },
}

/// The capture backend's tensor, the same for all kinds.
type Handle = FloatTensor<CaptureBackend>;

impl<'a> Recorder<'a> {
    fn new(device: Device, declared: &'a [Input], mode: Mode<'a>) -> Self {
        Self { device, declared, mode, taken: HashMap::new(), outputs: Vec::new(), kept: Vec::new() }
    }

    /// The device on which to make tensors inside the forward.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// An input of floats, of the declared shape.
    ///
    /// # Errors
    /// [`ExportError::Border`] when it was not declared so, or was taken before.
    pub fn float<const D: usize>(&mut self, name: &str) -> Result<Tensor<D>> {
        let data = self.data(name, Element::Float, D, TensorData::zeros::<f32, _>)?;
        self.take(name, Tensor::<D>::from_data(data, &self.device))
    }

    /// An input of 64-bit integers, of the declared shape.
    ///
    /// # Errors
    /// [`ExportError::Border`] when it was not declared so, or was taken before.
    pub fn int<const D: usize>(&mut self, name: &str) -> Result<Tensor<D, Int>> {
        let data = self.data(name, Element::Int, D, TensorData::zeros::<i64, _>)?;
        self.take(name, Tensor::<D, Int>::from_data(data, &self.device))
    }

    /// An input of flags, of the declared shape.
    ///
    /// # Errors
    /// [`ExportError::Border`] when it was not declared so, or was taken before.
    pub fn bool<const D: usize>(&mut self, name: &str) -> Result<Tensor<D, Bool>> {
        let none = |shape: Vec<usize>| TensorData::new(vec![false; shape.iter().product()], shape);
        let data = self.data(name, Element::Bool, D, none)?;
        self.take(name, Tensor::<D, Bool>::from_data(data, &self.device))
    }

    /// Declares an output. The order of the calls is the order in the file.
    ///
    /// # Errors
    /// [`ExportError::Border`] for a name that is already an input or output, [`ExportError::Recording`] for a tensor
    /// that was not made from the inputs or weights.
    pub fn output<const D: usize, K>(&mut self, name: &str, tensor: Tensor<D, K>) -> Result<()>
    where
        K: burn::tensor::kind::Basic + BackendPrimitive<CaptureBackend, Primitive = Handle>,
    {
        if self.declared.iter().any(|i| i.name == name) || self.outputs.iter().any(|o| o.name == name) {
            return Err(ExportError::border(name, "a name of its own", "the name of another input or output"));
        }
        if let Mode::Run { made, .. } = &mut self.mode {
            made.push((name.to_owned(), tensor.into_data()));
            return Ok(());
        }
        let handle = handle(&tensor)?;
        let shape = TensorMetadata::shape(&handle).iter().copied().collect();
        let (id, dtype) = (handle.id(), TensorMetadata::dtype(&handle));
        self.kept.push(handle);
        self.outputs.push(Output { name: name.to_owned(), id, shape, dtype });
        Ok(())
    }

    fn data(
        &self,
        name: &str,
        element: Element,
        rank: usize,
        blank: impl Fn(Vec<usize>) -> TensorData,
    ) -> Result<TensorData> {
        let Some(input) = self.declared.iter().find(|i| i.name == name) else {
            let names = self.declared.iter().map(|i| i.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(ExportError::border(name, format!("one of the inputs {names}"), "no such input"));
        };
        if self.taken.contains_key(name) {
            return Err(ExportError::border(name, "to be taken once; clone it", "taken twice"));
        }
        if input.element != element || input.axes.len() != rank {
            let declared = format!("{:?} of rank {}", input.element, input.axes.len());
            return Err(ExportError::border(name, declared, format!("{element:?} of rank {rank}")));
        }
        match &self.mode {
            Mode::Record(sizes) => Ok(blank(input.shape(sizes))),
            Mode::Run { given, .. } => {
                let data = given.get(name).ok_or_else(|| ExportError::border(name, "a value", "none"))?;
                if data.rank() != rank {
                    let found = format!("rank {}", data.rank());
                    return Err(ExportError::border(name, format!("rank {rank}"), found));
                }
                Ok(data.clone())
            }
        }
    }

    fn take<const D: usize, K>(&mut self, name: &str, tensor: Tensor<D, K>) -> Result<Tensor<D, K>>
    where
        K: burn::tensor::kind::Basic + BackendPrimitive<CaptureBackend, Primitive = Handle>,
    {
        if let Mode::Record(_) = self.mode {
            let handle = handle(&tensor)?;
            self.taken.insert(name.to_owned(), handle.id());
            self.kept.push(handle);
        }
        Ok(tensor)
    }
}

fn handle<const D: usize, K>(tensor: &Tensor<D, K>) -> Result<Handle>
where
    K: burn::tensor::kind::Basic + BackendPrimitive<CaptureBackend, Primitive = Handle>,
    DispatchTensor: burn::backend::DispatchKindConversion<CaptureBackend>,
{
    tensor.clone().try_into_primitive::<CaptureBackend>().map_err(|_| {
        ExportError::recording("found a tensor of another device; make every tensor of the forward on Recorder::device")
    })
}

/// One recorded forward.
pub(crate) struct Recording {
    pub(crate) operations: Vec<OperationIr>,
    pub(crate) values: BTreeMap<TensorId, TensorData>,
    /// In the order of the declaration.
    pub(crate) inputs: Vec<TensorId>,
    pub(crate) outputs: Vec<Output>,
    /// Module paths of the weights.
    pub(crate) names: HashMap<TensorId, String>,
}

/// Runs `forward` on a capture device at the given sizes.
pub(crate) fn record<M: Module>(
    net: &M,
    declared: &[Input],
    sizes: &BTreeMap<String, usize>,
    forward: &impl Fn(&M, &mut Recorder<'_>) -> Result<()>,
) -> Result<Recording> {
    let device = Device::capture();
    let mut outcome = Err(ExportError::recording("the forward did not run"));
    let captured = device.capture_scope(|scope| {
        let mut recorder = Recorder::new(device.clone(), declared, Mode::Record(sizes));
        outcome = run(net, &mut recorder, forward);
        let (inputs, outputs) = match &outcome {
            Ok(run) => (run.inputs.clone(), unique(run.outputs.iter().map(|o| o.id))),
            Err(_) => (Vec::new(), Vec::new()),
        };
        scope.complete(inputs, outputs)
    });
    let run = outcome?;
    let captured = captured.map_err(|e| ExportError::recording(e.to_string()))?;
    let (operations, values) = (captured.graph.operations, captured.values);
    Ok(Recording { operations, values, inputs: run.inputs, outputs: run.outputs, names: run.names })
}

/// Computes the forward on the processor, and gives its outputs in their order.
pub(crate) fn compute<M: Module>(
    net: &M,
    declared: &[Input],
    given: &BTreeMap<String, TensorData>,
    forward: &impl Fn(&M, &mut Recorder<'_>) -> Result<()>,
) -> Result<Vec<(String, TensorData)>> {
    let device = Device::flex();
    let net = net.valid().to_device(&device);
    let mut recorder = Recorder::new(device, declared, Mode::Run { given, made: Vec::new() });
    forward(&net, &mut recorder)?;
    match recorder.mode {
        Mode::Run { made, .. } => Ok(made),
        Mode::Record(_) => Ok(Vec::new()),
    }
}

struct Run {
    inputs: Vec<TensorId>,
    outputs: Vec<Output>,
    names: HashMap<TensorId, String>,
}

fn run<M: Module>(
    net: &M,
    recorder: &mut Recorder<'_>,
    forward: &impl Fn(&M, &mut Recorder<'_>) -> Result<()>,
) -> Result<Run> {
    let net = net.valid().to_device(&recorder.device);
    let mut names = Names::default();
    net.visit(&mut names);
    forward(&net, recorder)?;
    if recorder.outputs.is_empty() {
        return Err(ExportError::border("outputs", "at least one", "none"));
    }
    let id = |input: &Input| {
        let missing = || ExportError::border(&input.name, "an input that the forward takes", "never taken");
        recorder.taken.get(&input.name).copied().ok_or_else(missing)
    };
    let inputs = recorder.declared.iter().map(id).collect::<Result<_>>()?;
    Ok(Run { inputs, outputs: std::mem::take(&mut recorder.outputs), names: names.found })
}

fn unique(ids: impl Iterator<Item = TensorId>) -> Vec<TensorId> {
    let mut seen = Vec::new();
    for id in ids {
        if !seen.contains(&id) {
            seen.push(id);
        }
    }
    seen
}

/// Collects the module path of each weight.
#[derive(Default)]
struct Names {
    path: Vec<String>,
    found: HashMap<TensorId, String>,
}

impl Names {
    fn add(&mut self, id: Result<Handle>) {
        if let Ok(handle) = id {
            self.found.insert(handle.id(), self.path.join("."));
        }
    }
}

impl ModuleVisitor for Names {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.add(handle(&param.val()));
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.add(handle(&param.val()));
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.add(handle(&param.val()));
    }
}

/// The sizes of a recorded shape.
pub(crate) fn sizes_of(shape: &Shape) -> Vec<usize> {
    shape.iter().copied().collect()
}
