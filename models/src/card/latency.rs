use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Chunking, ModelCard};
use crate::{Error, Result};

/// How far a wished length may be from one that is there.
const TOLERANCE_MS: f64 = 0.5;

/// The part of a [`Chunking`] that whoever opens a model may choose, where its net can do with several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// New feature frames in each run: the latency of the net.
    pub chunk_frames: usize,
    /// Output frames that the caches hold: the left context.
    pub left: usize,
}

/// Which of a model's latencies is wanted. What is not said may be anything: of those that fit, the default is taken
/// where it is among them, else the first on the card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LatencyChoice {
    /// The length of a chunk.
    pub chunk_ms: Option<f64>,
    /// How far before its chunk a frame sees.
    pub left_ms: Option<f64>,
}

impl Chunking {
    /// The latencies at which the net can run, the default first.
    pub fn choices(&self) -> Vec<Latency> {
        let default = self.latency();
        let others = self.latencies.iter().filter(|latency| **latency != default);
        std::iter::once(default).chain(others.copied()).collect()
    }

    /// The latency at which it runs where nothing is chosen.
    pub(super) fn latency(&self) -> Latency {
        Latency { chunk_frames: self.chunk_frames, left: self.valid.as_ref().map_or(0, |valid| valid.limit) }
    }
}

impl ModelCard {
    /// The latencies at which the net can run, the default first; none for a net that takes no stream.
    pub fn latencies(&self) -> Vec<Latency> {
        self.chunking.as_ref().map(Chunking::choices).unwrap_or_default()
    }

    /// A latency's chunk and left context in milliseconds, where the card tells the length of a feature frame.
    pub fn latency_ms(&self, latency: Latency) -> Option<[f64; 2]> {
        let (features, chunking) = (self.features.as_ref()?, self.chunking.as_ref()?);
        Some(
            [latency.chunk_frames, latency.left * chunking.subsampling]
                .map(|frames| frames as f64 * f64::from(features.hop_ms)),
        )
    }

    /// The card of the same net with this latency as its default: chunks, caches and the count of what is real in them.
    #[must_use]
    pub fn at(&self, latency: Latency) -> Self {
        let mut card = self.clone();
        let Some(chunking) = &mut card.chunking else { return card };
        chunking.chunk_frames = latency.chunk_frames;
        if let Some(valid) = &mut chunking.valid {
            valid.limit = latency.left;
        }
        for state in &mut card.states {
            if let Some(axis) = state.left_axis.and_then(|axis| state.shape.get_mut(axis)) {
                *axis = latency.left;
            }
        }
        card
    }

    /// The latency that is wanted. `path` stands in the error.
    pub(super) fn choose(&self, choice: &LatencyChoice, path: &Path) -> Result<Option<Latency>> {
        if *choice == LatencyChoice::default() {
            return Ok(None);
        }
        let timed = |latency: Latency| Some((latency, self.latency_ms(latency)?));
        let offered: Vec<_> = self.latencies().into_iter().filter_map(timed).collect();
        let near = |wish: Option<f64>, ms: f64| wish.is_none_or(|wish| (wish - ms).abs() < TOLERANCE_MS);
        let fits = |[chunk, left]: &[f64; 2]| near(choice.chunk_ms, *chunk) && near(choice.left_ms, *left);
        if let Some((latency, _)) = offered.iter().find(|(_, ms)| fits(ms)) {
            return Ok(Some(*latency));
        }
        let pairs: Vec<String> = offered.iter().map(|(_, [chunk, left])| format!("{chunk} and {left}")).collect();
        let wish = |wish: Option<f64>| wish.map_or("any".to_owned(), |ms| ms.to_string());
        let expected = if pairs.is_empty() { "no choice".to_owned() } else { pairs.join(", or ") };
        let (chunk, left) = (wish(choice.chunk_ms), wish(choice.left_ms));
        Err(Error::model(path, format!("chunk_ms and left_ms: expected {expected}, found {chunk} and {left}")))
    }
}
