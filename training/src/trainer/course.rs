use std::time::Instant;

use super::{Checkpoint, TrainOptions};

/// How far a run has come, by its limits and the clock, and what follows from that.
pub(super) struct Course<'a> {
    options: &'a TrainOptions,
    started: Instant,
    minutes_before: f64,
    saved: Instant,
    saved_step: usize,
    /// The batches of the epoch that is under way, where they can be counted.
    epoch_batches: Option<usize>,
}

impl<'a> Course<'a> {
    /// A run that begins, or goes on from `state`.
    pub(super) fn from(options: &'a TrainOptions, state: &Checkpoint) -> Self {
        let now = Instant::now();
        let (minutes_before, saved_step) = (state.minutes, state.step);
        Self { options, started: now, minutes_before, saved: now, saved_step, epoch_batches: None }
    }

    /// An epoch of this many batches begins, or goes on; None where nobody can count them.
    pub(super) fn begin_epoch(&mut self, batches: Option<usize>) {
        self.epoch_batches = batches;
    }

    /// Minutes of training so far.
    pub(super) fn minutes(&self) -> f64 {
        self.minutes_before + self.started.elapsed().as_secs_f64() / 60.0
    }

    /// The most batches of an epoch or a validation.
    pub(super) fn most_batches(&self) -> usize {
        if self.options.debug { self.options.debug_batches } else { usize::MAX }
    }

    pub(super) fn is_done(&self, state: &Checkpoint) -> bool {
        self.share(state) >= 1.0 || state.validation.is_over(self.options.early_stopping.as_ref())
    }

    /// The learning rate of the next step.
    pub(super) fn rate(&self, state: &Checkpoint) -> f64 {
        let options = self.options;
        let scheduled =
            options.schedule.factor(state.step, options.warmup_steps, options.keep_steps, self.progress(state));
        state.validation.scale * options.learning_rate * scheduled
    }

    /// A checkpoint of this step is being written.
    pub(super) fn save(&mut self, step: usize) {
        (self.saved, self.saved_step) = (Instant::now(), step);
    }

    pub(super) fn is_checkpoint_due(&self, step: usize) -> bool {
        let (minutes, steps) = (self.options.ckpt_interval_minutes, self.options.ckpt_interval_steps);
        (minutes > 0.0 && self.saved.elapsed().as_secs_f64() > minutes * 60.0)
            || (steps > 0 && step - self.saved_step >= steps)
    }

    /// The share of the run that is done, for the schedule: where steps are counted, the clock has no say in what is
    /// learnt, and a run that was resumed learns the same.
    fn progress(&self, state: &Checkpoint) -> f64 {
        match self.options.steps {
            0 => self.share(state),
            _ => self.counted(state),
        }
    }

    /// The share of the run that is done, by whichever limit is nearest.
    pub(super) fn share(&self, state: &Checkpoint) -> f64 {
        self.counted(state).max(share(self.minutes(), self.options.minutes))
    }

    /// The same by epochs and steps alone.
    fn counted(&self, state: &Checkpoint) -> f64 {
        let options = self.options;
        let epochs = if options.debug { options.debug_epochs } else { options.epochs };
        let within = self.epoch_batches.map_or(0.0, |all| share(state.batches as f64, all as f64).min(1.0));
        share(state.epoch as f64 + within, epochs as f64).max(share(state.step as f64, options.steps as f64))
    }
}

/// What is done of a limit; nothing where there is none.
fn share(done: f64, limit: f64) -> f64 {
    if limit > 0.0 { done / limit } else { 0.0 }
}
