use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rejoinder_models::features::{Fbank, FbankConfig};
use rejoinder_models::text::{Tokenizer, UNKNOWN};
use serde::{Deserialize, Serialize};

use super::align;
use super::phones::{PHONES, Pronouncer};
use super::tables::{DataConfig, EvaluateConfig, LmConfig, PhonesConfig, TokenizerConfig};
use super::task::AsrTask;
use super::teacher::{DistillConfig, Teacher};
use super::tokens;
use crate::augment::{AugmentConfig, Augmenter};
use crate::data::asr::{AsrClip, AsrDataset, items};
use crate::data::loader::{Front, LoaderConfig};
use crate::data::pipeline::PipelineBuilder;
use crate::data::prepare::{self, PrepareConfig};
use crate::export::ExportConfig;
use crate::import;
use crate::nets::conformer::{Chunks, ConformerConfig, DynamicChunks, Kind};
use crate::recipe::{self, Recipe};
use crate::tasks;
use crate::trainer::{self, RunMode, Timing, TrainOptions, Trained};
use crate::{Error, Result};

/// The file of a run folder with the tokens.
const TOKENS: &str = "tokens.txt";

/// A recipe with `task = "asr"`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AsrRecipe {
    /// The run folder: weights, logs, checkpoints, tokens.
    pub run: PathBuf,
    /// From raw sets to prepared folders.
    pub prepare: PrepareConfig,
    /// The vocabulary.
    pub tokenizer: TokenizerConfig,
    /// What is trained and tested on.
    pub data: DataConfig,
    /// Features; default: the kaldi flavour.
    #[serde(default = "FbankConfig::kaldi")]
    pub features: FbankConfig,
    /// What changes clips in training.
    #[serde(default)]
    pub augment: AugmentConfig,
    /// How batches are formed.
    #[serde(default)]
    pub loader: LoaderConfig,
    /// The shape of the net, with the chunks in which it is validated and exported.
    pub net: ConformerConfig,
    /// Chunks to draw for each batch in training. Default: those of the net.
    #[serde(default)]
    pub chunks: Option<DynamicChunks>,
    /// The chunks and left contexts among which whoever opens the bundle may choose; those of the net are the default.
    /// Default: those of the net alone, and a file whose sizes are fixed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latencies: Vec<Chunks>,
    /// Weight of the loss at the middle block (Lee and Watanabe, ICASSP 2021). Default: 0.3.
    #[serde(default = "intermediate_weight")]
    pub intermediate_weight: f64,
    /// What the losses of CTC and of a transducer are means over. Default: tokens.
    #[serde(default)]
    pub loss_mean: LossMean,
    /// What is learnt beside the tokens, if it is to be: phones.
    #[serde(default)]
    pub phones: Option<PhonesConfig>,
    /// Whose answers are learnt beside the labels. Default: nobody's.
    #[serde(default)]
    pub distill: Option<DistillConfig>,
    /// How long and how fast.
    #[serde(default)]
    pub train: TrainOptions,
    /// The language model of the bundle, if it is to have one.
    #[serde(default)]
    pub lm: Option<LmConfig>,
    /// What the card of the bundle says.
    pub export: ExportConfig,
    /// How the bundle is measured.
    #[serde(default)]
    pub evaluate: EvaluateConfig,
}

/// What the loss of a batch is a mean over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossMean {
    /// Its tokens: long utterances count for more, and the loss is as large for any vocabulary's pieces.
    #[default]
    Tokens,
    /// Its utterances: SpeechBrain's `batchmean` of CTC and `mean` of a transducer.
    Utterances,
}

fn intermediate_weight() -> f64 {
    0.3
}

impl AsrRecipe {
    /// What `task` says in such a recipe.
    pub const TASK: &'static str = "asr";

    fn tokens_path(&self) -> PathBuf {
        self.run.join(TOKENS)
    }

    /// The net in 32-bit floats, as `export` leaves it in the run folder.
    pub(in crate::tasks) fn float_bundle(&self) -> PathBuf {
        self.run.join("float")
    }

    /// Whether the run has weights that `evaluate` can measure.
    pub(in crate::tasks) fn is_trained(&self) -> bool {
        Trained::find(&self.run, &self.train).is_ok_and(|trained| trained.is_some())
    }

    /// The tokenizer of the run.
    ///
    /// # Errors
    /// When the `tokenizer` step has not run.
    pub fn read_tokenizer(&self) -> Result<Tokenizer> {
        recipe::read_tokens(&self.tokens_path())
    }

    /// The net with the weights of the run, for inference on `device`; where nothing was trained, with those that the run
    /// would start with, so that a bundle can get another language model without training.
    ///
    /// # Errors
    /// A run that has no weights and starts with none.
    pub fn trained(&self, device: &burn::tensor::Device) -> Result<crate::nets::conformer::Conformer> {
        match import::stand_in(&self.run, &self.train)? {
            Some(start) => self.loaded(start, &[]),
            None => recipe::trained(Self::TASK, self, &self.run, &self.train, || self.fresh("", device)),
        }
    }

    /// The net with fresh weights, which is called `name` in that of its task: nothing, or with a dot at its end.
    pub(in crate::tasks) fn fresh(
        &self,
        name: &str,
        device: &burn::tensor::Device,
    ) -> Result<crate::nets::conformer::Conformer> {
        let phones = if self.phones.is_some() { PHONES } else { 0 };
        let net = self.net.init(self.read_tokenizer()?.len(), phones, device);
        match self.train.adapters.as_ref().and_then(|adapters| adapters.houlsby.as_ref()) {
            Some(houlsby) => net
                .with_bottlenecks(houlsby.projection_size, &|part| houlsby.chooses(&format!("{name}{part}")))
                .ok_or_else(|| {
                    Error::config(
                        "[train.adapters]",
                        "houlsby: this encoder has no place for bottlenecks; expected lora instead",
                    )
                }),
            None => Ok(net),
        }
    }

    /// The chunks in which the bundle can hear, the default first.
    pub(in crate::tasks) fn latencies(&self) -> Vec<Chunks> {
        let default = self.net.chunks();
        let others = self.latencies.iter().filter(|chunks| **chunks != default);
        std::iter::once(default).chain(others.copied()).collect()
    }

    /// Checks that the net can run in chunks of each latency.
    pub(in crate::tasks) fn check_latencies(&self) -> Result<()> {
        let wrong = |reason: String| Err(Error::config("latencies", reason));
        if self.latencies.is_empty() {
            return Ok(());
        }
        if let Kind::Hyperconformer | Kind::Crdnn = self.net.kind {
            return wrong("expected none for a hyperconformer or crdnn, whose chunks are one size".to_owned());
        }
        match self.latencies().into_iter().find(|chunks| chunks.chunk == 0 || chunks.left == 0) {
            Some(Chunks { chunk, left }) => {
                wrong(format!("expected chunk and left above zero, found chunk = {chunk}, left = {left}"))
            }
            None => Ok(()),
        }
    }

    fn front(&self, augment: bool) -> Result<Arc<Front>> {
        let fbank = tasks::fbank(&self.features, self.net.bins)?;
        let (noise, rooms) = (self.data.noise.as_deref(), self.data.rooms.as_deref());
        let augmenter = augment
            .then(|| Augmenter::open(self.augment.clone(), noise, rooms, &self.data.manifest, fbank.rate().get()));
        Ok(Arc::new(Front { augmenter: augmenter.transpose()?, fbank }))
    }

    /// A prepared folder or manifest with its transcripts as the recogniser learns them, to evaluate on.
    pub(in crate::tasks) fn open_text(&self, folder: &Path) -> Result<AsrDataset> {
        let mut dataset = AsrDataset::open(folder, &self.data.manifest)?;
        dataset.transcribe(&mut self.transcript().build(&[items::TEXT.name()])?)?;
        Ok(dataset)
    }

    /// A prepared folder or manifest with its tokens, to evaluate on.
    ///
    /// # Errors
    /// A folder that is not prepared.
    pub fn open_test(&self, folder: &Path, tokenizer: &Tokenizer) -> Result<Arc<AsrDataset>> {
        let mut dataset = AsrDataset::open(folder, &self.data.manifest)?;
        self.encode(&mut dataset, tokenizer)?;
        Ok(Arc::new(dataset))
    }

    /// What tells the phones of words, where the recipe has phones.
    pub(super) fn pronouncer(&self) -> Result<Option<Pronouncer>> {
        let Some(phones) = &self.phones else { return Ok(None) };
        if let Some(pronouncer) = self.bundled_pronouncer(&phones.g2p)? {
            return Ok(Some(pronouncer));
        }
        let set = prepare::locate(self.prepare.located(), &self.prepare.out, &phones.set)?;
        Pronouncer::read(&set.join(&phones.dictionary), &phones.g2p).map(Some)
    }

    fn transcript(&self) -> PipelineBuilder {
        let form = self.tokenizer.text;
        items::transcript(move |words| form.normalise(words))
    }

    fn encode(&self, dataset: &mut AsrDataset, tokenizer: &Tokenizer) -> Result<()> {
        let own = tokenizer.clone();
        let encode = move |text: &String| Ok(own.encode(text));
        let mut outputs = vec![items::TEXT.name(), items::TOKENS.name()];
        let mut transcript = self.transcript().item(items::TOKENS, items::TEXT, encode);
        if let Some(pronouncer) = self.pronouncer()? {
            let pronounce = move |text: &String| Ok(pronouncer.sentence(text));
            transcript = transcript.item(items::PHONES, items::TEXT, pronounce);
            outputs.push(items::PHONES.name());
        }
        dataset.transcribe(&mut transcript.build(&outputs)?)?;
        check_spelling(dataset, tokenizer)
    }

    /// The task on the prepared data.
    ///
    /// # Errors
    /// Data that is not prepared.
    pub fn task(&self) -> Result<AsrTask> {
        self.task_with(true)
    }

    /// The task whose losses count beside another's, which has a place for any number of tokens: clips in which CTC has none
    /// for all of them stay, and its losses of them are 0.
    ///
    /// # Errors
    /// As [`task`](Self::task).
    pub(in crate::tasks) fn task_beside_another(&self) -> Result<AsrTask> {
        self.task_with(false)
    }

    fn task_with(&self, places_all: bool) -> Result<AsrTask> {
        if let Some(source) = self.source().filter(|source| !import::is_bundle(source)) {
            self.check_run(source)?;
        }
        self.augment.check()?;
        let tokenizer = self.read_tokenizer()?;
        let mut train = AsrDataset::open_training(&self.data.train, &self.data.manifest)?;
        self.encode(&mut train, &tokenizer)?;
        let [shortest, longest] = self.data.limits_s;
        let (all, outside) = (train.clips().len(), train.limit(shortest, longest));
        let frame_s = self.features.hop_samples() as f64 * self.net.subsampling as f64
            / f64::from(Fbank::new(self.features.clone())?.rate().get());
        // A clip may be played faster, and a phone that comes twice needs a blank between.
        let fastest = f64::from(self.augment.fastest());
        let [token_s, phone_s] = [fastest * frame_s, 1.1 * fastest * frame_s / self.net.phone_frames() as f64];
        let dense = if places_all { train.limit_rate(token_s, phone_s) } else { 0 };
        tracing::info!(
            "{} training clips, {:.1} h; left out {outside} for their length, {dense} for too many tokens or phones",
            train.clips().len(),
            train.hours()
        );
        if train.clips().is_empty() {
            let reason = format!("of {all} clips none is left to learn from: see data.limits_s and `tokenizer`");
            return Err(Error::data("[data]", reason));
        }
        if dense * 10 > all {
            tracing::warn!(
                "{dense} of {all} clips have more tokens or phones than CTC can place, one in each {:.0} ms; fewer and \
                 longer pieces (`tokenizer.vocabulary`, `kind = \"bpe\"`) would keep them",
                1e3 * token_s
            );
        }
        let aligned = self.phones.as_ref().filter(|phones| phones.aligned_steps > 0);
        if let (Some(config), Some(pronouncer)) = (aligned, self.pronouncer()?) {
            align::align(&mut train, &pronouncer, config, &self.features, &self.run)?;
        }
        let valid = self.open_test(&self.data.valid, &tokenizer)?;
        let teacher = Teacher::open(self, &tokenizer)?;
        let task = AsrTask::new(self, tokenizer, Arc::new(train), valid, self.front(true)?, self.front(false)?)?;
        Ok(task.with_teacher(teacher))
    }

    /// The task with other clips in place of the training and validation data, to report on.
    pub(in crate::tasks) fn task_on(&self, dataset: Arc<AsrDataset>) -> Result<AsrTask> {
        let front = self.front(false)?;
        AsrTask::new(self, self.read_tokenizer()?, dataset.clone(), dataset, front.clone(), front)
    }

    /// Writes the tokens of the run: those of `taken`, where the recipe takes over some, else fresh ones.
    pub(in crate::tasks) fn write_tokens(&self, taken: Option<&Path>) -> Result<()> {
        fs::create_dir_all(&self.run).map_err(|e| Error::io(&self.run, e))?;
        let tokenizer = match (taken, &self.tokenizer.file) {
            (Some(path), _) => import::tokens(path)?,
            (None, Some(path)) => tokens::read(path)?,
            (None, None) => tokens::train(&self.texts()?, &self.tokenizer)?,
        };
        recipe::keep_tokens(&self.run, &tokenizer)?;
        tracing::info!("{}: {} pieces", self.tokens_path().display(), tokenizer.len());
        Ok(())
    }

    fn texts(&self) -> Result<Vec<String>> {
        let mut dataset = AsrDataset::open_training(&self.data.train, &self.data.manifest)?;
        dataset.transcribe(&mut self.transcript().build(&[items::TEXT.name()])?)?;
        Ok(dataset.clips().iter().map(|clip| clip.text.clone()).collect())
    }
}

/// Warns of tokens that lack letters of the transcripts, and refuses those that lack most.
fn check_spelling(dataset: &AsrDataset, tokenizer: &Tokenizer) -> Result<()> {
    let Some(unknown) = tokenizer.id(UNKNOWN) else { return Ok(()) };
    let is_unknown = |clip: &&AsrClip| clip.tokens.contains(&unknown);
    let count = dataset.clips().iter().filter(is_unknown).count();
    let Some(one) = dataset.clips().iter().find(is_unknown) else { return Ok(()) };
    let all = dataset.clips().len();
    let reason = format!("{count} of {all} transcripts have characters that the tokens lack, such as `{}`", one.text);
    if count * 2 > all {
        return Err(Error::data("tokens", reason));
    }
    tracing::warn!("{reason}");
    Ok(())
}

impl Recipe for AsrRecipe {
    fn prepare(&self) -> Result<()> {
        prepare::with_bar(|progress| prepare::prepare(&self.prepare, progress))
    }

    fn tokenizer(&self) -> Result<()> {
        // A net that is there already keeps its tokens, and a student takes over those of its teacher.
        let teacher = self.distill.as_ref().map(|distill| distill.teacher.as_path());
        self.write_tokens(self.source().or(teacher))
    }

    fn train(&self, mode: RunMode) -> Result<()> {
        let run = recipe::begin_run(Self::TASK, self, &self.run, mode)?;
        run.fit(&self.task()?, &self.train, Vec::new()).map(drop)
    }

    fn time(&self, steps: usize) -> Result<Timing> {
        trainer::time(&self.task()?, &self.train, steps)
    }

    fn evaluate(&self) -> Result<()> {
        super::report::evaluate(self)
    }

    fn export(&self) -> Result<()> {
        super::bundle::export(self)
    }
}
