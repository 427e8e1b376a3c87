use serde::{Deserialize, Serialize};

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
    /// The chance of a sign of attention during a reply, where the caller does not interrupt it. Default: 0.15.
    pub backchannel: f64,
    /// The chance of a cough or sneeze during a reply, where the caller does neither. The three are shares of all replies;
    /// what is above 1 in all of them together never comes. Default: 0.1.
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

impl RandomConfig {
    /// A caller who says one thing after another, with this chance of a pause of so many milliseconds in each, and does
    /// nothing else.
    pub fn pausing(pause: f64, pause_ms: [f64; 2]) -> Self {
        let (go_on, interrupt, backchannel, cough, silence) = (0.0, 0.0, 0.0, 0.0, 0.0);
        Self { pause, pause_ms, go_on, interrupt, backchannel, cough, silence, ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        for (key, chance) in [
            ("pause", self.pause),
            ("go_on", self.go_on),
            ("interrupt", self.interrupt),
            ("backchannel", self.backchannel),
            ("cough", self.cough),
            ("silence", self.silence),
        ] {
            if !(0.0..=1.0).contains(&chance) {
                return Err(format!("random.{key}: expected 0 to 1, found {chance}"));
            }
        }
        for (key, [low, high]) in [
            ("gap_ms", self.gap_ms),
            ("pause_ms", self.pause_ms),
            ("go_on_ms", self.go_on_ms),
            ("interrupt_ms", self.interrupt_ms),
            ("sound_ms", self.sound_ms),
            ("silence_ms", self.silence_ms),
        ] {
            if !(0.0 <= low && low <= high && high <= 600_000.0) {
                return Err(format!("random.{key}: expected two rising times up to 600000, found {low} and {high}"));
            }
        }
        Ok(())
    }
}
