use std::ops::Range;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::corpus::Turn;
use crate::data::prepare::SAMPLE_RATE_HZ;

/// Samples in the quietest piece of a recording, of which a longer silence is made.
const TONE: usize = SAMPLE_RATE_HZ as usize / 8;
/// How far a cut may be moved to be between sounds, in samples, and of how many its energy is taken there.
const NEAR: usize = SAMPLE_RATE_HZ as usize / 5;
const BETWEEN: usize = SAMPLE_RATE_HZ as usize / 100;
/// Samples over which sound that is cut fades away.
const FADE: usize = SAMPLE_RATE_HZ as usize / 50;

/// Why it is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The turn is over.
    End,
    /// The speaker goes on after a while.
    Pause,
    /// The recording was cut here, in the middle of speech.
    Cut,
}

/// A place in a turn from which on it is silent for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Which turn.
    pub turn: usize,
    /// The sample at which the silence begins.
    pub stop: usize,
    /// Samples of silence that were recorded.
    pub silence: usize,
    /// Why it is silent.
    pub kind: Kind,
}

/// Which moments an epoch sees, and when they are looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MomentConfig {
    /// The most pauses of a turn in an epoch. Default: 4.
    pub pauses: usize,
    /// How often a turn is cut short, for each turn. Default: 0.6.
    pub cuts: f64,
    /// How often a cut is moved to the quietest place within a fifth of a second: who hesitates stops between words
    /// more often than in one. Default: 0.7.
    pub quiet_cuts: f64,
    /// After how much silence a moment is looked at, in milliseconds, drawn evenly; less in a pause that is shorter.
    /// Default: 100 to 1,000.
    pub look_ms: [f64; 2],
    /// How often the silence of a pause is made of the quietest piece of the recording, as it always is where a
    /// recording has no more sound after its end: else the seam would tell the ends. Default: 0.4.
    pub made_silence: f64,
    /// How often it is silence without any sound, as a noise gate leaves. Default: 0.2.
    pub gated_silence: f64,
}

/// Of what a silence is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Of the recording, as long as there is one.
    Recorded,
    /// Of the quietest piece of the recording.
    Made,
    /// Of nothing.
    Gated,
}

impl Default for MomentConfig {
    fn default() -> Self {
        Self { pauses: 4, cuts: 0.6, quiet_cuts: 0.7, look_ms: [100.0, 1_000.0], made_silence: 0.4, gated_silence: 0.2 }
    }
}

fn samples(ms: f64) -> usize {
    (ms * f64::from(SAMPLE_RATE_HZ) / 1e3).round() as usize
}

/// The silences of a turn: pauses, then its end.
pub(super) fn silences(number: usize, turn: &Turn) -> Vec<Moment> {
    let pauses = turn.speech.windows(2).map(|pair| Moment {
        turn: number,
        stop: pair[0].end,
        silence: pair[1].start.saturating_sub(pair[0].end),
        kind: Kind::Pause,
    });
    let end = turn.speech.last().map(|last| Moment { turn: number, stop: last.end, silence: 0, kind: Kind::End });
    pauses.chain(end).collect()
}

/// The moments of an epoch, in random order: the same for the same seed.
pub(super) fn draw(turns: &[Turn], config: &MomentConfig, seed: u64) -> Vec<Moment> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut moments = Vec::new();
    for (number, turn) in turns.iter().enumerate() {
        let mut own = silences(number, turn);
        moments.extend(own.pop());
        own.retain(|moment| moment.silence >= samples(config.look_ms[0]));
        own.shuffle(&mut rng);
        moments.extend(own.into_iter().take(config.pauses));
        if rng.random_bool(config.cuts.clamp(0.0, 1.0)) {
            moments.extend(cut(number, turn, &mut rng));
        }
    }
    moments.shuffle(&mut rng);
    moments
}

/// A place in the middle of speech, a quarter of a second from either end of its stretch.
fn cut(number: usize, turn: &Turn, rng: &mut impl Rng) -> Option<Moment> {
    let margin = samples(250.0);
    let long: Vec<_> = turn.speech.iter().filter(|stretch| stretch.len() > 3 * margin).collect();
    let stretch = long.get(rng.random_range(0..long.len().max(1)))?;
    let stop = rng.random_range(stretch.start + margin..stretch.end - margin);
    Some(Moment { turn: number, stop, silence: 0, kind: Kind::Cut })
}

impl Moment {
    /// Whether the turn is over.
    pub fn is_over(&self) -> bool {
        self.kind == Kind::End
    }

    /// A cut, by chance, at the quietest place nearby; other moments stay where they are.
    pub(super) fn between_words(mut self, recording: &[f32], config: &MomentConfig, rng: &mut impl Rng) -> Self {
        if self.kind == Kind::Cut && rng.random_bool(config.quiet_cuts.clamp(0.0, 1.0)) {
            let near = self.stop.saturating_sub(NEAR)..(self.stop + NEAR).min(recording.len());
            let place = quietest(&recording[near.clone()], BETWEEN);
            self.stop = place.map_or(self.stop, |place| near.start + place.end);
        }
        self
    }

    /// What its silence is made of, this time.
    pub(super) fn silence(config: &MomentConfig, rng: &mut impl Rng) -> Silence {
        match rng.random_range(0.0..1.0) {
            drawn if drawn < config.gated_silence => Silence::Gated,
            drawn if drawn < config.gated_silence + config.made_silence => Silence::Made,
            _ => Silence::Recorded,
        }
    }

    /// How long into the silence it is looked at, in samples.
    pub(super) fn look(&self, config: &MomentConfig, rng: &mut impl Rng) -> usize {
        let [least, most] = config.look_ms.map(samples);
        let most = if self.kind == Kind::Pause { most.min(self.silence) } else { most };
        rng.random_range(least..=most.max(least))
    }

    /// The turn up to `look` samples into the silence. Where the recording has no silence of its own, it is made of the
    /// recording's quietest piece.
    pub(super) fn sound(&self, recording: &[f32], look: usize, silence: Silence) -> Vec<f32> {
        let until = self.stop + look;
        let is_own = self.kind != Kind::Cut && silence == Silence::Recorded;
        let recorded = if is_own { until } else { self.stop };
        let mut sound = recording[..recorded.min(recording.len())].to_vec();
        if sound.len() < until {
            if self.kind == Kind::Cut || silence == Silence::Gated {
                let faded = sound.len().saturating_sub(FADE);
                let fade = sound[faded..].iter_mut().rev().enumerate();
                fade.for_each(|(n, sample)| *sample *= n as f32 / FADE as f32);
            }
            let tone = quietest(recording, TONE).filter(|_| silence != Silence::Gated);
            let tone = tone.map_or(&[][..], |piece| &recording[piece]);
            // There and back again, so that the seams are smooth.
            let mirrored = tone.iter().chain(tone.iter().rev()).copied().cycle();
            let missing = until - sound.len();
            sound.extend(mirrored.take(if tone.is_empty() { 0 } else { missing }));
            sound.resize(until, 0.0);
        }
        sound
    }
}

/// The piece of `length` with the least energy.
fn quietest(sound: &[f32], length: usize) -> Option<Range<usize>> {
    let energy = |piece: &[f32]| piece.iter().map(|s| s * s).sum::<f32>();
    let pieces = sound.chunks_exact(length).enumerate();
    let (number, _) = pieces.min_by(|(_, a), (_, b)| energy(a).total_cmp(&energy(b)))?;
    Some(number * length..(number + 1) * length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_cut_is_where_no_sound_is() {
        let silent = 9_000..9_600;
        let sample = |n: usize| if silent.contains(&n) { 0.0 } else { 0.1 * (n as f32 * 0.3).sin() };
        let recording: Vec<f32> = (0..16_000).map(sample).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut stop = |kind, quiet_cuts| {
            let moment = Moment { turn: 0, stop: 8_000, silence: 0, kind };
            let config = MomentConfig { quiet_cuts, ..MomentConfig::default() };
            moment.between_words(&recording, &config, &mut rng).stop
        };
        assert!(silent.contains(&stop(Kind::Cut, 1.0)));
        assert_eq!(stop(Kind::Cut, 0.0), 8_000);
        assert_eq!(stop(Kind::Pause, 1.0), 8_000);
    }
}
