//! Constant folding: whatever follows from weights alone is computed once, here.

use std::collections::{HashMap, HashSet};

use burn::backend::ir::{
    BaseOperationIr, FloatOperationIr, IrVisitorMut, NumericOperationIr, OperationIr, TensorId, TensorIr, TensorStatus,
};
use burn::backend::{BoolStore, Flex, FlexDevice};
use burn::tensor::{DType, TensorData, read_sync};
use burn_router::TensorInterpreter;

use super::program::{Program, Size};
use super::{ExportError, Result};

/// What the name of a weight goes on with in a constant that was computed from it. A constant with the name alone holds
/// the weight, whatever its axes, so that it can be read back.
pub(super) const FOLDED: &str = ".folded";

/// A result larger than this, and than twice what it is made from, stays an operation: a file should not carry the
/// copies of an expanded tensor.
const LARGEST_GROWTH: usize = 1 << 16;

/// Replaces operations on constants by their results, computed by the backend that also trains.
pub(crate) fn fold(program: &mut Program) -> Result<()> {
    let mut folder =
        Folder { interpreter: TensorInterpreter::new(FlexDevice), loaded: HashSet::new(), made: HashMap::new() };
    let base = program.recordings[0].clone();
    let mut keep = vec![true; base.len()];
    for (at, op) in base.iter().enumerate() {
        if folder.folds(program, op) {
            folder.run(program, op);
            keep[at] = false;
        }
    }
    let mut wanted: HashSet<TensorId> = program.outputs.iter().map(|o| o.id).collect();
    let kept = base.iter().zip(&keep).filter(|(_, keep)| **keep);
    wanted.extend(kept.flat_map(|(op, _)| op.inputs()).map(|t| t.id));
    for (id, tensor) in std::mem::take(&mut folder.made) {
        if wanted.contains(&id) {
            program.constants.insert(id, folder.read(tensor)?);
        }
    }
    program.keep(&keep);
    Ok(())
}

struct Folder {
    interpreter: TensorInterpreter<Flex>,
    loaded: HashSet<TensorId>,
    made: HashMap<TensorId, TensorIr>,
}

impl Folder {
    fn folds(&self, program: &Program, op: &OperationIr) -> bool {
        let random = matches!(
            op,
            OperationIr::Float(_, FloatOperationIr::Random(_))
                | OperationIr::NumericInt(_, NumericOperationIr::IntRandom(_))
                | OperationIr::Custom(_)
                | OperationIr::Distributed(_)
        );
        let fixed =
            |t: &TensorIr| program.dims.get(&t.id).is_some_and(|d| d.iter().all(|s: &Size| s.fixed().is_some()));
        let known = |t: &TensorIr| self.made.contains_key(&t.id) || program.constants.contains_key(&t.id);
        let read: usize = op.inputs().map(|t| t.shape.num_elements()).sum();
        let made: usize = op.outputs().map(|t| t.shape.num_elements()).sum();
        !random && op.inputs().all(known) && op.nodes().into_iter().all(fixed) && made <= LARGEST_GROWTH.max(2 * read)
    }

    fn run(&mut self, program: &mut Program, op: &OperationIr) {
        let origin = op.inputs().find_map(|t| program.names.get(&t.id)).map(|name| match keeps_elements(op) {
            false if !name.ends_with(FOLDED) => format!("{name}{FOLDED}"),
            _ => name.clone(),
        });
        for tensor in op.inputs() {
            if !self.made.contains_key(&tensor.id) && self.loaded.insert(tensor.id) {
                self.interpreter.register_tensor_data_id(tensor.id, native(program.constants[&tensor.id].clone()));
            }
        }
        let mut op = op.clone();
        op.visit_mut(&mut Keep);
        for tensor in op.outputs() {
            self.made.insert(tensor.id, TensorIr { status: TensorStatus::ReadOnly, ..tensor.clone() });
            if let Some(origin) = &origin {
                program.names.insert(tensor.id, origin.clone());
            }
        }
        self.interpreter.register_op(op);
    }

    fn read(&mut self, tensor: TensorIr) -> Result<TensorData> {
        let data = read_sync(self.interpreter.read_tensor_async(tensor));
        data.map_err(|e| ExportError::recording(format!("folding constants: {e:?}")))
    }
}

/// Whether an operation gives the elements that it reads in the same order.
fn keeps_elements(op: &OperationIr) -> bool {
    match op {
        OperationIr::BaseFloat(BaseOperationIr::Reshape(_)) => true,
        OperationIr::BaseFloat(BaseOperationIr::Expand(op)) => {
            op.input.shape.num_elements() == op.out.shape.num_elements()
        }
        _ => false,
    }
}

fn native(data: TensorData) -> TensorData {
    match data.dtype() {
        DType::Bool(_) => data.convert_dtype(DType::Bool(BoolStore::Native)),
        _ => data,
    }
}

/// Keeps inputs alive in the interpreter, and stores flags as the executing backend does.
struct Keep;

impl IrVisitorMut for Keep {
    fn visit_tensor_mut(&mut self, tensor: &mut TensorIr) {
        if tensor.status == TensorStatus::ReadWrite {
            tensor.status = TensorStatus::ReadOnly;
        }
        if let DType::Bool(_) = tensor.dtype {
            tensor.dtype = DType::Bool(BoolStore::Native);
        }
    }
}
