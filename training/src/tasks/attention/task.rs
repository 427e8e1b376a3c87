use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rejoinder_models::asr::conformer_attention::FAMILY;
use rejoinder_models::card::{Bundle, DECODER_ROLE, MODEL_ROLE};
use rejoinder_models::decode::attention::AttentionConfig;

use super::decode::Joint;
use super::recipe::{AttentionRecipe, DecoderConfig};
use crate::Result;
use crate::data::loader::AsrBatch;
use crate::losses::smoothed_loss;
use crate::nets::bottleneck::Parts;
use crate::nets::conformer::{Chunks, Conformer};
use crate::nets::encoder_decoder::EncoderDecoder;
use crate::nets::transformer::said_next;
use crate::tasks::asr::{AsrTask, extended};
use crate::trainer::{Batches, Figure, Loss, Metric, Task};

/// A streaming Conformer with CTC and an attention decoder, and its data.
pub struct AttentionTask {
    asr: AsrTask,
    config: DecoderConfig,
    search: AttentionConfig,
    /// The encoder to begin with.
    encoder: Option<Conformer>,
}

impl AttentionTask {
    pub(super) fn new(recipe: &AttentionRecipe, asr: AsrTask) -> Result<Self> {
        let (config, search) = (recipe.decoder.clone(), recipe.params()?.attention);
        let encoder = recipe.asr.encoder(config.encoder.as_deref())?;
        Ok(Self { asr, config, search, encoder })
    }

    /// What the net makes of each clip of a batch in these chunks, by the joint search without language models.
    pub(super) fn hear(
        &self,
        net: &EncoderDecoder,
        batch: &AsrBatch,
        chunks: Chunks,
        device: &Device,
    ) -> Result<Vec<String>> {
        let (features, lengths) = self.asr.features(batch, chunks, device);
        let (heads, _) = net.encoder().forward_in(chunks, features, &lengths);
        let joint = Joint { config: &self.search, tokenizer: self.asr.tokenizer(), net: net.decoder(), device };
        joint.texts(heads, &lengths)
    }
}

/// The share of the next tokens, the ends included, that a decoder finds the likeliest, and their number.
fn accuracy(log_probs: Tensor<3>, said: &[Vec<u32>]) -> (f64, f64) {
    let places = log_probs.dims()[1];
    let best: Vec<i64> = log_probs.argmax(2).into_data().iter::<i64>().collect();
    let rows = best.chunks_exact(places).zip(said);
    let right =
        |(best, said): (&[i64], &Vec<u32>)| best.iter().zip(said).filter(|(a, b)| **a == i64::from(**b)).count();
    let all: usize = said.iter().map(Vec::len).sum();
    (rows.map(right).sum::<usize>() as f64 / all.max(1) as f64, all as f64)
}

impl Task for AttentionTask {
    type Net = EncoderDecoder;
    type Batch = AsrBatch;

    fn net(&self, device: &Device) -> EncoderDecoder {
        let encoder = self.asr.encoder(self.encoder.as_ref(), device);
        let net = EncoderDecoder::new(encoder, &self.config.net, self.asr.tokenizer().len(), device);
        if device.is_autodiff() { net.train() } else { net }
    }

    fn weights_in(&self, bundle: &Bundle) -> Result<Vec<(&'static str, &'static str)>> {
        self.asr.check_bundle(bundle, FAMILY)?;
        Ok(vec![(MODEL_ROLE, ""), (DECODER_ROLE, "decoder")])
    }

    /// What hears while a net learns, and what no bundle of this task says.
    fn heads(&self) -> &'static [&'static str] {
        &["encoder.phones"]
    }

    fn with_bottlenecks(&self, net: EncoderDecoder, width: usize, behind: Parts<'_>) -> Option<EncoderDecoder> {
        net.with_bottlenecks(width, behind)
    }

    fn metric(&self) -> Metric {
        Metric::highest("accuracy")
    }

    fn seconds(&self, batch: &AsrBatch) -> f64 {
        batch.seconds
    }

    fn train_batches(&self, epoch: usize, seed: u64, done: usize) -> Result<Batches<AsrBatch>> {
        self.asr.train_batches(epoch, seed, done)
    }

    fn valid_batches(&self) -> Result<Batches<AsrBatch>> {
        self.asr.valid_batches()
    }

    fn loss(&self, net: &EncoderDecoder, batch: AsrBatch, step: usize, device: &Device) -> Result<Loss> {
        let chunks = self.asr.draw(&batch, step);
        let (features, lengths) = self.asr.features(&batch, chunks, device);
        let frozen = step < self.config.frozen_steps;
        let (heads, middle) = extended::encoder(net.encoder(), frozen).forward_in(chunks, features, &lengths);
        let tokens = AsrTask::tokens(&batch);
        let said = net.say(heads.frames.clone(), &lengths, &tokens);
        let decoder = smoothed_loss(said, &said_next(&tokens), self.config.label_smoothing);
        let ctc = || (self.asr.ctc(heads, middle, &batch, &lengths, step), self.config.ctc_weight);
        Ok(extended::beside_ctc(decoder, (!frozen).then(ctc)))
    }

    /// The decoder's loss without smoothing, its accuracy where it is told the tokens so far, and the word error rate of
    /// the best tokens of CTC: a joint search of every validation would take longer than training.
    fn evaluate(&self, net: &EncoderDecoder, batch: AsrBatch, device: &Device) -> Result<Vec<Figure>> {
        let chunks = net.encoder().config().chunks();
        let (features, lengths) = self.asr.features(&batch, chunks, device);
        let (heads, _) = net.encoder().forward_in(chunks, features, &lengths);
        let tokens = AsrTask::tokens(&batch);
        let (said, next) = (net.say(heads.frames, &lengths, &tokens), said_next(&tokens));
        let loss = f64::from(smoothed_loss(said.clone(), &next, 0.0).into_scalar::<f32>());
        let (accuracy, count) = accuracy(said, &next);
        Ok(vec![
            Figure { name: "loss", value: loss, weight: count },
            Figure { name: "accuracy", value: accuracy, weight: count },
            self.asr.error_rate(&self.asr.texts(heads.tokens, &lengths), &batch),
        ])
    }
}
