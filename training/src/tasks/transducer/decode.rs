use std::sync::Arc;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rejoinder_models::Result;
use rejoinder_models::decode::ctc::CtcConfig;
use rejoinder_models::decode::transducer::{TransducerDecoder, TransducerNets};
use rejoinder_models::text::Tokenizer;

use crate::nets::transducer::Transducer;

/// The nets of a transducer in training, for the search.
struct Nets<'a> {
    net: &'a Transducer,
    device: &'a Device,
}

/// The last tokens, what the prediction net has made of them, (1, joint), and what it carries.
#[derive(Clone)]
struct Predicted {
    tokens: Vec<i64>,
    output: Tensor<2>,
    states: Vec<Tensor<2>>,
}

impl Nets<'_> {
    fn predict(&self, tokens: Vec<i64>, states: Vec<Tensor<2>>) -> Predicted {
        let input = TensorData::new(tokens.clone(), [1, tokens.len()]);
        let (output, states) = self.net.predict(Tensor::<2, Int>::from_data(input, self.device), states);
        Predicted { tokens, output, states }
    }
}

impl TransducerNets for Nets<'_> {
    type Predicted = Predicted;

    fn begin(&mut self) -> Result<Predicted> {
        let states = self.net.states().into_iter().map(|shape| Tensor::zeros(shape, self.device)).collect();
        Ok(self.predict(vec![0; self.net.context()], states))
    }

    fn extend(&mut self, before: &Predicted, token: u32) -> Result<Predicted> {
        let tokens = before.tokens[1..].iter().copied().chain([i64::from(token)]).collect();
        Ok(self.predict(tokens, before.states.clone()))
    }

    fn log_probs(&mut self, frame: &[f32], predicted: &[&Predicted]) -> Result<Vec<f32>> {
        let frame = Tensor::<2>::from_data(TensorData::new(frame.to_vec(), [1, frame.len()]), self.device);
        let rows = predicted.iter().map(|predicted| predicted.output.clone()).collect();
        let logits = self.net.join(frame, Tensor::cat(rows, 0));
        Ok(log_softmax(logits, 1).into_data().iter::<f32>().collect())
    }
}

/// The greedy search with a net in training.
pub(super) struct Greedy {
    decoder: TransducerDecoder,
    tokenizer: Arc<Tokenizer>,
}

impl Greedy {
    pub(super) fn new(max_symbols: usize, tokenizer: Tokenizer) -> Result<Self> {
        let tokenizer = Arc::new(tokenizer);
        let decoder = TransducerDecoder::new(CtcConfig::greedy(), max_symbols, tokenizer.clone())?;
        Ok(Self { decoder, tokenizer })
    }

    /// What is heard of each utterance.
    ///
    /// # Shapes
    /// - `frames`: (batch, frames, dim), of the encoder
    /// - `lengths`: the frames that count, for each utterance
    pub(super) fn texts(
        &self,
        net: &Transducer,
        frames: Tensor<3>,
        lengths: &[usize],
        device: &Device,
    ) -> Result<Vec<String>> {
        let encoded = net.encoder_out(frames);
        let [_, longest, joint] = encoded.dims();
        let values: Vec<f32> = encoded.into_data().iter::<f32>().collect();
        let mut nets = Nets { net, device };
        let fresh = self.decoder.search(&mut nets)?;
        let utterances = values.chunks_exact((longest * joint).max(1)).zip(lengths);
        let heard = utterances.map(|(utterance, length)| {
            let mut search = fresh.clone();
            for frame in utterance.chunks_exact(joint).take(*length) {
                search.push(frame, &self.decoder, &mut nets)?;
            }
            Ok(search.finish(&self.decoder).text(&self.tokenizer))
        });
        heard.collect()
    }
}
