//! Who speaks: a net makes a vector of an utterance, and the vectors of one voice lie close together.

mod embedding;
pub(crate) mod embedding_net;
mod scores;
mod verification;
mod voices;

pub use embedding::Embedding;
pub use embedding_net::EmbeddingNet;
pub use scores::{Strangers, s_norm};
pub use verification::{DetectionCost, OperatingPoint, equal_error_rate, min_detection_cost};
pub use voices::{Match, Voice, Voices};

use crate::Result;
use crate::units::{SampleRate, Samples};

/// A model that embeds utterances. Immutable and shared.
pub trait SpeakerEncoder: Send + Sync {
    /// The name of the model; embeddings of two models cannot be compared.
    fn name(&self) -> &str;

    /// The rate of the sound that [`embed`](Self::embed) takes.
    fn sample_rate(&self) -> SampleRate;

    /// The least sound that can be embedded. What is said in less than a second tells little of the voice.
    fn shortest(&self) -> Samples;

    /// The cosine from which on two utterances are taken to be of one voice: the model's point of equal errors on its
    /// validation set.
    fn threshold(&self) -> f32;

    /// The embedding of an utterance, mono in [-1, 1].
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for less sound than [`shortest`](Self::shortest);
    /// [`Error::Engine`](crate::Error::Engine) when the engine fails.
    fn embed(&self, samples: &[f32]) -> Result<Embedding>;
}
