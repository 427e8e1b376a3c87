use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use rejoinder_models::card::{Bundle, MODEL_ROLE, Measure, ModelCard, NewFile, Task as CardTask};
use serde::{Deserialize, Serialize};

use super::chat::{self, Chat};
use super::packing::PackingConfig;
use super::task::{Exact, LmTask};
use crate::data;
use crate::data::dialogue::{Dialogue, Domain, Noise, SPOKEN_MIX, Writer, WriterConfig, spoken_sentences};
use crate::export::ExportConfig;
use crate::export::gguf::{FAMILY, GgufInfo, Storage, gguf};
#[cfg(feature = "llama")]
use crate::export::gguf::{LLAMA_CPP, check_parity};
use crate::import;
use crate::nets::llama::{Llama, LlamaConfig};
use crate::recipe::{self, Recipe};
use crate::tasks::{RESULTS, figures};
use crate::trainer::{self, RunMode, Task, Timing, TrainOptions};
use crate::{Error, Result};

/// A recipe with `task = "lm"`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LmRecipe {
    /// The run folder: weights, logs, checkpoints, tokens.
    pub run: PathBuf,
    /// A pronouncing dictionary in the CMU's form, plain or gzipped, for recognition errors by sound. Default: none,
    /// which leaves misspellings only.
    #[serde(default)]
    pub lexicon: Option<PathBuf>,
    /// The vocabulary.
    pub tokenizer: TokenizerConfig,
    /// What the dialogues are like.
    #[serde(default)]
    pub writer: WriterConfig,
    /// Batches.
    #[serde(default)]
    pub packing: PackingConfig,
    /// The shape of the net.
    pub net: LlamaConfig,
    /// How long and how fast.
    #[serde(default)]
    pub train: TrainOptions,
    /// How matrices are stored in the bundle. Default: q8_0.
    #[serde(default)]
    pub storage: Storage,
    /// Where the bundle goes and what its card says.
    pub export: ExportConfig,
}

/// The vocabulary of a language model.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerConfig {
    /// Pieces in all, control and byte pieces included.
    pub pieces: usize,
    /// Dialogues to learn them from.
    pub dialogues: usize,
}

/// The seed of the dialogues that the vocabulary is learnt from.
const VOCABULARY_SEED: u64 = 77;

impl LmRecipe {
    /// What `task` says in such a recipe.
    pub const TASK: &'static str = "lm";

    fn noise(&self) -> Result<Noise> {
        let Some(path) = &self.lexicon else { return Ok(Noise::default()) };
        let text = data::text::read(path)?;
        let sentences = spoken_sentences(VOCABULARY_SEED, 20_000, SPOKEN_MIX);
        let words: HashSet<String> = sentences.iter().flat_map(|s| s.split(' ')).map(str::to_owned).collect();
        Ok(Noise::from_lexicon(&text, &words))
    }

    fn tokens_path(&self) -> PathBuf {
        self.run.join("tokens.txt")
    }

    /// The checksum of what [`LmRecipe::trained`] gives.
    fn checksum(&self) -> Result<String> {
        import::checksum(&self.run, &self.train)
    }

    fn dialogues<'a>(&'a self, noise: &'a Noise, count: usize) -> impl Iterator<Item = Dialogue> + 'a {
        let mut writer = Writer::new(&self.writer, noise, VOCABULARY_SEED);
        (0..count).map(move |_| writer.dialogue())
    }

    /// The task, for the vocabulary of the run.
    ///
    /// # Errors
    /// When the `tokenizer` step has not run, or the dictionary is missing.
    pub fn task(&self) -> Result<LmTask> {
        let tools: Vec<String> = Writer::tools().into_iter().map(|spec| spec.name).collect();
        let chat = Chat::new(recipe::read_tokens(&self.tokens_path())?, &tools)?;
        Ok(LmTask {
            net: self.net.clone(),
            chat: Arc::new(chat),
            noise: Arc::new(self.noise()?),
            writer: self.writer.clone(),
            packing: self.packing.clone(),
        })
    }

    /// The net with the weights of the run, for inference on `device`; where nothing was trained, with those that the run
    /// would start with, so that a bundle can be measured and written again.
    ///
    /// # Errors
    /// A run that has no weights and starts with none.
    pub fn trained(&self, device: &Device) -> Result<Llama> {
        let task = self.task()?;
        match import::stand_in(&self.run, &self.train)? {
            Some(start) => import::begin(&task, task.net(device), start),
            None => recipe::trained(Self::TASK, self, &self.run, &self.train, || Ok(task.net(device))),
        }
    }

    /// How often greedy decoding is exact.
    fn measure(&self) -> Result<Measured> {
        let device = self.train.backend.device()?;
        let (task, net) = (self.task()?, self.trained(&device)?);
        let mut table = Measured::new();
        let clean = WriterConfig { noisy_percent: 0, ..self.writer.clone() };
        let noisy = WriterConfig { noisy_percent: 100, ..self.writer.clone() };
        for (condition, writer) in [("clean", clean), ("noisy", noisy)] {
            for batch in task.tests(writer, self.packing.valid_batches * 2) {
                for ((domain, call), exact) in task.exact(&net, &batch?, &device) {
                    table.entry((domain, call, condition)).or_default().add(exact);
                }
            }
        }
        Ok(table)
    }
}

/// How many messages were right: by domain, whether they are tool calls, and condition.
type Measured = BTreeMap<(Domain, bool, &'static str), Exact>;

/// The figures of `evaluate`, as they stand in [`RESULTS`].
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Results {
    /// The checksum of what was measured.
    weights: String,
    /// Shares of messages that are right to the last token, with their numbers, by name.
    exact: BTreeMap<String, Share>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Share {
    share: f64,
    of: usize,
}

impl Results {
    fn new(weights: String, measured: &Measured) -> Self {
        let mut sums: BTreeMap<String, Exact> = BTreeMap::new();
        for ((domain, call, condition), exact) in measured {
            let kind = if *call { "calls" } else { "replies" };
            let domain = format!("{domain:?}").to_lowercase();
            for name in [format!("{kind}, {domain}, {condition}"), format!("{kind}, all, {condition}")] {
                sums.entry(name).or_default().add(*exact);
            }
        }
        let shares = sums.into_iter().map(|(name, exact)| (name, Share { share: exact.share(), of: exact.all }));
        Self { weights, exact: shares.collect() }
    }
}

/// The figures for a person: a line for each domain.
fn table(measured: &Measured) -> String {
    let mut text = format!("{:<10}{:>24}{:>24}{:>24}{:>24}\n", "", "calls, clean", "noisy", "replies, clean", "noisy");
    let columns = [(true, "clean"), (true, "noisy"), (false, "clean"), (false, "noisy")];
    let mut line = |name: &str, domains: &[Domain]| {
        let _ = write!(text, "{name:<10}");
        for (call, condition) in columns {
            let mut sum = Exact::default();
            domains.iter().filter_map(|domain| measured.get(&(*domain, call, condition))).for_each(|one| sum.add(*one));
            let cell = match sum.all {
                0 => "-".to_owned(),
                all => format!("{:.2} % of {all}", sum.share() * 100.0),
            };
            let _ = write!(text, "{cell:>24}");
        }
        text.push('\n');
    };
    for domain in Domain::ALL {
        line(&format!("{domain:?}"), &[domain]);
    }
    line("all", &Domain::ALL);
    text
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|e| Error::io(path, e))
}

impl Recipe for LmRecipe {
    /// Writes dialogues for people to look at; training writes its own as it goes.
    fn prepare(&self) -> Result<()> {
        fs::create_dir_all(&self.run).map_err(|e| Error::io(&self.run, e))?;
        let noise = self.noise()?;
        let mut text = String::new();
        for dialogue in self.dialogues(&noise, 200) {
            for line in dialogue.lines {
                let call =
                    line.message.tool_call.and_then(|call| serde_json::to_string(&call).ok()).unwrap_or_default();
                let _ = writeln!(text, "{:?}: {}{call}", line.message.role, line.message.content);
            }
            text.push('\n');
        }
        write(&self.run.join("dialogues.txt"), &text)
    }

    fn tokenizer(&self) -> Result<()> {
        fs::create_dir_all(&self.run).map_err(|e| Error::io(&self.run, e))?;
        // A net that is there already keeps its tokens.
        let tokenizer = match &self.train.start {
            Some(start) => import::tokens(start)?,
            None => {
                let noise = self.noise()?;
                chat::learn_vocabulary(self.dialogues(&noise, self.tokenizer.dialogues), self.tokenizer.pieces)?
            }
        };
        recipe::keep_tokens(&self.run, &tokenizer)
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
        let measured = self.measure()?;
        let results = Results::new(self.checksum()?, &measured);
        tracing::info!("messages of held-out dialogues that are right to the last token:\n{}", table(&measured));
        let text = serde_json::to_string_pretty(&results).map_err(|e| Error::data(RESULTS, e))?;
        write(&self.run.join(RESULTS), &text)
    }

    fn export(&self) -> Result<()> {
        self.export.refuse_int8()?;
        let net = self.trained(&Device::flex())?;
        let tokenizer = recipe::read_tokens(&self.tokens_path())?;
        let info = GgufInfo {
            name: &self.export.name,
            licence: &self.export.licence,
            context: self.packing.context.max(TRAINED_CONTEXT),
            storage: self.storage,
        };
        let bytes = gguf(&net, &self.net, &tokenizer, &info)?;
        let mut card = self.card()?;
        self.check(&net, &bytes, &mut card)?;
        let file = NewFile::new(MODEL_ROLE, "model.gguf", bytes);
        let bundle = Bundle::write(&self.export.bundle, card, &[file])?;
        let (root, parity) = (bundle.root().display(), &bundle.card().parity);
        tracing::info!("{root}: {} bytes, largest difference to the net {parity:?}", bundle.bytes());
        Ok(())
    }
}

/// Dialogues that an export is checked with, and the tokens after which scores are compared: some of each dialogue.
#[cfg(feature = "llama")]
const CHECKED: usize = 4;
#[cfg(feature = "llama")]
const CHECKED_TOKENS: [usize; 4] = [1, 2, 17, 120];

/// The context that the file declares, at the least: rotary positions carry a little further than the rows of training.
const TRAINED_CONTEXT: usize = 512;

impl LmRecipe {
    /// Compares what llama.cpp computes with the bytes of a file with what the net computes, on the card.
    #[cfg(feature = "llama")]
    fn check(&self, net: &Llama, bytes: &[u8], card: &mut ModelCard) -> Result<()> {
        let chat = self.task()?.chat;
        let folder = &self.export.bundle;
        let path = folder.join(".model.gguf.unchecked");
        let io = |source| Error::io(&path, source);
        fs::create_dir_all(folder).and_then(|()| fs::write(&path, bytes)).map_err(io)?;
        let tokens = |dialogue| chat.encode(&dialogue).0.into_iter().map(|id| id as i32).collect();
        let dialogues: Vec<Vec<i32>> = self.dialogues(&Noise::default(), CHECKED).map(tokens).collect();
        let begun = |length: usize| dialogues.iter().map(move |ids| ids[..length.min(ids.len())].to_vec());
        let texts: Vec<Vec<i32>> = CHECKED_TOKENS.into_iter().flat_map(begun).collect();
        let difference = check_parity(&path, self.storage, &texts, |ids| net.score(ids, &Device::flex()));
        fs::remove_file(&path).map_err(io)?;
        card.parity.insert(LLAMA_CPP.to_owned(), difference?);
        Ok(())
    }

    #[cfg(not(feature = "llama"))]
    #[allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "with the feature it looks, and may fail")]
    fn check(&self, _: &Llama, _: &[u8], _: &mut ModelCard) -> Result<()> {
        tracing::warn!("the file is not checked: this program was built without llama.cpp");
        Ok(())
    }

    /// The card, with the figures of `evaluate` where it has measured these weights.
    fn card(&self) -> Result<ModelCard> {
        let mut card = self.export.card(CardTask::Llm, FAMILY);
        card.language.get_or_insert_with(|| "en".into());
        let results: Option<Results> = figures(&self.run, &self.checksum()?);
        for (name, exact) in results.into_iter().flat_map(|results| results.exact) {
            card.results.insert(format!("exact {name}"), Measure::Text(format!("{:.4} of {}", exact.share, exact.of)));
        }
        Ok(card)
    }
}
