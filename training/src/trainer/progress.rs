use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::observer::{At, BatchEnd, Observer, Stage};
use super::run_log::line;
use super::{Kept, Meter, Task, kept, timing};
use crate::Result;

/// Parts of the bar.
const LENGTH: u64 = 1000;
/// How often a line is printed where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(20);
/// The time over which speeds are measured.
const WINDOW: Duration = Duration::from_secs(60);

/// The bar on a terminal, or lines where there is none: the share that is done, the time that is left, figures, speeds,
/// memory, and the best validation.
pub(super) struct Progress {
    bar: ProgressBar,
    interactive: bool,
    began: Option<(Instant, f64)>,
    last_line: Instant,
    meter: Meter,
    /// Since when steps and seconds of sound are counted, and how many there were.
    counted: (Instant, usize, f64),
    seconds: f64,
    memory: Option<(Instant, f64)>,
}

impl Progress {
    pub(super) fn new(with_bar: bool) -> Self {
        let target = if with_bar { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(LENGTH), target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:20} {elapsed_precise} {wide_msg}") {
            bar.set_style(style);
        }
        let (interactive, now) = (!bar.is_hidden(), Instant::now());
        Self {
            bar,
            interactive,
            began: None,
            last_line: now,
            meter: Meter::default(),
            counted: (now, 0, 0.0),
            seconds: 0.0,
            memory: None,
        }
    }

    fn say(&self, message: &str) {
        self.bar.suspend(|| tracing::info!("{message}"));
    }

    /// The most memory that this process held so far; looked up once a second.
    fn peak_mib(&mut self) -> Option<f64> {
        if self.memory.is_none_or(|(at, _)| at.elapsed().as_secs() >= 1) {
            self.memory = timing::peak_mib().map(|peak| (Instant::now(), peak));
        }
        self.memory.map(|(_, peak)| peak)
    }

    fn message(&mut self, at: &At) -> String {
        let mut parts = vec![format!("{:.0} %", 100.0 * at.share.min(1.0))];
        let left = self.began.and_then(|(since, share)| left(since.elapsed(), share, at.share));
        parts.extend(left.map(|left| format!("ETA {}", clock(left))));
        parts.push(format!("epoch {} step {} {} lr {:.2e}", at.epoch, at.step, self.meter.line(), at.rate));
        let (since, steps, seconds) = self.counted;
        let per_second = |count: f64| count / since.elapsed().as_secs_f64().max(1e-9);
        parts.push(format!("{:.2} steps/s", per_second((at.step - steps) as f64)));
        if self.seconds > 0.0 {
            parts.push(format!("{:.1} s of audio/s", per_second(self.seconds - seconds)));
        }
        parts.extend(self.peak_mib().map(|peak| format!("peak {peak:.0} MiB")));
        parts.extend(at.best.as_ref().map(|best| format!("best {} {:.4}", best.metric, best.figure)));
        parts.join(", ")
    }
}

/// The time that is left, by that which the share of the run since `before` took.
fn left(elapsed: Duration, before: f64, now: f64) -> Option<Duration> {
    let done = now - before;
    let seconds = elapsed.as_secs_f64() * (1.0 - now).max(0.0) / done;
    (done > 0.0).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

/// Hours, minutes and seconds.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

impl<T: Task> Observer<T> for Progress {
    fn on_fit_start(&mut self, _net: &T::Net, at: &At) -> Result<()> {
        let now = Instant::now();
        self.began = Some((now, at.share));
        self.counted = (now, at.step, 0.0);
        Ok(())
    }

    fn on_stage_start(&mut self, stage: Stage, at: &At) -> Result<()> {
        match stage {
            Stage::Train => {
                self.meter = Meter::default();
                // The time of a validation is not one of steps.
                self.counted = (Instant::now(), at.step, self.seconds);
            }
            Stage::Valid | Stage::Test if self.interactive => {
                self.bar.set_message(format!("epoch {} step {}: {}", at.epoch, at.step, stage.name()));
                self.bar.tick();
            }
            Stage::Valid | Stage::Test => {}
        }
        Ok(())
    }

    fn on_fit_batch_end(&mut self, batch: &BatchEnd<'_>, at: &At) -> Result<()> {
        for (name, value) in batch.parts {
            self.meter.add(name, *value);
        }
        self.seconds += batch.seconds;
        if self.interactive {
            let message = self.message(at);
            self.bar.set_position((LENGTH as f64 * at.share.clamp(0.0, 1.0)) as u64);
            self.bar.set_message(message);
            self.bar.tick();
        } else if self.last_line.elapsed() >= BETWEEN_LINES {
            self.last_line = Instant::now();
            let message = self.message(at);
            self.say(&message);
        }
        if self.counted.0.elapsed() >= WINDOW {
            self.counted = (Instant::now(), at.step, self.seconds);
        }
        Ok(())
    }

    fn on_stage_end(&mut self, stage: Stage, figures: &[(&'static str, f64)], _net: &T::Net, at: &At) -> Result<()> {
        self.say(&line(stage, figures, at));
        Ok(())
    }

    fn on_fit_end(&mut self, chosen: &[Kept], _net: &T::Net, _at: &At) -> Result<()> {
        self.bar.finish_and_clear();
        self.say(&kept::line(chosen));
        Ok(())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_is_left_goes_by_what_was_done_since_the_start() {
        let minute = Duration::from_secs(60);
        assert_eq!(left(minute, 0.0, 0.25).map(clock), Some("0:03:00".to_owned()));
        // A run that was resumed when half of it was done.
        assert_eq!(left(minute, 0.5, 0.75).map(clock), Some("0:01:00".to_owned()));
        assert_eq!(left(minute, 0.5, 0.5), None);
        assert_eq!(clock(Duration::from_secs(3 * 3600 + 65)), "3:01:05");
    }
}
