use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use rejoinder_models::card::{Bundle, MODEL_ROLE};

use super::chat::Chat;
use super::packing::{LmBatch, Packer, PackingConfig};
use crate::Result;
use crate::data::dialogue::{Domain, Noise, WriterConfig};
use crate::export::gguf::FAMILY;
use crate::import::{check_family, check_tokens};
use crate::nets::llama::{Llama, LlamaConfig};
use crate::trainer::{Batches, Figure, Loss, Task};

/// The seed of the dialogues that validate; training adds the epoch to other seeds.
const VALID: u64 = 0x5eed_0000_0000;
/// The seed of the dialogues that are reported on, which choose no weights.
const TEST: u64 = 0x7e57_0000_0000;

/// A Llama that learns the assistant's part of written dialogues.
#[derive(Clone, Debug)]
pub struct LmTask {
    /// The net's shape.
    pub net: LlamaConfig,
    /// Dialogues to tokens.
    pub chat: Arc<Chat>,
    /// Recognition errors.
    pub noise: Arc<Noise>,
    /// What the dialogues are like.
    pub writer: WriterConfig,
    /// Batches.
    pub packing: PackingConfig,
}

/// How many of a kind of message were right to the last token.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Exact {
    /// Right.
    pub right: usize,
    /// In all.
    pub all: usize,
}

impl Exact {
    /// Counts `other` in.
    pub fn add(&mut self, other: Self) {
        self.right += other.right;
        self.all += other.all;
    }

    /// The share that was right.
    pub fn share(self) -> f64 {
        self.right as f64 / self.all.max(1) as f64
    }
}

impl LmTask {
    /// The writer's seed for the first batch of an epoch.
    pub fn seed(&self, epoch: usize, seed: u64) -> u64 {
        seed.wrapping_mul(1 << 20).wrapping_add((epoch * self.packing.batches) as u64)
    }

    /// What dialogues are like in an epoch.
    fn writer_at(&self, epoch: usize) -> WriterConfig {
        let (done, all) = (epoch.min(self.packing.ramp_epochs), self.packing.ramp_epochs.max(1));
        let mut writer = self.writer.clone();
        if done < self.packing.ramp_epochs {
            writer.noisy_percent = writer.noisy_percent * done as u32 / all as u32;
            writer.max_turns = 1 + (writer.max_turns - 1) * done / all;
        }
        writer
    }

    /// Batches of dialogues to report on, which neither training nor validation sees, written with `writer`.
    pub fn tests(&self, writer: WriterConfig, count: usize) -> impl Iterator<Item = Result<LmBatch>> + Send + use<> {
        self.packer(writer, TEST).batches(0..count)
    }

    fn packer(&self, writer: WriterConfig, seed: u64) -> Packer {
        let (chat, noise, packing) = (self.chat.clone(), self.noise.clone(), self.packing.clone());
        Packer { chat, noise, writer, packing, seed }
    }

    /// How often greedy decoding says a message of a batch exactly, by domain and whether it is a tool call. Each
    /// token is the best one after the right ones before it, so that a message is exact just when greedy decoding
    /// would write it.
    pub fn exact(&self, net: &Llama, batch: &LmBatch, device: &Device) -> BTreeMap<(Domain, bool), Exact> {
        let best = batch.scores(net, device).argmax(1).into_data();
        let best: Vec<i64> = best.iter::<i64>().collect();
        let mut exact: BTreeMap<(Domain, bool), Exact> = BTreeMap::new();
        for span in &batch.spans {
            let count = exact.entry((span.domain, span.call)).or_default();
            count.all += 1;
            count.right += usize::from(span.tokens.clone().all(|at| best[at] == i64::from(batch.targets[at])));
        }
        exact
    }
}

impl Task for LmTask {
    type Net = Llama;
    type Batch = LmBatch;

    fn net(&self, device: &Device) -> Llama {
        self.net.init(self.chat.tokenizer().len(), device)
    }

    fn weights_in(&self, bundle: &Bundle) -> Result<Vec<(&'static str, &'static str)>> {
        check_family(bundle, FAMILY)?;
        check_tokens(bundle, self.chat.tokenizer())?;
        Ok(vec![(MODEL_ROLE, "")])
    }

    fn train_batches(&self, epoch: usize, seed: u64, done: usize) -> Result<Batches<LmBatch>> {
        let seed = self.seed(if self.packing.repeat { 0 } else { epoch }, seed);
        Ok(Box::new(self.packer(self.writer_at(epoch), seed).batches(done..self.packing.batches)))
    }

    fn valid_batches(&self) -> Result<Batches<LmBatch>> {
        Ok(Box::new(self.packer(self.writer.clone(), VALID).batches(0..self.packing.valid_batches)))
    }

    fn loss(&self, net: &Llama, batch: LmBatch, _step: usize, device: &Device) -> Result<Loss> {
        let picked = batch.scores(net, device).gather(1, batch.column(device)); // (places, 1)
        let total: f32 = batch.weights.iter().sum();
        let weights = Tensor::<2>::from_data(TensorData::new(batch.weights.clone(), [batch.weights.len(), 1]), device);
        let total = (picked * weights).sum().div_scalar(-total);
        let value = f64::from(total.clone().into_scalar::<f32>());
        Ok(Loss { total, parts: vec![("loss", value)] })
    }

    fn evaluate(&self, net: &Llama, batch: LmBatch, device: &Device) -> Result<Vec<Figure>> {
        let said = batch.weights.iter().filter(|weight| **weight == 1.0).count();
        let picked = batch.scores(net, device).gather(1, batch.column(device)).into_data();
        let sum: f32 = picked
            .iter::<f32>()
            .zip(&batch.weights)
            .filter(|(_, weight)| **weight == 1.0)
            .map(|(score, _)| score)
            .sum();
        let mut figures =
            vec![Figure { name: "loss", value: -f64::from(sum) / said.max(1) as f64, weight: said as f64 }];
        for ((domain, call), exact) in self.exact(net, &batch, device) {
            let name = match (domain, call) {
                (Domain::Coffee, true) => "orders_exact",
                (_, true) => "calls_exact",
                _ => "replies_exact",
            };
            figures.push(Figure { name, value: exact.share(), weight: exact.all as f64 });
        }
        Ok(figures)
    }
}

#[cfg(test)]
mod tests {
    use super::super::packing::PLACE_STEPS;
    use super::*;
    use crate::data::dialogue::Writer;
    use crate::tasks::lm::learn_vocabulary;

    fn task(packing: PackingConfig) -> LmTask {
        let (writer, noise) = (WriterConfig::default(), Noise::default());
        let mut dialogues = Writer::new(&writer, &noise, 1);
        let tokenizer = learn_vocabulary((0..300).map(|_| dialogues.dialogue()), 700).unwrap();
        let tools: Vec<String> = Writer::tools().into_iter().map(|spec| spec.name).collect();
        let chat = Arc::new(Chat::new(tokenizer, &tools).unwrap());
        let net = serde_json::json!({"dim": 32, "layers": 1, "heads": 2, "kv_heads": 1, "feed_forward": 32});
        LmTask { net: serde_json::from_value(net).unwrap(), chat, noise: Arc::new(noise), writer, packing }
    }

    #[test]
    fn batches_follow_from_the_seed_and_what_counts_is_what_is_said() {
        let packing = PackingConfig { context: 512, rows: 4, batches: 5, other_every: 0, ..PackingConfig::default() };
        let task = task(packing);
        let began = std::time::Instant::now();
        let batches: Vec<LmBatch> = task.train_batches(3, 9, 0).unwrap().map(Result::unwrap).collect();
        let all: usize = batches.iter().map(|batch| batch.sizes().0).sum();
        println!("{:.0} tokens a second", all as f64 / began.elapsed().as_secs_f64());
        let again: Vec<LmBatch> = task.train_batches(3, 9, 0).unwrap().map(Result::unwrap).collect();
        let said: usize = batches.iter().map(|batch| batch.sizes().1).sum();
        println!("{:.1} % are said", said as f64 / all as f64 * 100.0);
        for (batch, again) in batches.iter().zip(&again) {
            assert_eq!((&batch.tokens, &batch.targets), (&again.tokens, &again.targets));
            assert_eq!((batch.tokens.len(), batch.starts.len()), (4 * 512, 4));
            assert!(batch.places.len().is_multiple_of(4 * 512 / PLACE_STEPS));
            for ((place, target), _) in
                batch.places.iter().zip(&batch.targets).zip(&batch.weights).filter(|(_, weight)| **weight > 0.0)
            {
                assert_eq!(batch.tokens[*place as usize + 1], *target);
            }
            let end = task.chat.tokenizer().id("<|end|>").map(|id| id as i32);
            assert!(batch.spans.iter().all(|span| Some(batch.targets[span.tokens.end - 1]) == end));
            let padding = batch.tokens.iter().filter(|token| **token == 0).count();
            assert!(padding * 6 < batch.tokens.len(), "{padding} of {}", batch.tokens.len());
        }
        assert_ne!(batches[0].tokens, batches[1].tokens);
        let first = |mut batches: Batches<LmBatch>| batches.next().unwrap().unwrap().tokens;
        let tests: Batches<LmBatch> = Box::new(task.tests(task.writer.clone(), 1));
        assert_ne!(first(tests), first(task.valid_batches().unwrap()));
    }
}
