//! What a recogniser begins with, and what comes with it: tokens, phones, pronunciations, and the shape of a teacher.

use std::path::Path;

use burn::tensor::Device;
use rejoinder_models::card::{Bundle, LEXICON_ROLE, MODEL_ROLE, ModelCard, PHONES_ROLE};
use rejoinder_models::features::FbankConfig;
use rejoinder_models::text::Tokenizer;
use serde::Deserialize;

use super::bundle::{FAMILY, STATES};
use super::phones::{self, Pronouncer};
use super::recipe::AsrRecipe;
use crate::import::{Weights, check_family, check_features, check_tokens, is_bundle};
use crate::nets::conformer::{Conformer, ConformerConfig, FrontEnd, Kind, Reach};
use crate::recipe::{self, RESOLVED};
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
        let differs = |key: &str, theirs: usize, ours: usize| {
            Err(Error::config(format!("net.{key}"), format!("expected {theirs} as in {root}, found {ours}")))
        };
        let (card, net) = (bundle.card(), self.net);
        if let Some(heads) = heads(card).filter(|heads| *heads != net.heads && net.kind != Kind::Crdnn) {
            return differs("heads", heads, net.heads);
        }
        let subsampling = card.chunking.as_ref().map(|chunking| chunking.subsampling);
        if let Some(subsampling) = subsampling.filter(|subsampling| *subsampling != net.subsampling) {
            return differs("subsampling", subsampling, net.subsampling);
        }
        if let (Some(theirs), Some(ours)) = (before(card), net.frames_before())
            && theirs != ours
        {
            let reason = format!("expected such as see {theirs} frames before a chunk, as in {root}, found {ours}");
            return Err(Error::config("net.kernel and net.convolution", reason));
        }
        Ok(())
    }
}

/// The heads of attention, by the shape of its keys: (layers, heads, left, width).
fn heads(card: &ModelCard) -> Option<usize> {
    card.states.iter().find(|state| state.input == STATES[0].0)?.shape.get(1).copied()
}

/// Frames before a chunk that depthwise convolutions see, by the shape of what they keep: (layers, frames, channels). A net
/// without them keeps one value.
fn before(card: &ModelCard) -> Option<usize> {
    match card.states.iter().find(|state| state.input == STATES[2].0)?.shape.as_slice() {
        [_, frames, channels] if *channels > 1 => Some(*frames),
        _ => None,
    }
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
            false => {
                self.check_run(path)?;
                Weights::of_run(path)?
            }
        };
        weights.load(self.fresh("", &Device::flex())?, optional)
    }

    /// Refuses weights of a run, `net.safetensors`, whose recipe beside them describes another net, where their shapes say
    /// nothing of it.
    pub(super) fn check_run(&self, weights: &Path) -> Result<()> {
        #[derive(Deserialize)]
        struct Resolved {
            net: ConformerConfig,
        }
        let path = weights.with_file_name(RESOLVED);
        if !path.is_file() {
            return Ok(());
        }
        // Of another task, whose nets are told by their weights.
        let Ok(Resolved { net: theirs }) = recipe::table(&path)?.try_into::<Resolved>() else { return Ok(()) };
        let likeness = |net: &ConformerConfig| {
            format!(
                "kind {:?}, {} heads, subsampling {}, a convolution that is {:?}",
                net.kind, net.heads, net.subsampling, net.convolution
            )
        };
        let (theirs, ours) = (likeness(&theirs), likeness(&self.net));
        if theirs != ours {
            let reason = format!("expected {theirs}, as in {}, found {ours}", path.display());
            return Err(Error::config("[net]", reason));
        }
        Ok(())
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
        let front = if weights.dims("subsampling.out.weight").is_some() { FrontEnd::Conv1d } else { FrontEnd::Conv2d };
        let channels = match front {
            FrontEnd::Conv1d => size("subsampling.out.weight", 0)?,
            FrontEnd::Conv2d => size("subsampling_2d.layers.0.weight", 0)?,
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
