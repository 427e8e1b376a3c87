use burn::tensor::{Device, Int, Tensor, TensorData};
use rejoinder_models::decode::attention::{
    AttentionConfig, BOUNDARY, CtcPrefixScorer, Said, Step, StepNet, Weighted, search,
};
use rejoinder_models::text::Tokenizer;

use crate::Result;
use crate::nets::conformer::Heads;
use crate::nets::transformer::Transformer;
use crate::tasks::asr::greedy;

/// A Transformer in training, for the search.
struct Net<'a> {
    net: &'a Transformer,
    device: &'a Device,
    /// (1, frames, 2 layers dim)
    memory: Tensor<3>,
    cache: Tensor<4>,
    /// The last token of each hypothesis.
    tokens: Vec<u32>,
    position: usize,
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

impl StepNet for Net<'_> {
    fn begin(&mut self) -> rejoinder_models::Result<()> {
        self.cache = self.net.cache(self.device);
        (self.tokens, self.position) = (vec![BOUNDARY], 0);
        Ok(())
    }

    fn say(&mut self) -> rejoinder_models::Result<Said> {
        let tokens: Vec<i64> = self.tokens.iter().map(|token| i64::from(*token)).collect();
        let tokens = Tensor::<2, Int>::from_data(TensorData::new(tokens, [self.tokens.len(), 1]), self.device);
        let position = Tensor::from_floats([self.position as f32], self.device);
        let stepped = self.net.step(tokens, position, self.cache.clone(), Some(self.memory.clone()));
        self.cache = stepped.cache;
        let attention = stepped.attention.map(values).unwrap_or_default();
        Ok(Said { log_probs: values(stepped.log_probs), attention })
    }

    fn advance(&mut self, steps: &[Step]) -> rejoinder_models::Result<()> {
        let from: Vec<i64> = steps.iter().map(|step| step.from as i64).collect();
        let from = Tensor::<1, Int>::from_data(TensorData::new(from, [steps.len()]), self.device);
        self.cache = self.cache.clone().select(0, from);
        self.tokens = steps.iter().map(|step| step.token).collect();
        self.position += 1;
        Ok(())
    }
}

/// The joint search with a net in training, without language models.
pub(super) struct Joint<'a> {
    pub(super) config: &'a AttentionConfig,
    pub(super) tokenizer: &'a Tokenizer,
    pub(super) net: &'a Transformer,
    pub(super) device: &'a Device,
}

impl Joint<'_> {
    /// What is heard of each utterance. `lengths` are the frames that count. As in a bundle's stream, what CTC finds is the
    /// text where that is nothing, where the utterance is too long for a second pass, and where none is asked for.
    pub(super) fn texts(&self, heads: Heads, lengths: &[usize]) -> Result<Vec<String>> {
        let memory = self.net.memory(heads.frames); // (batch, frames, 2 layers dim)
        let [_, longest, vocabulary] = heads.tokens.dims();
        let first = greedy(heads.tokens.clone(), lengths);
        let log_probs = values(heads.tokens);
        let utterances = log_probs.chunks_exact((longest * vocabulary).max(1)).zip(lengths).enumerate();
        let heard = utterances.map(|(number, (log_probs, length))| {
            let found = &first[number];
            if found.is_empty() || self.config.beam == 0 || *length > self.config.max_frames {
                return Ok(self.tokenizer.decode(found));
            }
            let ctc = CtcPrefixScorer::new(&log_probs[..length * vocabulary], vocabulary)?;
            let weight = self.config.ctc_weight;
            let mut scorers = [Weighted { scorer: Box::new(ctc), weight, full: false }];
            let memory = memory.clone().narrow(0, number, 1).narrow(1, 0, (*length).max(1));
            let (cache, tokens) = (self.net.cache(self.device), Vec::new());
            let mut net = Net { net: self.net, device: self.device, memory, cache, tokens, position: 0 };
            let readings = search(self.config, *length, &mut net, &mut scorers)?;
            Ok(self.tokenizer.decode(readings.first().map_or(&found[..], |best| &best.tokens)))
        });
        heard.collect()
    }
}
