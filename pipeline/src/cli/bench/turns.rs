//! When a turn is over: turns cut off against delay.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use rejoinder::sim::{self, Figures, RandomConfig, Rate, Record, Scenario, Simulation};
use rejoinder::{Config, EventKind};
use rejoinder_models::quantiles::Quantiles;
use rejoinder_models::turn::delay::{Curve, Looked, Trade};
use serde::Serialize;

use super::conversation::quiet_room;
use crate::cli::{ConfigOption, Ended, Unread, check_outputs, interrupt_flag, simulate};

/// `rejoinder bench turns`
#[derive(Args)]
pub(crate) struct Turns {
    #[command(flatten)]
    config: ConfigOption,
    /// What happens: a file such as those in configs/scenarios [default: sentences, half of them with a pause of 200 to
    /// 1,000 ms, in a quiet room]
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// How often the caller speaks [default: 200, or as the scenario says]
    #[arg(long, value_name = "N")]
    turns: Option<usize>,
    /// What chance is drawn from, instead of the scenario's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write the figures here as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// How often the caller speaks where nothing says so.
const TURNS: usize = 200;

#[derive(Serialize)]
struct Report {
    turns: usize,
    with_pauses: usize,
    /// By all that is known: sound, words, and the recogniser's states.
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<Trade>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sound: Option<Trade>,
    silence: Trade,
    /// What the assistant as it is configured does with the same caller.
    configured: Configured,
}

#[derive(Serialize)]
struct Configured {
    /// Turns that were taken for over before their end, in a pause of any length.
    cut_off: Rate,
    /// From the end of speech to the end of the turn.
    delay_ms: Quantiles,
}

impl Turns {
    pub(crate) fn run(self) -> anyhow::Result<Ended> {
        let inputs = self.scenario.iter().map(|path| (path.as_path(), "the scenario")).chain(self.config.named());
        check_outputs(inputs, &[(self.json.as_deref(), "the figures")])?;
        let mut scenario = match &self.scenario {
            Some(path) => Scenario::load(path)?,
            None => pausing(),
        };
        scenario.turns = self.turns.unwrap_or(if self.scenario.is_some() { scenario.turns } else { TURNS });
        scenario.seed = self.seed.unwrap_or(scenario.seed);
        scenario.check().map_err(anyhow::Error::msg)?;
        let config = self.config.load_for(&scenario)?;
        let decides = config.turn_detector.is_some();
        let voices = simulate::voices(&scenario)?;
        let stop = interrupt_flag()?;
        let run = |config: &Config| -> anyhow::Result<Record> {
            let assistant = sim::assistant(config)?;
            Ok(Simulation::new(&assistant, &scenario, &voices).stop_flag(stop.clone()).run()?)
        };
        let configured = run(&config)?;
        let record = run(&sim::patient(config))?;
        if stop.is_cancelled() {
            return Ok(Ended::Interrupted);
        }
        let figures = Figures::of(&configured);
        let mut complaints = sim::complaints(&scenario, &configured, &figures);
        // Of an assistant that waits longer than it is configured to, the scenario expects nothing.
        let unexpecting = Scenario { expect: sim::Expect::default(), ..scenario.clone() };
        let patiently = sim::complaints(&unexpecting, &record, &Figures::of(&record)).into_iter();
        complaints.extend(patiently.map(|complaint| format!("with more patience: {complaint}")));
        let both = sim::looked(&record, |kind| match kind {
            EventKind::Paused { probability, .. } => Some(*probability),
            _ => None,
        });
        let alone = sim::looked(&record, |kind| match kind {
            EventKind::Paused { sound, .. } => Some(*sound),
            _ => None,
        });
        let trade = |turns: &[Looked], detector| Trade::of(&Curve::of(turns, detector && decides));
        let report = Report {
            turns: both.len(),
            with_pauses: both.iter().filter(|turn| !turn.pauses.is_empty()).count(),
            all: decides.then(|| trade(&both, true)),
            sound: decides.then(|| trade(&alone, true)),
            silence: trade(&both, false),
            configured: Configured { cut_off: figures.false_cutoffs, delay_ms: figures.endpoint_ms },
        };
        let mut out = Unread::stdout();
        report.print(&mut out)?;
        if let Some(path) = &self.json {
            let text = serde_json::to_string_pretty(&report)?;
            std::fs::write(path, text).with_context(|| path.display().to_string())?;
        }
        simulate::judged(&complaints, &mut out)
    }
}

impl Report {
    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(out, "{} turns, {} with pauses\n\n{}", self.turns, self.with_pauses, Trade::HEAD)?;
        for (by, trade) in [("all signs", self.all), ("sound", self.sound), ("silence", Some(self.silence))] {
            if let Some(trade) = trade {
                writeln!(out, "{}", trade.row(by))?;
            }
        }
        let Configured { cut_off, delay_ms: Quantiles { p50, p95, n, .. } } = &self.configured;
        if *n == 0 {
            return writeln!(out, "\nas configured: no turn was answered");
        }
        let share = 100.0 * cut_off.share();
        writeln!(
            out,
            "\nas configured: {share:.1} % cut off, {p50:.0} ms in the median, {p95:.0} at the 95th percentile"
        )
    }
}

/// A caller who does nothing but say sentences, half of them with a pause.
fn pausing() -> Scenario {
    let random = RandomConfig::pausing(0.5, [200.0, 1_000.0]);
    Scenario { name: "pauses".to_owned(), random, ..quiet_room() }
}
