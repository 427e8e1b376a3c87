//! Chooses the search on the validation folder.

use std::io::Write;
use std::sync::Arc;

use rayon::prelude::*;
use rejoinder_models::asr::{ConformerCtc, CtcParams, Decoding};
use rejoinder_models::card::{Bundle, MODEL_ROLE};
use rejoinder_models::decode::ctc::CtcConfig;
use rejoinder_models::text::{ErrorCounts, word_errors};

use super::measure;
use super::recipe::AsrRecipe;
use super::report::bar;
use super::tokens;
use crate::data::asr::AsrDataset;
use crate::trainer::interrupted;
use crate::{Error, Result};

/// A clip's words, and what the net says of it.
type Said = (String, Vec<f32>);

/// Prints the word error rate of each search of the grid, the best last, and the lines of a recipe that set it.
pub(super) fn tune(recipe: &AsrRecipe, bundle: &Bundle) -> Result<()> {
    let grid = &recipe.evaluate.grid;
    let mut dataset = AsrDataset::open_folder(&recipe.data.valid)?;
    dataset.thin(grid.clips);
    let recognizer = measure::open(bundle)?;
    let said = listen(&Arc::new(dataset), &recognizer)?;
    let base: CtcParams = bundle.card().params(&bundle.path(MODEL_ROLE)?)?;
    let mut tried = Vec::new();
    let searches = searches(recipe, &base.search);
    let bar = bar("searches", searches.len());
    for search in searches {
        let decoding = Decoding { search: Some(search.clone()), ..Decoding::default() };
        let errors = score(&recognizer.with_decoding(bundle, &decoding)?, &said)?;
        bar.inc(1);
        tried.push((errors.rate(), search));
    }
    bar.finish_and_clear();
    print(&said, &score(&recognizer, &said)?, tried).map_err(|e| Error::io("standard output", e))
}

fn print(said: &[Said], greedy: &ErrorCounts, mut tried: Vec<(f64, CtcConfig)>) -> std::io::Result<()> {
    tried.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} validation clips, {} words; greedy {:.2} %",
        said.len(),
        greedy.reference(),
        100.0 * greedy.rate()
    )?;
    writeln!(out, "{:>6} {:>10} {:>10} {:>8}", "beam", "lm_weight", "word_bonus", "WER, %")?;
    for (rate, search) in &tried {
        let CtcConfig { beam, lm_weight, word_bonus, .. } = search;
        writeln!(out, "{beam:>6} {lm_weight:>10} {word_bonus:>10} {:>8.2}", 100.0 * rate)?;
    }
    if let Some((_, CtcConfig { beam, lm_weight, word_bonus, .. })) = tried.last() {
        writeln!(out, "[export.decoding]")?;
        writeln!(out, "search = {{ beam = {beam}, lm_weight = {lm_weight:?}, word_bonus = {word_bonus:?} }}")?;
    }
    Ok(())
}

/// From the widest beam down, so that of equal searches the cheapest ends up as the best.
fn searches(recipe: &AsrRecipe, base: &CtcConfig) -> Vec<CtcConfig> {
    let grid = &recipe.evaluate.grid;
    let mut beams = grid.beam.clone();
    beams.sort_by(|a, b| b.cmp(a));
    let mut searches = Vec::new();
    for beam in beams {
        for lm_weight in grid.lm_weight.iter().copied() {
            let with = |word_bonus| CtcConfig { beam, lm_weight, word_bonus, ..base.clone() };
            searches.extend(grid.word_bonus.iter().copied().map(with));
        }
    }
    searches
}

fn listen(dataset: &Arc<AsrDataset>, recognizer: &ConformerCtc) -> Result<Vec<Said>> {
    let bar = bar("validation", dataset.clips().len());
    let said = (0..dataset.clips().len()).into_par_iter().map(|index| {
        if interrupted() {
            return Err(Error::Interrupted);
        }
        let log_probs = recognizer.log_probs(&dataset.samples(index)?)?;
        bar.inc(1);
        Ok((tokens::normalise(&dataset.clips()[index].item.words), log_probs))
    });
    let said = said.collect();
    bar.finish_and_clear();
    said
}

fn score(recognizer: &ConformerCtc, said: &[Said]) -> Result<ErrorCounts> {
    let counts = said.par_iter().map(|(reference, log_probs)| {
        if interrupted() {
            return Err(Error::Interrupted);
        }
        Ok(word_errors(reference, &recognizer.decode(log_probs)?.text))
    });
    let add = |mut a: ErrorCounts, b: ErrorCounts| {
        a += b;
        a
    };
    counts.try_reduce(ErrorCounts::default, |a, b| Ok(add(a, b)))
}
