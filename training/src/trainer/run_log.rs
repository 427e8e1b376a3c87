use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::observer::{At, Observer, Stage};
use super::{Figure, Kept, Task, kept};
use crate::{Error, Result, log};

/// The name of the learning rate among figures.
const RATE: &str = "lr";

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

/// The logs of a run folder: `log.txt` for people, with what else is said there ([`log`]), `log.jsonl` for programs.
pub(super) struct RunLog {
    json: File,
}

impl RunLog {
    pub(super) fn new(run: &Path) -> Result<Self> {
        log::open(run)?;
        let path = run.join("log.jsonl");
        let json = OpenOptions::new().create(true).append(true).open(&path).map_err(|e| Error::io(path, e))?;
        Ok(Self { json })
    }
}

/// The figures of a stage, and the rate of one that trains.
pub(super) fn with_rate(stage: Stage, figures: &[(&'static str, f64)], at: &At) -> Vec<(&'static str, f64)> {
    let rate = (stage == Stage::Train).then_some((RATE, at.rate));
    figures.iter().copied().chain(rate).collect()
}

/// A stage in one line.
pub(super) fn line(stage: Stage, figures: &[(&'static str, f64)], at: &At) -> String {
    let show = |(name, value): &(&str, f64)| match *name {
        RATE => format!("{name}: {value:.2e}"),
        _ => format!("{name}: {value:.4}"),
    };
    let shown = with_rate(stage, figures, at).iter().map(show).collect::<Vec<_>>().join(", ");
    let At { epoch, step, minutes, .. } = at;
    format!("{} epoch: {epoch}, step: {step}, minutes: {minutes:.1} - {shown}", stage.name())
}

impl<T: Task> Observer<T> for RunLog {
    fn on_stage_end(&mut self, stage: Stage, figures: &[(&'static str, f64)], _net: &T::Net, at: &At) -> Result<()> {
        log::say(&line(stage, figures, at));
        let mut record = serde_json::Map::new();
        record.insert("event".into(), stage.name().into());
        record.insert("epoch".into(), at.epoch.into());
        record.insert("step".into(), at.step.into());
        record.insert("minutes".into(), at.minutes.into());
        let figures = with_rate(stage, figures, at);
        record.extend(figures.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
        writeln!(self.json, "{}", serde_json::Value::Object(record)).map_err(|e| Error::io("log.jsonl", e))
    }

    fn on_fit_end(&mut self, chosen: &[Kept], _net: &T::Net, _at: &At) -> Result<()> {
        log::say(&kept::line(chosen));
        Ok(())
    }
}
