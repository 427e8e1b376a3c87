use std::sync::Arc;

use rejoinder_models::asr::{ConformerAttention, Decoding};
use rejoinder_models::card::{Bundle, LM_ROLE, TOKEN_LM_ROLE};
use rejoinder_models::decode::attention::AttentionConfig;
use rejoinder_models::runtime::{self, RuntimeConfig};

use super::recipe::AttentionRecipe;
use crate::Result;
use crate::data::asr::AsrDataset;
use crate::data::loader::AsrBatch;
use crate::nets::conformer::Chunks;
use crate::tasks::asr::streams::{self, Way};

/// Measures the net of the run, by the joint search, in chunks of each size with each left context that the recipe names,
/// and the exported bundle as a stream.
pub(super) fn evaluate(recipe: &AttentionRecipe) -> Result<()> {
    let config = &recipe.decoder;
    let chunks = streams::chunks(&recipe.asr, &config.chunks, &config.left_chunks);
    let rates = |dataset: &Arc<AsrDataset>, chunks: &[Chunks]| net_rates(recipe, dataset, chunks);
    streams::evaluate(&recipe.asr, chunks, rates, |bundle| ways(recipe, bundle))
}

/// The recognisers of a bundle: the best tokens of CTC; the joint search; with language models, where there are any, CTC
/// alone and the joint search.
fn ways(recipe: &AttentionRecipe, bundle: &Bundle) -> Result<Vec<Way>> {
    let runtime = runtime::open(&RuntimeConfig::default())?;
    let greedy = ConformerAttention::open(bundle, runtime.as_ref(), &Decoding::greedy())?;
    let search = recipe.asr.evaluate.search.clone();
    let joint = Decoding { search, lm: false, ..Decoding::default() };
    let with_lm = Decoding { lm: true, ..joint.clone() };
    let ctc = Decoding { attention: Some(AttentionConfig::none()), ..with_lm.clone() };
    let has_lm = bundle.has(LM_ROLE) || bundle.has(TOKEN_LM_ROLE);
    let ways = [("joint", joint, true), ("ctc, lm", ctc, has_lm), ("joint, lm", with_lm, has_lm)];
    let mut all: Vec<Way> = vec![("stream, ctc, greedy".to_owned(), Arc::new(greedy.clone()))];
    for (name, decoding, _) in ways.into_iter().filter(|(.., here)| *here) {
        all.push((format!("stream, {name}"), Arc::new(greedy.with_decoding(bundle, &decoding)?)));
    }
    Ok(all)
}

fn net_rates(recipe: &AttentionRecipe, dataset: &Arc<AsrDataset>, chunks: &[Chunks]) -> Result<Vec<f64>> {
    let device = recipe.asr.train.backend.device()?;
    let (net, task) = (recipe.trained(&device)?, recipe.task_on(dataset.clone())?);
    let hear = |batch: &AsrBatch, chunks| task.hear(&net, batch, chunks, &device);
    streams::net_rates(recipe.asr.tokenizer.text, &task, dataset, chunks, hear)
}
