//! Letters to sound, trained on a pronouncing dictionary.

mod align;
mod dictionary;
mod ngram;
mod recipe;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rejoinder_models::tts::frontend::{G2P_FILE, LEXICON_FILE};
use rejoinder_models::tts::g2p::{G2p, Graphone};
use rejoinder_models::tts::lexicon::Lexicon;
use rejoinder_models::tts::phones;
use serde::{Deserialize, Serialize};

pub use align::{Pronunciation, align};
pub use dictionary::{Dictionary, Word, read_dictionary};
pub use ngram::{MAX_ORDER, estimate};
pub use recipe::G2pRecipe;

use crate::{Error, Result};

/// How the model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct G2pConfig {
    /// A dictionary in the form of the CMU pronouncing dictionary, with stress marks.
    pub dictionary: PathBuf,
    /// The longest n-gram, in graphones.
    pub order: usize,
    /// N-grams of three graphones and more are kept when they were seen this often.
    pub min_count: u32,
    /// Rounds of expectation maximization for the alignment.
    pub rounds: usize,
    /// One word in this many is kept out of training, to measure on.
    pub held_out: u64,
    /// Graphones seen less often than this are dropped, with the words that need them.
    pub min_unit_count: usize,
}

impl Default for G2pConfig {
    fn default() -> Self {
        Self {
            dictionary: PathBuf::from("data/cmudict.dict"),
            order: 7,
            min_count: 2,
            rounds: 6,
            held_out: 20,
            min_unit_count: 4,
        }
    }
}

/// Error rates on words that the training never saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct G2pReport {
    /// Words measured.
    pub words: usize,
    /// Percent of words that match none of the dictionary's pronunciations.
    pub wer: f64,
    /// Percent of words in error when stress is not counted.
    pub wer_without_stress: f64,
    /// Percent of phones in error against the nearest pronunciation, stress counted.
    pub per: f64,
    /// Percent of phones in error when stress is not counted.
    pub per_without_stress: f64,
}

/// Trains on the dictionary's words that are not held out.
///
/// # Errors
/// [`Error::Data`] when nothing can be aligned.
pub fn train(dictionary: &Dictionary, config: &G2pConfig) -> Result<G2p> {
    let words: Vec<Pronunciation> = dictionary
        .words
        .iter()
        .filter(|w| !w.is_held_out(config.held_out))
        .flat_map(|w| w.pronunciations.iter().map(|p| (w.spelling.bytes().collect(), p.clone())))
        .collect();
    let aligned: Vec<Vec<Graphone>> = align(&words, config.rounds).into_iter().flatten().collect();
    let mut seen: HashMap<&Graphone, usize> = HashMap::new();
    aligned.iter().flatten().for_each(|unit| *seen.entry(unit).or_default() += 1);
    let mut units: Vec<Graphone> =
        seen.iter().filter(|(_, n)| **n >= config.min_unit_count).map(|(unit, _)| (*unit).clone()).collect();
    if units.is_empty() {
        return Err(Error::data(config.dictionary.display().to_string(), "no word could be aligned with its phones"));
    }
    units.sort_unstable();
    let edge = Graphone { letters: Vec::new(), phones: Vec::new() };
    units.splice(0..0, [edge.clone(), edge]);
    let number: HashMap<&Graphone, u16> = units.iter().enumerate().skip(2).map(|(i, u)| (u, i as u16)).collect();
    let numbered = |word: &Vec<Graphone>| word.iter().map(|u| number.get(u).copied()).collect::<Option<Vec<u16>>>();
    let sequences: Vec<Vec<u16>> = aligned.iter().filter_map(numbered).collect();
    tracing::info!("{} of {} words aligned, {} graphones", sequences.len(), words.len(), units.len());
    let tree = estimate(&sequences, units.len(), config.order, config.min_count);
    Ok(G2p::new(units, tree))
}

/// Measures a model on the words that its training left out.
pub fn evaluate(model: &G2p, dictionary: &Dictionary, config: &G2pConfig) -> G2pReport {
    let held_out: Vec<&Word> = dictionary.words.iter().filter(|w| w.is_held_out(config.held_out)).collect();
    let errors = |plain: bool| {
        let strip =
            |p: &[u8]| -> Vec<u8> { p.iter().map(|&t| if plain { phones::without_stress(t) } else { t }).collect() };
        held_out
            .par_iter()
            .map(|word| {
                let guess = strip(&model.phones(&word.spelling));
                let distances = word.pronunciations.iter().map(|p| (distance(&guess, &strip(p)), p.len()));
                let (errors, length) = distances.min().unwrap_or((guess.len(), 1));
                (usize::from(errors > 0), errors, length)
            })
            .reduce(|| (0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2))
    };
    let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
    let (stressed, plain) = (errors(false), errors(true));
    G2pReport {
        words: held_out.len(),
        wer: percent(stressed.0, held_out.len()),
        wer_without_stress: percent(plain.0, held_out.len()),
        per: percent(stressed.1, stressed.2),
        per_without_stress: percent(plain.1, plain.2),
    }
}

/// The dictionary in its shipped form: the first pronunciation of each word that the model would read otherwise, and
/// the names of the letters.
pub fn pack(dictionary: &Dictionary, model: &G2p) -> Lexicon {
    let exceptions: Vec<(&str, &[u8])> = dictionary
        .words
        .par_iter()
        .filter(|w| model.phones(&w.spelling) != w.pronunciations[0])
        .map(|w| (w.spelling.as_str(), w.pronunciations[0].as_slice()))
        .collect();
    let letters = dictionary.letters.iter().map(|(name, phones)| (name.as_str(), phones.as_slice()));
    Lexicon::pack(exceptions.into_iter().chain(letters))
}

/// Writes both files into a folder and returns their sizes in bytes.
///
/// # Errors
/// [`Error::Io`].
pub fn write(folder: &Path, model: &G2p, lexicon: &Lexicon) -> Result<[usize; 2]> {
    let save = |name: &str, bytes: Vec<u8>| {
        let path = folder.join(name);
        std::fs::write(&path, &bytes).map_err(|e| Error::io(&path, e)).map(|()| bytes.len())
    };
    Ok([save(G2P_FILE, model.to_bytes())?, save(LEXICON_FILE, lexicon.to_bytes())?])
}

fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[b.len()]
}
