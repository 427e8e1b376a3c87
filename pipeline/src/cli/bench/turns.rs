//! When a turn is over: turns cut off against delay.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use rejoinder::EventKind;
use rejoinder::sim::{self, RandomConfig, Scenario, Simulation};
use rejoinder_models::turn::delay::{Curve, Looked, Point, Trade};
use rejoinder_models::units::SampleRate;
use serde::Serialize;

use super::conversation::quiet_room;
use crate::cli::{ConfigOption, Ended, interrupt_flag, simulate};

/// `rejoinder bench turns`
#[derive(Args)]
pub(crate) struct Turns {
    #[command(flatten)]
    config: ConfigOption,
    /// What happens: a file such as those in configs/scenarios [default: sentences, half of them with a pause of 200 to
    /// 1,000 ms, in a quiet room]
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// How often the caller speaks
    #[arg(long, value_name = "N", default_value_t = 200)]
    turns: usize,
    /// What chance is drawn from, instead of the scenario's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write the figures here as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    turns: usize,
    with_pauses: usize,
    sound_and_words: Trade,
    sound: Trade,
    silence: Trade,
    /// With the assistant's own threshold and hangover; none where no detector is asked, or they lie between what is tried.
    configured: Option<Point>,
}

impl Turns {
    pub(crate) fn run(self) -> anyhow::Result<Ended> {
        let mut scenario = match &self.scenario {
            Some(path) => Scenario::load(path)?,
            None => pausing(),
        };
        scenario.turns = self.turns;
        scenario.seed = self.seed.unwrap_or(scenario.seed);
        scenario.cost = sim::CostConfig::Measured;
        let config = self.config.load()?;
        let (rule, hangover) = (config.turn_taking.end, config.turn_taking.policy.hangover);
        let decides = config.turn_detector.is_some();
        let assistant = sim::assistant(&sim::patient(config))?;
        let voices = simulate::voices(&scenario)?;
        let stop = interrupt_flag()?;
        let record = Simulation::new(&assistant, &scenario, &voices).stop_flag(stop.clone()).run()?;
        if stop.is_cancelled() {
            return Ok(Ended::Interrupted);
        }
        let both = sim::looked(&record, |kind| match kind {
            EventKind::Paused { probability, .. } => Some(*probability),
            _ => None,
        });
        let alone = sim::looked(&record, |kind| match kind {
            EventKind::Paused { sound, .. } => Some(*sound),
            _ => None,
        });
        let trade = |turns: &[Looked], detector| Trade::of(&Curve::of(turns, detector && decides));
        let hangover_ms = hangover.ms(SampleRate::INTERNAL).round() as usize;
        let report = Report {
            turns: both.len(),
            with_pauses: both.iter().filter(|turn| !turn.pauses.is_empty()).count(),
            sound_and_words: trade(&both, true),
            sound: trade(&alone, true),
            silence: trade(&both, false),
            configured: Curve::of(&both, decides).at(rule.threshold, hangover_ms),
        };
        report.print(&mut std::io::stdout())?;
        if let Some(path) = &self.json {
            let text = serde_json::to_string_pretty(&report)?;
            std::fs::write(path, text).with_context(|| path.display().to_string())?;
        }
        Ok(Ended::Done)
    }
}

impl Report {
    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(out, "{} turns, {} with pauses\n\n{}", self.turns, self.with_pauses, Trade::HEAD)?;
        for (by, trade) in [("sound and words", self.sound_and_words), ("sound", self.sound), ("silence", self.silence)]
        {
            writeln!(out, "{}", trade.row(by))?;
        }
        if let Some(Point { threshold, hangover_ms, cut_off, delay_ms }) = self.configured {
            let share = 100.0 * cut_off;
            writeln!(
                out,
                "\nwith {threshold:.2} and {hangover_ms} ms: {share:.1} % cut off, {delay_ms:.0} ms in the mean"
            )?;
        }
        Ok(())
    }
}

/// A caller who does nothing but say sentences, half of them with a pause.
fn pausing() -> Scenario {
    let random = RandomConfig::pausing(0.5, [200.0, 1_000.0]);
    Scenario { name: "pauses".to_owned(), random, ..quiet_room() }
}
