//! Who reads, and how.

use std::collections::BTreeMap;

use rand::Rng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A voice of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voice {
    /// flite kal16: diphones of a US male.
    FliteKal16,
    /// flite slt: statistical, a US female.
    FliteSlt,
    /// flite rms: statistical, a US male.
    FliteRms,
    /// flite awb: statistical, a Scottish male.
    FliteAwb,
    /// festival kal: diphones of a US male.
    FestivalKal,
    /// festival ked: diphones of another US male.
    FestivalKed,
    /// festival slt: HMM, the US female of flite's slt.
    FestivalSltHts,
    /// espeak-ng: formants, in several accents and timbres.
    Espeak,
}

/// Costly voices read less, and espeak-ng, which sounds least human, is a minority.
pub(super) fn usual_shares() -> BTreeMap<Voice, f64> {
    BTreeMap::from([
        (Voice::FliteKal16, 0.13),
        (Voice::FliteSlt, 0.17),
        (Voice::FliteRms, 0.16),
        (Voice::FliteAwb, 0.16),
        (Voice::FestivalKal, 0.08),
        (Voice::FestivalKed, 0.09),
        (Voice::FestivalSltHts, 0.06),
        (Voice::Espeak, 0.15),
    ])
}

const ESPEAK_ACCENTS: [&str; 8] =
    ["en-us", "en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029", "en-us-nyc"];

/// Timbres that sound like people; whispers, robots and the like are left out.
const ESPEAK_VARIANTS: [&str; 27] = [
    "adam", "Alex", "Alicia", "Andrea", "Andy", "Annie", "anika", "belinda", "benjamin", "boris", "caleb", "david",
    "ed", "f1", "f2", "f3", "f4", "f5", "Jacky", "john", "linda", "m1", "m3", "m7", "Michael", "steph", "zac",
];

/// How one text is read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) voice: Voice,
    /// Durations relative to the voice's own.
    pub(crate) stretch: f32,
    /// Pitch relative to the voice's own.
    pub(crate) pitch: f32,
    /// Of espeak-ng.
    pub(crate) accent: &'static str,
    /// Of espeak-ng.
    pub(crate) variant: &'static str,
}

impl Reading {
    /// A name for who is heard.
    pub(crate) fn speaker(&self) -> String {
        match self.voice {
            Voice::FliteKal16 => "flite-kal16".into(),
            Voice::FliteSlt => "flite-slt".into(),
            Voice::FliteRms => "flite-rms".into(),
            Voice::FliteAwb => "flite-awb".into(),
            Voice::FestivalKal => "festival-kal".into(),
            Voice::FestivalKed => "festival-ked".into(),
            Voice::FestivalSltHts => "festival-slt-hts".into(),
            Voice::Espeak => format!("espeak-{}-{}", self.accent, self.variant),
        }
    }
}

/// Draws voices by their shares.
pub(super) struct Casting {
    voices: Vec<Voice>,
    shares: WeightedIndex<f64>,
}

impl Casting {
    pub(super) fn new(shares: &BTreeMap<Voice, f64>) -> Result<Self> {
        let weights = WeightedIndex::new(shares.values());
        let weights = weights.map_err(|e| Error::config("voices", format!("expected shares above zero: {e}")))?;
        Ok(Self { voices: shares.keys().copied().collect(), shares: weights })
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> Reading {
        let voice = self.voices[self.shares.sample(rng)];
        Reading {
            voice,
            stretch: rng.random_range(0.82..1.25),
            pitch: rng.random_range(0.82..1.25),
            accent: ESPEAK_ACCENTS.choose(rng).copied().unwrap_or("en-us"),
            variant: ESPEAK_VARIANTS.choose(rng).copied().unwrap_or("m1"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn voices_come_by_their_shares() {
        let casting = Casting::new(&usual_shares()).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let drawn: Vec<_> = (0..4000).map(|_| casting.draw(&mut rng)).collect();
        let share = |voice| drawn.iter().filter(|r| r.voice == voice).count() as f64 / 4000.0;
        for (voice, expected) in usual_shares() {
            assert!((share(voice) - expected).abs() < 0.03, "{voice:?}: {}", share(voice));
        }
        let error = Casting::new(&BTreeMap::from([(Voice::Espeak, -1.0)])).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("above zero"), "{error}");
    }
}
