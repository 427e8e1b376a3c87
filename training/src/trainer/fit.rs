use std::cmp::Reverse;
use std::fs::File;
use std::path::Path;

use burn::module::{Module, ParamGroup};
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;

use super::adapters;
use super::ahead::ahead;
use super::anneal::{check_directions, check_names, names_figures};
use super::average::{mean, towards};
use super::checkpoint::load_part;
use super::course::Course;
use super::curves::Curves;
use super::evaluate::evaluate_first;
use super::events::Events;
use super::observer::{At, BatchEnd, Observers, Stage, tell};
use super::pool::without_denormals;
use super::progress::Progress;
use super::run::{WEIGHTS, clear};
use super::run_log::RunLog;
use super::{
    Average, Checkpoint, Kept, Meter, Metric, RunMode, Task, TrainOptions, environment, interrupted, kept,
    load_weights, on_interrupt, safetensors, save_weights, start,
};
use crate::import::{self, Weights};
use crate::{Error, Result};

/// Trains a task's net in a run folder until its limit, and returns the net to export: the best of the validated ones,
/// or what [`TrainOptions::keep_best`] and [`TrainOptions::average_best`] say. Each is the average of the weights where one is
/// kept. The weights also stand in `net.safetensors` in the run folder.
///
/// # Errors
/// A folder that `mode` refuses; [`Error::Interrupted`] after Ctrl-C, with a checkpoint written; any error of the task.
pub fn fit<T: Task>(task: &T, options: &TrainOptions, run: &Path, mode: RunMode) -> Result<T::Net> {
    fit_observed(task, options, run, mode, Vec::new())
}

/// As [`fit`], while others look on beside the logs of the run folder and the bar.
///
/// # Errors
/// As [`fit`]; any error of the observers.
pub fn fit_observed<T: Task>(
    task: &T,
    options: &TrainOptions,
    run: &Path,
    mode: RunMode,
    observers: Observers<'_, T>,
) -> Result<T::Net> {
    options.check()?;
    mode.check(run)?;
    on_interrupt();
    without_denormals(|| fit_here(task, options, run, mode, observers))
}

fn fit_here<T: Task>(
    task: &T,
    options: &TrainOptions,
    run: &Path,
    mode: RunMode,
    observers: Observers<'_, T>,
) -> Result<T::Net> {
    std::fs::create_dir_all(run).map_err(|e| Error::io(run, e))?;
    let mut fitter = Fitter::new(task, options, run, mode, observers)?;
    fitter.begin()?;
    // Debug mode shows whether all runs.
    let valid_every = if options.debug { 1 } else { options.valid_every.max(1) };
    while !fitter.course.is_done(&fitter.state) {
        let step = fitter.state.step;
        let whole = fitter.epoch()?;
        if (fitter.state.epoch + 1).is_multiple_of(valid_every) {
            fitter.validate(fitter.state.epoch + 1)?;
        }
        if fitter.state.step > step {
            fitter.state.nonfinite = 0;
        }
        // An epoch in whose middle the run ends goes on where that is given more.
        if whole {
            (fitter.state.epoch, fitter.state.batches) = (fitter.state.epoch + 1, 0);
        }
    }
    // The last weights are among those to choose of.
    let Checkpoint { step, validated, .. } = fitter.state;
    if options.keep_best > 0 && validated > 0 && validated != step {
        fitter.validate(fitter.epochs())?;
    }
    if fitter.state.validation.is_over(options.early_stopping.as_ref()) {
        tracing::info!("stopped early, as train.early_stopping says, after {} epochs", fitter.epochs());
    }
    fitter.save()?;
    fitter.end()
}

/// Where a run stood, and its net without gradients.
type Before<T> = Option<(Checkpoint, <T as Task>::Net)>;

struct Fitter<'a, T: Task> {
    task: &'a T,
    options: &'a TrainOptions,
    run: &'a Path,
    device: Device,
    net: Option<T::Net>,
    /// What the net began with, where a share of it is exported.
    begun: Option<Weights>,
    optimizer: ModuleOptimizer,
    average: Option<Average>,
    /// What is trained, where it is not all of the net.
    part: Option<ParamGroup>,
    state: Checkpoint,
    course: Course<'a>,
    /// By what the best weights are kept.
    metric: Metric,
    observers: Observers<'a, T>,
    /// Held as long as the run is trained in.
    _lock: Lock,
}

/// A run folder in which nobody else trains.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    /// Closing the file would not do: a program that is being started has it open for a moment, too.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Keeps others from training in a run folder at the same time.
fn lock(run: &Path) -> Result<Lock> {
    let path = run.join(".lock");
    let file = File::create(&path).map_err(|e| Error::io(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(std::fs::TryLockError::WouldBlock) => {
            let reason = "another program is training in this folder; wait for it, or give `run` another name";
            Err(Error::config(run.display().to_string(), reason))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(Error::io(&path, error)),
    }
}

impl<'a, T: Task> Fitter<'a, T> {
    fn new(
        task: &'a T,
        options: &'a TrainOptions,
        run: &'a Path,
        mode: RunMode,
        observers: Observers<'a, T>,
    ) -> Result<Self> {
        let metric = options.metric(task.metric());
        check_directions(options, &[&metric, &task.metric()])?;
        let device = options.backend.device()?.autodiff();
        options.precision.check(&device)?;
        tracing::info!("training on {device:?} in {}", options.precision);
        device.seed(options.seed);
        let average = (options.average_decay > 0.0).then(|| Average::new(options.average_decay));
        // A net may begin with the weights that are removed here.
        let net = start::begin(task, options, &device)?;
        let start = options.start.as_deref().filter(|_| options.start_share > 0.0);
        let begun = start.map(|start| import::weights(task, start)).transpose()?;
        let origin = options.start.as_deref().or(options.adapters.as_ref().map(|adapters| adapters.base.as_path()));
        let origin = origin.map(|origin| import::origin(task, origin)).transpose()?;
        let state = Checkpoint { origin, ..Checkpoint::default() };
        let lock = lock(run)?;
        let checkpoint = Checkpoint::folder(run).filter(|_| mode == RunMode::Resume);
        if checkpoint.is_none() {
            clear(run, mode)?;
        }
        let mut fitter = Self {
            task,
            options,
            run,
            begun,
            net: Some(net),
            device,
            optimizer: options.optimizer(),
            average,
            part: None,
            course: Course::from(options, &state),
            state,
            metric,
            observers: Vec::new(),
            _lock: lock,
        };
        match checkpoint {
            Some(folder) => fitter.load(&folder)?,
            None if mode == RunMode::Resume => tracing::info!("{}: no checkpoint yet, starting afresh", run.display()),
            None => {}
        }
        fitter.observers.push(Box::new(RunLog::new(run, &fitter.state)?));
        if options.tensorboard {
            fitter.observers.push(Box::new(Events::create(run, fitter.state.step)?));
        }
        fitter.observers.push(Box::new(Curves(run.to_owned())));
        fitter.observers.push(Box::new(Progress::new(!options.noprogressbar)));
        fitter.observers.extend(observers);
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
        let origin = self.state.origin.take();
        self.state = Checkpoint::load(folder)?;
        // A run that goes on needs what it began with once more where a share of that is exported, or it was adapted.
        let needed = self.begun.is_some() || self.options.adapters.is_some();
        if needed && self.state.origin.is_some() && self.state.origin != origin {
            let reason =
                "the weights that this run began with have changed since; begin anew with `--fresh`, or put them back";
            return Err(Error::checkpoint(folder, reason));
        }
        let (metric, run) = (self.metric.name(), self.run);
        self.state.best.retain(|kept| kept.metric == metric && kept.path(run).is_file());
        if self.options.keep_latest {
            self.state.best.sort_by_key(|kept| Reverse(kept.step));
        }
        self.state.best.truncate(self.options.keep_best);
        self.course = Course::from(self.options, &self.state);
        let fresh = self.net.take().ok_or_else(in_use)?;
        if self.average.is_some() && self.state.average_updates > 0 {
            let average = self.load_weights(fresh.clone(), &folder.join("average.safetensors"))?;
            self.average = Some(Average::resume(self.options.average_decay, &average, self.state.average_updates));
        }
        self.net = Some(self.load_weights(fresh, &folder.join("net.safetensors"))?.train());
        let path = folder.join("optimizer.safetensors");
        let state = safetensors::read(&path)?;
        self.optimizer = self.optimizer.clone().from_bytes(state).map_err(|e| Error::checkpoint(&path, e))?;
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
        self.net.as_ref().ok_or_else(in_use)
    }

    fn at(&self) -> At {
        At {
            epoch: self.state.epoch + 1,
            step: self.state.step,
            share: self.course.share(&self.state),
            minutes: self.course.minutes(),
            rate: self.course.rate(&self.state),
            best: self.state.best.first().cloned(),
        }
    }

    /// How many epochs were begun.
    fn epochs(&self) -> usize {
        self.state.epoch + usize::from(self.state.batches > 0)
    }

    fn begin(&mut self) -> Result<()> {
        if names_figures(self.options) {
            let figures = evaluate_first(self.task, &self.averaged(), &self.options.backend.device()?, 1)?;
            check_names(self.options, &figures.means())?;
        }
        environment::write(self.run, self.options, &self.device, self.state.step)?;
        let at = self.at();
        let net = self.net.as_ref().ok_or_else(in_use)?;
        tell(&mut self.observers, |observer| observer.on_fit_start(net, &at))
    }

    /// Writes the weights that were chosen.
    fn end(mut self) -> Result<T::Net> {
        let among = if self.options.average_best { self.state.best.len() } else { 1 };
        let chosen: Vec<Kept> = self.state.best.iter().take(among).cloned().collect();
        // Each is read into a net of its own: copies of a net share its running statistics.
        let nets = chosen.iter().map(|kept| load_weights(self.averaged(), &kept.path(self.run)));
        let net = mean(nets.collect::<Result<_>>()?).unwrap_or_else(|| self.averaged());
        let net = match &self.begun {
            // Of what the net did not begin with, all is what it has learnt.
            Some(begun) => towards(net.clone(), &begun.load(net, self.task.heads())?, self.options.start_share),
            None => net,
        };
        save_weights(&net, &self.run.join(WEIGHTS))?;
        self.state.ended = Some(self.state.step);
        if let Some(folder) = Checkpoint::folder(self.run) {
            self.state.write(&folder)?;
        }
        let at = At { epoch: self.epochs(), ..self.at() };
        tell(&mut self.observers, |observer| observer.on_fit_end(&chosen, &net, &at))?;
        Ok(net)
    }

    /// The net that is validated: the average of the weights, where there is one.
    fn averaged(&self) -> T::Net {
        let net = match (&self.net, &self.average) {
            (Some(net), Some(average)) if average.updates() > 0 => average.apply(net),
            (Some(net), _) => net.valid(),
            (None, _) => self.task.net(&self.device).valid(),
        };
        if self.part.is_some() { net.materialize() } else { net }
    }

    /// Trains on what is left of an epoch. Whether that is all of it.
    fn epoch(&mut self) -> Result<bool> {
        let done = self.state.batches;
        let batches = self.task.train_batches(self.state.epoch, self.options.seed, done)?;
        let left = self.course.most_batches().saturating_sub(done);
        if done == 0 {
            self.state.figures = Meter::default();
        }
        let at = self.at();
        tell(&mut self.observers, |observer| observer.on_stage_start(Stage::Train, &at))?;
        let batches = batches.take(left);
        let (least, most) = batches.size_hint();
        self.course.begin_epoch(most.filter(|most| *most == least).map(|most| done + most));
        let outcome = ahead(Box::new(batches), |batches| self.steps(batches));
        self.course.begin_epoch(None);
        self.save_after(&outcome)?;
        let whole = outcome?;
        if self.state.batches == 0 {
            let reason = "an epoch has no batch; check the shares of the data, and that there are clips enough for one";
            return Err(Error::data("training data", reason));
        }
        let at = self.at();
        let (figures, net) = (self.state.figures.means(), self.net.as_ref().ok_or_else(in_use)?);
        let told = tell(&mut self.observers, |observer| observer.on_stage_end(Stage::Train, &figures, net, &at));
        self.save_after(&told)?;
        told.map(|()| whole)
    }

    /// What was learnt is kept where the data give out or somebody interrupts: the run can go on. Where the net itself fails, it
    /// goes on from an earlier checkpoint.
    fn save_after<R>(&mut self, outcome: &Result<R>) -> Result<()> {
        match outcome {
            Err(Error::Interrupted | Error::Io { .. } | Error::Data { .. } | Error::Models(_)) => self.save(),
            _ => Ok(()),
        }
    }

    /// Trains on batches until they, or the run, are at an end: whether it is theirs.
    fn steps(&mut self, batches: &mut dyn Iterator<Item = Result<T::Batch>>) -> Result<bool> {
        let mut gathered = step::Gathered::default();
        let factor = self.options.grad_accumulation_factor.max(1);
        // Gradients that are being gathered stand in no checkpoint: one that is written meanwhile is of before.
        let mut before: Before<T> = None;
        let mut batches = batches.peekable();
        while let Some(batch) = batches.next() {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    self.go_back(before);
                    return Err(error);
                }
            };
            if factor > 1 && before.is_none() {
                before = Some((self.state.clone(), self.net()?.valid()));
            }
            let at = self.at();
            tell(&mut self.observers, |observer| observer.on_fit_batch_start(&batch, &at))?;
            self.device.seed(self.batch_seed());
            let seconds = self.task.seconds(&batch);
            let parts = self.backward(batch, &mut gathered)?;
            self.state.batches += 1;
            let should_step = self.state.batches.is_multiple_of(factor) || batches.peek().is_none();
            if should_step {
                before = None;
                self.step(std::mem::take(&mut gathered))?;
            }
            let (at, end) = (self.at(), BatchEnd { parts: &parts, seconds, should_step });
            tell(&mut self.observers, |observer| observer.on_fit_batch_end(&end, &at))?;
            if interrupted() {
                self.go_back(before);
                return Err(Error::Interrupted);
            }
            if should_step && self.course.is_checkpoint_due(self.state.step) {
                self.save()?;
            }
            if should_step && self.course.is_done(&self.state) {
                break;
            }
        }
        Ok(batches.peek().is_none())
    }

    /// Forgets the batches of a step that is not taken, the running statistics that follow them included.
    fn go_back(&mut self, before: Before<T>) {
        if let Some((state, net)) = before {
            self.state = state;
            self.net = Some(net);
        }
    }

    /// Validates the net after this many epochs.
    fn validate(&mut self, epoch: usize) -> Result<()> {
        let (net, at) = (self.averaged(), At { epoch, ..self.at() });
        tell(&mut self.observers, |observer| observer.on_stage_start(Stage::Valid, &at))?;
        let device = self.options.backend.device()?;
        let outcome = evaluate_first(self.task, &net, &device, self.course.most_batches());
        self.save_after(&outcome)?;
        let meter = outcome?;
        let figures = meter.means();
        let mut validation = self.state.validation.clone();
        if let Err(error) = validation.update(self.options, &[&self.metric, &self.task.metric()], &figures) {
            // What was learnt does not hang on the name of a figure.
            self.save()?;
            return Err(error);
        }
        self.state.validation = validation;
        self.state.validated = self.state.step;
        self.keep(&net, epoch, &figures)?;
        let at = At { epoch, ..self.at() };
        let told = tell(&mut self.observers, |observer| observer.on_stage_end(Stage::Valid, &figures, &net, &at));
        self.save_after(&told)?;
        told
    }

    /// Keeps a net that was validated, if it is among the best.
    fn keep(&mut self, net: &T::Net, epoch: usize, figures: &[(&str, f64)]) -> Result<()> {
        let metric = self.metric.name();
        if self.options.keep_best == 0 {
            self.state.best.clear();
            return Ok(());
        }
        let figure = figures.iter().find(|(name, _)| *name == metric);
        let Some((_, figure)) = figure.filter(|_| figures.iter().all(|(_, value)| value.is_finite())) else {
            tracing::warn!(
                "the validation has no `{metric}`, or figures that are not finite: its weights are not kept"
            );
            return Ok(());
        };
        let new = Kept { epoch, step: self.state.step, metric: metric.to_owned(), figure: *figure };
        let path = new.path(self.run);
        let by = Some(&self.metric).filter(|_| !self.options.keep_latest);
        if kept::insert(&mut self.state.best, new, by, self.options.keep_best) {
            let folder = self.run.join(kept::BEST);
            std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
            save_weights(net, &path)?;
        }
        Ok(())
    }
}

fn in_use() -> Error {
    Error::Training("the net is in use".into())
}

mod step;
#[cfg(test)]
mod tests;
