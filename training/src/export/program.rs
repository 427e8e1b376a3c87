//! Several recordings of one forward, laid over each other: what differs between them depends on a symbolic axis.

use std::collections::{BTreeMap, HashMap, HashSet};

use burn::backend::ir::{
    BaseOperationIr, IrVisitorMut, NumericOperationIr, OperationIr, ReduceDimOpIr, TensorId, TensorIr, TensorStatus,
};
use burn::tensor::{Shape, Slice, TensorData};

use super::border::{Input, Output};
use super::record::{Recording, sizes_of};
use super::{Axis, ExportError, Result};

/// A size in every recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) Vec<usize>);

impl Size {
    /// The size, when it is the same in every recording.
    pub(crate) fn fixed(&self) -> Option<usize> {
        self.0.iter().all(|&n| n == self.0[0]).then_some(self.0[0])
    }
}

/// A symbolic axis: where a run can read its size, and its size in every recording.
#[derive(Clone, Debug)]
pub(crate) struct Symbol {
    pub(crate) name: String,
    pub(crate) input: usize,
    pub(crate) axis: usize,
    pub(crate) size: Size,
}

/// The sizes of all symbols, one map for each recording to make: the base, then for every symbol its other sizes.
pub(crate) fn plan(inputs: &[Input]) -> Result<Vec<BTreeMap<String, usize>>> {
    let mut symbols: BTreeMap<&str, &[usize]> = BTreeMap::new();
    for (input, axis) in inputs.iter().flat_map(|i| i.axes.iter().map(move |a| (i, a))) {
        let Axis::Symbol { name, sizes } = axis else { continue };
        let distinct: HashSet<_> = sizes.iter().collect();
        if distinct.len() < 2 {
            return Err(ExportError::border(
                &input.name,
                format!("two sizes or more for axis {name}"),
                format!("{sizes:?}"),
            ));
        }
        if *symbols.entry(name).or_insert(sizes) != sizes.as_slice() {
            return Err(ExportError::border(
                &input.name,
                format!("the same sizes for {name} everywhere"),
                format!("{sizes:?}"),
            ));
        }
    }
    let base: BTreeMap<String, usize> = symbols.iter().map(|(&name, sizes)| (name.to_owned(), sizes[0])).collect();
    let mut plan = vec![base.clone()];
    for (&name, sizes) in &symbols {
        for &size in &sizes[1..] {
            let mut other = base.clone();
            other.insert(name.to_owned(), size);
            plan.push(other);
        }
    }
    Ok(plan)
}

/// The forward with everything the translation needs.
pub(crate) struct Program {
    /// The operations of each recording; the same operation has the same index in all.
    pub(crate) recordings: Vec<Vec<OperationIr>>,
    /// Identities of the base recording from here on.
    pub(crate) dims: HashMap<TensorId, Vec<Size>>,
    /// Tensors with the same elements in every recording.
    pub(crate) constants: HashMap<TensorId, TensorData>,
    /// Tensors made from host data whose elements differ between recordings.
    pub(crate) varying: HashMap<TensorId, Vec<TensorData>>,
    pub(crate) names: HashMap<TensorId, String>,
    pub(crate) inputs: Vec<TensorId>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) symbols: Vec<Symbol>,
}

impl Program {
    pub(crate) fn new(
        declared: &[Input],
        plan: &[BTreeMap<String, usize>],
        recordings: Vec<Recording>,
    ) -> Result<Self> {
        let mut recordings = recordings.into_iter();
        let base = recordings.next().ok_or_else(|| ExportError::recording("no recording was made"))?;
        let mut program = Self {
            dims: HashMap::new(),
            constants: base.values.into_iter().filter(|(id, _)| !base.inputs.contains(id)).collect(),
            varying: HashMap::new(),
            names: base.names,
            inputs: base.inputs,
            outputs: base.outputs,
            symbols: symbols(declared, plan),
            recordings: vec![base.operations],
        };
        program.base_dims(declared, &plan[0]);
        for (other, sizes) in recordings.zip(&plan[1..]) {
            program.overlay(declared, sizes, other)?;
        }
        program.constants.retain(|id, _| !program.varying.contains_key(id));
        program.prune();
        Ok(program)
    }

    fn base_dims(&mut self, declared: &[Input], sizes: &BTreeMap<String, usize>) {
        let shapes = declared.iter().map(|i| i.shape(sizes));
        let inputs = self.inputs.iter().copied().zip(shapes);
        let outputs = self.outputs.iter().map(|o| (o.id, o.shape.clone()));
        let nodes = self.recordings[0].iter().flat_map(|op| op.nodes()).map(|t| (t.id, sizes_of(&t.shape)));
        for (id, shape) in inputs.chain(outputs).chain(nodes) {
            self.dims.entry(id).or_insert_with(|| shape.into_iter().map(|n| Size(vec![n])).collect());
        }
    }

    /// Adds one more recording, and checks that it is the same computation.
    fn overlay(&mut self, declared: &[Input], sizes: &BTreeMap<String, usize>, other: Recording) -> Result<()> {
        let base = &self.recordings[0];
        if base.len() != other.operations.len() || self.outputs.len() != other.outputs.len() {
            let (expected, found) = (base.len(), other.operations.len());
            let reason =
                format!("{expected} operations at one size and {found} at another; the forward branches on a size");
            return Err(ExportError::recording(reason));
        }
        let mut pairs: HashMap<TensorId, (TensorId, Vec<usize>)> = HashMap::new();
        for ((&id, &twin), input) in self.inputs.iter().zip(&other.inputs).zip(declared) {
            pairs.insert(id, (twin, input.shape(sizes)));
        }
        for (output, twin) in self.outputs.iter().zip(&other.outputs) {
            pairs.insert(output.id, (twin.id, twin.shape.clone()));
        }
        for (at, (op, twin)) in base.iter().zip(&other.operations).enumerate() {
            let (nodes, twins) = (op.nodes(), twin.nodes());
            if nodes.len() != twins.len() || skeleton(op) != skeleton(twin) {
                let (operation, count) = (describe(op), base.len());
                let reason = format!("at another size it is {}; take the number from a tensor's shape", describe(twin));
                return Err(ExportError::SizeDependent { operation, at, count, reason });
            }
            pairs.extend(nodes.iter().zip(twins).map(|(t, w)| (t.id, (w.id, sizes_of(&w.shape)))));
        }
        for (id, (twin, shape)) in pairs {
            for (size, n) in self.dims.entry(id).or_default().iter_mut().zip(shape) {
                size.0.push(n);
            }
            self.overlay_value(id, other.values.get(&twin));
        }
        self.recordings.push(other.operations);
        Ok(())
    }

    fn overlay_value(&mut self, id: TensorId, twin: Option<&TensorData>) {
        let (Some(value), Some(twin)) = (self.constants.get(&id), twin) else { return };
        let seen = self.recordings.len();
        if let Some(varying) = self.varying.get_mut(&id) {
            varying.push(twin.clone());
        } else if value != twin {
            let mut all = vec![value.clone(); seen];
            all.push(twin.clone());
            self.varying.insert(id, all);
        }
    }

    /// Drops operations that no output needs.
    fn prune(&mut self) {
        let mut needed: HashSet<TensorId> = self.outputs.iter().map(|o| o.id).collect();
        let base = &self.recordings[0];
        let mut keep = vec![false; base.len()];
        for (at, op) in base.iter().enumerate().rev() {
            let makes = !matches!(op, OperationIr::Init(_)) && op.outputs().any(|t| needed.contains(&t.id));
            if makes {
                keep[at] = true;
                needed.extend(op.inputs().map(|t| t.id));
            }
        }
        self.keep(&keep);
    }

    /// Keeps the operations that are marked.
    pub(crate) fn keep(&mut self, marks: &[bool]) {
        for operations in &mut self.recordings {
            let mut marks = marks.iter();
            operations.retain(|_| marks.next().copied().unwrap_or(true));
        }
    }
}

fn symbols(declared: &[Input], plan: &[BTreeMap<String, usize>]) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = Vec::new();
    for (input, declaration) in declared.iter().enumerate() {
        for (axis, declared) in declaration.axes.iter().enumerate() {
            let Axis::Symbol { name, .. } = declared else { continue };
            if symbols.iter().all(|s| s.name != *name) {
                let size = Size(plan.iter().map(|sizes| sizes[name]).collect());
                symbols.push(Symbol { name: name.clone(), input, axis, size });
            }
        }
    }
    symbols
}

/// The operation without identities and sizes: equal for the same step of two recordings.
fn skeleton(op: &OperationIr) -> OperationIr {
    struct Erase;
    impl IrVisitorMut for Erase {
        fn visit_tensor_mut(&mut self, tensor: &mut TensorIr) {
            tensor.id = TensorId::new(0);
            tensor.status = TensorStatus::ReadOnly;
            tensor.shape = Shape::from(vec![0; tensor.shape.num_dims()]);
        }

        fn visit_range_mut(&mut self, range: &mut Slice) {
            *range = Slice::new(0, None, range.step);
        }
    }
    let mut op = op.clone();
    op.visit_mut(&mut Erase);
    if let Some(reduce) = reduced_axis(&mut op) {
        reduce.accumulator_len = 0;
    }
    if let OperationIr::BaseFloat(base) | OperationIr::BaseInt(base) | OperationIr::BaseBool(base) = &mut op
        && let BaseOperationIr::RepeatDim(repeat) = base
    {
        repeat.times = 0;
    }
    op
}

fn reduced_axis(op: &mut OperationIr) -> Option<&mut ReduceDimOpIr> {
    use NumericOperationIr::{ArgMax, ArgMin, MaxAbsDim, MaxDim, MeanDim, MinDim, ProdDim, SumDim};
    match op {
        OperationIr::NumericFloat(_, op) | OperationIr::NumericInt(_, op) => match op {
            MeanDim(r) | SumDim(r) | ProdDim(r) | ArgMax(r) | ArgMin(r) | MaxDim(r) | MinDim(r) | MaxAbsDim(r) => {
                Some(r)
            }
            _ => None,
        },
        _ => None,
    }
}

/// An operation in words: its kind, the shapes that it reads, and those that it makes.
pub(crate) fn describe(op: &OperationIr) -> String {
    let debug = format!("{op:?}");
    let variants: Vec<&str> = debug.split('{').next().unwrap_or_default().split('(').collect();
    let variant = variants.iter().rev().nth(1).copied().unwrap_or_default();
    let kind = variant.rsplit(", ").next().unwrap_or(variant);
    let shapes = |tensors: Vec<&TensorIr>| {
        tensors.iter().map(|t| format!("{:?}", sizes_of(&t.shape))).collect::<Vec<_>>().join(" ")
    };
    let (inputs, outputs) = (shapes(op.inputs().collect()), shapes(op.outputs().collect()));
    format!("{kind} {inputs} -> {outputs}")
}
