use serde::{Deserialize, Serialize};

use crate::config::within;

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
        within("room.rt60_ms", self.rt60_ms, 0.0, 10_000.0)?;
        within("room.snr_db", f64::from(self.snr_db.unwrap_or(0.0)), -20.0, 120.0)?;
        if self.noise.is_some() && self.snr_db.is_none() {
            return Err("room.noise: expected room.snr_db beside it, which says how loud it is".to_owned());
        }
        let Some(echo) = &self.echo else { return Ok(()) };
        within("room.echo.loss_db", f64::from(echo.loss_db), -20.0, 120.0)?;
        within("room.echo.delay_ms", echo.delay_ms, 0.0, 1_000.0)?;
        within("room.echo.drift_ppm", echo.drift_ppm, -1_000.0, 1_000.0)?;
        within("room.echo.distortion", f64::from(echo.distortion), 0.0, 1.0)
    }
}
