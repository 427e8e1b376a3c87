use crate::card::{Chunking, Normalization};
use crate::{Error, Result};

/// Cuts feature frames into the pieces that a net takes: each piece holds `left_frames` of the past,
/// `chunk_frames` new ones and `right_frames` of the future; the next begins `chunk_frames` later.
///
/// What lies before the first frame and after the last is the card's `pad_value`.
#[derive(Clone)]
pub(super) struct Chunker {
    chunking: Chunking,
    normalization: Option<Normalization>,
    bins: usize,
    /// Normalised frames (frame, bin); the next piece begins at the value `start`.
    kept: Vec<f32>,
    start: usize,
    /// Frames since the stream began, the padding before it not counted.
    frames: usize,
    /// Chunks that were cut.
    chunks: usize,
}

impl Chunker {
    pub(super) fn new(chunking: Chunking, normalization: Option<Normalization>, bins: usize) -> Result<Self> {
        if let Some(found) = normalization.as_ref().map(|n| n.mean.len()).filter(|&found| found != bins) {
            return Err(Error::invalid(
                "[normalization] of the card",
                format!("{bins} values, one for each bin"),
                found,
            ));
        }
        let mut chunker = Self { chunking, normalization, bins, kept: Vec::new(), start: 0, frames: 0, chunks: 0 };
        chunker.reset();
        Ok(chunker)
    }

    pub(super) fn reset(&mut self) {
        self.kept.clear();
        self.kept.resize(self.chunking.left_frames * self.bins, self.chunking.pad_value);
        self.start = 0;
        self.frames = 0;
        self.chunks = 0;
    }

    /// Frames in a piece.
    pub(super) fn piece_frames(&self) -> usize {
        self.chunking.left_frames + self.chunking.chunk_frames + self.chunking.right_frames
    }

    /// Takes whole frames (frame, bin).
    pub(super) fn push(&mut self, frames: &[f32]) {
        self.frames += frames.len() / self.bins;
        self.kept.drain(..std::mem::take(&mut self.start));
        match &self.normalization {
            None => self.kept.extend_from_slice(frames),
            Some(Normalization { mean, std }) => self.kept.extend(
                frames
                    .chunks_exact(self.bins)
                    .flat_map(|row| row.iter().zip(mean).zip(std).map(|((x, m), s)| (x - m) / s)),
            ),
        }
    }

    /// The next piece whose frames are all there, (frame, bin) row after row.
    pub(super) fn next(&mut self) -> Option<Vec<f32>> {
        let length = self.piece_frames() * self.bins;
        let frames = self.kept.get(self.start..self.start + length)?.to_vec();
        self.advance();
        Some(frames)
    }

    /// The next piece at the end of the stream, padded; none when all frames were given. What the net gives for the
    /// padding counts too: it may name the last word there.
    pub(super) fn next_padded(&mut self) -> Option<Vec<f32>> {
        if self.chunks * self.chunking.chunk_frames >= self.frames {
            return None;
        }
        let length = self.piece_frames() * self.bins;
        let mut frames = self.kept[self.start..].to_vec();
        frames.resize(length, self.chunking.pad_value);
        self.advance();
        Some(frames)
    }

    fn advance(&mut self) {
        self.chunks += 1;
        self.start = (self.start + self.chunking.chunk_frames * self.bins).min(self.kept.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunker() -> Chunker {
        let chunking = Chunking {
            left_frames: 2,
            chunk_frames: 4,
            right_frames: 1,
            subsampling: 2,
            pad_value: -9.0,
            valid: None,
            latencies: Vec::new(),
        };
        let normalization = Normalization { mean: vec![1.0], std: vec![2.0] };
        Chunker::new(chunking, Some(normalization), 1).expect("a chunker")
    }

    fn cut(chunker: &mut Chunker, frames: &[f32]) -> Vec<Vec<f32>> {
        chunker.push(frames);
        std::iter::from_fn(|| chunker.next()).collect()
    }

    #[test]
    fn pieces_overlap_and_the_ends_are_padded() {
        let mut chunker = chunker();
        let frames: Vec<f32> = (0..7).map(|i| (1 + 2 * i) as f32).collect();
        let pieces = cut(&mut chunker, &frames);
        assert_eq!(pieces, [[-9.0, -9.0, 0.0, 1.0, 2.0, 3.0, 4.0]]);
        let last = chunker.next_padded().expect("a piece");
        assert_eq!(last, [2.0, 3.0, 4.0, 5.0, 6.0, -9.0, -9.0]);
        assert!(chunker.next_padded().is_none());
    }

    #[test]
    fn no_frames_give_no_piece() {
        assert!(chunker().next_padded().is_none());
    }

    #[test]
    fn a_reset_forgets_everything() {
        let mut chunker = chunker();
        let fresh = cut(&mut chunker, &[1.0; 9]);
        chunker.reset();
        assert_eq!(cut(&mut chunker, &[1.0; 9]), fresh);
    }

    #[test]
    fn normalisation_of_another_width_is_refused() {
        let normalization = Normalization { mean: vec![0.0; 3], std: vec![1.0; 3] };
        let message = Chunker::new(chunker().chunking, Some(normalization), 80).err().expect("an error").to_string();
        assert_eq!(message, "[normalization] of the card: expected 80 values, one for each bin, found 3");
    }
}
