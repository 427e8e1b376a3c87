//! What is read: pools of texts, drawn by weight.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rejoinder_models::text::TextForm;
use serde::{Deserialize, Serialize};

use super::{books, numbers};
use crate::data::dialogue::{SPOKEN_MIX, spoken_sentences};
use crate::data::manifest::{self, Manifest, ManifestConfig};
use crate::data::prepare::locate;
use crate::data::text::{self, words};
use crate::{Error, Result};

/// A pool of texts and how often it is drawn, relative to the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum TextSource {
    /// A text file with one sentence a line.
    Lines {
        /// The file.
        path: PathBuf,
        /// How often each line comes. Default: once.
        #[serde(default = "once")]
        times: usize,
        /// Relative weight.
        weight: f64,
    },
    /// Sentences of a set, such as LJ's: rows `id|raw|normalised`, gzip. Long ones are cut at their commas.
    Sentences {
        /// The set's name.
        set: String,
        /// The file in it.
        file: PathBuf,
        /// Relative weight.
        weight: f64,
    },
    /// The sentences of a set of plain texts as Project Gutenberg has them. Without the set there are none, and a warning.
    Books {
        /// The set's name: a folder with a `.txt` file for each book.
        set: String,
        /// Relative weight.
        weight: f64,
    },
    /// Transcripts of a prepared folder, or of a manifest (`.csv` or `.json`).
    Transcripts {
        /// The folder's name, or the manifest's path, from `prepare.out`.
        folder: String,
        /// Words, or characters, of the shortest that counts. Default: 1.
        #[serde(default = "once")]
        least: usize,
        /// Relative weight.
        weight: f64,
    },
    /// One to three words at a time, of those that a set's sentences use more than once.
    Words {
        /// The set's name.
        set: String,
        /// The file in it, as for `sentences`.
        file: PathBuf,
        /// How many texts to make.
        count: usize,
        /// Relative weight.
        weight: f64,
    },
    /// What people say to the assistant: [`spoken_sentences`](crate::data::dialogue::spoken_sentences).
    Spoken {
        /// How many texts to make.
        count: usize,
        /// Relative weight.
        weight: f64,
    },
    /// Digit strings, numbers, times, dates, sums of money.
    Numbers {
        /// How many texts to make.
        count: usize,
        /// Relative weight.
        weight: f64,
    },
}

fn once() -> usize {
    1
}

impl TextSource {
    fn weight(&self) -> f64 {
        match self {
            Self::Lines { weight, .. }
            | Self::Sentences { weight, .. }
            | Self::Books { weight, .. }
            | Self::Transcripts { weight, .. }
            | Self::Words { weight, .. }
            | Self::Spoken { weight, .. }
            | Self::Numbers { weight, .. } => *weight,
        }
    }

    /// The texts, in this form. `sets` is the folder of the raw sets, `out` that of the prepared ones; `config` says how
    /// manifests are read. What is made up is English.
    ///
    /// # Errors
    /// A file that is missing or malformed.
    pub fn texts(
        &self,
        seed: u64,
        form: TextForm,
        [sets, out]: [&Path; 2],
        config: &ManifestConfig,
    ) -> Result<Vec<String>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let written = |text: &str| written(form, text);
        Ok(match self {
            Self::Lines { path, times, .. } => {
                let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
                let lines: Vec<String> = text.lines().filter_map(written).collect();
                std::iter::repeat_n(lines, *times).flatten().collect()
            }
            Self::Sentences { set, file, .. } => {
                let rows = normalised(&locate(sets, out, set)?.join(file))?;
                rows.iter().flat_map(|row| clauses(row)).filter_map(|clause| written(&clause)).collect()
            }
            Self::Books { set, .. } => match locate(sets, out, set) {
                Ok(folder) => books::sentences(&folder)?.iter().filter_map(|sentence| written(sentence)).collect(),
                Err(missing) => {
                    tracing::warn!("no books: {missing}");
                    Vec::new()
                }
            },
            Self::Transcripts { folder, least, .. } => {
                let place = out.join(folder);
                let own = ManifestConfig::default();
                let manifest = Manifest::read_with(
                    manifest::locate(&place),
                    if manifest::is_manifest(&place) { config } else { &own },
                )?;
                let units = |text: &String| match form {
                    TextForm::Characters => text.chars().count(),
                    TextForm::English | TextForm::Words => text.split_whitespace().count(),
                };
                let long_enough = |text: &String| units(text) >= (*least).max(1);
                manifest.items.iter().map(|item| form.normalise(&item.words)).filter(long_enough).collect()
            }
            Self::Words { set, file, count, .. } => {
                let vocabulary = vocabulary(&normalised(&locate(sets, out, set)?.join(file))?);
                if vocabulary.is_empty() {
                    return Err(Error::data(file.display().to_string(), "expected words that come more than once"));
                }
                let mut draw = || {
                    let length = [1, 1, 2, 3][rng.random_range(0..4)];
                    let word = |_| vocabulary[rng.random_range(0..vocabulary.len())].as_str();
                    (0..length).map(word).collect::<Vec<_>>().join(" ")
                };
                (0..*count).map(|_| draw()).collect()
            }
            Self::Spoken { count, .. } => {
                spoken_sentences(seed, *count, SPOKEN_MIX).iter().filter_map(|text| words(text)).collect()
            }
            Self::Numbers { count, .. } => (0..*count).map(|_| numbers::text(&mut rng)).collect(),
        })
    }
}

/// A written sentence as it is spoken, where it tells; of English, that is only known of one without digits and signs.
fn written(form: TextForm, text: &str) -> Option<String> {
    match form {
        TextForm::English => words(text),
        TextForm::Words | TextForm::Characters => Some(form.normalise(text)).filter(|text| !text.is_empty()),
    }
}

/// All pools of a run.
pub(super) struct Texts {
    pools: Vec<Vec<String>>,
    weights: WeightedIndex<f64>,
}

impl Texts {
    pub(super) fn open(sources: &[TextSource], seed: u64, sets: &Path, out: &Path) -> Result<Self> {
        let mut pools = Vec::new();
        for source in sources {
            let pool = source.texts(seed, TextForm::English, [sets, out], &ManifestConfig::default())?;
            if pool.is_empty() {
                return Err(Error::data("texts", format!("expected texts, found none in {source:?}")));
            }
            pools.push(pool);
        }
        let weights = WeightedIndex::new(sources.iter().map(TextSource::weight));
        let weights = weights.map_err(|e| Error::config("texts", format!("expected weights above zero: {e}")))?;
        Ok(Self { pools, weights })
    }

    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> &str {
        let pool = &self.pools[self.weights.sample(rng)];
        &pool[rng.random_range(0..pool.len())]
    }
}

/// The last column of each row of a gzip file.
fn normalised(path: &Path) -> Result<Vec<String>> {
    let text = text::read(path)?;
    Ok(text.lines().filter_map(|line| line.rsplit('|').next()).map(str::to_owned).collect())
}

/// A sentence in pieces of at most 14 words, cut at its commas and the like; longer pieces stay out.
fn clauses(sentence: &str) -> Vec<String> {
    const LONGEST: usize = 14;
    let mut pieces: Vec<String> = Vec::new();
    let count = |text: &str| text.split_whitespace().count();
    for clause in sentence.split_inclusive([',', ';', ':']) {
        match pieces.last_mut() {
            Some(last) if count(last) + count(clause) <= LONGEST => last.push_str(clause),
            _ => pieces.push(clause.to_owned()),
        }
    }
    pieces.retain(|piece| (2..=LONGEST).contains(&count(piece)));
    pieces
}

/// Words that come more than once, each once, in the order of the alphabet.
fn vocabulary(sentences: &[String]) -> Vec<String> {
    let mut counts = BTreeMap::<String, usize>::new();
    for words in sentences.iter().filter_map(|sentence| words(sentence)) {
        words.split(' ').for_each(|word| *counts.entry(word.to_owned()).or_default() += 1);
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(word, _)| word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sentences_are_cut_at_commas() {
        let sentence = "Printing, in the only sense with which we are at present concerned, differs from most if not \
                        from all the arts and crafts represented in the Exhibition";
        let pieces = clauses(sentence);
        assert_eq!(pieces, ["Printing, in the only sense with which we are at present concerned,"]);
        assert_eq!(clauses("in being comparatively modern."), ["in being comparatively modern."]);
    }

    #[test]
    fn sources_read_their_files() {
        use std::io::Write;
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("text")).unwrap();
        let file = std::fs::File::create(dir.path().join("text/s.psv.gz")).unwrap();
        let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        gz.write_all(b"1|In 1825|in eighteen twenty five\n2|a|five of the five\n").unwrap();
        gz.finish().unwrap();
        let (set, file) = ("text".to_owned(), PathBuf::from("s.psv.gz"));
        let sentences = TextSource::Sentences { set: set.clone(), file: file.clone(), weight: 1.0 };
        let read = |source: &TextSource| {
            source.texts(1, TextForm::English, [dir.path(), dir.path()], &ManifestConfig::default()).unwrap()
        };
        assert_eq!(read(&sentences), ["in eighteen twenty five", "five of the five"]);
        let texts = read(&TextSource::Words { set, file, count: 9, weight: 1.0 });
        assert_eq!(texts.len(), 9);
        assert!(texts.iter().all(|text| text.split(' ').all(|word| word == "five")), "{texts:?}");
        let gone = TextSource::Lines { path: dir.path().join("gone"), times: 1, weight: 1.0 };
        let error = gone
            .texts(1, TextForm::English, [dir.path(), dir.path()], &ManifestConfig::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("gone"), "{error}");

        let path = dir.path().join("lines.txt");
        std::fs::write(&path, "Où est l’hôtel ?\n广州市 ３Ｄ\n…\n").unwrap();
        let lines = TextSource::Lines { path, times: 1, weight: 1.0 };
        let read = |form| lines.texts(1, form, [dir.path(), dir.path()], &ManifestConfig::default()).unwrap();
        assert_eq!(read(TextForm::Words), ["où est l'hôtel", "广州市 3d"]);
        assert_eq!(read(TextForm::Characters), ["oùestl'hôtel", "广州市3d"]);
    }
}
