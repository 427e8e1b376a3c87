use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rejoinder_models::card::{Bundle, MODEL_ROLE};
use rejoinder_models::text::{ErrorCounts, TextForm, Tokenizer};

use super::bundle::FAMILY;
use super::phones::{PHONES, phone_errors, phone_frames, phone_labels};
use super::recipe::{AsrRecipe, LossMean};
use super::source::{Likeness, PHONES_HEAD};
use super::tables::PhonesConfig;
use super::teacher::Teacher;
use crate::data::asr::AsrDataset;
use crate::data::loader::{AsrBatch, Front, LoaderConfig, Sorting};
use crate::data::statistics::BinStatistics;
use crate::losses::{ctc_loss, frame_loss};
use crate::nets::bottleneck::Parts;
use crate::nets::conformer::{Chunks, Conformer, ConformerConfig, DynamicChunks, Heads, Kind};
use crate::random::generator;
use crate::trainer::{Batches, Figure, Loss, Metric, Task};
use crate::{Error, Result};

/// Batches whose features set the normalisation.
const STATISTICS_BATCHES: usize = 40;

/// A streaming Conformer-CTC and its data.
pub struct AsrTask {
    net: ConformerConfig,
    intermediate_weight: f64,
    loss_mean: LossMean,
    phones: Option<PhonesConfig>,
    chunks: Option<DynamicChunks>,
    teacher: Option<Teacher>,
    seed: u64,
    loader: LoaderConfig,
    tokenizer: Tokenizer,
    text: TextForm,
    train: Arc<AsrDataset>,
    valid: Arc<AsrDataset>,
    augmented: Arc<Front>,
    plain: Arc<Front>,
    statistics: BinStatistics,
}

impl AsrTask {
    pub(super) fn new(
        recipe: &AsrRecipe,
        tokenizer: Tokenizer,
        train: Arc<AsrDataset>,
        valid: Arc<AsrDataset>,
        augmented: Arc<Front>,
        plain: Arc<Front>,
    ) -> Result<Self> {
        check(recipe)?;
        if valid.clips().is_empty() {
            let place = recipe.data.valid.display().to_string();
            return Err(Error::data(place, "expected clips with transcripts to validate on, found none"));
        }
        // What a stream cannot compute is told before anything is learnt.
        plain.fbank.stream().map_err(|e| Error::config("[features]", e))?;
        let statistics = measure(&train, &recipe.loader, &plain)?;
        Ok(Self {
            net: recipe.net.clone(),
            intermediate_weight: recipe.intermediate_weight,
            loss_mean: recipe.loss_mean,
            phones: recipe.phones.clone(),
            chunks: recipe.chunks.clone(),
            teacher: None,
            seed: recipe.train.seed,
            loader: recipe.loader.clone(),
            tokenizer,
            text: recipe.tokenizer.text,
            train,
            valid,
            augmented,
            plain,
            statistics,
        })
    }

    /// The task with somebody to learn from.
    pub(super) fn with_teacher(self, teacher: Option<Teacher>) -> Self {
        Self { teacher, ..self }
    }

    /// Refuses a bundle that a net of this recipe cannot begin with.
    pub(in crate::tasks) fn check_bundle(&self, bundle: &Bundle, family: &str) -> Result<()> {
        let features = self.plain.fbank.config();
        Likeness { net: &self.net, features, tokenizer: &self.tokenizer }.check(bundle, family)
    }

    /// The tokenizer of the run.
    pub(in crate::tasks) fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The chunks of a training batch: drawn where the recipe says so, the same ones when a run is resumed.
    pub(in crate::tasks) fn draw(&self, batch: &AsrBatch, step: usize) -> Chunks {
        let Some(chunks) = &self.chunks else { return self.net.chunks() };
        let clip = batch.clips.first().copied().unwrap_or_default() as u64;
        chunks.draw(&mut generator(&[self.seed, step as u64, clip]))
    }

    /// Pads every clip in front by the net's left context and at the end to whole chunks.
    ///
    /// Returns the features, (batch, [`ConformerConfig::features_for`] frames, bins), and the encoder frames of each clip.
    pub(in crate::tasks) fn features(
        &self,
        batch: &AsrBatch,
        chunks: Chunks,
        device: &Device,
    ) -> (Tensor<3>, Vec<usize>) {
        let (bins, left) = (batch.bins, self.net.left_features());
        let encoded = |frames: &usize| self.net.encoder_frames(chunks, *frames);
        let lengths: Vec<usize> = batch.lengths.iter().map(encoded).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let total = self.net.features_for(longest);
        let mut padded = vec![self.plain.fbank.config().silence(); lengths.len() * total * bins];
        let rows = batch.features.chunks_exact(batch.frames * bins);
        for ((target, row), length) in padded.chunks_exact_mut(total * bins).zip(rows).zip(&batch.lengths) {
            target[left * bins..(left + length) * bins].copy_from_slice(&row[..length * bins]);
        }
        let features = Tensor::from_data(TensorData::new(padded, [lengths.len(), total, bins]), device);
        (features, lengths)
    }

    /// A fresh encoder, or one with the weights of another.
    pub(in crate::tasks) fn encoder(&self, begin: Option<&Conformer>, device: &Device) -> Conformer {
        let fresh = self.net(device);
        match begin {
            Some(trained) => fresh.load_record(trained.clone().into_record()),
            None => fresh,
        }
    }

    /// What the net makes of each clip of a batch, by the best token of each frame.
    pub(super) fn hear(&self, net: &Conformer, batch: &AsrBatch, device: &Device) -> Vec<String> {
        let (features, lengths) = self.features(batch, self.net.chunks(), device);
        self.texts(net.forward(features, &lengths).0.tokens, &lengths)
    }

    /// The best tokens of each frame as text.
    pub(in crate::tasks) fn texts(&self, log_probs: Tensor<3>, lengths: &[usize]) -> Vec<String> {
        greedy(log_probs, lengths).iter().map(|tokens| self.tokenizer.decode(tokens)).collect()
    }

    fn phones(&self) -> usize {
        if self.phones.is_some() { PHONES } else { 0 }
    }

    /// How far what was heard of each clip of a validation batch is from what is said there.
    pub(in crate::tasks) fn error_rate(&self, heard: &[String], batch: &AsrBatch) -> Figure {
        let mut errors = ErrorCounts::default();
        for (heard, clip) in heard.iter().zip(&batch.clips) {
            errors += self.text.errors(&self.valid.clips()[*clip].text, heard);
        }
        let said = errors.reference() as f64;
        Figure { name: self.text.rate(), value: 100.0 * errors.errors() as f64 / said.max(1.0), weight: said }
    }

    /// A loss that is a mean over the tokens of a batch, as the mean that the recipe wants. Its figures stay.
    pub(in crate::tasks) fn mean(&self, loss: Loss, batch: &AsrBatch) -> Loss {
        match self.loss_mean {
            LossMean::Tokens => loss,
            LossMean::Utterances => {
                let tokens: usize = batch.token_lengths.iter().sum();
                let each = tokens as f64 / batch.clips.len().max(1) as f64;
                Loss { total: loss.total.mul_scalar(each), ..loss }
            }
        }
    }

    /// The CTC losses of the last and the middle block: of tokens, and of phones where the recipe has them.
    pub(in crate::tasks) fn ctc(
        &self,
        heads: Heads,
        middle: Tensor<3>,
        batch: &AsrBatch,
        lengths: &[usize],
        step: usize,
    ) -> Loss {
        let tokens = Self::tokens(batch);
        let last = ctc_loss(heads.tokens, &tokens, lengths);
        let value = f64::from(last.clone().into_scalar::<f32>());
        let middle_weight = self.intermediate_weight;
        let (Some(phones), Some(config)) = (heads.phones, &self.phones) else {
            let middle = ctc_loss(middle, &tokens, lengths);
            let total = last.mul_scalar(1.0 - middle_weight) + middle.mul_scalar(middle_weight);
            return Loss { total, parts: vec![("loss", value)] };
        };
        let (phones, middle) = if step < config.aligned_steps {
            let labels = phone_labels(&self.net, batch);
            (frame_loss(phones, &labels), frame_loss(middle, &labels))
        } else {
            let frames = phone_frames(&self.net, lengths);
            (ctc_loss(phones, &batch.phones, &frames), ctc_loss(middle, &batch.phones, &frames))
        };
        let heard = f64::from(phones.clone().into_scalar::<f32>());
        let total = last.mul_scalar(1.0 - middle_weight - config.weight)
            + phones.mul_scalar(config.weight)
            + middle.mul_scalar(middle_weight);
        Loss { total, parts: vec![("loss", value), ("phones", heard)] }
    }

    /// The tokens of each clip.
    /// The tokens of a batch: its loss is their mean.
    pub(in crate::tasks) fn count(batch: &AsrBatch) -> f64 {
        batch.token_lengths.iter().sum::<usize>() as f64
    }

    pub(in crate::tasks) fn tokens(batch: &AsrBatch) -> Vec<Vec<u32>> {
        let rows = batch.tokens.chunks_exact(batch.max_tokens.max(1)).zip(&batch.token_lengths);
        rows.map(|(row, length)| row[..*length].to_vec()).collect()
    }
}

/// Refuses values that no net can be made or trained with.
fn check(recipe: &AsrRecipe) -> Result<()> {
    if let Some(mistake) = recipe.net.mistake() {
        return Err(Error::config("[net]", mistake));
    }
    recipe.check_latencies()?;
    if recipe.chunks.is_some() && recipe.net.kind == Kind::Hyperconformer {
        let reason = "expected none for a hyperconformer, whose windows are one size";
        return Err(Error::config("[chunks]", reason));
    }
    if let Some(mistake) = recipe.chunks.as_ref().and_then(DynamicChunks::mistake) {
        return Err(Error::config("[chunks]", mistake));
    }
    let (middle, phones) = (recipe.intermediate_weight, recipe.phones.as_ref().map_or(0.0, |phones| phones.weight));
    if !(middle >= 0.0 && phones >= 0.0 && middle + phones <= 1.0) {
        let reason = format!("expected it and phones.weight to be 0 to 1 together, found {middle} and {phones}");
        return Err(Error::config("intermediate_weight", reason));
    }
    if recipe.loss_mean == LossMean::Utterances && (recipe.phones.is_some() || recipe.distill.is_some()) {
        let reason = "expected `tokens` beside [phones] or [distill], whose losses are means of their own";
        return Err(Error::config("loss_mean", reason));
    }
    Ok(())
}

/// Mean and deviation of each bin over some of the clips, without padding.
fn measure(clips: &Arc<AsrDataset>, loader: &LoaderConfig, front: &Arc<Front>) -> Result<BinStatistics> {
    let bins = front.fbank.bins();
    let frames = |batch: Result<AsrBatch>| {
        let batch = batch?;
        let rows = batch.features.chunks_exact(batch.frames * bins).zip(&batch.lengths);
        Ok(rows.flat_map(|(row, length)| &row[..length * bins]).copied().collect())
    };
    // The first batches in order of length would be all alike.
    let loader = LoaderConfig { sorting: Sorting::Random, ..loader.clone() };
    BinStatistics::of(bins, clips.batches(&loader, front, 0, 0)?.take(STATISTICS_BATCHES).map(frames))
}

impl Task for AsrTask {
    type Net = Conformer;
    type Batch = AsrBatch;

    fn net(&self, device: &Device) -> Conformer {
        let net = self.net.init(self.tokenizer.len(), self.phones(), device);
        net.with_statistics(&self.statistics.mean, &self.statistics.deviation)
    }

    fn weights_in(&self, bundle: &Bundle) -> Result<Vec<(&'static str, &'static str)>> {
        self.check_bundle(bundle, FAMILY)?;
        Ok(vec![(MODEL_ROLE, "")])
    }

    fn heads(&self) -> &'static [&'static str] {
        &[PHONES_HEAD]
    }

    fn with_bottlenecks(&self, net: Conformer, width: usize, behind: Parts<'_>) -> Option<Conformer> {
        net.with_bottlenecks(width, behind)
    }

    fn metric(&self) -> Metric {
        Metric::lowest(self.text.rate())
    }

    fn seconds(&self, batch: &AsrBatch) -> f64 {
        batch.seconds
    }

    fn train_batches(&self, epoch: usize, seed: u64, done: usize) -> Result<Batches<AsrBatch>> {
        let config = LoaderConfig { seed, ..self.loader.clone() };
        Ok(Box::new(self.train.batches(&config, &self.augmented, epoch, done)?))
    }

    fn valid_batches(&self) -> Result<Batches<AsrBatch>> {
        let config = LoaderConfig { sorting: Sorting::Ascending, ..self.loader.clone() };
        Ok(Box::new(self.valid.batches(&config, &self.plain, 0, 0)?))
    }

    fn loss(&self, net: &Conformer, batch: AsrBatch, step: usize, device: &Device) -> Result<Loss> {
        let chunks = self.draw(&batch, step);
        let (features, lengths) = self.features(&batch, chunks, device);
        let (heads, middle) = net.forward_in(chunks, features.clone(), &lengths);
        let log_probs = heads.tokens.clone();
        let loss = self.mean(self.ctc(heads, middle, &batch, &lengths, step), &batch);
        match &self.teacher {
            Some(teacher) => teacher.join(loss, log_probs, (chunks, features, &lengths)),
            None => Ok(loss),
        }
    }

    fn evaluate(&self, net: &Conformer, batch: AsrBatch, device: &Device) -> Result<Vec<Figure>> {
        let (features, lengths) = self.features(&batch, self.net.chunks(), device);
        let (heads, _) = net.forward(features, &lengths);
        let loss = f64::from(ctc_loss(heads.tokens.clone(), &Self::tokens(&batch), &lengths).into_scalar::<f32>());
        let mut figures = vec![
            Figure { name: "loss", value: loss, weight: Self::count(&batch) },
            self.error_rate(&self.texts(heads.tokens, &lengths), &batch),
        ];
        if let Some(phones) = heads.phones {
            let mut errors = ErrorCounts::default();
            for (heard, said) in greedy(phones, &phone_frames(&self.net, &lengths)).iter().zip(&batch.phones) {
                errors += phone_errors(said, heard);
            }
            let said = errors.reference() as f64;
            figures.push(Figure { name: "per", value: 100.0 * errors.errors() as f64 / said.max(1.0), weight: said });
        }
        Ok(figures)
    }
}

/// The best sequence of each utterance, frame by frame.
pub(in crate::tasks) fn greedy(log_probs: Tensor<3>, lengths: &[usize]) -> Vec<Vec<u32>> {
    let longest = log_probs.dims()[1].max(1);
    let best: Vec<i64> = log_probs.argmax(2).into_data().iter::<i64>().collect();
    best.chunks_exact(longest).zip(lengths).map(|(row, length)| collapse(&row[..*length])).collect()
}

/// Best tokens by frame without repeats and blanks.
fn collapse(best: &[i64]) -> Vec<u32> {
    let mut tokens = Vec::new();
    let mut before = 0;
    for token in best {
        if *token != before && *token != 0 {
            tokens.push(*token as u32);
        }
        before = *token;
    }
    tokens
}
