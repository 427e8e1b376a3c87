use std::sync::Arc;

use burn::tensor::Device;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rejoinder_models::card::{Bundle, MODEL_ROLE};
use rejoinder_models::text::Tokenizer;

use super::recipe::FAMILY;
use crate::Result;
use crate::data::drawn;
use crate::import::{check_family, check_tokens};
use crate::losses::smoothed_loss;
use crate::nets::transformer::{Transformer, TransformerConfig, said_next, shifted};
use crate::trainer::{Batches, Figure, Loss, Task};

/// Sentences as tokens.
pub type SentenceBatch = Vec<Vec<u32>>;

/// A Transformer that says which token comes next in a sentence.
pub struct TokenLmTask {
    pub(super) net: TransformerConfig,
    pub(super) tokenizer: Tokenizer,
    pub(super) label_smoothing: f64,
    /// Tokens of a batch, padding included.
    pub(super) batch_tokens: usize,
    pub(super) train: Arc<SentenceBatch>,
    pub(super) valid: Arc<SentenceBatch>,
}

impl TokenLmTask {
    /// Batches of sentences of about the same length; in the order of `rng`, or from short to long, less the first `done`.
    fn batches(&self, sentences: &Arc<SentenceBatch>, rng: Option<ChaCha8Rng>, done: usize) -> Batches<SentenceBatch> {
        let mut order: Vec<usize> = (0..sentences.len()).collect();
        let mut rng = rng;
        if let Some(rng) = &mut rng {
            order.shuffle(rng);
        }
        order.sort_by_key(|at| sentences[*at].len());
        let mut batches: Vec<Vec<usize>> = Vec::new();
        for at in order {
            let places = sentences[at].len() + 1;
            match batches.last_mut().filter(|batch| (batch.len() + 1) * places <= self.batch_tokens) {
                Some(batch) => batch.push(at),
                None => batches.push(vec![at]),
            }
        }
        if let Some(rng) = &mut rng {
            batches.shuffle(rng);
        }
        let sentences = sentences.clone();
        Box::new(
            batches
                .into_iter()
                .skip(done)
                .map(move |batch| Ok(batch.iter().map(|at| sentences[*at].clone()).collect())),
        )
    }
}

impl Task for TokenLmTask {
    type Net = Transformer;
    type Batch = SentenceBatch;

    fn net(&self, device: &Device) -> Transformer {
        self.net.init(self.tokenizer.len(), None, device)
    }

    fn weights_in(&self, bundle: &Bundle) -> Result<Vec<(&'static str, &'static str)>> {
        check_family(bundle, FAMILY)?;
        check_tokens(bundle, &self.tokenizer)?;
        Ok(vec![(MODEL_ROLE, "")])
    }

    fn train_batches(&self, epoch: usize, seed: u64, done: usize) -> Result<Batches<SentenceBatch>> {
        let rng = ChaCha8Rng::seed_from_u64(drawn::epoch_seed(seed, epoch));
        Ok(self.batches(&self.train, Some(rng), done))
    }

    fn valid_batches(&self) -> Result<Batches<SentenceBatch>> {
        Ok(self.batches(&self.valid, None, 0))
    }

    fn loss(&self, net: &Transformer, batch: SentenceBatch, _step: usize, device: &Device) -> Result<Loss> {
        let said = net.forward(shifted(&batch, device), None);
        let total = smoothed_loss(said, &said_next(&batch), self.label_smoothing);
        let value = f64::from(total.clone().into_scalar::<f32>());
        Ok(Loss { total, parts: vec![("loss", value)] })
    }

    /// The loss of a token, ends of sentences among them, in nats.
    fn evaluate(&self, net: &Transformer, batch: SentenceBatch, device: &Device) -> Result<Vec<Figure>> {
        let next = said_next(&batch);
        let loss = smoothed_loss(net.forward(shifted(&batch, device), None), &next, 0.0);
        let count = next.iter().map(Vec::len).sum::<usize>() as f64;
        Ok(vec![Figure { name: "loss", value: f64::from(loss.into_scalar::<f32>()), weight: count }])
    }
}
