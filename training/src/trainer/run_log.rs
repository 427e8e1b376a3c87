use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::events::Events;
use super::{Figure, curves};
use crate::{Error, Result};

/// The name of the learning rate among figures.
pub(super) const RATE: &str = "lr";

/// Weighted means by name.
#[derive(Debug, Default)]
pub struct Meter {
    sums: BTreeMap<&'static str, (f64, f64)>,
}

impl Meter {
    /// Adds a value with weight 1.
    pub fn add(&mut self, name: &'static str, value: f64) {
        self.add_figure(&Figure { name, value, weight: 1.0 });
    }

    /// Adds a weighted value.
    pub fn add_figure(&mut self, figure: &Figure) {
        let (sum, weight) = self.sums.entry(figure.name).or_default();
        *sum += figure.value * figure.weight;
        *weight += figure.weight;
    }

    /// The means so far.
    pub fn means(&self) -> Vec<(&'static str, f64)> {
        self.sums.iter().map(|(name, (sum, weight))| (*name, sum / weight.max(f64::MIN_POSITIVE))).collect()
    }

    /// The means in one line.
    pub fn line(&self) -> String {
        self.means().iter().map(|(name, value)| format!("{name} {value:.4}")).collect::<Vec<_>>().join(", ")
    }
}

/// The bar on the terminal and the logs of a run folder: `log.txt` for people, `log.jsonl` for programs, `curves.svg` to look
/// at, and a file of events for TensorBoard.
pub(super) struct RunLog {
    bar: ProgressBar,
    text: File,
    json: File,
    events: Option<Events>,
    started: Instant,
    last_line: Instant,
    interactive: bool,
}

impl RunLog {
    pub(super) fn new(run: &Path) -> Result<Self> {
        let open = |name: &str| {
            let path = run.join(name);
            OpenOptions::new().create(true).append(true).open(&path).map_err(|e| Error::io(path, e))
        };
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
            bar.set_style(style);
        }
        let interactive = !bar.is_hidden();
        let now = Instant::now();
        Ok(Self {
            bar,
            text: open("log.txt")?,
            json: open("log.jsonl")?,
            events: None,
            started: now,
            last_line: now,
            interactive,
        })
    }

    /// From here on, figures go to a new file of events too.
    pub(super) fn record_events(&mut self, run: &Path, step: usize) -> Result<()> {
        self.events = Some(Events::create(run, step)?);
        Ok(())
    }

    /// Draws the curves of the run so far.
    pub(super) fn draw(&self, run: &Path) -> Result<()> {
        curves::draw(run)
    }

    pub(super) fn step(&mut self, epoch: usize, step: usize, rate: f64, per_second: f64, meter: &Meter) {
        let message = format!("epoch {epoch} step {step} {} lr {rate:.2e} {per_second:.2} steps/s", meter.line());
        if self.interactive {
            self.bar.set_message(message);
            self.bar.tick();
        } else if self.last_line.elapsed().as_secs() >= 20 {
            self.last_line = Instant::now();
            self.bar.suspend(|| tracing::info!("{message}"));
        }
    }

    pub(super) fn record(
        &mut self,
        event: &str,
        epoch: usize,
        step: usize,
        figures: &[(&'static str, f64)],
    ) -> Result<()> {
        let minutes = self.started.elapsed().as_secs_f64() / 60.0;
        let show = |(name, value): &(&str, f64)| match *name {
            RATE => format!("{name}: {value:.2e}"),
            _ => format!("{name}: {value:.4}"),
        };
        let shown = figures.iter().map(show).collect::<Vec<_>>().join(", ");
        let line = format!("{event} epoch: {epoch}, step: {step}, minutes: {minutes:.1} - {shown}");
        self.bar.suspend(|| tracing::info!("{line}"));
        writeln!(self.text, "{line}").map_err(|e| Error::io("log.txt", e))?;
        let mut record = serde_json::Map::new();
        record.insert("event".into(), event.into());
        record.insert("epoch".into(), epoch.into());
        record.insert("step".into(), step.into());
        record.insert("minutes".into(), minutes.into());
        record.extend(figures.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
        writeln!(self.json, "{}", serde_json::Value::Object(record)).map_err(|e| Error::io("log.jsonl", e))?;
        self.events.as_mut().map_or(Ok(()), |events| events.scalars(event, step, figures))
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
