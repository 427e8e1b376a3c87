use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use rejoinder_models::card::{Bundle, Measure};
use rejoinder_models::text::{ErrorCounts, TextForm};
use serde::Serialize;

use super::measure::{self, Hypotheses, Way, errors, hear};
use super::recipe::AsrRecipe;
use super::tune;
use crate::data::asr::AsrDataset;
use crate::data::manifest;
use crate::data::prepare::{self, SAMPLE_RATE_HZ};
use crate::score::WordsReport;
use crate::tasks::{print, save_results};
use crate::trainer::{Batches, Task, interrupted, on_interrupt};
use crate::{Error, Result};

/// What the rows of the net itself are called.
const NET: &str = "net, whole, greedy";

/// The figures of one test.
#[derive(Debug, Serialize)]
struct Report {
    clips: usize,
    /// What is counted: words or characters.
    unit: &'static str,
    /// How many there are.
    words: usize,
    seconds: f64,
    /// Error rates of that, as shares, by what was measured.
    wer: BTreeMap<String, f64>,
    /// Of the bundle: clips whose text as a stream is not that of the whole. Must be 0.
    streams_that_differ: usize,
    /// Of the net and its export in 32-bit floats: clips whose text as a stream is not what the net, given the whole
    /// clip at once, makes of it.
    net_differs: Option<usize>,
    /// What a stream with all of the decoding takes, by its length, on one core.
    real_time_factor: f64,
}

/// Measures the exported bundle, and the net of the run where there is one, on each test set: printed as a table, and
/// saved in the run folder as `results.json`, with all texts in `heard/`, and the streams' alignments in `wer_TEST_WAY.txt`.
pub(super) fn evaluate(recipe: &AsrRecipe) -> Result<()> {
    on_interrupt();
    let config = &recipe.evaluate;
    let mut bundle = Bundle::open(config.bundle.as_ref().unwrap_or(&recipe.export.bundle))?;
    if config.tune {
        make_ready(recipe, std::slice::from_ref(&recipe.data.valid))?;
        return tune::tune(recipe, &bundle);
    }
    make_ready(recipe, &recipe.data.tests)?;
    let ways = measure::ways(&bundle, config)?;
    let mut results = BTreeMap::new();
    print_header(&ways, recipe.tokenizer.text)?;
    for folder in &recipe.data.tests {
        let name = manifest::title_among(folder, &recipe.data.tests);
        let report = test(recipe, folder, &name, &ways)?;
        print_row(&name, &report, &ways)?;
        results.insert(name, report);
        save_results(&recipe.run, &results)?;
    }
    if config.card {
        let mut card = bundle.card().clone();
        card.results.extend(results.iter().flat_map(|(name, report)| card_lines(name, report, recipe.tokenizer.text)));
        bundle.rewrite_card(card)?;
    }
    Ok(())
}

/// Prepares those of the folders that are missing; they need the recorded sets, not the synthetic ones.
pub(in crate::tasks) fn make_ready(recipe: &AsrRecipe, folders: &[std::path::PathBuf]) -> Result<()> {
    let missing: Vec<_> = folders.iter().filter(|folder| !manifest::locate(folder).exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let out = &recipe.prepare.out;
    let wanted = |split: prepare::Split| missing.iter().any(|folder| **folder == out.join(split.folder()));
    prepare::with_bar(|progress| prepare::prepare_speech(&recipe.prepare, wanted, progress))
}

pub(in crate::tasks) fn bar(what: &str, length: usize) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {elapsed_precise} ({eta} left)") {
        bar.set_style(style);
    }
    bar.with_message(what.to_owned())
}

fn test(recipe: &AsrRecipe, folder: &Path, name: &str, ways: &[Way]) -> Result<Report> {
    let (config, form) = (&recipe.evaluate, recipe.tokenizer.text);
    let mut dataset = recipe.open_text(folder)?;
    dataset.thin(config.clips);
    let dataset = Arc::new(dataset);
    let piece = (config.piece_ms * f64::from(SAMPLE_RATE_HZ) / 1e3).round() as usize;
    let bar = bar(name, dataset.clips().len());
    let heard = hear(&dataset, ways, piece, &bar)?;
    let seconds: f64 = dataset.clips().iter().map(|clip| clip.item.duration_s).sum();
    let mut report = Report {
        clips: heard.len(),
        unit: form.unit(),
        words: errors(form, &heard, |clip| &clip.whole[0]).reference(),
        seconds,
        wer: BTreeMap::new(),
        streams_that_differ: heard.iter().filter(|clip| clip.whole != clip.stream).count(),
        net_differs: None,
        real_time_factor: heard.iter().map(|clip| clip.compute.as_secs_f64()).sum::<f64>() / seconds.max(1e-9),
    };
    for (number, way) in ways.iter().enumerate() {
        let (whole, stream) =
            (errors(form, &heard, |clip| &clip.whole[number]), errors(form, &heard, |clip| &clip.stream[number]));
        report.wer.insert(row("whole", way), whole.rate());
        report.wer.insert(row("stream", way), stream.rate());
    }
    let mut net = None;
    if config.net && recipe.is_trained() {
        bar.set_message(format!("{name}, the net"));
        let texts = hear_net(recipe, dataset.clone())?;
        let wer = heard.iter().zip(&texts).fold(ErrorCounts::default(), |mut sum, (clip, text)| {
            sum += form.errors(&clip.reference, text);
            sum
        });
        report.wer.insert(NET.to_owned(), wer.rate());
        report.net_differs = float_streams(recipe, &dataset, piece)?
            .map(|streams| streams.iter().zip(&texts).filter(|(stream, net)| stream != net).count());
        net = Some(texts);
    }
    bar.finish_and_clear();
    save_texts(&recipe.run.join("heard"), name, ways, &heard, net.as_deref())?;
    for (number, way) in ways.iter().enumerate() {
        let texts = heard.iter().map(|clip| (&*clip.id, &*clip.reference, &*clip.stream[number]));
        WordsReport::of(Some(form), texts).write(&recipe.run, name, way.name)?;
    }
    Ok(report)
}

fn row(input: &str, way: &Way) -> String {
    format!("bundle, {input}, {}", way.name)
}

/// What the net of the run makes of whole clips, in the order of the clips.
fn hear_net(recipe: &AsrRecipe, dataset: Arc<AsrDataset>) -> Result<Vec<String>> {
    let device = recipe.train.backend.device()?;
    let net = recipe.trained(&device)?;
    let mut texts = vec![String::new(); dataset.clips().len()];
    let task = recipe.task_on(dataset)?;
    let batches: Batches<_> = task.valid_batches()?;
    for batch in batches {
        let batch = batch?;
        for (clip, text) in batch.clips.iter().zip(task.hear(&net, &batch, &device)) {
            texts[*clip] = text;
        }
        if interrupted() {
            return Err(Error::Interrupted);
        }
    }
    Ok(texts)
}

/// What the export in 32-bit floats hears of the clips as streams, where `export` has left one.
fn float_streams(recipe: &AsrRecipe, dataset: &Arc<AsrDataset>, piece: usize) -> Result<Option<Vec<String>>> {
    let recognizer = match Bundle::open(&recipe.float_bundle()).map_err(Error::from).and_then(|b| measure::open(&b)) {
        Ok(recognizer) => recognizer,
        Err(error) => {
            tracing::warn!("streams are not compared with the net: {error}");
            return Ok(None);
        }
    };
    let ways = [Way { name: "greedy", recognizer }];
    let heard = hear(dataset, &ways, piece, &ProgressBar::hidden())?;
    Ok(Some(heard.into_iter().flat_map(|clip| clip.stream).collect()))
}

fn card_lines<'a>(name: &'a str, report: &'a Report, form: TextForm) -> impl Iterator<Item = (String, Measure)> + 'a {
    let stream = report.wer.iter().filter_map(|(what, rate)| Some((what.strip_prefix("bundle, stream, ")?, rate)));
    stream.map(move |(way, rate)| {
        (format!("{} on {name}, {way}, %", form.rate().to_uppercase()), Measure::Number((1e4 * rate).round() / 1e2))
    })
}

fn columns(ways: &[Way]) -> Vec<String> {
    let bundle = ways.iter().flat_map(|way| [row("whole", way), row("stream", way)]);
    std::iter::once(NET.to_owned()).chain(bundle).collect()
}

pub(in crate::tasks) fn print_line(cells: &[String]) -> Result<()> {
    print(&format!("| {} |", cells.join(" | ")))
}

fn print_header(ways: &[Way], form: TextForm) -> Result<()> {
    let own = [format!("test, {} in %", form.rate().to_uppercase()), "clips".to_owned(), form.unit().to_owned()];
    let last = ["streams that differ", "net differs", "real-time factor"].map(str::to_owned);
    let header: Vec<String> = own.into_iter().chain(columns(ways)).chain(last).collect();
    print_line(&header)?;
    print_line(&vec!["---".to_owned(); header.len()])
}

fn print_row(name: &str, report: &Report, ways: &[Way]) -> Result<()> {
    let mut cells = vec![name.to_owned(), report.clips.to_string(), report.words.to_string()];
    let rate = |what: &String| report.wer.get(what).map_or("–".to_owned(), |rate| format!("{:.1}", 100.0 * rate));
    cells.extend(columns(ways).iter().map(rate));
    cells.push(report.streams_that_differ.to_string());
    cells.push(report.net_differs.map_or("–".to_owned(), |count| count.to_string()));
    cells.push(format!("{:.3}", report.real_time_factor));
    print_line(&cells)
}

/// One row for each clip: what was said, and what was heard in each way.
fn save_texts(folder: &Path, name: &str, ways: &[Way], heard: &[Hypotheses], net: Option<&[String]>) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let path = folder.join(format!("{name}.csv"));
    let failed = |e: csv::Error| Error::io(&path, e.into());
    let mut rows = csv::Writer::from_path(&path).map_err(failed)?;
    let header = ["ID", "reference"].into_iter().map(str::to_owned).chain(columns(ways));
    rows.write_record(header).map_err(failed)?;
    for (number, clip) in heard.iter().enumerate() {
        let net = net.map_or("", |texts| &texts[number]);
        let own = clip.whole.iter().zip(&clip.stream).flat_map(|(whole, stream)| [whole.as_str(), stream]);
        rows.write_record([clip.id.as_str(), &clip.reference, net].into_iter().chain(own)).map_err(failed)?;
    }
    rows.flush().map_err(|e| Error::io(&path, e))
}
