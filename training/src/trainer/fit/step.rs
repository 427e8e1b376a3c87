//! One step: gradients of its batches, and what becomes of the weights.

use burn::module::Module;
use burn::optim::GradientsParams;

use super::super::{Task, gradients};
use super::{Fitter, in_use};
use crate::random::seed;
use crate::{Error, Result};

/// Gradients of the batches of a step.
#[derive(Default)]
pub(super) struct Gathered {
    sum: Option<GradientsParams>,
    /// How many batches are in the sum.
    batches: usize,
}

impl Gathered {
    fn add<M: Module>(&mut self, net: &M, mut grads: GradientsParams) {
        self.batches += 1;
        match &mut self.sum {
            Some(sum) => gradients::add(net, sum, &mut grads),
            None => self.sum = Some(grads),
        }
    }
}

impl<T: Task> Fitter<'_, T> {
    /// Seeds dropout and whatever else the net draws. It depends on the batch alone, so that a resumed run draws what
    /// one that was never interrupted does.
    pub(super) fn batch_seed(&self) -> u64 {
        seed(&[self.options.seed, self.state.epoch as u64, self.state.batches as u64])
    }

    /// Adds the gradients of one batch, unless its loss is not finite. Returns the figures of its loss.
    pub(super) fn backward(&mut self, batch: T::Batch, gathered: &mut Gathered) -> Result<Vec<(&'static str, f64)>> {
        let precision = self.options.precision;
        let of_step = precision.of_step(self.net()?);
        let loss = self.task.loss(&of_step, batch, self.state.step, &self.device)?;
        let total = f64::from(loss.total.clone().into_scalar::<f32>());
        if !total.is_finite() || loss.parts.iter().any(|(_, value)| !value.is_finite()) {
            drop(of_step);
            return self.skip("loss").map(|()| Vec::new());
        }
        let grads = precision.gradients(&loss.total, &*of_step);
        drop(of_step);
        for (name, value) in &loss.parts {
            self.state.figures.add(name, *value);
        }
        gathered.add(self.net()?, grads);
        Ok(loss.parts)
    }

    /// A step along the mean of the gradients that were gathered, if there are any.
    pub(super) fn step(&mut self, gathered: Gathered) -> Result<()> {
        let Gathered { sum: Some(mut grads), batches } = gathered else { return Ok(()) };
        let norm = gradients::norm(self.net()?, &grads) / batches as f64;
        if !norm.is_finite() {
            if !self.options.skip_nonfinite_grads {
                let message = format!("step {}: the gradient is not finite; lower learning_rate", self.state.step);
                return Err(Error::Training(message));
            }
            return self.skip("gradient");
        }
        let clip = match self.options.max_grad_norm {
            limit if limit > 0.0 && norm > limit => limit / norm,
            _ => 1.0,
        };
        let factor = clip / batches as f64;
        if factor != 1.0 {
            gradients::scale(self.net()?, &mut grads, factor);
        }
        self.state.figures.add("grad_norm", norm);
        let rate = self.course.rate(&self.state);
        let net = self.net.take().ok_or_else(in_use)?;
        let net = self.optimizer.step(rate, net, grads);
        if let Some(average) = &mut self.average {
            average.update(&net);
        }
        self.net = Some(net);
        self.state.step += 1;
        Ok(())
    }

    fn skip(&mut self, what: &str) -> Result<()> {
        self.state.nonfinite += 1;
        let (step, skipped) = (self.state.step, self.state.nonfinite);
        tracing::warn!("step {step}: the {what} is not finite, skipped ({skipped} so far)");
        if skipped > self.options.nonfinite_patience {
            let message = format!("{skipped} losses or gradients are not finite; lower learning_rate");
            return Err(Error::Training(message));
        }
        Ok(())
    }
}
