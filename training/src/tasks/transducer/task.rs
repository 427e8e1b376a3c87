use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rejoinder_models::card::{Bundle, DECODER_ROLE, JOINER_ROLE, MODEL_ROLE};

use super::bundle::FAMILY;
use super::decode::Greedy;
use super::recipe::{TransducerConfig, TransducerRecipe};
use crate::data::loader::AsrBatch;
use crate::export::OnnxModel;
use crate::losses::transducer_loss;
use crate::nets::bottleneck::Parts;
use crate::nets::conformer::{Chunks, Conformer, Heads};
use crate::nets::transducer::{Activation, Transducer};
use crate::tasks::asr::{AsrTask, extended};
use crate::trainer::{Batches, Figure, Loss, Metric, Task};
use crate::{Error, Result};

/// A streaming Conformer transducer and its data.
pub struct TransducerTask {
    asr: AsrTask,
    config: TransducerConfig,
    /// The encoder to begin with.
    encoder: Option<Conformer>,
    greedy: Greedy,
}

impl TransducerTask {
    pub(super) fn new(recipe: &TransducerRecipe, asr: AsrTask) -> Result<Self> {
        let config = recipe.transducer.clone();
        let encoder = recipe.asr.encoder(config.encoder.as_deref())?;
        let greedy = Greedy::new(config.max_symbols, asr.tokenizer().clone())?;
        Ok(Self { asr, config, encoder, greedy })
    }

    /// What the net makes of each clip of a batch in these chunks, by the greedy search.
    pub(super) fn hear(
        &self,
        net: &Transducer,
        batch: &AsrBatch,
        chunks: Chunks,
        device: &Device,
    ) -> Result<Vec<String>> {
        let (features, lengths) = self.asr.features(batch, chunks, device);
        let (heads, _) = net.encoder().forward_in(chunks, features, &lengths);
        Ok(self.greedy.texts(net, heads.frames, &lengths, device)?)
    }

    fn transducer(net: &Transducer, heads: &Heads, batch: &AsrBatch, lengths: &[usize]) -> Tensor<1> {
        let tokens = AsrTask::tokens(batch);
        transducer_loss(net.logits(heads.frames.clone(), &tokens), &tokens, lengths)
    }
}

impl Task for TransducerTask {
    type Net = Transducer;
    type Batch = AsrBatch;

    fn net(&self, device: &Device) -> Transducer {
        let encoder = self.asr.encoder(self.encoder.as_ref(), device);
        let net = self.config.joint.init(encoder, self.asr.tokenizer().len(), device);
        if device.is_autodiff() { net.train() } else { net }
    }

    fn weights_in(&self, bundle: &Bundle) -> Result<Vec<(&'static str, &'static str)>> {
        self.asr.check_bundle(bundle, FAMILY)?;
        let path = bundle.path(JOINER_ROLE)?;
        let graph = OnnxModel::read(&path)?.proto.graph.unwrap_or_default();
        let found =
            if graph.node.iter().any(|node| node.op_type() == "Tanh") { Activation::Tanh } else { Activation::Gelu };
        if found != self.config.joint.activation {
            let reason = format!("expected {:?}, found {found:?} in {}", self.config.joint.activation, path.display());
            return Err(Error::config("transducer.joint.activation", reason));
        }
        Ok(vec![(MODEL_ROLE, ""), (DECODER_ROLE, ""), (JOINER_ROLE, "")])
    }

    /// What hears while a net learns, and what no bundle of this task says.
    fn heads(&self) -> &'static [&'static str] {
        &["encoder.head", "encoder.phones"]
    }

    fn with_bottlenecks(&self, net: Transducer, width: usize, behind: Parts<'_>) -> Option<Transducer> {
        net.with_bottlenecks(width, behind)
    }

    fn metric(&self) -> Metric {
        self.asr.metric()
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

    fn loss(&self, net: &Transducer, batch: AsrBatch, step: usize, device: &Device) -> Result<Loss> {
        let chunks = self.asr.draw(&batch, step);
        let (features, lengths) = self.asr.features(&batch, chunks, device);
        let frozen = step < self.config.frozen_steps;
        let (heads, middle) = extended::encoder(net.encoder(), frozen).forward_in(chunks, features, &lengths);
        let transducer = Self::transducer(net, &heads, &batch, &lengths);
        let ctc = || (self.asr.ctc(heads, middle, &batch, &lengths, step), self.config.ctc_weight);
        let is_learnt = !frozen && self.config.ctc_steps.is_none_or(|steps| step < steps);
        Ok(self.asr.mean(extended::beside_ctc(transducer, is_learnt.then(ctc)), &batch))
    }

    fn evaluate(&self, net: &Transducer, batch: AsrBatch, device: &Device) -> Result<Vec<Figure>> {
        let chunks = net.encoder().config().chunks();
        let (features, lengths) = self.asr.features(&batch, chunks, device);
        let (heads, _) = net.encoder().forward_in(chunks, features, &lengths);
        let loss = f64::from(Self::transducer(net, &heads, &batch, &lengths).into_scalar::<f32>());
        let texts = self.greedy.texts(net, heads.frames, &lengths, device)?;
        Ok(vec![
            Figure { name: "loss", value: loss, weight: AsrTask::count(&batch) },
            self.asr.error_rate(&texts, &batch),
        ])
    }
}
