//! What a simulated conversation is: a TOML file that, with its seed, repeats it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::voices::Role;
use crate::run::{Cost, StageCosts};
use crate::{Error, Result};

/// A file in `configs/scenarios`. A run that fails leaves one that repeats it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What chance is drawn from. Default: 0.
    pub seed: u64,
    /// How often the caller speaks to the assistant; 0 for once through the script. Default: 20.
    pub turns: usize,
    /// The assistant's configuration. Default: the default one.
    pub config: Option<PathBuf>,
    /// The folder of the caller's recordings. Default: the one that the program is told, or the fixtures.
    pub voices: Option<PathBuf>,
    /// What a step costs in virtual time. Default: what it takes.
    pub cost: CostConfig,
    /// Who calls.
    pub caller: CallerConfig,
    /// Where from.
    pub room: RoomConfig,
    /// What the caller does where there is no script.
    pub random: RandomConfig,
    /// What must come of it.
    pub expect: Expect,
    /// The script: what the caller does, one act after another.
    pub act: Vec<Act>,
}

/// What a step costs in virtual time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CostConfig {
    /// As long as it took.
    #[default]
    Measured,
    /// Always the same, so that a run repeats to the byte.
    Fixed(FixedCosts),
}

/// Microseconds for each message that a stage handles, and on top for each that it sends. Default: about what the
/// embedded models take on one core of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FixedCosts {
    /// `listen`. Default: 50, 0.
    pub listen_us: [u64; 2],
    /// `transcribe`. Default: 1000, 0.
    pub transcribe_us: [u64; 2],
    /// `respond`. Default: 5000, 3000.
    pub respond_us: [u64; 2],
    /// `speak`. Default: 1000, 12000.
    pub speak_us: [u64; 2],
}

impl Default for FixedCosts {
    fn default() -> Self {
        Self { listen_us: [50, 0], transcribe_us: [1_000, 0], respond_us: [5_000, 3_000], speak_us: [1_000, 12_000] }
    }
}

impl CostConfig {
    pub(crate) fn resolve(&self) -> Cost {
        let pair = |us: [u64; 2]| (Duration::from_micros(us[0]), Duration::from_micros(us[1]));
        match self {
            Self::Measured => Cost::Measured,
            Self::Fixed(costs) => Cost::Stages(StageCosts {
                listen: pair(costs.listen_us),
                transcribe: pair(costs.transcribe_us),
                respond: pair(costs.respond_us),
                speak: pair(costs.speak_us),
            }),
        }
    }
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallerConfig {
    /// What the caller says. Default: questions.
    pub says: Vec<Role>,
    /// The level of the voice's loud parts, in dB of full scale. Default: -26.
    pub level_db: f32,
    /// How much an utterance's level may differ from that, in dB. Default: 4.
    pub level_spread_db: f32,
    /// How long the caller waits for a reply before speaking again. Default: 5,000.
    pub patience_ms: f64,
}

impl Default for CallerConfig {
    fn default() -> Self {
        Self { says: vec![Role::Question], level_db: -26.0, level_spread_db: 4.0, patience_ms: 5_000.0 }
    }
}

/// Where the caller is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoomConfig {
    /// The recorded impulse response to the microphone, by name. Default: one that is drawn with `rt60_ms`.
    pub response: Option<String>,
    /// How long sound takes to fall by 60 dB in a room that is drawn from the seed; 0 for a room without an echo of
    /// its own. Default: 0.
    pub rt60_ms: f64,
    /// The recorded background, by name. Default: noise with a falling spectrum.
    pub noise: Option<String>,
    /// How far the background is below the caller's voice, in dB. Default: there is none.
    pub snr_db: Option<f32>,
    /// The assistant's own sound in the microphone. Default: none, as with a headset.
    pub echo: Option<EchoConfig>,
}

/// A loudspeaker that the microphone hears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EchoConfig {
    /// The recorded impulse response from the loudspeaker to the microphone, by name. Default: the room's.
    pub response: Option<String>,
    /// How far its sound at the microphone is below what was played, in dB. Default: 10.
    pub loss_db: f32,
    /// How long sound takes from the program over the devices and the air back to it. Default: 40.
    pub delay_ms: f64,
    /// How much faster the loudspeaker's clock is than the microphone's, in parts of a million. Default: 0.
    pub drift_ppm: f64,
    /// The share of the loudspeaker's cubic distortion at full scale. Default: 0.05.
    pub distortion: f32,
}

impl Default for EchoConfig {
    fn default() -> Self {
        Self { response: None, loss_db: 10.0, delay_ms: 40.0, drift_ppm: 0.0, distortion: 0.05 }
    }
}

/// What a caller without a script does: chances from 0 to 1, and times that are drawn evenly between two bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomConfig {
    /// From the end of a reply to the caller's next words. Default: 400 to 1,500.
    pub gap_ms: [f64; 2],
    /// The chance of a pause inside an utterance. Default: 0.3.
    pub pause: f64,
    /// How long such a pause is. Default: 200 to 500.
    pub pause_ms: [f64; 2],
    /// The chance that the caller adds something after the end, while the assistant thinks or begins to speak.
    /// Default: 0.05.
    pub go_on: f64,
    /// How long after the end that is. Default: 700 to 1,200.
    pub go_on_ms: [f64; 2],
    /// The chance that the caller interrupts a reply. Default: 0.25.
    pub interrupt: f64,
    /// How long after its beginning that is. Default: 150 to 1,500.
    pub interrupt_ms: [f64; 2],
    /// The chance of a sign of attention during a reply. Default: 0.15.
    pub backchannel: f64,
    /// The chance of a cough or sneeze during a reply. Default: 0.1.
    pub cough: f64,
    /// How long after the reply's beginning these come. Default: 200 to 1,200.
    pub sound_ms: [f64; 2],
    /// The chance that the caller stays silent for long before the next words. Default: 0.05.
    pub silence: f64,
    /// How long that is. Default: 4,000 to 9,000.
    pub silence_ms: [f64; 2],
}

impl Default for RandomConfig {
    fn default() -> Self {
        Self {
            gap_ms: [400.0, 1_500.0],
            pause: 0.3,
            pause_ms: [200.0, 500.0],
            go_on: 0.05,
            go_on_ms: [700.0, 1_200.0],
            interrupt: 0.25,
            interrupt_ms: [150.0, 1_500.0],
            backchannel: 0.15,
            cough: 0.1,
            sound_ms: [200.0, 1_200.0],
            silence: 0.05,
            silence_ms: [4_000.0, 9_000.0],
        }
    }
}

/// What the caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Speaks once the assistant is done, or has not answered for the caller's patience.
    Say,
    /// Adds something after the end of the last words.
    GoOn,
    /// Speaks while a reply sounds.
    Interrupt,
    /// Shows attention while a reply sounds.
    Backchannel,
    /// Coughs or sneezes while a reply sounds.
    Cough,
    /// Coughs or sneezes once the assistant is done.
    ClearThroat,
    /// Stays silent once the assistant is done.
    Wait,
}

impl Kind {
    /// Whether these are words that want an answer.
    pub fn is_turn(self) -> bool {
        matches!(self, Self::Say | Self::GoOn | Self::Interrupt)
    }
}

/// One line of a script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// What the caller does.
    #[serde(rename = "do")]
    pub kind: Kind,
    /// The recording, by name. Default: one that is drawn.
    #[serde(default)]
    pub clip: Option<String>,
    /// How long after the moment that the kind names: the assistant is done, the reply begins, the caller's last words
    /// end. Default: 500.
    #[serde(default = "half_a_second")]
    pub after_ms: f64,
    /// The length of a pause in the middle of the words. Default: none.
    #[serde(default)]
    pub pause_ms: Option<f64>,
}

fn half_a_second() -> f64 {
    500.0
}

/// What a run must keep to. A stage that fails, a turn that is lost or answered twice, and a history that differs from
/// what was heard fail a run in any case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The share of utterances that are cut off, at the most.
    pub false_cutoffs: Option<f64>,
    /// The share of replies that stop although nobody interrupts, at the most.
    pub false_interruptions: Option<f64>,
    /// The share of interruptions to which the assistant does not yield, at the most.
    pub missed_barge_ins: Option<f64>,
    /// Turns that begin although nobody speaks, at the most.
    pub ghosts: Option<usize>,
    /// The share of utterances that get no answer, at the most.
    pub unanswered: Option<f64>,
    /// The median from the end of speech to the reply, at the most.
    pub voice_to_voice_p50_ms: Option<f64>,
    /// The 95th percentile from the beginning of an interruption to silence, at the most.
    pub barge_in_p95_ms: Option<f64>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "random".to_owned(),
            seed: 0,
            turns: 20,
            config: None,
            voices: None,
            cost: CostConfig::default(),
            caller: CallerConfig::default(),
            room: RoomConfig::default(),
            random: RandomConfig::default(),
            expect: Expect::default(),
            act: Vec::new(),
        }
    }
}

impl Scenario {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Config`] when a value is unknown or out of its bounds.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
        let scenario: Self = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
            Error::config(path, format!("line {line}: {}", error.message()))
        })?;
        scenario.check().map_err(|reason| Error::config(path, reason))?;
        Ok(scenario)
    }

    /// Writes it to a file, from which [`load`](Self::load) gets it back.
    ///
    /// # Errors
    /// [`Error::Io`] when that cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let text = toml::to_string_pretty(self).map_err(|error| Error::config(path, error.to_string()))?;
        std::fs::write(path, text).map_err(|source| Error::io(path, source))
    }

    fn check(&self) -> std::result::Result<(), String> {
        let random = &self.random;
        for (key, chance) in [
            ("pause", random.pause),
            ("go_on", random.go_on),
            ("interrupt", random.interrupt),
            ("backchannel", random.backchannel),
            ("cough", random.cough),
            ("silence", random.silence),
        ] {
            if !(0.0..=1.0).contains(&chance) {
                return Err(format!("random.{key}: expected 0 to 1, found {chance}"));
            }
        }
        for (key, [low, high]) in [
            ("gap_ms", random.gap_ms),
            ("pause_ms", random.pause_ms),
            ("go_on_ms", random.go_on_ms),
            ("interrupt_ms", random.interrupt_ms),
            ("sound_ms", random.sound_ms),
            ("silence_ms", random.silence_ms),
        ] {
            if !(0.0 <= low && low <= high && high <= 600_000.0) {
                return Err(format!("random.{key}: expected two rising times up to 600000, found {low} and {high}"));
            }
        }
        if self.caller.says.is_empty() {
            return Err("caller.says: expected at least one role, found none".to_owned());
        }
        if self.act.is_empty() && self.turns == 0 {
            return Err("turns: expected at least 1 without a script, found 0".to_owned());
        }
        if let Some(echo) = &self.room.echo
            && !(0.0..=1_000.0).contains(&echo.delay_ms)
        {
            return Err(format!("room.echo.delay_ms: expected 0 to 1000, found {}", echo.delay_ms));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_comes_back_from_its_file_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scenario.toml");
        let act = Act { kind: Kind::Interrupt, clip: Some("time".to_owned()), after_ms: 300.0, pause_ms: None };
        let room = RoomConfig { echo: Some(EchoConfig::default()), snr_db: Some(20.0), ..RoomConfig::default() };
        let cost = CostConfig::Fixed(FixedCosts::default());
        let scenario = Scenario { seed: 7, act: vec![act], room, cost, ..Scenario::default() };
        scenario.save(&path).unwrap();
        assert_eq!(Scenario::load(&path).unwrap(), scenario);
    }

    #[test]
    fn mistakes_are_named_with_their_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scenario.toml");
        for (text, expected) in [
            ("sed = 3", "line 1: unknown field `sed`"),
            ("[random]\ncough = 1.5", "random.cough: expected 0 to 1, found 1.5"),
            ("[random]\ngap_ms = [5, 1]", "random.gap_ms: expected two rising times"),
            ("[[act]]\ndo = \"shout\"", "unknown variant `shout`"),
            ("turns = 0", "turns: expected at least 1"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Scenario::load(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
