use std::path::Path;
use std::time::Instant;

use burn::module::{Module, ParamGroup};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Device;

use super::adapters;
use super::ahead::ahead;
use super::checkpoint::load_part;
use super::course::Course;
use super::evaluate::evaluate_first;
use super::run::{WEIGHTS, clear};
use super::run_log::{RATE, RunLog};
use super::{
    Average, Checkpoint, Meter, RunMode, Task, TrainOptions, gradients, interrupted, load_weights, on_interrupt, start,
};
use crate::random::seed;
use crate::{Error, Result};

/// Trains a task's net in a run folder until its limit, and returns the net to export: the average of the weights
/// where one is kept. The weights also stand in `net.bpk` in the run folder.
///
/// # Errors
/// A folder that `mode` refuses; [`Error::Interrupted`] after Ctrl-C, with a checkpoint written; any error of the task.
pub fn fit<T: Task>(task: &T, options: &TrainOptions, run: &Path, mode: RunMode) -> Result<T::Net> {
    mode.check(run)?;
    on_interrupt();
    std::fs::create_dir_all(run).map_err(|e| Error::io(run, e))?;
    let mut fitter = Fitter::new(task, options, run, mode)?;
    while !fitter.course.is_done(&fitter.state) {
        fitter.epoch()?;
        if (fitter.state.epoch + 1).is_multiple_of(options.valid_every.max(1)) {
            fitter.validate()?;
        }
        fitter.state.epoch += 1;
        fitter.state.batches = 0;
    }
    fitter.save()?;
    fitter.log.finish();
    let net = fitter.best();
    super::save_weights(&net, &run.join(WEIGHTS))?;
    Ok(net)
}

/// Gradients of the batches of a step.
#[derive(Default)]
struct Gathered {
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

struct Fitter<'a, T: Task> {
    task: &'a T,
    options: &'a TrainOptions,
    run: &'a Path,
    device: Device,
    net: Option<T::Net>,
    optimizer: ModuleOptimizer,
    average: Option<Average>,
    /// What is trained, where it is not all of the net.
    part: Option<ParamGroup>,
    state: Checkpoint,
    course: Course<'a>,
    log: RunLog,
    meter: Meter,
}

impl<'a, T: Task> Fitter<'a, T> {
    fn new(task: &'a T, options: &'a TrainOptions, run: &'a Path, mode: RunMode) -> Result<Self> {
        let device = options.backend.device()?.autodiff();
        options.precision.check(&device)?;
        tracing::info!("training on {device:?} in {}", options.precision);
        device.seed(options.seed);
        let average = (options.average_decay > 0.0).then(|| Average::new(options.average_decay));
        let state = Checkpoint::default();
        // A net may begin with the weights that are removed here.
        let net = start::begin(task, options, &device)?;
        let checkpoint = Checkpoint::folder(run).filter(|_| mode == RunMode::Resume);
        if checkpoint.is_none() {
            clear(run, mode)?;
        }
        let mut fitter = Self {
            task,
            options,
            run,
            net: Some(net),
            device,
            optimizer: options.optimizer(),
            average,
            part: None,
            course: Course::from(options, &state),
            state,
            log: RunLog::new(run)?,
            meter: Meter::default(),
        };
        match checkpoint {
            Some(folder) => fitter.load(&folder)?,
            None if mode == RunMode::Resume => tracing::info!("{}: no checkpoint yet, starting afresh", run.display()),
            None => {}
        }
        if options.tensorboard {
            fitter.log.record_events(run, fitter.state.step)?;
        }
        if options.adapters.is_some() {
            let trained = adapters::trained(fitter.net()?);
            fitter.part = Some(adapters::group(&trained));
            fitter.average = fitter.average.map(|average| average.of(trained));
        }
        Ok(fitter)
    }

    fn load_weights(&self, net: T::Net, path: &Path) -> Result<T::Net> {
        if self.options.adapters.is_some() { load_part(net, path) } else { load_weights(net, path) }
    }

    fn load(&mut self, folder: &Path) -> Result<()> {
        self.state = Checkpoint::load(folder)?;
        self.course = Course::from(self.options, &self.state);
        let fresh = self.net.take().ok_or_else(|| Error::Training("the net is in use".into()))?;
        if self.average.is_some() {
            let average = self.load_weights(fresh.clone(), &folder.join("average.bpk"))?;
            self.average = Some(Average::resume(self.options.average_decay, &average, self.state.average_updates));
        }
        self.net = Some(self.load_weights(fresh, &folder.join("net.bpk"))?.train());
        let path = folder.join("optimizer.bpk");
        self.optimizer = self.optimizer.clone().load(&path).map_err(|e| Error::checkpoint(&path, e))?;
        tracing::info!("resumed at epoch {}, step {}", self.state.epoch, self.state.step);
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        self.state.minutes = self.course.minutes();
        self.state.average_updates = self.average.as_ref().map_or(0, Average::updates);
        self.course.save(self.state.step);
        self.state.save(self.run, self.net()?, &self.optimizer, self.average.as_ref(), self.part.as_ref())
    }

    fn net(&self) -> Result<&T::Net> {
        self.net.as_ref().ok_or_else(|| Error::Training("the net is in use".into()))
    }

    fn best(&self) -> T::Net {
        let net = match (&self.net, &self.average) {
            (Some(net), Some(average)) if average.updates() > 0 => average.apply(net),
            (Some(net), _) => net.valid(),
            (None, _) => self.task.net(&self.device).valid(),
        };
        if self.part.is_some() { net.materialize() } else { net }
    }

    fn epoch(&mut self) -> Result<()> {
        let done = self.state.batches;
        let batches = self.task.train_batches(self.state.epoch, self.options.seed, done)?;
        let left = self.course.most_batches().saturating_sub(done);
        self.meter = Meter::default();
        let outcome = ahead(Box::new(batches.take(left)), |batches| self.steps(batches));
        if let Err(Error::Interrupted) = outcome {
            self.save()?;
        }
        outcome?;
        let mut figures = self.meter.means();
        figures.push((RATE, self.course.rate(&self.state)));
        self.log.record("train", self.state.epoch, self.state.step, &figures)
    }

    fn steps(&mut self, batches: &mut dyn Iterator<Item = Result<T::Batch>>) -> Result<()> {
        let mut gathered = Gathered::default();
        let mut counted = (Instant::now(), self.state.step);
        let mut batches = batches.peekable();
        while let Some(batch) = batches.next() {
            self.device.seed(self.batch_seed());
            self.backward(batch?, &mut gathered)?;
            self.state.batches += 1;
            let full = self.state.batches.is_multiple_of(self.options.grad_accumulation_factor.max(1));
            let accumulated = full || batches.peek().is_none();
            if accumulated {
                self.step(std::mem::take(&mut gathered))?;
            }
            let per_second = (self.state.step - counted.1) as f64 / counted.0.elapsed().as_secs_f64().max(1e-9);
            let rate = self.course.rate(&self.state);
            self.log.step(self.state.epoch, self.state.step, rate, per_second, &self.meter);
            if counted.0.elapsed().as_secs() >= 60 {
                counted = (Instant::now(), self.state.step);
            }
            // Gradients that are being gathered stand in no checkpoint.
            if !accumulated {
                continue;
            }
            if interrupted() {
                return Err(Error::Interrupted);
            }
            if self.course.is_checkpoint_due(self.state.step) {
                self.save()?;
            }
            if self.course.is_done(&self.state) {
                break;
            }
        }
        Ok(())
    }

    /// Seeds dropout and whatever else the net draws. It depends on the batch alone, so that a resumed run draws what
    /// one that was never interrupted does.
    fn batch_seed(&self) -> u64 {
        seed(&[self.options.seed, self.state.epoch as u64, self.state.batches as u64])
    }

    /// Adds the gradients of one batch, unless its loss is not finite.
    fn backward(&mut self, batch: T::Batch, gathered: &mut Gathered) -> Result<()> {
        let precision = self.options.precision;
        let of_step = precision.of_step(self.net()?);
        let loss = self.task.loss(&of_step, batch, self.state.step, &self.device)?;
        if loss.parts.iter().any(|(_, value)| !value.is_finite()) {
            drop(of_step);
            return self.skip("loss");
        }
        let grads = precision.gradients(&loss.total, &*of_step);
        drop(of_step);
        for (name, value) in &loss.parts {
            self.meter.add(name, *value);
        }
        gathered.add(self.net()?, grads);
        Ok(())
    }

    /// A step along the mean of the gradients that were gathered, if there are any.
    fn step(&mut self, gathered: Gathered) -> Result<()> {
        let Gathered { sum: Some(mut grads), batches } = gathered else { return Ok(()) };
        let norm = gradients::norm(self.net()?, &grads) / batches as f64;
        if !norm.is_finite() {
            return self.skip("gradient");
        }
        self.state.nonfinite = 0;
        let clip = match self.options.max_grad_norm {
            limit if limit > 0.0 && norm > limit => limit / norm,
            _ => 1.0,
        };
        let factor = clip / batches as f64;
        if factor != 1.0 {
            gradients::scale(self.net()?, &mut grads, factor);
        }
        self.meter.add("grad_norm", norm);
        let rate = self.course.rate(&self.state);
        let net = self.net.take().ok_or_else(|| Error::Training("the net is in use".into()))?;
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
        tracing::warn!("step {step}: the {what} is not finite, skipped ({skipped} in a row)");
        if skipped > self.options.nonfinite_patience {
            let message = format!("{skipped} steps in a row without a finite {what}; lower learning_rate");
            return Err(Error::Training(message));
        }
        Ok(())
    }

    fn validate(&mut self) -> Result<()> {
        let net = self.best();
        let device = self.options.backend.device()?;
        let meter = match evaluate_first(self.task, &net, &device, self.course.most_batches()) {
            Err(Error::Interrupted) => {
                self.save()?;
                return Err(Error::Interrupted);
            }
            other => other?,
        };
        let figures = meter.means();
        self.log.record("valid", self.state.epoch + 1, self.state.step, &figures)?;
        self.log.draw(self.run)?;
        self.state.validation.update(self.options, &figures)
    }
}

#[cfg(test)]
mod tests;
