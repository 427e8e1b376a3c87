//! How a kernel becomes an operation that flex differentiates.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::Deref;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Shape, Tensor, TensorData};

/// A tensor that flex differentiates.
pub(super) type Handle = FloatTensor<Autodiff<Flex>>;

/// The elements of a tensor of 32-bit floats, row by row. A clone shares them.
#[derive(Clone, Debug)]
pub(super) struct Values(FlexTensor);

impl Values {
    /// The elements, to be changed; copied first where others share them.
    pub(super) fn make_mut(&mut self) -> &mut [f32] {
        self.0.storage_mut()
    }

    fn into_tensor(self, shape: Shape) -> FlexTensor {
        self.0.with_layout(Layout::contiguous(shape))
    }
}

impl Deref for Values {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.0.storage()
    }
}

impl From<FlexTensor> for Values {
    fn from(tensor: FlexTensor) -> Self {
        Self(tensor.to_contiguous())
    }
}

impl From<Vec<f32>> for Values {
    fn from(values: Vec<f32>) -> Self {
        let shape = [values.len()];
        Self(FlexTensor::from_data(TensorData::new(values, shape)))
    }
}

/// An operation on `N` tensors with a derivative of its own.
pub(super) trait Kernel<const N: usize>: Clone + Debug + Send + 'static {
    /// What the derivative needs of the inputs and the output.
    type Saved: Clone + Debug + Send + 'static;

    /// The output.
    fn forward(&self, inputs: [Values; N]) -> (Values, Self::Saved);

    /// The gradients of the inputs for one of the output: of those that are `wanted`, at least.
    fn backward(&self, saved: Self::Saved, gradient: Values, wanted: [bool; N]) -> [Option<Values>; N];
}

/// The tensor as flex differentiates it; `None` where another backend does, or none.
pub(super) fn handle<const D: usize>(tensor: &Tensor<D>) -> Option<Handle> {
    let floats = tensor.dtype() == DType::F32;
    floats.then(|| tensor.clone().try_into_primitive::<Autodiff<Flex>>().ok()).flatten()
}

/// Runs a kernel and records it for the backward pass.
pub(super) fn record<K: Kernel<N>, const N: usize, const D: usize>(
    kernel: K,
    inputs: [Handle; N],
    shape: [usize; D],
) -> Tensor<D> {
    let parts = inputs.map(Handle::into_parts);
    let shapes = parts.each_ref().map(|(primitive, _)| primitive.layout().shape().clone());
    let (mut values, mut guards) = (Vec::with_capacity(N), Vec::with_capacity(N));
    for (primitive, guard) in parts {
        values.push(Values::from(primitive));
        guards.push(guard);
    }
    let (Ok(values), Ok(guards)) = (<[Values; N]>::try_from(values), guards.try_into()) else {
        unreachable!("there are as many as inputs")
    };
    let (output, saved) = kernel.forward(values);
    let output = output.into_tensor(Shape::from(shape));
    let recorded = match Recorded(PhantomData::<K>).prepare::<NoCheckpointing>(guards).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(State { kernel, saved, shapes }, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(recorded)
}

#[derive(Debug)]
struct Recorded<K>(PhantomData<K>);

#[derive(Clone, Debug)]
struct State<K: Kernel<N>, const N: usize> {
    kernel: K,
    saved: K::Saved,
    shapes: [Shape; N],
}

impl<K: Kernel<N>, const N: usize> Backward<Flex, N> for Recorded<K> {
    type State = State<K, N>;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = Values::from(grads.consume::<Flex>(&ops.node));
        let State { kernel, saved, shapes } = ops.state;
        let found = kernel.backward(saved, gradient, ops.parents.each_ref().map(Option::is_some));
        for ((parent, gradient), shape) in ops.parents.into_iter().zip(found).zip(shapes) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(parent.id, gradient.into_tensor(shape));
            }
        }
    }
}
