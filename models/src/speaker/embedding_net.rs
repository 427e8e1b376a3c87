use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::{Embedding, SpeakerEncoder};
use crate::card::{Bundle, MODEL_ROLE};
use crate::features::Fbank;
use crate::runtime::{Model, Runtime, Tensor};
use crate::units::{SampleRate, Samples};
use crate::{Error, Result};

/// The family's name in a card.
pub(crate) const FAMILY: &str = "speaker-embedding";

/// Input: (1, frames, bins). The net takes the clip's mean off itself.
const FEATURES: &str = "features";
/// Output: (1, dim).
const EMBEDDING: &str = "embedding";

/// The least frames: more than the mirrored ends of ECAPA-TDNN's widest kernel, and some.
const LEAST_FRAMES: u64 = 20;

/// A net from the features of a whole utterance to an embedding, such as ECAPA-TDNN or an x-vector.
#[derive(Clone)]
pub struct EmbeddingNet {
    name: String,
    model: Arc<dyn Model>,
    fbank: Fbank,
    threshold: f32,
}

/// The card's `[params]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    threshold: f32,
}

impl EmbeddingNet {
    /// Opens a bundle.
    ///
    /// # Errors
    /// [`Error::Model`] when the runtime cannot open it, or its card or tensors break the family's contract.
    pub fn open(bundle: &Bundle, runtime: &dyn Runtime) -> Result<Self> {
        let path = bundle.path(MODEL_ROLE)?;
        Self::of_model(bundle, runtime.open(&path)?, &path)
    }

    fn of_model(bundle: &Bundle, model: Arc<dyn Model>, path: &Path) -> Result<Self> {
        let card = bundle.card();
        let fbank = Fbank::new(card.required_features(path)?.clone())?;
        let Params { threshold } = card.params(path)?;
        let port = |found: bool, what: &str| {
            if found { Ok(()) } else { Err(Error::model(path, format!("expected an {what}, found none"))) }
        };
        port(model.input(FEATURES).is_some(), "input `features`")?;
        port(model.output(EMBEDDING).is_some(), "output `embedding`")?;
        Ok(Self { name: card.name.clone(), model, fbank, threshold })
    }
}

impl SpeakerEncoder for EmbeddingNet {
    fn name(&self) -> &str {
        &self.name
    }

    fn sample_rate(&self) -> SampleRate {
        self.fbank.rate()
    }

    fn shortest(&self) -> Samples {
        Samples(LEAST_FRAMES * self.fbank.hop().0)
    }

    fn threshold(&self) -> f32 {
        self.threshold
    }

    fn embed(&self, samples: &[f32]) -> Result<Embedding> {
        if (samples.len() as u64) < self.shortest().0 {
            let least = format!("at least {} samples", self.shortest().0);
            return Err(Error::invalid("sound of an utterance to embed", least, samples.len()));
        }
        let features = self.fbank.compute(samples)?;
        let bins = self.fbank.bins();
        let features = Tensor::f32(&[1, features.len() / bins, bins], features)?;
        let outputs = self.model.session()?.run(vec![(FEATURES, features)], &[EMBEDDING])?;
        let values = outputs.into_iter().map(|output| output.into_f32(EMBEDDING)).collect::<Result<Vec<_>>>()?;
        Ok(Embedding::new(values.into_iter().flatten().collect()))
    }
}
