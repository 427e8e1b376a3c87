//! The room between the caller's lips, the loudspeaker and the microphone.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rejoinder_models::units::{SampleRate, Samples};

use super::scenario::{EchoConfig, Scenario};
use super::voices::{Role, Voices};
use crate::{Error, Result};

const RATE: SampleRate = SampleRate::INTERNAL;
/// What of an impulse response is used.
const RESPONSE_MS: f64 = 250.0;
/// How far the reverberation of a room that is drawn is below the direct sound.
const DIRECT_DB: f32 = 3.0;
/// Reverberation begins this long after the direct sound.
const PREDELAY_MS: f64 = 4.0;
/// The pole of the noise that is made where none is recorded: its spectrum falls above 130 Hz.
const POLE: f32 = 0.95;

/// What the microphone hears.
pub(crate) struct Room {
    voice: Option<Reverb>,
    noise: Option<Noise>,
    echo: Option<Echo>,
}

impl Room {
    pub(crate) fn new(scenario: &Scenario, voices: &Voices) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(scenario.seed ^ 0x726f_6f6d);
        let config = &scenario.room;
        let mut response = |name: Option<&String>| -> Result<Option<Vec<f32>>> {
            Ok(match name {
                Some(name) => Some(recorded(&named(voices, name, Role::Room)?)),
                None if config.rt60_ms > 0.0 => Some(drawn(config.rt60_ms, &mut rng)),
                None => None,
            })
        };
        let voice = response(config.response.as_ref())?.map(Reverb::new);
        let echo = match &config.echo {
            Some(echo) => {
                let name = echo.response.as_ref().or(config.response.as_ref());
                Some(Echo::new(echo, response(name)?.unwrap_or_else(|| vec![1.0])))
            }
            None => None,
        };
        let noise = match config.snr_db {
            Some(snr_db) => {
                let level = 10f32.powf((scenario.caller.level_db - snr_db) / 20.0);
                let recording = config.noise.as_ref().map(|name| named(voices, name, Role::Noise)).transpose()?;
                Some(Noise::new(recording, level, rng))
            }
            None => None,
        };
        Ok(Self { voice, noise, echo })
    }

    /// How much faster the loudspeaker's clock is than the microphone's, in parts of a million.
    pub(crate) fn drift_ppm(&self) -> f64 {
        self.echo.as_ref().map_or(0.0, |echo| echo.config.drift_ppm)
    }

    /// The loudspeaker played this, by its own clock.
    pub(crate) fn played(&mut self, sound: &[f32]) {
        if let Some(echo) = &mut self.echo {
            echo.played(sound);
        }
    }

    /// Turns a block of the caller's voice into what the microphone hears.
    pub(crate) fn hear(&mut self, block: &mut [f32]) {
        if let Some(reverb) = &mut self.voice {
            reverb.apply(block);
        }
        if let Some(echo) = &mut self.echo {
            echo.add_to(block);
        }
        if let Some(noise) = &mut self.noise {
            noise.add_to(block);
        }
        block.iter_mut().for_each(|x| *x = x.clamp(-1.0, 1.0));
    }
}

fn named(voices: &Voices, name: &str, role: Role) -> Result<Vec<f32>> {
    let found = voices.named(name).filter(|recording| recording.role == role);
    let recording = found.ok_or_else(|| Error::Session(format!("no recording named {name} of the role {role:?}")))?;
    Ok(recording.read()?.samples)
}

/// A recorded response from its direct sound on, with an energy of one.
fn recorded(samples: &[f32]) -> Vec<f32> {
    let peak = (0..samples.len()).max_by(|a, b| samples[*a].abs().total_cmp(&samples[*b].abs())).unwrap_or(0);
    let length = Samples::from_ms(RESPONSE_MS, RATE).0 as usize;
    normalized(samples[peak..].iter().copied().take(length).collect())
}

/// A response of noise that decays exponentially: Polack, "La transmission de l'énergie sonore dans les salles", 1988.
fn drawn(rt60_ms: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let length = Samples::from_ms(rt60_ms.min(RESPONSE_MS), RATE).0 as usize;
    let predelay = Samples::from_ms(PREDELAY_MS, RATE).0 as usize;
    let decay = 3.0 * std::f64::consts::LN_10 / Samples::from_ms(rt60_ms, RATE).0 as f64;
    let tail = |i: usize, rng: &mut ChaCha8Rng| rng.random_range(-1.0..1.0) * (-decay * i as f64).exp() as f32;
    let mut tail: Vec<f32> = (predelay..length).map(|i| tail(i, rng)).collect();
    tail = normalized(tail);
    let gain = 10f32.powf(-DIRECT_DB / 20.0);
    let mut response = vec![0.0; predelay];
    response[0] = 1.0;
    response.extend(tail.into_iter().map(|x| x * gain));
    normalized(response)
}

fn normalized(mut response: Vec<f32>) -> Vec<f32> {
    let energy: f32 = response.iter().map(|x| x * x).sum();
    let gain = 1.0 / energy.sqrt().max(1e-9);
    response.iter_mut().for_each(|x| *x *= gain);
    response
}

/// Convolution with a response, in blocks of any length.
struct Reverb {
    response: Vec<f32>,
    /// What the sound so far adds to the samples to come.
    tail: Vec<f32>,
}

impl Reverb {
    fn new(response: Vec<f32>) -> Self {
        Self { response, tail: Vec::new() }
    }

    fn apply(&mut self, block: &mut [f32]) {
        let needed = block.len() + self.response.len();
        self.tail.resize(needed.max(self.tail.len()), 0.0);
        for (i, x) in block.iter().enumerate().filter(|(_, x)| **x != 0.0) {
            for (sum, h) in self.tail[i..].iter_mut().zip(&self.response) {
                *sum += x * h;
            }
        }
        block.copy_from_slice(&self.tail[..block.len()]);
        self.tail.copy_within(block.len().., 0);
        let kept = self.tail.len() - block.len();
        self.tail.truncate(kept);
    }
}

/// A background without end.
struct Noise {
    recording: Option<(Vec<f32>, usize)>,
    level: f32,
    rng: ChaCha8Rng,
    last: f32,
}

impl Noise {
    fn new(recording: Option<Vec<f32>>, level: f32, mut rng: ChaCha8Rng) -> Self {
        let recording = recording.filter(|samples| !samples.is_empty()).map(|mut samples| {
            let rms = (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).sqrt().max(1e-9);
            samples.iter_mut().for_each(|x| *x *= level / rms);
            let at = rng.random_range(0..samples.len());
            (samples, at)
        });
        Self { recording, level, rng, last: 0.0 }
    }

    fn add_to(&mut self, block: &mut [f32]) {
        if let Some((samples, at)) = &mut self.recording {
            for x in block {
                *x += samples[*at];
                *at = (*at + 1) % samples.len();
            }
            return;
        }
        // White noise of variance 1/3 through one pole has the variance 1 / (3 (1 - pole²)).
        let gain = self.level * (3.0 * (1.0 - POLE * POLE)).sqrt();
        for x in block {
            self.last = POLE * self.last + self.rng.random_range(-1.0..1.0f32);
            *x += gain * self.last;
        }
    }
}

/// The way from the loudspeaker to the microphone.
struct Echo {
    config: EchoConfig,
    reverb: Reverb,
    gain: f32,
    /// What was played, from sample `from` of the loudspeaker's clock on.
    played: VecDeque<f32>,
    from: u64,
    /// Samples of the microphone so far.
    heard: u64,
}

impl Echo {
    fn new(config: &EchoConfig, response: Vec<f32>) -> Self {
        let gain = 10f32.powf(-config.loss_db / 20.0);
        let (reverb, played) = (Reverb::new(response), VecDeque::new());
        Self { config: config.clone(), reverb, gain, played, from: 0, heard: 0 }
    }

    fn played(&mut self, sound: &[f32]) {
        let share = self.config.distortion;
        self.played.extend(sound.iter().map(|x| x - share * x * x * x));
    }

    fn add_to(&mut self, block: &mut [f32]) {
        let delay = self.config.delay_ms * f64::from(RATE.get()) / 1e3;
        let speed = 1.0 + self.config.drift_ppm * 1e-6;
        let mut echo: Vec<f32> =
            (0..block.len()).map(|i| self.at((self.heard + i as u64) as f64 * speed - delay)).collect();
        self.heard += block.len() as u64;
        let oldest = (self.heard as f64 * speed - delay - 4.0).max(0.0) as u64;
        let excess = (oldest.saturating_sub(self.from) as usize).min(self.played.len());
        self.played.drain(..excess);
        self.from += excess as u64;
        self.reverb.apply(&mut echo);
        for (x, echo) in block.iter_mut().zip(echo) {
            *x += self.gain * echo;
        }
    }

    /// What was played at a moment between samples, by a cubic through its four neighbours.
    fn at(&self, moment: f64) -> f32 {
        let base = moment.floor();
        let t = (moment - base) as f32;
        let sample = |offset: i64| {
            let at = base as i64 + offset - self.from as i64;
            usize::try_from(at).ok().and_then(|at| self.played.get(at)).copied().unwrap_or(0.0)
        };
        let [a, b, c, d] = [sample(-1), sample(0), sample(1), sample(2)];
        // Catmull and Rom, "A class of local interpolating splines", 1974.
        b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
    }
}
