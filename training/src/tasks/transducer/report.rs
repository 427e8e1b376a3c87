use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use rayon::prelude::*;
use rejoinder_models::asr::{ConformerTransducer, Decoding, Recognizer, TransducerParams};
use rejoinder_models::card::{Bundle, LM_ROLE, MODEL_ROLE};
use rejoinder_models::runtime::{self, RuntimeConfig};
use rejoinder_models::text::{ErrorCounts, word_errors};

use super::recipe::TransducerRecipe;
use super::task::TransducerTask;
use crate::data::asr::AsrDataset;
use crate::data::prepare::SAMPLE_RATE_HZ;
use crate::nets::conformer::Chunks;
use crate::nets::transducer::Transducer;
use crate::tasks::asr::report::{bar, make_ready, print_line};
use crate::tasks::asr::tokens;
use crate::trainer::{Task, interrupted, on_interrupt};
use crate::{Error, Result};

/// What the column of the streams' speed is called.
const REAL_TIME: &str = "real-time factor";

/// Measures on each test set: the net of the run in chunks of each size with each left context that the recipe names,
/// and the exported bundle as a stream. Printed as a table, and saved in the run folder as `results.json`: word error
/// rates, as shares, by test and by what was measured, and what the bundle's last search takes on one core, by the length
/// of the sound.
pub(super) fn evaluate(recipe: &TransducerRecipe) -> Result<()> {
    on_interrupt();
    let config = &recipe.asr.evaluate;
    make_ready(&recipe.asr, &recipe.asr.data.tests)?;
    let bundle = config.bundle.as_ref().unwrap_or(&recipe.asr.export.bundle);
    let ways = if bundle.join("card.toml").exists() { ways(recipe, &Bundle::open(bundle)?)? } else { Vec::new() };
    let chunks = if config.net && recipe.asr.weights_path().exists() { chunks(recipe) } else { Vec::new() };
    let mut names: Vec<String> = chunks.iter().map(name).collect();
    names.extend(ways.iter().map(|(name, _)| name.clone()));
    let mut header = ["test, WER in %", "clips"].map(str::to_owned).to_vec();
    header.extend(names.iter().cloned().chain([REAL_TIME.to_owned()]));
    print_line(&header)?;
    print_line(&vec!["---".to_owned(); header.len()])?;
    let mut results: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for folder in &recipe.asr.data.tests {
        let mut dataset = AsrDataset::open_folder(folder)?;
        dataset.thin(config.clips);
        let dataset = Arc::new(dataset);
        let mut rates = net_rates(recipe, &dataset, &chunks)?;
        let streams = ways.iter().map(|way| stream(recipe, &dataset, way)).collect::<Result<Vec<_>>>()?;
        rates.extend(streams.iter().map(|stream| stream.wer));
        let test = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut cells = vec![test.clone(), dataset.clips().len().to_string()];
        cells.extend(rates.iter().map(|rate| format!("{:.1}", 100.0 * rate)));
        cells.push(streams.last().map_or("–".to_owned(), |stream| format!("{:.3}", stream.real_time_factor)));
        print_line(&cells)?;
        let mut report: BTreeMap<String, f64> = names.iter().cloned().zip(rates).collect();
        report.extend(streams.last().map(|stream| (REAL_TIME.to_owned(), stream.real_time_factor)));
        results.insert(test, report);
        save(&recipe.asr.run, &results)?;
    }
    Ok(())
}

/// The whole utterance, the chunks of the export, and each size that the recipe names with each left context.
fn chunks(recipe: &TransducerRecipe) -> Vec<Chunks> {
    let (net, config) = (recipe.asr.net.chunks(), &recipe.transducer);
    let mut all = vec![Chunks::FULL, net];
    for chunk in &config.chunks {
        let with = |left: &usize| Chunks { chunk: *chunk, left: chunk * left };
        all.extend(config.left_chunks.iter().map(with).filter(|chunks| *chunks != net));
    }
    all
}

fn name(chunks: &Chunks) -> String {
    match *chunks {
        Chunks::FULL => "net, whole".to_owned(),
        Chunks { chunk, left } => format!("net, chunk {chunk}, left {left}"),
    }
}

/// The recognisers of a bundle: greedy, and with the card's search where that is another.
fn ways(recipe: &TransducerRecipe, bundle: &Bundle) -> Result<Vec<(String, Arc<dyn Recognizer>)>> {
    let runtime = runtime::open(&RuntimeConfig::default())?;
    let greedy = ConformerTransducer::open(bundle, runtime.as_ref(), &Decoding::greedy())?;
    let params: TransducerParams = bundle.card().params(&bundle.path(MODEL_ROLE)?)?;
    let search = recipe.asr.evaluate.search.clone().unwrap_or(params.search);
    let mut ways: Vec<(String, Arc<dyn Recognizer>)> = vec![("stream, greedy".to_owned(), Arc::new(greedy.clone()))];
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
    if chunks.is_empty() {
        return Ok(Vec::new());
    }
    let device = recipe.asr.train.backend.device()?;
    let (net, task) = (recipe.trained(&device)?, recipe.task_on(dataset.clone())?);
    chunks.iter().map(|chunks| net_rate(&task, dataset, &net, *chunks, &device)).collect()
}

fn net_rate(
    task: &TransducerTask,
    dataset: &AsrDataset,
    net: &Transducer,
    chunks: Chunks,
    device: &Device,
) -> Result<f64> {
    let mut errors = ErrorCounts::default();
    for batch in task.valid_batches()? {
        if interrupted() {
            return Err(Error::Interrupted);
        }
        let batch = batch?;
        for (clip, heard) in batch.clips.iter().zip(task.hear(net, &batch, chunks, device)?) {
            errors += word_errors(&tokens::normalise(&dataset.clips()[*clip].item.words), &heard);
        }
    }
    Ok(errors.rate())
}

/// What a recogniser makes of a test's clips as streams.
struct Streams {
    /// Word error rate, as a share.
    wer: f64,
    /// What it takes on one core, by the length of the sound.
    real_time_factor: f64,
}

fn stream(
    recipe: &TransducerRecipe,
    dataset: &Arc<AsrDataset>,
    (name, recognizer): &(String, Arc<dyn Recognizer>),
) -> Result<Streams> {
    let piece = (recipe.asr.evaluate.piece_ms * f64::from(SAMPLE_RATE_HZ) / 1e3).round() as usize;
    let bar = bar(name, dataset.clips().len());
    let hear = |index| {
        let heard = hear_clip(dataset, index, recognizer.as_ref(), piece);
        bar.inc(1);
        heard
    };
    let heard = (0..dataset.clips().len()).into_par_iter().map(hear).collect::<Result<Vec<_>>>()?;
    bar.finish_and_clear();
    let (mut errors, mut compute) = (ErrorCounts::default(), Duration::ZERO);
    for (counts, took) in heard {
        errors += counts;
        compute += took;
    }
    let seconds: f64 = dataset.clips().iter().map(|clip| clip.item.duration_s).sum();
    Ok(Streams { wer: errors.rate(), real_time_factor: compute.as_secs_f64() / seconds.max(1e-9) })
}

fn hear_clip(
    dataset: &AsrDataset,
    index: usize,
    recognizer: &dyn Recognizer,
    piece: usize,
) -> Result<(ErrorCounts, Duration)> {
    if interrupted() {
        return Err(Error::Interrupted);
    }
    let (samples, mut stream) = (dataset.samples(index)?, recognizer.stream()?);
    let began = Instant::now();
    for piece in samples.chunks(piece.max(1)) {
        stream.push(piece)?;
    }
    let text = stream.flush()?.text;
    let took = began.elapsed();
    Ok((word_errors(&tokens::normalise(&dataset.clips()[index].item.words), &text), took))
}

fn save(run: &Path, results: &BTreeMap<String, BTreeMap<String, f64>>) -> Result<()> {
    fs::create_dir_all(run).map_err(|e| Error::io(run, e))?;
    let path = run.join("results.json");
    let text = serde_json::to_string_pretty(results).map_err(|e| Error::data("results", e))?;
    fs::write(&path, text).map_err(|e| Error::io(&path, e))
}
