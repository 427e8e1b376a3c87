//! What a bundle hears, whole clips and streams.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use rayon::prelude::*;
use rejoinder_models::asr::{ConformerCtc, CtcParams, Decoding, Recognizer, RecognizerStream};
use rejoinder_models::card::{Bundle, LEXICON_ROLE, MODEL_ROLE};
use rejoinder_models::runtime::{self, RuntimeConfig};
use rejoinder_models::text::{ErrorCounts, TextForm};

use super::tables::EvaluateConfig;
use crate::data::asr::AsrDataset;
use crate::trainer::interrupted;
use crate::{Error, Result};

/// A way to decode what one net says.
pub(super) struct Way {
    /// What the tables call it.
    pub(super) name: &'static str,
    /// The recogniser.
    pub(super) recognizer: ConformerCtc,
}

/// The ways that are reported: greedy; over tokens with the language model; over words by their phones, where the bundle
/// has what that takes; and the last of them with hotwords, where the recipe names some. All share one net.
pub(super) fn ways(bundle: &Bundle, config: &EvaluateConfig) -> Result<Vec<Way>> {
    let recognizer = open(bundle)?;
    let params: CtcParams = bundle.card().params(&bundle.path(MODEL_ROLE)?)?;
    let tokens = Decoding { search: Some(config.search.clone().unwrap_or(params.search)), ..Decoding::default() };
    let mut ways = vec![("lm", tokens.clone())];
    if bundle.has(LEXICON_ROLE) {
        ways.push(("lexicon", Decoding { lexicon: config.lexicon.clone(), ..Decoding::default() }));
    }
    if let (false, Some((name, last))) = (config.hotwords.is_empty(), ways.last().cloned()) {
        let name = if name == "lexicon" { "lexicon + hotwords" } else { "lm + hotwords" };
        ways.push((name, Decoding { hotwords: config.hotwords.clone(), ..last }));
    }
    let with = |(name, decoding)| Ok(Way { name, recognizer: recognizer.with_decoding(bundle, &decoding)? });
    let mut all = vec![Way { name: "greedy", recognizer: recognizer.clone() }];
    all.extend(ways.into_iter().map(with).collect::<Result<Vec<_>>>()?);
    Ok(all)
}

/// A bundle's recogniser that takes the best token of each frame.
pub(super) fn open(bundle: &Bundle) -> Result<ConformerCtc> {
    let runtime = runtime::open(&RuntimeConfig::default())?;
    Ok(ConformerCtc::open(bundle, runtime.as_ref(), &Decoding::greedy())?)
}

/// What a recogniser takes one clip for: a text for each way.
pub(super) struct Hypotheses {
    /// The clip's name.
    pub(super) id: String,
    /// What was said.
    pub(super) reference: String,
    /// What was heard of the whole clip.
    pub(super) whole: Vec<String>,
    /// What was heard of it as a stream.
    pub(super) stream: Vec<String>,
    /// What the last way's stream took.
    pub(super) compute: Duration,
}

/// Every clip of a data set, on all cores.
///
/// # Errors
/// [`Error::Interrupted`] after Ctrl-C; a clip that cannot be read; a net that fails.
pub(super) fn hear(
    dataset: &Arc<AsrDataset>,
    ways: &[Way],
    piece: usize,
    bar: &ProgressBar,
) -> Result<Vec<Hypotheses>> {
    (0..dataset.clips().len())
        .into_par_iter()
        .map_init(Vec::new, |streams, index| {
            if interrupted() {
                return Err(Error::Interrupted);
            }
            let heard = hear_clip(dataset, index, ways, piece, streams);
            bar.inc(1);
            heard
        })
        .collect()
}

fn hear_clip(
    dataset: &AsrDataset,
    index: usize,
    ways: &[Way],
    piece: usize,
    streams: &mut Vec<Box<dyn RecognizerStream>>,
) -> Result<Hypotheses> {
    if streams.is_empty() {
        *streams = ways.iter().map(|way| Ok(way.recognizer.stream()?)).collect::<Result<_>>()?;
    }
    let samples = dataset.samples(index)?;
    let log_probs = ways[0].recognizer.log_probs(&samples)?;
    let whole = ways.iter().map(|way| Ok(way.recognizer.decode(&log_probs)?.text)).collect::<Result<_>>()?;
    let (mut stream, mut compute) = (Vec::new(), Duration::ZERO);
    for way in streams {
        let began = Instant::now();
        for piece in samples.chunks(piece.max(1)) {
            way.push(piece)?;
        }
        stream.push(way.flush()?.text);
        compute = began.elapsed();
    }
    let clip = &dataset.clips()[index];
    Ok(Hypotheses { id: clip.item.id.clone(), reference: clip.text.clone(), whole, stream, compute })
}

/// The errors of all texts.
pub(super) fn errors<'a>(
    form: TextForm,
    heard: &'a [Hypotheses],
    text: impl Fn(&'a Hypotheses) -> &'a str,
) -> ErrorCounts {
    heard.iter().fold(ErrorCounts::default(), |mut sum, clip| {
        sum += form.errors(&clip.reference, text(clip));
        sum
    })
}
