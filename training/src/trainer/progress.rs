use std::collections::VecDeque;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::observer::{At, BatchEnd, Observer, Stage};
use super::run_log::line;
use super::{Kept, Meter, Task, kept, timing};
use crate::Result;

/// Where the lines in the place of a bar are said.
pub(crate) const TARGET: &str = module_path!();
/// Parts of the bar.
const LENGTH: u64 = 1000;
/// How often a line is printed where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(20);
/// The time over which speeds are measured.
const WINDOW: Duration = Duration::from_secs(60);

/// The dashboard on a terminal, or lines where there is none: the share that is done, the time that is left, figures and
/// the course of the loss, speeds, memory, the last validation and the best.
pub(super) struct Progress {
    screen: MultiProgress,
    bar: ProgressBar,
    /// Below it: figures of training, speeds, validations.
    rows: [ProgressBar; 3],
    interactive: bool,
    began: Option<(Instant, f64)>,
    last_line: Instant,
    meter: Meter,
    losses: Course,
    /// Since when steps and seconds of sound are counted, and how many there were.
    counted: (Instant, usize, f64),
    seconds: f64,
    memory: Option<(Instant, f64)>,
}

impl Progress {
    pub(super) fn new(with_bar: bool) -> Self {
        let target = if with_bar { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let screen = MultiProgress::with_draw_target(target);
        let add = |length, template| {
            let bar = screen.add(ProgressBar::new(length));
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        };
        let bar = add(LENGTH, "{spinner} {bar:30} {wide_msg}");
        let rows = [(); 3].map(|()| add(1, "  {wide_msg}"));
        let (interactive, now) = (!bar.is_hidden(), Instant::now());
        Self {
            screen,
            bar,
            rows,
            interactive,
            began: None,
            last_line: now,
            meter: Meter::default(),
            losses: Course::default(),
            counted: (now, 0, 0.0),
            seconds: 0.0,
            memory: None,
        }
    }

    fn say(&self, message: &str) {
        self.screen.suspend(|| tracing::info!("{message}"));
    }

    /// The most memory that this process held so far; looked up once a second.
    fn peak_mib(&mut self) -> Option<f64> {
        if self.memory.is_none_or(|(at, _)| at.elapsed().as_secs() >= 1) {
            self.memory = timing::peak_mib().map(|peak| (Instant::now(), peak));
        }
        self.memory.map(|(_, peak)| peak)
    }

    /// How much is done, and the time that is left.
    fn done(&self, at: &At) -> String {
        let left = self.began.and_then(|(since, share)| left(since.elapsed(), share, at.share));
        let left = left.map(|left| format!(", ETA {}", clock(left))).unwrap_or_default();
        format!("{:.0} %{left}, epoch {} step {}", 100.0 * at.share.min(1.0), at.epoch, at.step)
    }

    fn figures(&self, at: &At) -> String {
        format!("{} lr {:.2e}", self.meter.line(), at.rate)
    }

    fn speeds(&mut self, at: &At) -> String {
        let (since, steps, seconds) = self.counted;
        let per_second = |count: f64| count / since.elapsed().as_secs_f64().max(1e-9);
        let mut parts = vec![format!("{:.2} steps/s", per_second((at.step - steps) as f64))];
        if self.seconds > 0.0 {
            parts.push(format!("{:.1} s of audio/s", per_second(self.seconds - seconds)));
        }
        parts.extend(self.peak_mib().map(|peak| format!("peak {peak:.0} MiB")));
        parts.join(", ")
    }

    fn show(&mut self, at: &At) {
        self.bar.set_position((LENGTH as f64 * at.share.clamp(0.0, 1.0)) as u64);
        self.bar.set_message(self.done(at));
        self.rows[0].set_message(format!("train  {} {}", self.losses.line(), self.figures(at)));
        let speeds = self.speeds(at);
        self.rows[1].set_message(format!("speed  {speeds}"));
        self.tick();
    }

    fn tick(&self) {
        std::iter::once(&self.bar).chain(&self.rows).for_each(ProgressBar::tick);
    }

    fn clear(&self) {
        std::iter::once(&self.bar).chain(&self.rows).for_each(ProgressBar::finish_and_clear);
    }
}

/// The best validation so far.
fn best(at: &At) -> Option<String> {
    at.best.as_ref().map(|best| format!("best {} {:.4} at step {}", best.metric, best.figure, best.step))
}

/// The course of the loss, as a row of bars of a character each; a cross where it is no number.
#[derive(Default)]
struct Course {
    means: VecDeque<f64>,
    /// The sum and the number of the losses that are not in a mean yet.
    open: (f64, usize),
}

impl Course {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    /// Bars that are shown.
    const SHOWN: usize = 24;
    /// Batches behind a bar.
    const BATCHES: usize = 10;

    fn push(&mut self, loss: f64) {
        let (sum, count) = &mut self.open;
        (*sum, *count) = (*sum + loss, *count + 1);
        if *count == Self::BATCHES {
            self.means.push_back(*sum / *count as f64);
            self.open = (0.0, 0);
            if self.means.len() > Self::SHOWN {
                self.means.pop_front();
            }
        }
    }

    fn line(&self) -> String {
        let means = self.means.iter().filter(|mean| mean.is_finite());
        let (least, most) = means.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), mean| (a.min(*mean), b.max(*mean)));
        let bar = |mean: &f64| {
            if !mean.is_finite() {
                return '×';
            }
            let share = if most > least { (mean - least) / (most - least) } else { 0.5 };
            Self::BARS[((share * Self::BARS.len() as f64) as usize).min(Self::BARS.len() - 1)]
        };
        self.means.iter().map(bar).collect()
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
                self.tick();
            }
            Stage::Valid | Stage::Test => {}
        }
        Ok(())
    }

    fn on_fit_batch_end(&mut self, batch: &BatchEnd<'_>, at: &At) -> Result<()> {
        for (name, value) in batch.parts {
            self.meter.add(name, *value);
        }
        if let Some((_, loss)) = batch.parts.first() {
            self.losses.push(*loss);
        }
        self.seconds += batch.seconds;
        if self.interactive {
            self.show(at);
        } else if self.last_line.elapsed() >= BETWEEN_LINES {
            self.last_line = Instant::now();
            let parts = [Some(self.done(at)), Some(self.figures(at)), Some(self.speeds(at)), best(at)];
            self.say(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "));
        }
        if self.counted.0.elapsed() >= WINDOW {
            self.counted = (Instant::now(), at.step, self.seconds);
        }
        Ok(())
    }

    fn on_stage_end(&mut self, stage: Stage, figures: &[(&str, f64)], _net: &T::Net, at: &At) -> Result<()> {
        if stage == Stage::Valid {
            let figures = figures.iter().map(|(name, value)| format!("{name} {value:.4}")).collect::<Vec<_>>();
            let parts = [Some(format!("{} at step {}", figures.join(" "), at.step)), best(at)];
            self.rows[2].set_message(format!("valid  {}", parts.into_iter().flatten().collect::<Vec<_>>().join(", ")));
        }
        self.say(&line(stage, figures, at));
        Ok(())
    }

    fn on_fit_end(&mut self, chosen: &[Kept], _net: &T::Net, _at: &At) -> Result<()> {
        self.clear();
        self.say(&kept::line(chosen));
        Ok(())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_course_of_the_loss_is_a_row_of_bars() {
        let mut course = Course::default();
        assert_eq!(course.line(), "");
        (0..80).for_each(|batch| course.push(f64::from(7 - batch / 10)));
        assert_eq!(course.line(), "█▇▆▅▄▃▂▁");
        (0..1_000).for_each(|_| course.push(2.0));
        assert_eq!(course.line().chars().count(), Course::SHOWN);
        assert!(course.line().chars().all(|bar| bar == '▅'), "{}", course.line());
        (0..10).for_each(|_| course.push(f64::NAN));
        assert_eq!(course.line().chars().last(), Some('×'));
    }

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
