use serde::{Deserialize, Serialize};

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

impl RoomConfig {
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(echo) = &self.echo
            && !(0.0..=1_000.0).contains(&echo.delay_ms)
        {
            return Err(format!("room.echo.delay_ms: expected 0 to 1000, found {}", echo.delay_ms));
        }
        Ok(())
    }
}
