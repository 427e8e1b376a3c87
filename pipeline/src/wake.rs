//! What opens a conversation: a keyword spotter that listens for one of the phrases that it knows.

use std::sync::Arc;

use rejoinder_models::keyword::{KeywordDetector, KeywordSpotter, Spotted, SpottingConfig};
use rejoinder_models::runtime::RuntimeConfig;
use rejoinder_models::streaming::Streaming;
use rejoinder_models::zoo;

use crate::config::WakeWordConfig;
use crate::{Error, Result};

/// Knows the phrase that opens a conversation. Immutable and cheap to clone.
#[derive(Clone)]
pub struct WakeWord {
    /// The model that listens.
    pub spotter: Arc<dyn KeywordSpotter>,
    /// Which of its keywords counts.
    pub keyword: String,
    /// When it counts.
    pub spotting: SpottingConfig,
}

impl WakeWord {
    /// Opens the model that a configuration names.
    ///
    /// # Errors
    /// [`Error::Models`] naming what is missing or damaged; [`Error::Session`] for a phrase that the model does not know.
    pub fn open(config: &WakeWordConfig, runtime: &RuntimeConfig) -> Result<Self> {
        let spotter = zoo::open_keyword_spotter(&config.model, runtime)?;
        let spotting = SpottingConfig { threshold: config.threshold, ..SpottingConfig::default() };
        Self::new(spotter, &config.phrase, spotting)
    }

    /// A phrase of a model that is open.
    ///
    /// # Errors
    /// [`Error::Session`] for a phrase that the model does not know.
    pub fn new(spotter: Arc<dyn KeywordSpotter>, keyword: &str, spotting: SpottingConfig) -> Result<Self> {
        if !spotter.keywords().iter().any(|known| known == keyword) {
            let (name, known) = (spotter.name(), spotter.keywords().join(", "));
            return Err(Error::Session(format!("turn.wake.phrase: {name} knows {known}; found {keyword}")));
        }
        Ok(Self { spotter, keyword: keyword.to_owned(), spotting })
    }

    /// What listens in one conversation.
    pub(crate) fn listen(&self) -> Result<Waking> {
        let detector = KeywordDetector::new(self.spotter.as_ref(), self.spotting)?;
        Ok(Waking { detector, keyword: self.keyword.clone() })
    }
}

/// Listens for the phrase in one conversation.
pub(crate) struct Waking {
    detector: KeywordDetector,
    keyword: String,
}

impl Waking {
    /// Takes the next sound at 16 kHz. Tells of the phrase when it was just said.
    pub(crate) fn push(&mut self, samples: &[f32]) -> Result<Option<Spotted>> {
        let mut spotted = Vec::new();
        self.detector.push(samples, &mut spotted)?;
        Ok(spotted.into_iter().find(|spotted| spotted.keyword == self.keyword))
    }
}
