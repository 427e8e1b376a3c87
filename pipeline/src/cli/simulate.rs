use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use rejoinder::sim::{self, CostConfig, Figures, Record, Said, Scenario, Simulation, Voices};
use rejoinder::{Config, Error, Event};
use rejoinder_models::audio::WavWriter;
use rejoinder_models::units::SampleRate;
use serde::Serialize;

use super::{Ended, Unread, check_outputs, interrupt_flag};

/// `rejoinder simulate`
#[derive(Args)]
pub(crate) struct Simulate {
    /// What happens: a file such as those in configs/scenarios, or one that a failed run has left [default: chance]
    #[arg(value_name = "SCENARIO")]
    scenario: Option<PathBuf>,
    /// What chance is drawn from, instead of the scenario's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How often the caller speaks, instead of the scenario's
    #[arg(long, value_name = "N")]
    turns: Option<usize>,
    /// The assistant's configuration, instead of the scenario's
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder of the caller's recordings, instead of the scenario's, those in REJOINDER_DATA and the fixtures
    #[arg(long, value_name = "FOLDER")]
    voices: Option<PathBuf>,
    /// What was heard, as stereo WAV: the microphone on the left, the assistant on the right
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write all events here, one JSON object a line
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Draw the conversation here
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write the figures, and what the caller did, here as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where a run that fails leaves the scenario that repeats it
    #[arg(long, value_name = "FILE", default_value = "failed.toml")]
    replay: PathBuf,
}

impl Simulate {
    pub(crate) fn run(self) -> anyhow::Result<Ended> {
        let inputs = [(&self.scenario, "the scenario"), (&self.config, "the configuration")];
        let inputs = inputs.into_iter().filter_map(|(path, what)| Some((path.as_deref()?, what)));
        let outputs = [
            (self.output.as_deref(), "what was heard"),
            (self.events.as_deref(), "the events"),
            (self.svg.as_deref(), "the drawing"),
            (self.json.as_deref(), "the figures"),
        ];
        check_outputs(inputs, &outputs)?;
        // It may take the place of the scenario that fails again.
        let others = outputs.iter().filter_map(|(path, what)| Some(((*path)?, *what)));
        check_outputs(others, &[(Some(&self.replay), "what repeats a failed run")])?;
        let mut scenario = self.scenario.as_ref().map_or_else(|| Ok(Scenario::default()), Scenario::load)?;
        scenario.seed = self.seed.unwrap_or(scenario.seed);
        scenario.turns = self.turns.unwrap_or(scenario.turns);
        scenario.config = self.config.clone().or(scenario.config);
        scenario.voices = self.voices.clone().or(scenario.voices);
        scenario.check().map_err(anyhow::Error::msg)?;
        let assistant = sim::assistant(&config(&scenario)?)?;
        let voices = voices(&scenario)?;
        let stop = interrupt_flag()?;
        let mut file = self.output.as_ref().map(|path| WavWriter::create(path, SampleRate::INTERNAL, 2)).transpose()?;
        let mut simulation = Simulation::new(&assistant, &scenario, &voices).stop_flag(stop.clone());
        if let Some(file) = &mut file {
            simulation = simulation.on_sound(|caller, assistant| Ok(file.write(&[caller, assistant])?));
        }
        let record = simulation.run()?;
        file.map_or(Ok(()), WavWriter::finish)?;
        let figures = Figures::of(&record);
        let mut out = Unread::stdout();
        if !stop.is_cancelled() {
            write!(out, "{figures}")?;
        }
        self.write(&record, &figures)?;
        if stop.is_cancelled() {
            return Ok(Ended::Interrupted);
        }
        let complaints = sim::complaints(&scenario, &record, &figures);
        again(scenario, &complaints, &self.replay, &mut out)
    }

    fn write(&self, record: &Record, figures: &Figures) -> anyhow::Result<()> {
        if let Some(path) = &self.events {
            events(path, &record.events).with_context(|| path.display().to_string())?;
        }
        write(self.svg.as_deref(), || Ok(sim::draw(record)))?;
        let report = Report { figures, said: &record.said };
        write(self.json.as_deref(), || Ok(serde_json::to_string_pretty(&report)?))
    }
}

/// What `--json` writes: the figures, and what the caller did, which they are counted from beside the events.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    figures: &'a Figures,
    said: &'a [Said],
}

fn events(path: &Path, events: &[Event]) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for event in events {
        serde_json::to_writer(&mut file, event)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

/// Tells what went wrong.
pub(crate) fn judged(complaints: &[String], out: &mut impl Write) -> anyhow::Result<Ended> {
    for complaint in complaints {
        writeln!(out, "failed: {complaint}")?;
    }
    Ok(if complaints.is_empty() { Ended::Done } else { Ended::Partly })
}

/// Tells what went wrong in a run, and leaves what repeats it in `replay`.
pub(crate) fn again(
    mut scenario: Scenario,
    complaints: &[String],
    replay: &Path,
    out: &mut impl Write,
) -> anyhow::Result<Ended> {
    let ended = judged(complaints, out)?;
    if complaints.is_empty() {
        return Ok(ended);
    }
    absolute(&mut scenario.config);
    absolute(&mut scenario.voices);
    scenario.save(replay)?;
    let sets = std::env::var(sim::SETS_VARIABLE).ok().filter(|_| scenario.voices.is_none());
    let sets = sets.map_or_else(String::new, |sets| format!("{}={} ", sim::SETS_VARIABLE, quoted(&sets)));
    writeln!(out, "again: {sets}rejoinder simulate {}", quoted(&replay.display().to_string()))?;
    if scenario.cost == CostConfig::default() {
        writeln!(
            out,
            "its costs are measured, so that no run is quite like another; [cost] kind = \"fixed\" repeats to the byte"
        )?;
    }
    Ok(ended)
}

/// A word as a shell reads it.
fn quoted(word: &str) -> Cow<'_, str> {
    shlex::try_quote(word).unwrap_or(Cow::Borrowed(word))
}

/// The configuration that a scenario names, or the default one.
fn config(scenario: &Scenario) -> Result<Config, Error> {
    scenario.config.as_ref().map_or_else(Config::load_default, Config::load)
}

/// The recordings that a scenario names, or the default ones.
pub(crate) fn voices(scenario: &Scenario) -> Result<Voices, Error> {
    scenario.voices.as_ref().map_or_else(Voices::open_default, Voices::open)
}

fn absolute(path: &mut Option<PathBuf>) {
    if let Some(path) = path
        && let Ok(found) = path.canonicalize()
    {
        *path = found;
    }
}

fn write(path: Option<&Path>, text: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, text()?).with_context(|| path.display().to_string())
}
