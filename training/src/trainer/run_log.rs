use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::observer::{At, Observer, Stage};
use super::{Checkpoint, Figure, Kept, Task, kept};
use crate::{Error, Result, log};

/// The name of the learning rate among figures.
const RATE: &str = "lr";

/// Weighted means by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Meter {
    /// The sum of the weighted values, and of the weights.
    sums: BTreeMap<Cow<'static, str>, (f64, f64)>,
}

impl Meter {
    /// Adds a value with weight 1.
    pub fn add(&mut self, name: &'static str, value: f64) {
        self.add_figure(&Figure { name, value, weight: 1.0 });
    }

    /// Adds a weighted value.
    pub fn add_figure(&mut self, figure: &Figure) {
        let (sum, weight) = self.sums.entry(Cow::Borrowed(figure.name)).or_default();
        *sum += figure.value * figure.weight;
        *weight += figure.weight;
    }

    /// The means so far.
    pub fn means(&self) -> Vec<(&str, f64)> {
        self.sums.iter().map(|(name, (sum, weight))| (&**name, sum / weight.max(f64::MIN_POSITIVE))).collect()
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
    /// The logs of a run that stands at `state`. Of what was logged for programs after that, nothing stays: it is done again.
    pub(super) fn new(run: &Path, state: &Checkpoint) -> Result<Self> {
        log::open(run)?;
        let path = run.join("log.jsonl");
        if path.is_file() {
            let text = fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
            let kept: String = text.split_inclusive('\n').filter(|line| Line::stays(line, state)).collect();
            if kept != text {
                let new = path.with_extension("jsonl.new");
                fs::write(&new, kept).and_then(|()| fs::rename(&new, &path)).map_err(|e| Error::io(&path, e))?;
            }
        }
        let json = OpenOptions::new().create(true).append(true).open(&path).map_err(|e| Error::io(path, e))?;
        Ok(Self { json })
    }
}

/// What of a line of the log for programs tells of when it is.
#[derive(Deserialize)]
struct Line {
    event: String,
    epoch: usize,
    step: usize,
}

impl Line {
    /// Whether a line is of before a checkpoint. A stage of the epoch that is under way there comes again, but for a validation
    /// that the checkpoint knows.
    fn stays(line: &str, state: &Checkpoint) -> bool {
        let Ok(Self { event, epoch, step }) = serde_json::from_str(line) else { return false };
        step <= state.step && (epoch <= state.epoch || (event == Stage::Valid.name() && step <= state.validated))
    }
}

/// The figures of a stage, and the rate of one that trains.
pub(super) fn with_rate<'a>(stage: Stage, figures: &[(&'a str, f64)], at: &At) -> Vec<(&'a str, f64)> {
    let rate = (stage == Stage::Train).then_some((RATE, at.rate));
    figures.iter().copied().chain(rate).collect()
}

/// A stage in one line.
pub(super) fn line(stage: Stage, figures: &[(&str, f64)], at: &At) -> String {
    let show = |(name, value): &(&str, f64)| match *name {
        RATE => format!("{name}: {value:.2e}"),
        _ => format!("{name}: {value:.4}"),
    };
    let shown = with_rate(stage, figures, at).iter().map(show).collect::<Vec<_>>().join(", ");
    let At { epoch, step, minutes, .. } = at;
    format!("{} epoch: {epoch}, step: {step}, minutes: {minutes:.1} - {shown}", stage.name())
}

impl<T: Task> Observer<T> for RunLog {
    fn on_stage_end(&mut self, stage: Stage, figures: &[(&str, f64)], _net: &T::Net, at: &At) -> Result<()> {
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
