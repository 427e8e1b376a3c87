//! Dialogues packed into rows of tokens.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rayon::prelude::*;

use super::chat::{Chat, MessageSpan};
use crate::Result;
use crate::data::dialogue::{Noise, Writer, WriterConfig};
use crate::nets::llama::{Llama, packed_mask};

/// Dialogues that wait for a row with room for them.
const WAITING: usize = 16;
/// Counted places come in steps of this share of a batch, so that a device sees few shapes.
pub(super) const PLACE_STEPS: usize = 16;

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
    pub(super) tokens: Vec<i32>,
    pub(super) starts: Vec<Vec<usize>>,
    /// Flat positions whose next token counts.
    pub(super) places: Vec<i32>,
    pub(super) targets: Vec<i32>,
    pub(super) weights: Vec<f32>,
    /// Learnt messages by ranges of `places`.
    pub(super) spans: Vec<MessageSpan>,
}

/// An endless packer of dialogues.
pub(super) struct Packer {
    pub(super) chat: Arc<Chat>,
    pub(super) noise: Arc<Noise>,
    pub(super) writer: WriterConfig,
    pub(super) packing: PackingConfig,
    pub(super) seed: u64,
}

/// One tokenised dialogue.
type Encoded = (Vec<u32>, Vec<MessageSpan>);

impl Packer {
    /// Batches in order, each from a seed of its own, as many at a time as there are cores.
    pub(super) fn batches(self, numbers: Range<usize>) -> impl Iterator<Item = Result<LmBatch>> + Send {
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
                batch.spans.push(MessageSpan { tokens: first..batch.places.len(), ..span });
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
    pub(super) fn scores(&self, net: &Llama, device: &Device) -> Tensor<2> {
        let rows = self.starts.len();
        let time = self.tokens.len() / rows;
        let tokens = Tensor::<2, Int>::from_data(TensorData::new(self.tokens.clone(), [rows, time]), device);
        let hidden = net.forward(tokens, packed_mask(&self.starts, time, device)); // (rows, time, dim)
        let dim = hidden.dims()[2];
        let places = Tensor::<1, Int>::from_data(TensorData::new(self.places.clone(), [self.places.len()]), device);
        log_softmax(net.logits(hidden.reshape([rows * time, dim]).select(0, places)), 1) // (places, vocabulary)
    }

    pub(super) fn column(&self, device: &Device) -> Tensor<2, Int> {
        Tensor::from_data(TensorData::new(self.targets.clone(), [self.targets.len(), 1]), device)
    }
}
