use std::sync::Arc;

use rejoinder_models::asr::{ConformerTransducer, Decoding, TransducerParams};
use rejoinder_models::card::{Bundle, LM_ROLE, MODEL_ROLE};
use rejoinder_models::runtime::{self, RuntimeConfig};

use super::recipe::TransducerRecipe;
use crate::data::asr::AsrDataset;
use crate::data::loader::AsrBatch;
use crate::nets::conformer::Chunks;
use crate::tasks::asr::streams::{self, Way};
use crate::{Error, Result};

/// Measures the net of the run in chunks of each size with each left context that the recipe names, and the exported
/// bundle as a stream.
pub(super) fn evaluate(recipe: &TransducerRecipe) -> Result<()> {
    let config = &recipe.transducer;
    let chunks = streams::chunks(&recipe.asr, &config.chunks, &config.left_chunks);
    streams::evaluate(
        &recipe.asr,
        chunks,
        |dataset, chunks| net_rates(recipe, dataset, chunks),
        |bundle| ways(recipe, bundle),
    )
}

/// The recognisers of a bundle: greedy, and with the card's search where that is another.
fn ways(recipe: &TransducerRecipe, bundle: &Bundle) -> Result<Vec<Way>> {
    let runtime = runtime::open(&RuntimeConfig::default())?;
    let greedy = ConformerTransducer::open(bundle, runtime.as_ref(), &Decoding::greedy())?;
    let params: TransducerParams = bundle.card().params(&bundle.path(MODEL_ROLE)?)?;
    let search = recipe.asr.evaluate.search.clone().unwrap_or(params.search);
    let mut ways: Vec<Way> = vec![("stream, greedy".to_owned(), Arc::new(greedy.clone()))];
    let mut add = |name: &str, lm| {
        let decoding = Decoding { search: Some(search.clone()), lm, ..Decoding::default() };
        let recognizer = greedy.with_decoding(bundle, &decoding)?;
        ways.push((name.to_owned(), Arc::new(recognizer)));
        Ok::<_, Error>(())
    };
    if search.beam > 1 {
        add("stream, beam", false)?;
    }
    if bundle.has(LM_ROLE) {
        add("stream, beam, lm", true)?;
    }
    Ok(ways)
}

fn net_rates(recipe: &TransducerRecipe, dataset: &Arc<AsrDataset>, chunks: &[Chunks]) -> Result<Vec<f64>> {
    let device = recipe.asr.train.backend.device()?;
    let (net, task) = (recipe.trained(&device)?, recipe.task_on(dataset.clone())?);
    let hear = |batch: &AsrBatch, chunks| task.hear(&net, batch, chunks, &device);
    streams::net_rates(recipe.asr.tokenizer.text, &task, dataset, chunks, hear)
}
