//! Weights of a golden file put into a net, and gradients compared with those of the file, by the names of both.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};

/// A gradient of this size is a rounding error: the largest are of the order of 1.
const NO_CONSEQUENCE: f32 = 0.02;

/// The largest difference between a tensor and its golden values, as a share of values beyond 1; at most 1e-4.
pub(crate) fn assert_close<const D: usize>(what: &str, found: Tensor<D>, expected: &[f32]) -> f32 {
    assert_near(what, &found.into_data().iter().collect::<Vec<f32>>(), expected)
}

/// As [`assert_close`], of numbers.
pub(crate) fn assert_near(what: &str, found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len(), "{what}");
    let apart = |(found, expected): (&f32, &f32)| (found - expected).abs() / expected.abs().max(1.0);
    let worst = found.iter().zip(expected).map(apart).fold(0.0, f32::max);
    assert!(worst < 1e-4, "{what}: {worst}");
    worst
}

/// The module path without the enums that it leads through.
fn name(path: &[String]) -> String {
    let inside = path.iter().map(String::as_str).filter(|part| !["encoder", "Ecapa", "Xvector"].contains(part));
    inside.collect::<Vec<_>>().join(".")
}

/// The module that a weight is of.
fn module(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(module, _)| module)
}

/// Puts the golden weights into a net, each once. A module of which there are none stays as it is.
pub(crate) struct Load {
    path: Vec<String>,
    /// Those of which there are some.
    modules: BTreeSet<String>,
    weights: BTreeMap<String, Vec<f32>>,
}

impl Load {
    pub(crate) fn into<M: Module>(net: M, weights: &BTreeMap<String, Vec<f32>>) -> M {
        let modules = weights.keys().map(|name| module(name).to_owned()).collect();
        let mut load = Self { path: Vec::new(), modules, weights: weights.clone() };
        let net = net.map(&mut load);
        assert!(load.weights.is_empty(), "not used: {:?}", load.weights.keys());
        net
    }
}

impl ModuleMapper for Load {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = name(&self.path);
        if !self.modules.contains(module(&name)) {
            return param;
        }
        let values = self.weights.remove(&name).unwrap_or_else(|| panic!("no golden weight {name}"));
        param.map(|tensor| Tensor::from_data(TensorData::new(values, tensor.shape()), &tensor.device()))
    }
}

/// The largest difference between the gradients and the golden ones, as a share of the largest of each tensor. Those of
/// no consequence, such as that of a bias before a softmax, are rounding errors.
pub(crate) struct Compare<'a> {
    path: Vec<String>,
    gradients: &'a GradientsParams,
    expected: BTreeMap<String, Vec<f32>>,
    worst: (f32, String),
}

impl<'a> Compare<'a> {
    pub(crate) fn worst<M: Module>(
        net: &M,
        gradients: &'a GradientsParams,
        expected: &BTreeMap<String, Vec<f32>>,
    ) -> (f32, String) {
        let expected = expected.clone();
        let mut compare = Self { path: Vec::new(), gradients, expected, worst: (0.0, String::new()) };
        net.visit(&mut compare);
        assert!(compare.expected.is_empty(), "no gradient: {:?}", compare.expected.keys());
        compare.worst
    }
}

impl ModuleVisitor for Compare<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(found) = self.gradients.get::<D>(param.id) else { return };
        let name = name(&self.path);
        let expected = self.expected.remove(&name).unwrap_or_else(|| panic!("no golden gradient {name}"));
        // What the peer has not got has no gradient there.
        if expected.is_empty() {
            return;
        }
        let largest = expected.iter().fold(NO_CONSEQUENCE, |largest, value| largest.max(value.abs()));
        let found: Vec<f32> = found.into_data().iter().collect();
        assert_eq!(found.len(), expected.len(), "{name}");
        let worst = found.iter().zip(&expected).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs())) / largest;
        if worst > self.worst.0 {
            self.worst = (worst, name);
        }
    }
}
