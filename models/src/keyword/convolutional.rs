//! Our own family: what `rejoinder-train` exports for `task = "keyword"`. Causal convolutions over time.

use serde::{Deserialize, Serialize};

use super::{KeywordSpotter, KeywordStream};
use crate::card::Bundle;
use crate::frame_net::{self, FrameNet, FrameStream};
use crate::runtime::Runtime;
use crate::units::Samples;
use crate::{Error, Result};

/// The family's name in a card.
pub const FAMILY: &str = "keyword-convolutional";

/// The input: features, shape (1, frame, bin).
pub const INPUT: &str = frame_net::INPUT;
/// The output: the probability of each keyword, shape (1, frame, keyword).
pub const OUTPUT: &str = frame_net::OUTPUT;

/// The family's own settings in a card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The keywords, in lower case.
    pub keywords: Vec<String>,
    /// The probability from which on each counts.
    pub thresholds: Vec<f32>,
}

/// Our own spotter.
pub struct Convolutional {
    name: String,
    params: Params,
    net: FrameNet,
}

impl Convolutional {
    /// Opens a bundle.
    ///
    /// # Errors
    /// [`Error::Model`] when card and file do not fit each other, naming the key or the tensor.
    pub fn open(bundle: &Bundle, runtime: &dyn Runtime) -> Result<Self> {
        let (card, root) = (bundle.card(), bundle.root());
        let params: Params = card.params(root)?;
        if params.keywords.is_empty() || params.keywords.len() != params.thresholds.len() {
            let (keywords, thresholds) = (params.keywords.len(), params.thresholds.len());
            let reason =
                format!("[params]: expected as many thresholds as keywords, found {thresholds} and {keywords}");
            return Err(Error::model(root, reason));
        }
        let net = FrameNet::open(bundle, params.keywords.len(), runtime)?;
        Ok(Self { name: card.name.clone(), params, net })
    }
}

impl KeywordSpotter for Convolutional {
    fn name(&self) -> &str {
        &self.name
    }

    fn keywords(&self) -> &[String] {
        &self.params.keywords
    }

    fn thresholds(&self) -> &[f32] {
        &self.params.thresholds
    }

    fn frame(&self) -> Samples {
        self.net.frame()
    }

    fn stream(&self) -> Result<Box<dyn KeywordStream>> {
        Ok(Box::new(self.net.stream()?))
    }
}

impl KeywordStream for FrameStream {}
