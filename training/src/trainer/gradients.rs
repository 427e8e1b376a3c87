use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// The global Euclidean norm of a net's gradients.
pub(super) fn norm<M: Module>(net: &M, grads: &GradientsParams) -> f64 {
    let mut visitor = Norm { grads, sum: None };
    net.visit(&mut visitor);
    visitor.sum.map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>()).sqrt())
}

/// Multiplies every gradient by `factor`.
pub(super) fn scale<M: Module>(net: &M, grads: &mut GradientsParams, factor: f64) {
    net.visit(&mut Scale { grads, factor });
}

/// Adds the gradients of `other` to those of `into`.
pub(super) fn add<M: Module>(net: &M, into: &mut GradientsParams, other: &mut GradientsParams) {
    net.visit(&mut Add { into, other });
}

struct Norm<'a> {
    grads: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for Norm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            let square = grad.square().sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + square,
                None => square,
            });
        }
    }
}

struct Scale<'a> {
    grads: &'a mut GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let id: ParamId = param.id;
        if let Some(grad) = self.grads.remove::<D>(id) {
            self.grads.register::<D>(id, grad.mul_scalar(self.factor));
        }
    }
}

struct Add<'a> {
    into: &'a mut GradientsParams,
    other: &'a mut GradientsParams,
}

impl ModuleVisitor for Add<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let id: ParamId = param.id;
        if let Some(grad) = self.other.remove::<D>(id) {
            let sum = match self.into.remove::<D>(id) {
                Some(so_far) => so_far + grad,
                None => grad,
            };
            self.into.register::<D>(id, sum);
        }
    }
}
