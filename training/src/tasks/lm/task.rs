use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rayon::prelude::*;

use super::chat::{Chat, Span};
use crate::Result;
use crate::data::dialogue::{Domain, Noise, Writer, WriterConfig};
use crate::nets::llama::{Llama, LlamaConfig, packed_mask};
use crate::trainer::{Batches, Figure, Loss, Task};

/// The seed of the dialogues that are kept for validation; training adds the epoch to other seeds.
const HELD_OUT: u64 = 0x5eed_0000_0000;
/// Steps between looks at the loss: each one waits for the device.
const LOOK_EVERY: usize = 8;
/// Dialogues that wait for a row with room for them.
const WAITING: usize = 16;
/// Counted places come in steps of this share of a batch, so that a device sees few shapes.
const PLACE_STEPS: usize = 16;

/// How dialogues become batches.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PackingConfig {
    /// Tokens of a row. Default: 256.
    pub context: usize,
    /// Rows of a batch. Default: 8.
    pub rows: usize,
    /// Batches of an epoch. Default: 250.
    pub batches: usize,
    /// Batches to validate on. Default: 12.
    pub valid_batches: usize,
    /// One in this many of the tokens that the assistant does not say counts in the loss as well, 0 for none.
    /// Default: 8.
    pub other_every: usize,
    /// The weight of those tokens. Default: 0.2.
    pub other_weight: f32,
    /// Epochs until dialogues are as long and as noisy as the writer's settings say; the first are of one turn and
    /// clean. Default: 0.
    pub ramp_epochs: usize,
    /// Whether every epoch is the same, to see whether a net can learn it by heart. Default: false.
    pub repeat: bool,
}

impl Default for PackingConfig {
    fn default() -> Self {
        Self {
            context: 256,
            rows: 8,
            batches: 250,
            valid_batches: 12,
            other_every: 8,
            other_weight: 0.2,
            ramp_epochs: 0,
            repeat: false,
        }
    }
}

/// Rows of packed dialogues.
#[derive(Clone, Debug, Default)]
pub struct LmBatch {
    tokens: Vec<i32>,
    starts: Vec<Vec<usize>>,
    /// Flat positions whose next token counts.
    places: Vec<i32>,
    targets: Vec<i32>,
    weights: Vec<f32>,
    /// Learnt messages by ranges of `places`.
    spans: Vec<Span>,
}

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

/// An endless packer of dialogues.
struct Packer {
    chat: Arc<Chat>,
    noise: Arc<Noise>,
    writer: WriterConfig,
    packing: PackingConfig,
    seed: u64,
}

/// One tokenised dialogue.
type Encoded = (Vec<u32>, Vec<Span>);

impl Packer {
    /// Batches in order, each from a seed of its own, as many at a time as there are cores.
    fn batches(self, numbers: Range<usize>) -> impl Iterator<Item = Result<LmBatch>> + Send {
        let at_once = rayon::current_num_threads().max(1);
        numbers.clone().step_by(at_once).flat_map(move |first| {
            let made: Vec<Result<LmBatch>> =
                (first..numbers.end.min(first + at_once)).into_par_iter().map(|at| Ok(self.batch(at))).collect();
            made
        })
    }

    fn batch(&self, at: usize) -> LmBatch {
        let mut writer = Writer::new(&self.writer, &self.noise, self.seed.wrapping_add(at as u64));
        let (mut batch, mut waiting) = (LmBatch::default(), Vec::with_capacity(WAITING));
        for _ in 0..self.packing.rows {
            self.row(&mut writer, &mut waiting, &mut batch);
        }
        batch.round_up(self.packing.rows * self.packing.context / PLACE_STEPS);
        batch
    }

    /// Fills a row with whole dialogues: the one that waits the longest, then each time the longest that still fits. One
    /// that is longer than a row is cut.
    fn row(&self, writer: &mut Writer<'_>, waiting: &mut Vec<Encoded>, batch: &mut LmBatch) {
        let context = self.packing.context;
        let base = batch.tokens.len();
        let (mut row, mut starts): (Vec<u32>, _) = (Vec::with_capacity(context), Vec::new());
        let mut said = vec![false; context];
        loop {
            while waiting.len() < WAITING {
                waiting.push(self.chat.encode(&writer.dialogue()));
            }
            let room = context - row.len();
            let fits = (0..waiting.len()).filter(|at| waiting[*at].0.len() <= room);
            let next = if starts.is_empty() { Some(0) } else { fits.max_by_key(|at| waiting[*at].0.len()) };
            let Some(next) = next else { break };
            let (ids, spans) = waiting.remove(next);
            let start = row.len();
            starts.push(start);
            row.extend(ids.iter().take(room));
            for span in spans.into_iter().filter(|span| span.tokens.end <= room) {
                let first = batch.places.len();
                for target in span.tokens.clone() {
                    said[start + target] = true;
                    batch.count(base + start + target - 1, ids[target], 1.0);
                }
                batch.spans.push(Span { tokens: first..batch.places.len(), ..span });
            }
        }
        let every = self.packing.other_every;
        let other = (1..row.len()).filter(|at| {
            !said[*at] && !starts.contains(at) && every > 0 && (at + base / context).is_multiple_of(every)
        });
        for target in other {
            batch.count(base + target - 1, row[target], self.packing.other_weight);
        }
        if row.len() < context {
            starts.push(row.len());
            row.resize(context, 0);
        }
        batch.tokens.extend(row.iter().map(|id| *id as i32));
        batch.starts.push(starts);
    }
}

impl LmBatch {
    fn count(&mut self, place: usize, target: u32, weight: f32) {
        self.places.push(place as i32);
        self.targets.push(target as i32);
        self.weights.push(weight);
    }

    /// Adds places that do not count, up to a multiple of `step`.
    fn round_up(&mut self, step: usize) {
        let length = self.places.len().max(1).next_multiple_of(step.max(1));
        self.places.resize(length, 0);
        self.targets.resize(length, 0);
        self.weights.resize(length, 0.0);
    }

    /// Tokens in the batch, and how many of them the net learns to say.
    pub fn sizes(&self) -> (usize, usize) {
        (self.tokens.len(), self.weights.iter().filter(|weight| **weight == 1.0).count())
    }

    /// Log-probabilities of every counted place.
    fn scores(&self, net: &Llama, device: &Device) -> Tensor<2> {
        let rows = self.starts.len();
        let time = self.tokens.len() / rows;
        let tokens = Tensor::<2, Int>::from_data(TensorData::new(self.tokens.clone(), [rows, time]), device);
        let hidden = net.forward(tokens, packed_mask(&self.starts, time, device)); // (rows, time, dim)
        let dim = hidden.dims()[2];
        let places = Tensor::<1, Int>::from_data(TensorData::new(self.places.clone(), [self.places.len()]), device);
        log_softmax(net.logits(hidden.reshape([rows * time, dim]).select(0, places)), 1) // (places, vocabulary)
    }

    fn column(&self, device: &Device) -> Tensor<2, Int> {
        Tensor::from_data(TensorData::new(self.targets.clone(), [self.targets.len(), 1]), device)
    }
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

    /// Batches of dialogues that training never sees, written with `writer`.
    pub fn held_out(&self, writer: WriterConfig, count: usize) -> impl Iterator<Item = Result<LmBatch>> + Send + use<> {
        let packer = Packer {
            chat: self.chat.clone(),
            noise: self.noise.clone(),
            writer,
            packing: self.packing.clone(),
            seed: HELD_OUT,
        };
        packer.batches(0..count)
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

    fn train_batches(&self, epoch: usize, seed: u64, done: usize) -> Result<Batches<LmBatch>> {
        let packer = Packer {
            chat: self.chat.clone(),
            noise: self.noise.clone(),
            writer: self.writer_at(epoch),
            packing: self.packing.clone(),
            seed: self.seed(if self.packing.repeat { 0 } else { epoch }, seed),
        };
        Ok(Box::new(packer.batches(done..self.packing.batches)))
    }

    fn valid_batches(&self) -> Result<Batches<LmBatch>> {
        Ok(Box::new(self.held_out(self.writer.clone(), self.packing.valid_batches)))
    }

    fn loss(&self, net: &Llama, batch: LmBatch, step: usize, device: &Device) -> Result<Loss> {
        let picked = batch.scores(net, device).gather(1, batch.column(device)); // (places, 1)
        let total: f32 = batch.weights.iter().sum();
        let weights = Tensor::<2>::from_data(TensorData::new(batch.weights.clone(), [batch.weights.len(), 1]), device);
        let total = (picked * weights).sum().div_scalar(-total);
        let look = step.is_multiple_of(LOOK_EVERY);
        let parts = look.then(|| ("loss", f64::from(total.clone().into_scalar::<f32>()))).into_iter().collect();
        Ok(Loss { total, parts })
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
    use super::*;
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
    }
}
