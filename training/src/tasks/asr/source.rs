//! What a recogniser begins with, and what comes with it: tokens, phones, pronunciations, and the shape of a teacher.

use std::fmt;
use std::path::Path;

use burn::tensor::Device;
use rejoinder_models::card::{Bundle, LEXICON_ROLE, MODEL_ROLE, ModelCard, PHONES_ROLE};
use rejoinder_models::features::FbankConfig;
use rejoinder_models::text::Tokenizer;

use super::bundle::{FAMILY, STATES};
use super::phones::{self, Pronouncer};
use super::recipe::AsrRecipe;
use crate::import::{Weights, check_family, check_features, check_tokens, is_bundle};
use crate::nets::conformer::{Conformer, ConformerConfig, Front, Kind, Reach};
use crate::{Error, Result};

/// The head that a net has where its recipe has phones, and that a bundle may lack.
pub(super) const PHONES_HEAD: &str = "phones";

/// What of a recogniser has to be as in the bundle that it begins with.
pub(super) struct Likeness<'a> {
    pub(super) net: &'a ConformerConfig,
    pub(super) features: &'a FbankConfig,
    pub(super) tokenizer: &'a Tokenizer,
}

impl Likeness<'_> {
    /// Refuses a bundle of another family, or for other features, tokens, phones or heads, of which the shapes of weights
    /// say nothing.
    pub(super) fn check(&self, bundle: &Bundle, family: &str) -> Result<()> {
        check_family(bundle, family)?;
        check_features(bundle, self.features)?;
        check_tokens(bundle, self.tokenizer)?;
        let root = bundle.root().display();
        if bundle.has(PHONES_ROLE) && bundle.text(PHONES_ROLE)? != phones::list() {
            let reason = "its phones are not those of the CMU dictionary, in the order that this program gives them";
            return Err(Error::config(root.to_string(), reason));
        }
        let differs = |key: &str, theirs: &dyn fmt::Display, ours: &dyn fmt::Display| {
            Err(Error::config(format!("net.{key}"), format!("expected {theirs} as in {root}, found {ours}")))
        };
        let card = bundle.card();
        match (heads(card), card.chunking.as_ref().map(|chunking| chunking.subsampling), before(card)) {
            (Some(heads), _, _) if heads != self.net.heads && self.net.kind != Kind::Crdnn => {
                differs("heads", &heads, &self.net.heads)
            }
            (_, Some(subsampling), _) if subsampling != self.net.subsampling => {
                differs("subsampling", &subsampling, &self.net.subsampling)
            }
            (_, _, Some(before)) if self.net.frames_before().is_some_and(|ours| ours != before) => {
                let seen = |before| format!("a convolution that sees {before} frames before a chunk");
                let ours = self.net.frames_before().map_or_else(String::new, seen);
                differs("convolution", &seen(before), &ours)
            }
            _ => Ok(()),
        }
    }
}

/// The heads of attention, by the shape of its keys: (layers, heads, left, width).
fn heads(card: &ModelCard) -> Option<usize> {
    card.states.iter().find(|state| state.input == STATES[0].0)?.shape.get(1).copied()
}

/// Frames before a chunk that depthwise convolutions see, by the shape of what they keep: (layers, frames, channels).
fn before(card: &ModelCard) -> Option<usize> {
    card.states.iter().find(|state| state.input == STATES[2].0)?.shape.get(1).copied()
}

impl AsrRecipe {
    /// What the net begins with, where it is not fresh.
    pub(in crate::tasks) fn source(&self) -> Option<&Path> {
        let adapters = self.train.adapters.as_ref().map(|adapters| adapters.base.as_path());
        self.train.start.as_deref().or(adapters)
    }

    /// The encoder to begin with, where a recipe names the weights of one: `net.safetensors` of a run of this task, or a bundle.
    pub(in crate::tasks) fn encoder(&self, path: Option<&Path>) -> Result<Option<Conformer>> {
        path.map(|path| self.loaded(path, &[PHONES_HEAD])).transpose()
    }

    /// The net with the weights of a run or a bundle, which may lack those of the `optional` heads.
    pub(super) fn loaded(&self, path: &Path, optional: &[&str]) -> Result<Conformer> {
        let weights = match is_bundle(path) {
            true => {
                let (bundle, tokenizer) = (Bundle::open(path)?, self.read_tokenizer()?);
                let likeness = Likeness { net: &self.net, features: &self.features, tokenizer: &tokenizer };
                likeness.check(&bundle, FAMILY)?;
                Weights::of_bundle(&bundle, &[(MODEL_ROLE, "")])?
            }
            false => Weights::of_run(path)?,
        };
        weights.load(self.fresh(&Device::flex())?, optional)
    }

    /// The pronunciations of the bundle that the recipe begins with, where it has some.
    pub(super) fn bundled_pronouncer(&self, g2p: &Path) -> Result<Option<Pronouncer>> {
        let Some(path) = self.source().filter(|path| is_bundle(path)) else { return Ok(None) };
        let bundle = Bundle::open(path)?;
        let lexicon = bundle.has(LEXICON_ROLE).then(|| bundle.text(LEXICON_ROLE)).transpose()?;
        lexicon.map(|text| Pronouncer::of_lexicon(&text, g2p)).transpose()
    }
}

/// The shape of the net in a bundle of Conformer blocks, by its card and its weights; nothing is dropped.
///
/// # Errors
/// A bundle of another family or of other blocks.
pub(super) fn shape(bundle: &Bundle, weights: &Weights) -> Result<ConformerConfig> {
    check_family(bundle, FAMILY)?;
    let card = bundle.card();
    let size = |path: &str, axis: usize| weights.dims(path).and_then(|dims| dims.get(axis).copied());
    let shape = || {
        let chunking = card.chunking.as_ref()?;
        let kernel = size("blocks.0.convolution.depthwise.weight", 1)?;
        let front = if weights.dims("subsampling.out.weight").is_some() { Front::Conv1d } else { Front::Conv2d };
        let channels = match front {
            Front::Conv1d => size("subsampling.out.weight", 0)?,
            Front::Conv2d => size("subsampling_2d.layers.0.weight", 0)?,
        };
        let reaches = [Reach::Causal, Reach::Chunk];
        Some(ConformerConfig {
            kind: Kind::Conformer,
            bins: card.features.as_ref()?.bins,
            dim: size("norm.gamma", 0)?,
            layers: (0..).take_while(|layer| size(&format!("blocks.{layer}.norm.gamma"), 0).is_some()).count(),
            heads: heads(card)?,
            feed_forward: size("blocks.0.before.expand.weight", 1)?,
            kernel,
            convolution: reaches.into_iter().find(|reach| Some(reach.before(kernel)) == before(card))?,
            subsampling: chunking.subsampling,
            front,
            channels,
            chunk: chunking.chunk_frames / chunking.subsampling,
            left: chunking.valid.as_ref()?.limit,
            dropout: 0.0,
        })
    };
    shape().filter(|_| size("blocks.0.attention.out.weight", 0).is_some()).ok_or_else(|| {
        let reason =
            "expected the net of a Conformer, whose shape follows from its weights; give the folder of its run";
        Error::config(bundle.root().display().to_string(), reason)
    })
}
