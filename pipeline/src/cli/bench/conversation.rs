//! Hundreds of turns with a simulated caller: how fast, and how well.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use rejoinder::sim::{self, Figures, RoomConfig, Scenario, Simulation, SoundServer, handoffs};
use rejoinder_models::quantiles::Quantiles;
use serde::Serialize;

use crate::cli::{ConfigOption, Ended, Unread, check_outputs, interrupt_flag, simulate};

/// Messages by which the waking of a sleeping stage is timed, and the busy threads beside.
const HANDOFFS: usize = 1_000;
const BUSY: usize = 4;
/// A real-time run has at most this many turns, unless it is told otherwise.
const REALTIME_TURNS: usize = 20;

/// `rejoinder bench conversation`
#[derive(Args)]
pub(crate) struct Conversation {
    #[command(flatten)]
    config: ConfigOption,
    /// What happens: a file such as those in configs/scenarios [default: chance, in a quiet room, at measured costs]
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// How often the caller speaks [default: 200, in real time 20]
    #[arg(long, value_name = "N")]
    turns: Option<usize>,
    /// What chance is drawn from, instead of the scenario's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Hold the same conversation in real time, too, through virtual devices of a sound server (PulseAudio) where that
    /// is installed, else through devices of the program's own, and report the difference
    #[arg(long)]
    realtime: bool,
    /// The sound server of `--realtime` runs
    #[arg(long, hide = true)]
    devices: bool,
    /// Write the figures here as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where a run in which a turn goes wrong leaves the scenario that repeats it
    #[arg(long, value_name = "FILE", default_value = "failed.toml")]
    replay: PathBuf,
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    figures: Figures,
    /// From sending to taking a message over the queue between two stages, on a machine that is at rest or busy.
    handoff_ms: BTreeMap<&'static str, Quantiles>,
    scenario: String,
    seed: u64,
    cores: usize,
    recognizer: String,
    responder: String,
    synthesizer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    realtime: Option<Realtime>,
}

#[derive(Serialize)]
struct Realtime {
    /// What the sound went through.
    devices: &'static str,
    figures: Figures,
    /// Real time less virtual time.
    difference_ms: BTreeMap<&'static str, f64>,
    /// The same of voice to voice, utterance by utterance. An answer that comes early here may come late there, and
    /// moves the median of few turns by hundreds of milliseconds.
    by_utterance_ms: Quantiles,
}

impl Conversation {
    pub(crate) fn run(self) -> anyhow::Result<Ended> {
        let inputs = self.scenario.iter().map(|path| (path.as_path(), "the scenario")).chain(self.config.named());
        check_outputs(inputs, &[(self.json.as_deref(), "the figures")])?;
        // It may take the place of the scenario that fails again.
        let others = self.json.iter().map(|path| (path.as_path(), "the figures")).chain(self.config.named());
        check_outputs(others, &[(Some(&self.replay), "the scenario that repeats a run")])?;
        if self.realtime
            && !self.devices
            && let Some(code) = beside_a_sound_server("--devices")?
        {
            return Ok(match code {
                0 => Ended::Done,
                130 => Ended::Interrupted,
                _ => Ended::Partly,
            });
        }
        let mut scenario = match &self.scenario {
            Some(path) => Scenario::load(path)?,
            None => quiet_room(),
        };
        let usual = if self.realtime { REALTIME_TURNS } else { 200 };
        scenario.turns = self.turns.unwrap_or(if self.scenario.is_some() { scenario.turns } else { usual });
        scenario.seed = self.seed.unwrap_or(scenario.seed);
        scenario.check().map_err(anyhow::Error::msg)?;
        let config = self.config.load_for(&scenario)?;
        let assistant = sim::assistant(&config)?;
        scenario.config = Some(config.path);
        let voices = simulate::voices(&scenario)?;
        let stop = interrupt_flag()?;
        let mut out = Unread::stdout();
        let began = Instant::now();
        let record = Simulation::new(&assistant, &scenario, &voices).stop_flag(stop.clone()).run()?;
        if stop.is_cancelled() {
            return Ok(Ended::Interrupted);
        }
        let figures = Figures::of(&record);
        let mut complaints = sim::complaints(&scenario, &record, &figures);
        write!(out, "{figures}")?;
        writeln!(out, "in {:.0} s of work", began.elapsed().as_secs_f64())?;
        let handoff = |busy| handoffs(HANDOFFS, busy).into_iter().map(|time| time.as_secs_f64() * 1e3).collect();
        let handoff_ms: BTreeMap<_, Quantiles> = [("at_rest", handoff(0)), ("busy", handoff(BUSY))].into();
        for (load, Quantiles { p50, p95, p99, n }) in &handoff_ms {
            let name = format!("waking a stage, {}", load.replace('_', " "));
            writeln!(out, "{name:<52}{p50:>9.3}{p95:>9.3}{p99:>9.3}{n:>7}")?;
        }
        let realtime = if self.realtime {
            let simulation = Simulation::new(&assistant, &scenario, &voices).stop_flag(stop.clone());
            let record =
                if self.devices { simulation.run_through(&SoundServer::devices())? } else { simulation.run_live()? };
            if stop.is_cancelled() {
                return Ok(Ended::Interrupted);
            }
            let devices = if self.devices { "pulseaudio" } else { "none" };
            let really = Figures::of(&record);
            let wrong = sim::complaints(&scenario, &record, &really).into_iter();
            complaints.extend(wrong.map(|complaint| format!("in real time: {complaint}")));
            Some(compare(&figures, really, devices, &mut out)?)
        } else {
            None
        };
        let report = Report {
            figures,
            handoff_ms,
            scenario: scenario.name.clone(),
            seed: scenario.seed,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            recognizer: assistant.recognizer.name().to_owned(),
            responder: assistant.responder.name().to_owned(),
            synthesizer: assistant.synthesizer.name().to_owned(),
            realtime,
        };
        if let Some(path) = &self.json {
            let text = serde_json::to_string_pretty(&report)?;
            std::fs::write(path, text).with_context(|| path.display().to_string())?;
        }
        simulate::again(scenario, &complaints, &self.replay, &mut out)
    }
}

/// Runs this program once more, with one more argument, as one that knows a sound server. None where PulseAudio is not
/// installed, else the exit code.
fn beside_a_sound_server(argument: &str) -> anyhow::Result<Option<i32>> {
    let Some(server) = SoundServer::start()? else { return Ok(None) };
    // Ctrl-C ends the other one, and the server after it.
    interrupt_flag()?;
    // The program itself keeps its usual priority: what competes with it in the bench must not starve the machine.
    let mut program = Command::new(std::env::current_exe()?);
    program.args(std::env::args_os().skip(1)).arg(argument);
    Ok(Some(server.tell(&mut program).status()?.code().unwrap_or(1)))
}

/// A caller by chance in a quiet room.
pub(super) fn quiet_room() -> Scenario {
    let room = RoomConfig { rt60_ms: 150.0, snr_db: Some(35.0), ..RoomConfig::default() };
    Scenario { name: "quiet room".to_owned(), room, ..Scenario::default() }
}

fn compare(of: &Figures, figures: Figures, devices: &'static str, out: &mut impl Write) -> anyhow::Result<Realtime> {
    writeln!(out, "\nin real time, devices: {devices}")?;
    write!(out, "{figures}")?;
    let mut difference_ms = BTreeMap::new();
    writeln!(out, "\nreal less virtual time, milliseconds")?;
    for (names, virtually, really) in [
        (["voice_to_voice_p50", "voice_to_voice_p95"], of.voice_to_voice_ms, figures.voice_to_voice_ms),
        (["barge_in_p50", "barge_in_p95"], of.barge_in_ms, figures.barge_in_ms),
        (["overhead_p50", "overhead_p95"], of.overhead_ms, figures.overhead_ms),
    ] {
        let differences = [really.p50 - virtually.p50, really.p95 - virtually.p95];
        for (name, difference) in names.into_iter().zip(differences).filter(|_| virtually.n > 0 && really.n > 0) {
            writeln!(out, "{:<52}{difference:>+9.2}", name.replace('_', " "))?;
            difference_ms.insert(name, difference);
        }
    }
    let virtually = &of.voice_to_voice_by_utterance_ms;
    let pairs = figures.voice_to_voice_by_utterance_ms.iter();
    let pairs = pairs.filter_map(|(utterance, really)| Some(really - virtually.get(utterance)?));
    let by_utterance_ms: Quantiles = pairs.collect();
    let Quantiles { p50, p95, p99, n } = by_utterance_ms;
    writeln!(out, "{:<52}{p50:>+9.2}{p95:>+9.2}{p99:>+9.2}{n:>7}", "voice to voice of the same utterance")?;
    Ok(Realtime { devices, figures, difference_ms, by_utterance_ms })
}
