//! What a recogniser of several nets hears: the net of the run in chunks of several sizes, and its bundle as a stream.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use rejoinder_models::asr::Recognizer;
use rejoinder_models::card::{Bundle, Latency};
use rejoinder_models::text::{ErrorCounts, TextForm};

use super::recipe::AsrRecipe;
use super::report::{bar, make_ready, print_line};
use crate::data::asr::AsrDataset;
use crate::data::loader::AsrBatch;
use crate::data::manifest;
use crate::data::prepare::SAMPLE_RATE_HZ;
use crate::nets::conformer::Chunks;
use crate::score::WordsReport;
use crate::tasks::save_results;
use crate::trainer::{Batches, Task, interrupted, on_interrupt};
use crate::{Error, Result};

/// What the column of the streams' speed is called.
const REAL_TIME: &str = "real-time factor";

/// A recogniser, and what the table calls it.
pub(in crate::tasks) type Way = (String, Arc<dyn Recognizer>);

/// Measures on each test set: the net of the run in `chunks`, by `net_rates`, and the exported bundle as a stream, in each
/// of its `ways` at each of its latencies. Printed as a table, and saved in the run folder as `results.json`: error rates, as shares, by test
/// and by what was measured, and what the bundle's last search takes on one core, by the length of the sound. The streams'
/// alignments are in `wer_TEST_WAY.txt`.
pub(in crate::tasks) fn evaluate(
    recipe: &AsrRecipe,
    chunks: Vec<Chunks>,
    net_rates: impl Fn(&Arc<AsrDataset>, &[Chunks]) -> Result<Vec<f64>>,
    ways: impl Fn(&Bundle) -> Result<Vec<Way>>,
) -> Result<()> {
    on_interrupt();
    let config = &recipe.evaluate;
    make_ready(recipe, &recipe.data.tests)?;
    let bundle = config.bundle.as_ref().unwrap_or(&recipe.export.bundle);
    let ways = if bundle.join("card.toml").exists() { at_each(&Bundle::open(bundle)?, ways)? } else { Vec::new() };
    let chunks = if config.net && recipe.is_trained() { chunks } else { Vec::new() };
    let mut names: Vec<String> = chunks.iter().map(name).collect();
    names.extend(ways.iter().map(|(name, _)| name.clone()));
    let rate = recipe.tokenizer.text.rate().to_uppercase();
    let mut header = vec![format!("test, {rate} in %"), "clips".to_owned()];
    header.extend(names.iter().cloned().chain([REAL_TIME.to_owned()]));
    print_line(&header)?;
    print_line(&vec!["---".to_owned(); header.len()])?;
    let mut results: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for folder in &recipe.data.tests {
        let mut dataset = recipe.open_text(folder)?;
        dataset.thin(config.clips);
        let dataset = Arc::new(dataset);
        let mut rates = if chunks.is_empty() { Vec::new() } else { net_rates(&dataset, &chunks)? };
        let test = manifest::title_among(folder, &recipe.data.tests);
        let streams = ways.iter().map(|way| stream(recipe, &dataset, &test, way)).collect::<Result<Vec<_>>>()?;
        rates.extend(streams.iter().map(|stream| stream.error_rate));
        let mut cells = vec![test.clone(), dataset.clips().len().to_string()];
        cells.extend(rates.iter().map(|rate| format!("{:.1}", 100.0 * rate)));
        cells.push(streams.last().map_or("–".to_owned(), |stream| format!("{:.3}", stream.real_time_factor)));
        print_line(&cells)?;
        let mut report: BTreeMap<String, f64> = names.iter().cloned().zip(rates).collect();
        report.extend(streams.last().map(|stream| (REAL_TIME.to_owned(), stream.real_time_factor)));
        results.insert(test, report);
        save_results(&recipe.run, &results)?;
    }
    Ok(())
}

/// The ways of a bundle at each of its latencies, which the names tell where there are several.
fn at_each(bundle: &Bundle, ways: impl Fn(&Bundle) -> Result<Vec<Way>>) -> Result<Vec<Way>> {
    let latencies = bundle.card().latencies();
    let subsampling = bundle.card().chunking.as_ref().map_or(1, |chunking| chunking.subsampling);
    if latencies.len() < 2 {
        return ways(bundle);
    }
    let mut all = Vec::new();
    for latency in latencies {
        let Latency { chunk_frames, left } = latency;
        let chunk = chunk_frames / subsampling;
        let named = |(name, way): Way| (format!("{name}, chunk {chunk}, left {left}"), way);
        all.extend(ways(&bundle.at(latency))?.into_iter().map(named));
    }
    Ok(all)
}

/// The whole utterance, the chunks of the export, and each of `sizes` with each left context, in chunks.
pub(in crate::tasks) fn chunks(recipe: &AsrRecipe, sizes: &[usize], left_chunks: &[usize]) -> Vec<Chunks> {
    let net = recipe.net.chunks();
    let mut all = vec![Chunks::FULL, net];
    for chunk in sizes {
        let with = |left: &usize| Chunks { chunk: *chunk, left: chunk * left };
        all.extend(left_chunks.iter().map(with).filter(|chunks| *chunks != net));
    }
    all
}

fn name(chunks: &Chunks) -> String {
    match *chunks {
        Chunks::FULL => "net, whole".to_owned(),
        Chunks { chunk, left } => format!("net, chunk {chunk}, left {left}"),
    }
}

/// The error rate of what `hear` makes of the batches of a dataset.
fn error_rate(
    form: TextForm,
    batches: Batches<AsrBatch>,
    dataset: &AsrDataset,
    hear: impl Fn(&AsrBatch) -> Result<Vec<String>>,
) -> Result<f64> {
    let mut errors = ErrorCounts::default();
    for batch in batches {
        if interrupted() {
            return Err(Error::Interrupted);
        }
        let batch = batch?;
        for (clip, heard) in batch.clips.iter().zip(hear(&batch)?) {
            errors += form.errors(&dataset.clips()[*clip].text, &heard);
        }
    }
    Ok(errors.rate())
}

/// The error rates of what `hear` makes of a task's clips in chunks of each kind.
pub(in crate::tasks) fn net_rates<T: Task<Batch = AsrBatch>>(
    form: TextForm,
    task: &T,
    dataset: &AsrDataset,
    chunks: &[Chunks],
    hear: impl Fn(&AsrBatch, Chunks) -> Result<Vec<String>>,
) -> Result<Vec<f64>> {
    let rate = |chunks: &Chunks| error_rate(form, task.valid_batches()?, dataset, |batch| hear(batch, *chunks));
    chunks.iter().map(rate).collect()
}

/// What a recogniser makes of a test's clips as streams.
struct Streams {
    /// The share of words, or of characters, that is wrong.
    error_rate: f64,
    /// What it takes on one core, by the length of the sound.
    real_time_factor: f64,
}

fn stream(recipe: &AsrRecipe, dataset: &Arc<AsrDataset>, test: &str, (name, recognizer): &Way) -> Result<Streams> {
    let piece = (recipe.evaluate.piece_ms * f64::from(SAMPLE_RATE_HZ) / 1e3).round() as usize;
    let bar = bar(name, dataset.clips().len());
    let hear = |index| {
        let heard = hear_clip(dataset, index, recognizer.as_ref(), piece);
        bar.inc(1);
        heard
    };
    let heard = (0..dataset.clips().len()).into_par_iter().map(hear).collect::<Result<Vec<_>>>()?;
    bar.finish_and_clear();
    let (mut errors, mut compute) = (ErrorCounts::default(), Duration::ZERO);
    for (clip, (text, took)) in dataset.clips().iter().zip(&heard) {
        errors += recipe.tokenizer.text.errors(&clip.text, text);
        compute += *took;
    }
    let texts =
        dataset.clips().iter().zip(&heard).map(|(clip, (text, _))| (&*clip.item.id, &*clip.text, text.as_str()));
    WordsReport::of(Some(recipe.tokenizer.text), texts).write(&recipe.run, test, name)?;
    let seconds: f64 = dataset.clips().iter().map(|clip| clip.item.duration_s).sum();
    Ok(Streams { error_rate: errors.rate(), real_time_factor: compute.as_secs_f64() / seconds.max(1e-9) })
}

fn hear_clip(
    dataset: &Arc<AsrDataset>,
    index: usize,
    recognizer: &dyn Recognizer,
    piece: usize,
) -> Result<(String, Duration)> {
    if interrupted() {
        return Err(Error::Interrupted);
    }
    let (samples, mut stream) = (dataset.samples(index)?, recognizer.stream()?);
    let began = Instant::now();
    for piece in samples.chunks(piece.max(1)) {
        stream.push(piece)?;
    }
    let text = stream.flush()?.text;
    Ok((text, began.elapsed()))
}
