//! The tables of a recogniser's recipe.

use std::path::PathBuf;

use rejoinder_models::decode::ctc::{CtcConfig, Hotword};
use rejoinder_models::decode::lexicon::LexiconConfig;
use rejoinder_models::text::TextForm;
use serde::{Deserialize, Serialize};

use crate::data::asr::Source;
use crate::data::manifest::ManifestConfig;
use crate::data::synth::TextSource;
use crate::tasks::aligner::AlignerConfig;

/// How `evaluate` measures a bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluateConfig {
    /// The bundle. Default: the one that `export` writes.
    pub bundle: Option<PathBuf>,
    /// The search with the language model. Default: the card's.
    pub search: Option<CtcConfig>,
    /// The search over words. Default: the card's.
    pub lexicon: Option<LexiconConfig>,
    /// Words to be preferred, measured in rows of their own.
    pub hotwords: Vec<Hotword>,
    /// A stream gets its sound in pieces of this length. Default: 100.
    pub piece_ms: f64,
    /// At most this many clips of each test, spread evenly over it; 0, the default, for all.
    pub clips: usize,
    /// Whether the net of the run is measured as well, where there is one. Default: true.
    pub net: bool,
    /// Whether the figures are written into the bundle's card. Default: false.
    pub card: bool,
    /// Whether to choose the search on the validation folder instead of reporting on the tests. Default: false.
    pub tune: bool,
    /// What is tried then.
    pub grid: TuneConfig,
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self {
            bundle: None,
            search: None,
            lexicon: None,
            hotwords: Vec::new(),
            piece_ms: 100.0,
            clips: 0,
            net: true,
            card: false,
            tune: false,
            grid: TuneConfig::default(),
        }
    }
}

/// The searches that are compared on the validation folder: all combinations of these values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TuneConfig {
    /// Numbers of prefixes. Default: 8 and 16.
    pub beam: Vec<usize>,
    /// Weights of the language model. Default: 0 to 1.
    pub lm_weight: Vec<f32>,
    /// Bonuses for a word. Default: 0 to 3.
    pub word_bonus: Vec<f32>,
    /// The same for the search over words, of a bundle that has one. Default: weights of 0.6 to 2.
    pub lexicon_lm_weight: Vec<f32>,
    /// Default: bonuses of -2 to 4.
    pub lexicon_word_bonus: Vec<f32>,
    /// Clips that are looked at, spread evenly; 0 for all. Default: 400.
    pub clips: usize,
}

impl Default for TuneConfig {
    fn default() -> Self {
        Self {
            beam: vec![8, 16],
            lm_weight: vec![0.0, 0.2, 0.35, 0.5, 0.7, 1.0],
            word_bonus: vec![0.0, 0.5, 1.0, 1.5, 2.0, 3.0],
            lexicon_lm_weight: vec![0.6, 0.8, 1.0, 1.3, 1.6, 2.0],
            lexicon_word_bonus: vec![-2.0, -1.0, 0.0, 1.0, 2.0, 4.0],
            clips: 400,
        }
    }
}

/// An n-gram model over words, or over the tokenizer's pieces where `export.params.lm_unit` is `piece`: characters, in a
/// script that does not part words.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LmConfig {
    /// A bundle whose model is taken over, with the lexicon of its words where the recipe has phones: as it is, or
    /// [mixed](rejoinder_models::decode::ngram::mix) with that of the texts. Default: none.
    #[serde(default)]
    pub bundle: Option<PathBuf>,
    /// A model in ARPA form, plain or gzipped, such as LibriSpeech's `4-gram.arpa.gz`: over words, in small letters where
    /// `tokenizer.text` is `english`; it is mixed with the others. Default: none.
    #[serde(default)]
    pub arpa: Option<PathBuf>,
    /// What is counted, but for sentences that share eight words in a row with a clip of the recipe's tests; weights count
    /// for nothing here. Default: nothing.
    #[serde(default)]
    pub texts: Vec<TextSource>,
    /// Seed of made-up texts.
    #[serde(default)]
    pub seed: u64,
    /// The length of the longest n-grams. Default: 3.
    #[serde(default = "three")]
    pub order: usize,
    /// A word that occurs less often is unknown. Default: 1.
    #[serde(default = "one")]
    pub min_word_count: u64,
    /// The fewest occurrences of n-grams that are kept, by length.
    #[serde(default)]
    pub min_counts: Vec<u64>,
    /// N-grams that matter less than this for the perplexity are dropped.
    #[serde(default)]
    pub prune: f64,
    /// Other texts, which the model gives less to: each is counted by itself and then [mixed](rejoinder_models::decode::ngram::mix) in.
    #[serde(default)]
    pub mixed: Vec<MixedTexts>,
}

/// Texts beside those that a language model is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixedTexts {
    /// What is counted; weights count for nothing here.
    pub texts: Vec<TextSource>,
    /// The share of the mixture, where the first texts have 1.
    pub weight: f64,
    /// A word that occurs less often is unknown. Default: 1.
    #[serde(default = "one")]
    pub min_word_count: u64,
    /// The fewest occurrences of n-grams that are kept, by length.
    #[serde(default)]
    pub min_counts: Vec<u64>,
}

/// Phones as a second thing to be learnt: the bundle then finds words by their sounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhonesConfig {
    /// The set with the dictionary. Where the recipe begins with a bundle that has a lexicon, words sound as it says.
    pub set: String,
    /// The dictionary in it, in the form of CMU's.
    pub dictionary: PathBuf,
    /// For words that the dictionary lacks: the folder with `lexicon.bin` and `g2p.bin`: what the `g2p` recipe has trained, or a voice's bundle.
    pub g2p: PathBuf,
    /// Weight of their loss at the last block; the tokens have what this and the middle block leave. Default: 0.5.
    #[serde(default = "half")]
    pub weight: f64,
    /// For this many steps, phones are learnt at the frames where the [`aligner`](crate::tasks::aligner) hears them,
    /// before CTC takes over: that spares the net the long time in which CTC gives blanks alone. Default: 0.
    #[serde(default)]
    pub aligned_steps: usize,
    /// How the aligner learns.
    #[serde(default)]
    pub aligner: AlignerConfig,
    /// Clips that the aligner learns from, spread evenly; it then aligns all. Default: 1500.
    #[serde(default = "aligner_clips")]
    pub aligner_clips: usize,
}

fn aligner_clips() -> usize {
    1500
}

fn half() -> f64 {
    0.5
}

fn one() -> u64 {
    1
}

fn three() -> usize {
    3
}

/// What pieces of words are made by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenizerKind {
    /// Frequent neighbours are joined (Sennrich et al. 2016).
    #[default]
    Bpe,
    /// A word is cut into what is together the most probable (Kudo 2018).
    Unigram,
    /// Characters, and spaces between words: SentencePiece's type `char`.
    Char,
    /// Whole words, the most frequent: for transcripts of phones.
    Word,
}

/// The vocabulary of a recogniser.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerConfig {
    /// Pieces in all, the blank included. Of characters, the most frequent.
    pub vocabulary: usize,
    /// How pieces of words are learnt, and how words are cut into them. Default: BPE.
    #[serde(default)]
    pub kind: TokenizerKind,
    /// Tokens to take instead of learning any: a `tokens.txt`, a `.model` or `.vocab` of SentencePiece, or characters or words in
    /// the form of SpeechBrain's label encoders, whose file is named `label_encoder.txt`. Default: none.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// What transcripts are made of. Default: English.
    #[serde(default)]
    pub text: TextForm,
    /// The language's code, for the bundle's card. Default: `en`.
    #[serde(default = "english")]
    pub language: String,
}

/// The data of a recogniser.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Prepared folders or manifests to train on, and how often an epoch sees each.
    pub train: Vec<Source>,
    /// The prepared folder, or manifest, to validate on.
    pub valid: PathBuf,
    /// Prepared folders and manifests to report on.
    pub tests: Vec<PathBuf>,
    /// How manifests are read.
    #[serde(default)]
    pub manifest: ManifestConfig,
    /// Prepared noise to add in training.
    #[serde(default)]
    pub noise: Option<PathBuf>,
    /// Prepared room responses.
    #[serde(default)]
    pub rooms: Option<PathBuf>,
    /// Clips outside these lengths stay out of training. Default: 0.3 to 16.
    #[serde(default = "limits_s")]
    pub limits_s: [f64; 2],
}

fn english() -> String {
    "en".to_owned()
}

fn limits_s() -> [f64; 2] {
    [0.3, 16.0]
}
