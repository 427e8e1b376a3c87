//! Recorded operations to ONNX nodes.

mod base;
mod conv;
mod index;
mod math;
mod numeric;
mod pool;
mod sizes;

use std::collections::HashMap;

use burn::backend::ir::{
    BoolOperationIr, IntOperationIr, ModuleOperationIr, OperationIr, ScalarIr, TensorId, TensorIr,
};
use burn::tensor::DType;

use super::border::Input;
use super::onnx::proto::{AttributeProto, DimensionValue, GraphProto};
use super::onnx::{Constant, GraphBuilder, onnx_type, value_info};
use super::program::{Program, Size, describe};
use super::{ExportError, Result};

/// The graph of a program.
pub(crate) fn translate(name: &str, declared: &[Input], program: &Program) -> Result<GraphProto> {
    let mut translator = Translator::new(declared, program);
    for at in 0..program.recordings[0].len() {
        translator.at = at;
        translator.operation(&program.recordings[0][at])?;
    }
    translator.finish(name, declared)
}

/// The state of a translation. Every method that emits nodes is a case of [`Translator::operation`].
pub(crate) struct Translator<'a> {
    program: &'a Program,
    graph: GraphBuilder,
    /// The values that hold recorded tensors.
    values: HashMap<TensorId, String>,
    /// The names that the border wants for them.
    wanted: HashMap<TensorId, String>,
    /// Where the sizes of a value's axes were read before.
    lengths: HashMap<(String, usize), String>,
    at: usize,
}

impl<'a> Translator<'a> {
    fn new(declared: &[Input], program: &'a Program) -> Self {
        let mut graph = GraphBuilder::default();
        let mut values = HashMap::new();
        let mut wanted = HashMap::new();
        for (input, id) in declared.iter().zip(&program.inputs) {
            graph.reserve(&input.name);
            values.insert(*id, input.name.clone());
        }
        for output in &program.outputs {
            graph.reserve(&output.name);
            wanted.entry(output.id).or_insert_with(|| output.name.clone());
        }
        Self { program, graph, values, wanted, lengths: HashMap::new(), at: 0 }
    }

    fn operation(&mut self, op: &OperationIr) -> Result<()> {
        match op {
            OperationIr::BaseFloat(op) | OperationIr::BaseInt(op) | OperationIr::BaseBool(op) => self.base(op),
            OperationIr::NumericFloat(_, op) | OperationIr::NumericInt(_, op) => self.numeric(op),
            OperationIr::Float(_, op) => self.float(op),
            OperationIr::Activation(op) => self.activation(op),
            OperationIr::Int(op) => self.int(op),
            OperationIr::Bool(op) => self.bool(op),
            OperationIr::Module(op) => self.module(op),
            OperationIr::Init(_) | OperationIr::Drop(_) => Ok(()),
            OperationIr::Custom(_) | OperationIr::Distributed(_) => Err(self.unsupported()),
        }
    }

    fn int(&mut self, op: &IntOperationIr) -> Result<()> {
        match op {
            IntOperationIr::IntoFloat(op) => self.cast(&op.input, &op.out),
            IntOperationIr::Matmul(op) => self.binary("MatMul", &op.lhs, &op.rhs, &op.out),
            _ => Err(self.unsupported()),
        }
    }

    fn bool(&mut self, op: &BoolOperationIr) -> Result<()> {
        match op {
            BoolOperationIr::IntoFloat(op) | BoolOperationIr::IntoInt(op) => self.cast(&op.input, &op.out),
            BoolOperationIr::Not(op) => self.unary("Not", op),
            BoolOperationIr::And(op) => self.binary("And", &op.lhs, &op.rhs, &op.out),
            BoolOperationIr::Or(op) => self.binary("Or", &op.lhs, &op.rhs, &op.out),
            BoolOperationIr::Xor(op) => self.binary("Xor", &op.lhs, &op.rhs, &op.out),
        }
    }

    fn module(&mut self, op: &ModuleOperationIr) -> Result<()> {
        use ModuleOperationIr as Op;
        match op {
            Op::Linear(op) => self.linear(op),
            Op::Embedding(op) => self.take(&op.weights, 0, &op.indices, &op.out),
            Op::LayerNorm(op) => self.layer_norm(op),
            Op::BatchNorm(op) => self.batch_norm(op),
            Op::Attention(op) => self.attention(op),
            Op::Conv1d(op) => self.conv1d(op),
            Op::Conv2d(op) => self.conv2d(op),
            Op::ConvTranspose1d(op) => self.conv_transpose1d(op),
            Op::ConvTranspose2d(op) => self.conv_transpose2d(op),
            other => self.pooling(other),
        }
    }

    /// The value that holds `tensor`, which an earlier node, an input or a constant made.
    fn read(&mut self, tensor: &TensorIr) -> Result<String> {
        if let Some(name) = self.values.get(&tensor.id) {
            return Ok(name.clone());
        }
        let name = if let Some(data) = self.program.constants.get(&tensor.id) {
            match self.program.names.get(&tensor.id) {
                Some(path) => self.graph.weight(Constant::from_data(data)?, path),
                None => self.graph.constant(Constant::from_data(data)?, "constant"),
            }
        } else if let Some(data) = self.program.varying.get(&tensor.id) {
            self.varying(data, tensor)?
        } else {
            return Err(ExportError::recording(format!(
                "{} reads a tensor that nothing makes",
                describe(self.current())
            )));
        };
        self.values.insert(tensor.id, name.clone());
        Ok(name)
    }

    /// Emits the node that makes `out`.
    fn write(&mut self, out: &TensorIr, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> Result<()> {
        let name = self.name(out, op);
        self.graph.node(op, inputs, &[&name], attributes);
        Ok(())
    }

    /// Names a recorded tensor that a node is about to make.
    fn name(&mut self, out: &TensorIr, op: &str) -> String {
        let fresh = || format!("{}_{}", op.to_lowercase(), self.at);
        let name = match self.wanted.get(&out.id) {
            Some(name) => name.clone(),
            None => self.graph.fresh(&fresh()),
        };
        self.values.insert(out.id, name.clone());
        name
    }

    /// Emits a node between recorded ones.
    fn inner(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let name = self.graph.fresh(&format!("{}_{}", op.to_lowercase(), self.at));
        self.graph.node(op, inputs, &[&name], attributes);
        name
    }

    fn scalar(&mut self, value: ScalarIr, dtype: DType) -> Result<String> {
        let constant = match value {
            ScalarIr::Int(i) if dtype == DType::I64 => Constant::int(i),
            other => Constant::scalar(other.elem(), dtype)?,
        };
        Ok(self.graph.constant(constant, &format!("scalar_{:?}", value.elem::<f64>())))
    }

    fn number(&mut self, value: f64, dtype: DType) -> Result<String> {
        self.scalar(ScalarIr::Float(value), dtype)
    }

    fn current(&self) -> &'a OperationIr {
        &self.program.recordings[0][self.at]
    }

    fn unsupported(&self) -> ExportError {
        let operation = describe(self.current());
        ExportError::Unsupported { operation, at: self.at, count: self.program.recordings[0].len() }
    }

    fn size_dependent(&self, reason: impl Into<String>) -> ExportError {
        let (operation, count) = (describe(self.current()), self.program.recordings[0].len());
        ExportError::SizeDependent { operation, at: self.at, count, reason: reason.into() }
    }

    fn finish(mut self, name: &str, declared: &[Input]) -> Result<GraphProto> {
        let outputs = self.program.outputs.clone();
        let mut declarations = Vec::new();
        for output in &outputs {
            let tensor = TensorIr::uninit(output.id, output.shape.clone().into(), output.dtype);
            let value = self.read(&tensor)?;
            if value != output.name {
                self.graph.node("Identity", &[&value], &[&output.name], Vec::new());
            }
            let axes = self.program.dims[&output.id].iter().map(|size| self.axis(size)).collect();
            declarations.push(value_info(&output.name, onnx_type(output.dtype)?, axes));
        }
        let mut inputs = Vec::new();
        for (input, id) in declared.iter().zip(&self.program.inputs) {
            let axes = self.program.dims[id].iter().map(|size| self.axis(size)).collect();
            inputs.push(value_info(&input.name, input.element.onnx(), axes));
        }
        Ok(self.graph.finish(name, inputs, declarations))
    }

    /// What the border says of an axis: its size, its symbol, or nothing when it follows from a symbol.
    fn axis(&self, size: &Size) -> Option<DimensionValue> {
        match size.fixed() {
            Some(n) => Some(DimensionValue::Size(n as i64)),
            None => {
                let symbol = self.program.symbols.iter().find(|s| s.size == *size)?;
                Some(DimensionValue::Symbol(symbol.name.clone()))
            }
        }
    }
}
