use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::Device;
use rejoinder_models::card::{MODEL_ROLE, Measure, NewFile, TOKENS_ROLE, Task as CardTask};
use rejoinder_models::text::{TextForm, Tokenizer};
use serde::{Deserialize, Serialize};

use super::task::TokenLmTask;
use crate::data::manifest::{self, Manifest, ManifestConfig};
use crate::data::prepare::{self, PrepareConfig};
use crate::data::synth::TextSource;
use crate::data::test_texts::TestTexts;
use crate::data::text;
use crate::export::{ExportConfig, Package};
use crate::import;
use crate::nets::transformer::{Transformer, TransformerConfig};
use crate::recipe::{self, Recipe};
use crate::tasks::asr::bundle::ALLOWED_FLOAT;
use crate::tasks::attention::graph;
use crate::tasks::{RESULTS, figures};
use crate::trainer::{self, RunMode, Task, Timing, TrainOptions};
use crate::{Error, Result};

/// The family's name in a card.
pub(super) const FAMILY: &str = "transformer-lm";

/// A recipe with `task = "token_lm"`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenLmRecipe {
    /// The run folder: weights, logs, checkpoints, tokens.
    pub run: PathBuf,
    /// The recogniser's `tokens.txt`, in the folder of its run.
    pub tokens: PathBuf,
    /// From raw sets to prepared folders.
    pub prepare: PrepareConfig,
    /// What sentences are made of, as the recogniser's `tokenizer.text`. Default: English.
    #[serde(default)]
    pub text: TextForm,
    /// What is learnt; weights count for nothing here.
    pub texts: Vec<TextSource>,
    /// Prepared folders or manifests that the recogniser is tested on: what is said there is not learnt. Default: none.
    #[serde(default)]
    pub tests: Vec<PathBuf>,
    /// Seed of made-up texts. Default: 0.
    #[serde(default)]
    pub seed: u64,
    /// One in this many sentences, wherever it occurs, is held out for validation. Default: 50.
    #[serde(default = "valid_every")]
    pub valid_every: u64,
    /// Sentences of more tokens are left out. Default: 100.
    #[serde(default = "longest")]
    pub longest: usize,
    /// Tokens of a batch, padding included. Default: 4000.
    #[serde(default = "batch_tokens")]
    pub batch_tokens: usize,
    /// What labels leave to other tokens. Default: 0.
    #[serde(default)]
    pub label_smoothing: f64,
    /// The shape of the net.
    pub net: TransformerConfig,
    /// How long and how fast.
    #[serde(default)]
    pub train: TrainOptions,
    /// Where the bundle goes and what its card says.
    pub export: ExportConfig,
}

fn valid_every() -> u64 {
    50
}

fn longest() -> usize {
    100
}

fn batch_tokens() -> usize {
    4_000
}

/// How well the net foretells the sentences that are held out.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Results {
    /// The checksum of what was measured.
    weights: String,
    sentences: usize,
    /// Perplexity of a token, ends of sentences among them.
    token_perplexity: f64,
    /// The same log-probability shared by words and ends.
    word_perplexity: f64,
}

impl TokenLmRecipe {
    /// What `task` says in such a recipe.
    pub const TASK: &'static str = "token_lm";

    fn tokenizer_of_run(&self) -> Result<Tokenizer> {
        recipe::read_tokens(&self.run.join("tokens.txt"))
    }

    /// The sentences to learn, and those that are held out.
    fn sentences(&self) -> Result<[Vec<String>; 2]> {
        // Tests that are not prepared have nothing to hide here.
        let mut said = Vec::new();
        for place in self.tests.iter().filter(|place| place.exists()) {
            let manifest = Manifest::read(manifest::locate(place))?;
            said.extend(manifest.items.iter().map(|item| self.text.normalise(&item.words)));
        }
        let tests = TestTexts::new(self.text, &said);
        let mut parts = [Vec::new(), Vec::new()];
        for (number, source) in self.texts.iter().enumerate() {
            let (seed, form) = (self.seed + number as u64, self.text);
            let texts =
                source.texts(seed, form, [self.prepare.located(), &self.prepare.out], &ManifestConfig::default())?;
            let mut texts: Vec<String> = texts.iter().map(|text| form.normalise(text)).collect();
            let dropped = tests.keep_out(&mut texts);
            if dropped > 0 {
                tracing::info!("texts[{number}]: {dropped} sentences that test clips say are left out");
            }
            for text in texts.into_iter().filter(|text| !text.is_empty()) {
                parts[usize::from(text::hash(&text).is_multiple_of(self.valid_every.max(1)))].push(text);
            }
        }
        match parts.iter().position(Vec::is_empty) {
            Some(part) => {
                let what = ["to learn", "held out"][part];
                Err(Error::data("texts", format!("expected sentences {what}, found none: change `valid_every`")))
            }
            None => Ok(parts),
        }
    }

    /// The task on the texts.
    ///
    /// # Errors
    /// When the `tokenizer` step has not run, or texts are missing.
    pub fn task(&self) -> Result<TokenLmTask> {
        if let Some(mistake) = self.net.mistake() {
            return Err(Error::config("[net]", mistake));
        }
        let tokenizer = self.tokenizer_of_run()?;
        let encode = |texts: Vec<String>| {
            let sentences = texts.iter().map(|text| tokenizer.encode(text));
            Arc::new(sentences.filter(|tokens| tokens.len() <= self.longest).collect::<Vec<_>>())
        };
        let [train, valid] = self.sentences()?.map(encode);
        tracing::info!("{} sentences to learn, {} held out", train.len(), valid.len());
        Ok(TokenLmTask {
            net: self.net.clone(),
            tokenizer,
            label_smoothing: self.label_smoothing,
            batch_tokens: self.batch_tokens,
            train,
            valid,
        })
    }

    /// The net with the weights of the run, for inference on `device`.
    ///
    /// # Errors
    /// A run without weights.
    pub fn trained(&self, device: &Device) -> Result<Transformer> {
        let tokens = self.tokenizer_of_run()?.len();
        let net = || Ok(self.net.init(tokens, None, device));
        recipe::trained(Self::TASK, self, &self.run, &self.train, net)
    }

    fn checksum(&self) -> Result<String> {
        import::checksum(&self.run, &self.train)
    }

    fn measure(&self) -> Result<Results> {
        let device = self.train.backend.device()?;
        let (task, net, tokenizer) = (self.task()?, self.trained(&device)?, self.tokenizer_of_run()?);
        let (mut nats, mut tokens, mut words, mut sentences) = (0.0, 0.0, 0, 0);
        for batch in task.valid_batches()? {
            let batch = batch?;
            sentences += batch.len();
            words += batch.iter().map(|tokens| tokenizer.words(tokens).len() + 1).sum::<usize>();
            for figure in task.evaluate(&net, batch, &device)? {
                (nats, tokens) = (nats + figure.value * figure.weight, tokens + figure.weight);
            }
        }
        let [token_perplexity, word_perplexity] =
            [tokens, words as f64].map(|count| (nats / f64::max(count, 1.0)).exp());
        Ok(Results { weights: self.checksum()?, sentences, token_perplexity, word_perplexity })
    }
}

impl Recipe for TokenLmRecipe {
    fn prepare(&self) -> Result<()> {
        prepare::with_bar(|progress| prepare::prepare(&self.prepare, progress))
    }

    /// Takes the recogniser's.
    fn tokenizer(&self) -> Result<()> {
        fs::create_dir_all(&self.run).map_err(|e| Error::io(&self.run, e))?;
        Ok(recipe::read_tokens(&self.tokens)?.write(self.run.join("tokens.txt"))?)
    }

    fn train(&self, mode: RunMode) -> Result<()> {
        self.export.refuse_int8()?;
        let run = recipe::begin_run(Self::TASK, self, &self.run, mode)?;
        run.fit(&self.task()?, &self.train, Vec::new()).map(drop)
    }

    fn time(&self, steps: usize) -> Result<Timing> {
        trainer::time(&self.task()?, &self.train, steps)
    }

    fn evaluate(&self) -> Result<()> {
        let results = self.measure()?;
        let Results { sentences, token_perplexity, word_perplexity, .. } = results;
        tracing::info!(
            "{sentences} sentences that were held out: perplexity {token_perplexity:.2} a token, {word_perplexity:.1} a word"
        );
        let path = self.run.join(RESULTS);
        let text = serde_json::to_string_pretty(&results).map_err(|e| Error::data(RESULTS, e))?;
        fs::write(&path, text).map_err(|e| Error::io(&path, e))
    }

    fn export(&self) -> Result<()> {
        self.export.refuse_int8()?;
        let net = self.trained(&Device::flex())?;
        let mut card = self.export.card(CardTask::Lm, FAMILY);
        card.language.get_or_insert_with(|| "en".into());
        if let Some(results) = figures::<Results>(&self.run, &self.checksum()?) {
            let round = |value: f64| Measure::Number((100.0 * value).round() / 100.0);
            card.results.insert("perplexity of a token".into(), round(results.token_perplexity));
            card.results.insert("perplexity of a word".into(), round(results.word_perplexity));
        }
        let (model, cases) = graph::record(&net, false)?;
        let bundle = Package::new(card)
            .model(MODEL_ROLE, "model.onnx", model, cases, ALLOWED_FLOAT)
            .file(NewFile::new(TOKENS_ROLE, "tokens.txt", self.tokenizer_of_run()?.to_text()))
            .write(&self.export.bundle)?;
        tracing::info!("{}: {} bytes", bundle.root().display(), bundle.bytes());
        Ok(())
    }
}
