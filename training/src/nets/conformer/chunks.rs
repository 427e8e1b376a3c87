use rand::Rng;
use serde::{Deserialize, Serialize};

/// What a frame sees: its chunk, and the frames to the left of the chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunks {
    /// Encoder frames of a chunk.
    pub chunk: usize,
    /// Encoder frames before the chunk.
    pub left: usize,
}

impl Chunks {
    /// Every frame sees the whole utterance.
    pub const FULL: Self = Self { chunk: usize::MAX, left: usize::MAX };
}

/// Dynamic chunk training (Zhang et al., "Unified streaming and non-streaming two-pass end-to-end model", 2020): each
/// batch sees chunks of another size and another left context, so that one net serves every latency. What is drawn how
/// follows SpeechBrain's `DynChunkTrainConfigRandomSampler`, and so do the probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DynamicChunks {
    /// Share of batches that see chunks rather than whole utterances. Default: 0.6.
    pub chunked: f64,
    /// The fewest and the most encoder frames of a chunk. Default: 4 to 16, which is SpeechBrain's 320 to 1280
    /// ms where a frame has 80.
    pub chunk: [usize; 2],
    /// Share of those whose left context has an end. Default: 0.75.
    pub limited: f64,
    /// The fewest and the most chunks of it. Default: 2 to 32.
    pub left_chunks: [usize; 2],
}

impl Default for DynamicChunks {
    fn default() -> Self {
        Self { chunked: 0.6, chunk: [4, 16], limited: 0.75, left_chunks: [2, 32] }
    }
}

impl DynamicChunks {
    /// What is wrong with the values, if something is.
    pub fn mistake(&self) -> Option<String> {
        let ([least, most], [fewest, longest]) = (self.chunk, self.left_chunks);
        if least == 0 || least > most {
            return Some(format!("chunk: expected [least, most] above zero, found {:?}", self.chunk));
        }
        for (name, share) in [("chunked", self.chunked), ("limited", self.limited)] {
            if !(0.0..=1.0).contains(&share) {
                return Some(format!("{name}: expected a share from 0 to 1, found {share}"));
            }
        }
        (fewest > longest).then(|| format!("left_chunks: expected [least, most], found {:?}", self.left_chunks))
    }

    /// The chunks of a batch.
    pub fn draw(&self, rng: &mut impl Rng) -> Chunks {
        // As many numbers are drawn for each batch, whatever comes of them.
        let (chunked, limited) = (rng.random::<f64>() < self.chunked, rng.random::<f64>() < self.limited);
        let chunk = rng.random_range(self.chunk[0]..=self.chunk[1]);
        let left_chunks = rng.random_range(self.left_chunks[0]..=self.left_chunks[1]);
        match (chunked, limited) {
            (false, _) => Chunks::FULL,
            (true, false) => Chunks { chunk, left: usize::MAX },
            (true, true) => Chunks { chunk, left: chunk * left_chunks },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_values_are_named() {
        let message = |chunks: DynamicChunks| chunks.mistake().unwrap();
        let default = DynamicChunks::default;
        assert_eq!(default().mistake(), None);
        assert!(message(DynamicChunks { chunked: 60.0, ..default() }).starts_with("chunked: expected a share"));
        assert!(message(DynamicChunks { limited: f64::NAN, ..default() }).starts_with("limited: expected a share"));
        assert!(message(DynamicChunks { chunk: [8, 4], ..default() }).starts_with("chunk: expected"));
        assert!(message(DynamicChunks { left_chunks: [8, 4], ..default() }).starts_with("left_chunks: expected"));
    }
}
