use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

/// A running average of a net's weights (Polyak and Juditsky, 1992, with exponential weights).
///
/// The decay is warmed up as `min(decay, (1 + n) / (10 + n))` after `n` updates, so that the random start is soon
/// forgotten (the rule of TensorFlow's `ExponentialMovingAverage`).
pub struct Average {
    decay: f64,
    updates: usize,
    weights: HashMap<ParamId, Tensor<1>>,
    /// The weights that are averaged, where it is not all of them.
    only: Option<HashSet<ParamId>>,
}

impl Average {
    /// An empty average; `decay` in [0, 1).
    pub fn new(decay: f64) -> Self {
        Self { decay, updates: 0, weights: HashMap::new(), only: None }
    }

    /// An average that stands at the weights of `net` after `updates` updates.
    pub fn resume<M: Module>(decay: f64, net: &M, updates: usize) -> Self {
        let mut average = Self { decay: 0.0, updates, weights: HashMap::new(), only: None };
        net.valid().visit(&mut Update { average: &mut average, decay: 0.0 });
        average.decay = decay;
        average
    }

    /// The average of these weights; others stay as they are.
    pub(super) fn of(mut self, only: HashSet<ParamId>) -> Self {
        self.weights.retain(|id, _| only.contains(id));
        self.only = Some(only);
        self
    }

    /// How many updates it has seen.
    pub fn updates(&self) -> usize {
        self.updates
    }

    /// Moves the average towards the weights of `net`.
    pub fn update<M: Module>(&mut self, net: &M) {
        let n = self.updates as f64;
        let decay = self.decay.min((1.0 + n) / (10.0 + n));
        self.updates += 1;
        // Running statistics of normalisations lag behind a net that trains, and are up to date in its valid form.
        net.valid().visit(&mut Update { average: self, decay });
    }

    /// The net with the averaged weights, without gradients.
    pub fn apply<M: Module>(&self, net: &M) -> M {
        net.valid().map(&mut Apply { average: self })
    }
}

struct Update<'a> {
    average: &'a mut Average,
    decay: f64,
}

impl ModuleVisitor for Update<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.average.only.as_ref().is_some_and(|only| !only.contains(&param.id)) {
            return;
        }
        let now = param.val().flatten::<1>(0, D - 1);
        let decay = self.decay;
        let next = match self.average.weights.remove(&param.id) {
            Some(so_far) => so_far.mul_scalar(decay) + now.mul_scalar(1.0 - decay),
            None => now,
        };
        self.average.weights.insert(param.id, next);
    }
}

struct Apply<'a> {
    average: &'a Average,
}

impl ModuleMapper for Apply<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.average.weights.get(&param.id) {
            Some(weights) => {
                let weights = weights.clone();
                param.map(|tensor| weights.reshape(tensor.dims()))
            }
            None => param,
        }
    }
}
