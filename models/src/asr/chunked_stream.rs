//! What the streams of all families share: sound to features, features in chunks through the encoder, and what that
//! gives to a search.

use super::encoder::EncoderStream;
use super::{RecognizerStream, Transcript};
use crate::Result;
use crate::runtime::Tensor;
use crate::units::{SampleRate, Samples};

/// What a family makes of its encoder's chunks.
pub(super) trait ChunkSearch: Send {
    /// All that the chunks change.
    type State;

    /// Takes the heads of a chunk. Returns whether the partial transcript has changed.
    fn push(&mut self, heads: Vec<Tensor>) -> Result<bool>;

    /// The transcript so far.
    fn partial(&self) -> Transcript;

    /// The transcript of all chunks, of which no more come until [`restore`](Self::restore) or [`reset`](Self::reset).
    fn finish(&mut self) -> Result<Transcript>;

    fn save(&self) -> Self::State;

    fn restore(&mut self, state: Self::State);

    fn reset(&mut self);
}

/// A recogniser's stream.
pub(super) struct ChunkedStream<S> {
    encoder: EncoderStream,
    search: S,
}

impl<S: ChunkSearch> ChunkedStream<S> {
    pub(super) fn new(encoder: EncoderStream, search: S) -> Self {
        Self { encoder, search }
    }

    fn finish(&mut self) -> Result<Transcript> {
        let search = &mut self.search;
        self.encoder.finish(|heads| search.push(heads).map(drop))?;
        search.finish()
    }
}

impl<S: ChunkSearch> RecognizerStream for ChunkedStream<S> {
    fn sample_rate(&self) -> SampleRate {
        self.encoder.rate()
    }

    fn push(&mut self, samples: &[f32]) -> Result<bool> {
        let (search, mut changed) = (&mut self.search, false);
        self.encoder.push(samples, |heads| {
            changed |= search.push(heads)?;
            Ok(())
        })?;
        Ok(changed)
    }

    fn partial(&self) -> Transcript {
        self.search.partial()
    }

    fn preview(&mut self) -> Result<Transcript> {
        let (encoder, search) = (self.encoder.save(), self.search.save());
        let transcript = self.finish();
        self.encoder.restore(encoder);
        self.search.restore(search);
        transcript
    }

    fn flush(&mut self) -> Result<Transcript> {
        let transcript = self.finish();
        self.reset();
        transcript
    }

    fn reset(&mut self) {
        self.encoder.reset();
        self.search.reset();
    }

    fn delay(&self) -> Samples {
        self.encoder.delay()
    }
}
