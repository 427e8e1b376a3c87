use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::corpus::Turn;
use crate::data::prepare::SAMPLE_RATE_HZ;

/// A cut is at least this far from the ends of its stretch of speech, and looked for in this much less around.
const MARGIN_MS: f64 = 250.0;
const AROUND_MS: f64 = 150.0;
/// Samples in the quietest piece of a recording, of which a longer silence is made.
const TONE: usize = SAMPLE_RATE_HZ as usize / 8;
/// Samples of a place whose energy is looked at for a cut.
const PLACE: usize = SAMPLE_RATE_HZ as usize / 50;
/// Samples over which sound that is cut fades away.
const FADE: usize = SAMPLE_RATE_HZ as usize / 50;

/// Why it is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The turn is over.
    End,
    /// The speaker goes on after a while.
    Pause,
    /// The recording was cut near here, in the middle of speech, where it is quietest: as between two words.
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
    /// After how much silence a moment is looked at, in milliseconds, drawn evenly; less in a pause that is shorter
    /// and not lengthened. Default: 100 to 1,000.
    pub look_ms: [f64; 2],
    /// How often a pause is made longer than it was recorded: who speaks freely hesitates for longer than who reads.
    /// Default: 0.5.
    pub lengthened: f64,
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
        Self { pauses: 4, cuts: 0.6, look_ms: [100.0, 1_000.0], lengthened: 0.5, made_silence: 0.4, gated_silence: 0.2 }
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

/// A place in the middle of speech, well within its stretch.
fn cut(number: usize, turn: &Turn, rng: &mut impl Rng) -> Option<Moment> {
    let margin = samples(MARGIN_MS);
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
        let short = self.kind == Kind::Pause && !rng.random_bool(config.lengthened.clamp(0.0, 1.0));
        let most = if short { most.min(self.silence) } else { most };
        rng.random_range(least..=most.max(least))
    }

    /// The sample at which the silence begins: for a cut, the quietest place around.
    fn stop_in(&self, recording: &[f32]) -> usize {
        let around = samples(AROUND_MS);
        let places = (self.stop.saturating_sub(around)..=self.stop + around).step_by(PLACE / 4);
        let energy = |stop: usize| recording.get(stop.saturating_sub(PLACE / 2)..stop + PLACE / 2).map(energy);
        let quietest = places.filter_map(|stop| Some((stop, energy(stop)?))).min_by(|a, b| a.1.total_cmp(&b.1));
        quietest.filter(|_| self.kind == Kind::Cut).map_or(self.stop, |(stop, _)| stop)
    }

    /// The turn up to `look` samples into the silence. Where the recording has no silence of its own, or not so much, it
    /// is made of the recording's quietest piece.
    pub(super) fn sound(&self, recording: &[f32], look: usize, silence: Silence) -> Vec<f32> {
        let stop = self.stop_in(recording);
        let until = stop + look;
        let own = match (silence, self.kind) {
            (Silence::Recorded, Kind::End) => look,
            (Silence::Recorded, Kind::Pause) => look.min(self.silence),
            _ => 0,
        };
        let mut sound = recording[..(stop + own).min(recording.len())].to_vec();
        if sound.len() < until {
            if self.kind == Kind::Cut || silence == Silence::Gated {
                let faded = sound.len().saturating_sub(FADE);
                let fade = sound[faded..].iter_mut().rev().enumerate();
                fade.for_each(|(n, sample)| *sample *= n as f32 / FADE as f32);
            }
            let tone = if silence == Silence::Gated { &[] } else { quietest(recording) };
            // There and back again, so that the seams are smooth.
            let mirrored = tone.iter().chain(tone.iter().rev()).copied().cycle();
            let missing = until - sound.len();
            sound.extend(mirrored.take(if tone.is_empty() { 0 } else { missing }));
            sound.resize(until, 0.0);
        }
        sound
    }
}

fn energy(piece: &[f32]) -> f32 {
    piece.iter().map(|s| s * s).sum()
}

/// The piece with the least energy.
fn quietest(recording: &[f32]) -> &[f32] {
    let pieces = recording.chunks_exact(TONE);
    pieces.min_by(|a, b| energy(a).total_cmp(&energy(b))).unwrap_or(&[])
}
