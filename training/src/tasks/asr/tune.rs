//! Chooses the search on the validation folder.

use std::io::Write;
use std::sync::Arc;

use rayon::prelude::*;
use rejoinder_models::asr::{ConformerCtc, CtcParams, Decoding, LogProbs};
use rejoinder_models::card::{Bundle, LEXICON_ROLE, MODEL_ROLE};
use rejoinder_models::decode::ctc::CtcConfig;
use rejoinder_models::decode::lexicon::LexiconConfig;
use rejoinder_models::text::{ErrorCounts, TextForm};

use super::measure;
use super::recipe::AsrRecipe;
use super::report::bar;
use crate::data::asr::AsrDataset;
use crate::trainer::interrupted;
use crate::{Error, Result};

/// A clip's words, and the log-probabilities of tokens that the net gives it.
type Emissions = (String, LogProbs);

/// Prints the word error rate of each search of the grid, the best last, and the lines of a recipe that set it.
pub(super) fn tune(recipe: &AsrRecipe, bundle: &Bundle) -> Result<()> {
    let grid = &recipe.evaluate.grid;
    let mut dataset = recipe.open_text(&recipe.data.valid)?;
    dataset.thin(grid.clips);
    let recognizer = measure::open(bundle)?;
    let said = listen(&Arc::new(dataset), &recognizer)?;
    let base: CtcParams = bundle.card().params(&bundle.path(MODEL_ROLE)?)?;
    let form = recipe.tokenizer.text;
    let greedy = score(form, &recognizer, &said)?;
    writeln(&format!(
        "{} validation clips, {} words; greedy {:.2} %",
        said.len(),
        greedy.reference(),
        100.0 * greedy.rate()
    ))?;
    let tokens = searches(recipe, &base.search).into_iter().map(|search| {
        let decoding = Decoding { search: Some(search.clone()), ..Decoding::default() };
        Ok((Tried::tokens(&search), recognizer.with_decoding(bundle, &decoding)?))
    });
    compare(form, "search", tokens, &said)?;
    if bundle.has(LEXICON_ROLE) {
        let words = recognizer.with_decoding(bundle, &Decoding::default())?;
        let searches = lexicon_searches(recipe, &base.lexicon).into_iter().filter_map(|search| {
            let tried = Tried::words(&search);
            Some(words.with_lexicon(search)?.map(|words| (tried, words)).map_err(Error::from))
        });
        compare(form, "lexicon", searches, &said)?;
    }
    Ok(())
}

/// What is varied of a search.
struct Tried {
    beam: usize,
    lm_weight: f32,
    word_bonus: f32,
}

impl Tried {
    fn tokens(search: &CtcConfig) -> Self {
        Self { beam: search.beam, lm_weight: search.lm_weight, word_bonus: search.word_bonus }
    }

    fn words(search: &LexiconConfig) -> Self {
        Self { beam: search.beam, lm_weight: search.lm_weight, word_bonus: search.word_bonus }
    }
}

fn writeln(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(|e| Error::io("standard output", e))
}

/// Prints what each search gives, the best last, and the line of a recipe that sets that one.
fn compare(
    form: TextForm,
    key: &str,
    searches: impl Iterator<Item = Result<(Tried, ConformerCtc)>>,
    said: &[Emissions],
) -> Result<()> {
    let searches = searches.collect::<Result<Vec<_>>>()?;
    let bar = bar("searches", searches.len());
    let mut rates = Vec::new();
    for (tried, recognizer) in searches {
        rates.push((score(form, &recognizer, said)?.rate(), tried));
        bar.inc(1);
    }
    bar.finish_and_clear();
    rates.sort_by(|a, b| b.0.total_cmp(&a.0));
    writeln(&format!(
        "{:>6} {:>10} {:>10} {:>8}",
        "beam",
        "lm_weight",
        "word_bonus",
        format!("{}, %", form.rate().to_uppercase())
    ))?;
    for (rate, Tried { beam, lm_weight, word_bonus }) in &rates {
        writeln(&format!("{beam:>6} {lm_weight:>10} {word_bonus:>10} {:>8.2}", 100.0 * rate))?;
    }
    let Some((_, Tried { beam, lm_weight, word_bonus })) = rates.last() else { return Ok(()) };
    writeln("[export.params]")?;
    writeln(&format!("{key} = {{ beam = {beam}, lm_weight = {lm_weight:?}, word_bonus = {word_bonus:?} }}"))
}

/// Each weight with each bonus, at the card's beam.
fn lexicon_searches(recipe: &AsrRecipe, base: &LexiconConfig) -> Vec<LexiconConfig> {
    let grid = &recipe.evaluate.grid;
    let with = |lm_weight, word_bonus| LexiconConfig { lm_weight, word_bonus, ..base.clone() };
    let weights = grid.lexicon_lm_weight.iter();
    weights.flat_map(|weight| grid.lexicon_word_bonus.iter().map(|bonus| with(*weight, *bonus))).collect()
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

fn listen(dataset: &Arc<AsrDataset>, recognizer: &ConformerCtc) -> Result<Vec<Emissions>> {
    let bar = bar("validation", dataset.clips().len());
    let said = (0..dataset.clips().len()).into_par_iter().map(|index| {
        if interrupted() {
            return Err(Error::Interrupted);
        }
        let log_probs = recognizer.log_probs(&dataset.samples(index)?)?;
        bar.inc(1);
        Ok((dataset.clips()[index].text.clone(), log_probs))
    });
    let said = said.collect();
    bar.finish_and_clear();
    said
}

fn score(form: TextForm, recognizer: &ConformerCtc, said: &[Emissions]) -> Result<ErrorCounts> {
    let counts = said.par_iter().map(|(reference, log_probs)| {
        if interrupted() {
            return Err(Error::Interrupted);
        }
        Ok(form.errors(reference, &recognizer.decode(log_probs)?.text))
    });
    let add = |mut a: ErrorCounts, b: ErrorCounts| {
        a += b;
        a
    };
    counts.try_reduce(ErrorCounts::default, |a, b| Ok(add(a, b)))
}
