use std::collections::{HashMap, HashSet, VecDeque};

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

/// The mean of nets of one shape, if there are any.
pub(super) fn mean<M: Module>(nets: Vec<M>) -> Option<M> {
    let mut nets = nets.into_iter();
    let first = nets.next()?;
    let others: Vec<_> = nets.map(|net| Gather::of(&net)).collect();
    Some(first.map(&mut Mean { others }))
}

/// A net whose weights are moved by this share of the way to those of another net of its shape.
pub(super) fn towards<M: Module>(net: M, other: &M, share: f64) -> M {
    net.map(&mut Towards { other: Gather::of(other), share })
}

struct Towards {
    other: VecDeque<Tensor<1>>,
    share: f64,
}

impl ModuleMapper for Towards {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(other) = self.other.pop_front() else { return param };
        param.map(|weights| {
            let difference = other.reshape(weights.dims()) - weights.clone();
            weights + difference.mul_scalar(self.share)
        })
    }
}

/// Weights in the order of the net.
#[derive(Default)]
struct Gather(VecDeque<Tensor<1>>);

impl Gather {
    fn of<M: Module>(net: &M) -> VecDeque<Tensor<1>> {
        let mut gather = Self::default();
        net.visit(&mut gather);
        gather.0
    }
}

impl ModuleVisitor for Gather {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push_back(param.val().flatten::<1>(0, D - 1));
    }
}

struct Mean {
    others: Vec<VecDeque<Tensor<1>>>,
}

impl ModuleMapper for Mean {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let others: Vec<_> = self.others.iter_mut().filter_map(VecDeque::pop_front).collect();
        param.map(|first| {
            let share = 1.0 / (others.len() + 1) as f64;
            let dims = first.dims();
            // By their differences, so that weights that are alike stay what they are.
            let differences = others.into_iter().map(|other| other.reshape(dims) - first.clone());
            match differences.reduce(|sum, difference| sum + difference) {
                Some(sum) => first + sum.mul_scalar(share),
                None => first,
            }
        })
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

#[cfg(test)]
mod tests {
    use burn::nn::{Initializer, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn the_mean_of_nets_is_that_of_each_weight() {
        let net =
            |value| LinearConfig::new(2, 3).with_initializer(Initializer::Constant { value }).init(&Device::flex());
        let nets = |values: &[f64]| values.iter().map(|value| net(*value)).collect::<Vec<_>>();
        for (values, expected) in [(vec![1.5, 2.25], 1.875), (vec![0.1; 3], 0.1), (vec![4.0], 4.0)] {
            let mean = mean(nets(&values)).unwrap();
            let weights: Vec<f32> = mean.weight.val().into_data().iter().collect();
            assert_eq!(weights, [expected; 6]);
            assert_eq!(mean.bias.unwrap().val().into_data().iter::<f32>().collect::<Vec<_>>(), [expected; 3]);
        }
        assert!(mean(Vec::<burn::nn::Linear>::new()).is_none());
    }
}
