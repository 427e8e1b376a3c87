//! tract, the pure-Rust engine that is always there. The only file that names it.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tract_onnx::model::{ParsingContext, optional_inputs};
use tract_onnx::pb;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::InferenceFact;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::matmul::{MatMulInference, compute_shapes};
use tract_onnx::tract_hir::tract_core::ops::cast::wire_cast;
use tract_onnx::tract_hir::tract_core::ops::change_axes::{wire_rank_broadcast, wire_with_rank_broadcast};
use tract_onnx::tract_hir::tract_core::ops::math::sub;

use super::bind::{order_inputs, wanted_outputs};
use super::{ElementType, Port, Session, Tensor as Ours};
use crate::{Error, Result, in_one_line};

const NAME: &str = "tract";

/// Plans for fixed shapes that a model keeps; the one that was made first goes first.
const FIXED_PLANS: usize = 8;

pub(super) struct TractRuntime;

impl super::Runtime for TractRuntime {
    fn name(&self) -> &'static str {
        NAME
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn super::Model>> {
        std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        let broken = |e: TractError| Error::model(path, whole(&e));
        let mut framework = tract_onnx::onnx();
        framework.op_register.insert("MatMulInteger", matmul_integer);
        let proto = framework.proto_model_for_path(path).map_err(broken)?;
        let graph = proto.graph.as_ref().ok_or_else(|| Error::model(path, "the file holds no graph"))?;
        let given: Vec<&pb::ValueInfoProto> =
            graph.input.iter().filter(|input| graph.initializer.iter().all(|i| i.name != input.name)).collect();
        let inputs = given.into_iter().map(|info| port(path, info)).collect::<Result<Vec<_>>>()?;
        let outputs = graph.output.iter().map(|info| port(path, info)).collect::<Result<Vec<_>>>()?;
        let metadata = proto.metadata_props.iter().map(|e| (e.key.clone(), e.value.clone())).collect();
        let folder = path.parent().and_then(Path::to_str);
        let parsed = framework.parse(&proto, folder).map_err(broken)?;
        let plans = Arc::new(Plans { template: parsed.model, fixed: Mutex::default(), symbolic: OnceLock::new() });
        let model = TractModel { inputs: inputs.into(), outputs: outputs.into(), metadata, plans };
        // A model without symbolic axes has one plan: an operator that tract lacks is found here, not in a stream.
        if let Some(shapes) = known_shapes(&model.inputs) {
            model.plans.fixed(&model.inputs, &shapes).map_err(broken)?;
        }
        Ok(Arc::new(model))
    }
}

type Shapes = Vec<Vec<usize>>;

/// The plans of one model: one for each combination of input shapes that is worth it, and one for all others.
struct Plans {
    template: tract_onnx::tract_hir::infer::InferenceModel,
    fixed: Mutex<Vec<(Shapes, Arc<TypedRunnableModel>)>>,
    symbolic: OnceLock<Option<Arc<TypedRunnableModel>>>,
}

impl Plans {
    /// The plan for exactly these shapes, made when there is none.
    fn fixed(&self, ports: &[Port], shapes: &[Vec<usize>]) -> TractResult<Arc<TypedRunnableModel>> {
        if let Some(plan) = self.known(shapes) {
            return Ok(plan);
        }
        let mut model = self.template.clone();
        for (index, (port, shape)) in ports.iter().zip(shapes).enumerate() {
            model.set_input_fact(index, InferenceFact::dt_shape(datum_type(port.element), shape))?;
        }
        let plan = model.into_optimized()?.into_runnable()?;
        let mut plans = self.fixed.lock().unwrap_or_else(PoisonError::into_inner);
        if plans.len() == FIXED_PLANS {
            plans.remove(0);
        }
        plans.push((shapes.to_vec(), plan.clone()));
        Ok(plan)
    }

    /// None where an output is made of symbols, such as a length: tract gives it out unresolved.
    fn symbolic_plan(&self) -> TractResult<Option<Arc<TypedRunnableModel>>> {
        let model = self.template.clone().into_optimized()?;
        let resolved = (0..model.output_outlets()?.len())
            .map(|i| Ok(model.output_fact(i)?.datum_type != TDim::datum_type()))
            .collect::<TractResult<Vec<bool>>>()?;
        if resolved.contains(&false) {
            return Ok(None);
        }
        model.into_runnable().map(Some)
    }

    fn known(&self, shapes: &[Vec<usize>]) -> Option<Arc<TypedRunnableModel>> {
        let plans = self.fixed.lock().unwrap_or_else(PoisonError::into_inner);
        plans.iter().find(|(known, _)| known == shapes).map(|(_, plan)| plan.clone())
    }

    /// The plan for shapes that nobody announced: the symbolic one, so that no run has to wait for an optimiser, or
    /// one for these shapes when tract cannot work with the symbols.
    fn any(&self, ports: &[Port], shapes: &[Vec<usize>]) -> TractResult<Arc<TypedRunnableModel>> {
        if let Some(plan) = self.known(shapes) {
            return Ok(plan);
        }
        match self.symbolic.get_or_init(|| self.symbolic_plan().ok().flatten()) {
            Some(plan) => Ok(plan.clone()),
            None => self.fixed(ports, shapes),
        }
    }
}

struct TractModel {
    inputs: Arc<[Port]>,
    outputs: Arc<[Port]>,
    metadata: Vec<(String, String)>,
    plans: Arc<Plans>,
}

impl super::Model for TractModel {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn metadata(&self, key: &str) -> Option<String> {
        self.metadata.iter().find(|(k, _)| k == key).map(|(_, value)| value.clone())
    }

    fn session(&self) -> Result<Box<dyn Session>> {
        Ok(Box::new(TractSession {
            inputs: self.inputs.clone(),
            outputs: self.outputs.clone(),
            plans: self.plans.clone(),
            last: None,
        }))
    }

    fn warm_up(&self, inputs: Vec<(&str, Ours)>) -> Result<()> {
        let ordered = order_inputs(NAME, &self.inputs, inputs)?;
        let shapes: Shapes = ordered.iter().map(|tensor| tensor.shape().to_vec()).collect();
        let plan = self.plans.fixed(&self.inputs, &shapes).map_err(engine_error)?;
        plan.run(ordered.into_iter().map(to_value).collect()).map_err(engine_error)?;
        Ok(())
    }
}

struct TractSession {
    inputs: Arc<[Port]>,
    outputs: Arc<[Port]>,
    plans: Arc<Plans>,
    /// The plan for the shapes of the last run.
    last: Option<(Shapes, Arc<TypedRunnableModel>)>,
}

impl Session for TractSession {
    fn run(&mut self, inputs: Vec<(&str, Ours)>, wanted: &[&str]) -> Result<Vec<Ours>> {
        let wanted = wanted_outputs(NAME, &self.outputs, wanted)?;
        let ordered = order_inputs(NAME, &self.inputs, inputs)?;
        let shapes: Shapes = ordered.iter().map(|tensor| tensor.shape().to_vec()).collect();
        let plan = match self.last.take() {
            Some((known, plan)) if known == shapes => plan,
            _ => self.plans.any(&self.inputs, &shapes).map_err(engine_error)?,
        };
        // Each run gets a state of its own: in a state that is used again, tract's recurrent operators go on from
        // where they were, and overlook their initial values.
        let outputs = plan.run(ordered.into_iter().map(to_value).collect()).map_err(engine_error)?;
        self.last = Some((shapes, plan));
        wanted.into_iter().map(|i| from_value(&outputs[i], &self.outputs[i])).collect()
    }
}

fn matmul_integer(_: &ParsingContext<'_>, node: &pb::NodeProto) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let mut zeros = optional_inputs(node).skip(2);
    Ok((expand(IntegersAsFloats([zeros.next().flatten(), zeros.next().flatten()])), vec![]))
}

/// ONNX's `MatMulInteger`, computed by tract's kernels for floats, which are some ten times as quick as its integer product.
/// Sums are exact below 2^24; beyond, they have the precision of 32-bit floats. Holds which inputs are the zero points of
/// either factor.
#[derive(Clone, Debug)]
struct IntegersAsFloats([Option<usize>; 2]);

impl Expansion for IntegersAsFloats {
    fn name(&self) -> StaticName {
        "MatMulInteger".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 2 + self.0.iter().flatten().count())?;
        check_output_arity(outputs, 1)?;
        solver.equals(&outputs[0].datum_type, i32::datum_type())?;
        solver.given_2(&inputs[0].shape, &inputs[1].shape, move |solver, a, b| {
            let (_, _, product, _) = compute_shapes(a, b, false, false, false)?;
            solver.equals(&outputs[0].shape, product)
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let mut factors = wire_cast(prefix, model, &inputs[..2], f32::datum_type())?;
        for ((factor, zero), side) in factors.iter_mut().zip(self.0).zip(["a", "b"]) {
            if let Some(zero) = zero {
                let name = format!("{prefix}.{side}");
                let zero = wire_cast(&name, model, &[inputs[zero]], f32::datum_type())?[0];
                *factor = wire_with_rank_broadcast(format!("{name}.less_zero"), model, sub(), &[*factor, zero])?[0];
            }
        }
        let factors = wire_rank_broadcast(prefix, model, &factors)?;
        let sums = MatMulInference::default().wire(&format!("{prefix}.product"), model, &factors)?;
        wire_cast(prefix, model, &sums, i32::datum_type())
    }
}

fn to_value(tensor: Ours) -> TValue {
    match tensor {
        Ours::F32(a) => a.into_tvalue(),
        Ours::I64(a) => a.into_tvalue(),
        Ours::I32(a) => a.into_tvalue(),
        Ours::Bool(a) => a.into_tvalue(),
    }
}

fn from_value(value: &Tensor, port: &Port) -> Result<Ours> {
    // Shape arithmetic comes out in tract's own dimension type.
    let cast = value.cast_to_dt(datum_type(port.element)).map_err(engine_error)?;
    let tensor = match port.element {
        ElementType::F32 => cast.to_plain_array_view::<f32>().map(|a| Ours::F32(a.to_owned())),
        ElementType::I64 => cast.to_plain_array_view::<i64>().map(|a| Ours::I64(a.to_owned())),
        ElementType::I32 => cast.to_plain_array_view::<i32>().map(|a| Ours::I32(a.to_owned())),
        ElementType::Bool => cast.to_plain_array_view::<bool>().map(|a| Ours::Bool(a.to_owned())),
    };
    tensor.map_err(|e| Error::engine(NAME, format!("output `{}`: {}", port.name, whole(&e))))
}

fn datum_type(element: ElementType) -> DatumType {
    match element {
        ElementType::F32 => f32::datum_type(),
        ElementType::I64 => i64::datum_type(),
        ElementType::I32 => i32::datum_type(),
        ElementType::Bool => bool::datum_type(),
    }
}

fn known_shapes(ports: &[Port]) -> Option<Shapes> {
    ports.iter().map(|port| port.shape.iter().copied().collect()).collect()
}

fn port(path: &Path, info: &pb::ValueInfoProto) -> Result<Port> {
    let Some(pb::type_proto::Value::TensorType(tensor)) = info.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return Err(Error::model(path, format!("`{}` is not a tensor", info.name)));
    };
    let element = match pb::tensor_proto::DataType::try_from(tensor.elem_type) {
        Ok(pb::tensor_proto::DataType::Float) => ElementType::F32,
        Ok(pb::tensor_proto::DataType::Int64) => ElementType::I64,
        Ok(pb::tensor_proto::DataType::Int32) => ElementType::I32,
        Ok(pb::tensor_proto::DataType::Bool) => ElementType::Bool,
        other => {
            let found = other.map_or_else(|e| e.to_string(), |t| format!("{t:?}").to_lowercase());
            let name = &info.name;
            return Err(Error::model(
                path,
                format!("tensor `{name}`: expected f32, i64, i32 or bool elements, found {found}"),
            ));
        }
    };
    let axes = tensor.shape.as_ref().map(|shape| shape.dim.as_slice()).unwrap_or_default();
    Ok(Port { name: info.name.clone(), element, shape: axes.iter().map(axis).collect() })
}

fn axis(dimension: &pb::tensor_shape_proto::Dimension) -> Option<usize> {
    match dimension.value {
        Some(pb::tensor_shape_proto::dimension::Value::DimValue(n)) => usize::try_from(n).ok(),
        _ => None,
    }
}

fn engine_error(error: TractError) -> Error {
    Error::engine(NAME, whole(&error))
}

/// With its causes.
fn whole(error: &TractError) -> String {
    in_one_line(format_args!("{error:#}"))
}
