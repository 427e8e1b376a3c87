use burn::tensor::Tensor;
use rayon::prelude::*;
use rejoinder_models::decode::log_add;

use super::BLANK;
use super::given::{floats, with_gradient};

/// Connectionist temporal classification (Graves et al., ICML 2006): the negative log-likelihood of each utterance's
/// tokens, summed and divided by the number of tokens of the batch. Utterances with too few frames count nothing.
///
/// Forward and backward variables are computed on the host, utterances in parallel.
///
/// # Shapes
/// - `log_probs`: (batch, frames, vocabulary), normalised over the vocabulary, blank at 0
/// - `tokens`: the utterances' token ids, without blanks
/// - `frames`: the number of frames that count, for each utterance
/// - returns: (1)
pub fn ctc_loss(log_probs: Tensor<3>, tokens: &[Vec<u32>], frames: &[usize]) -> Tensor<1> {
    let [_, longest, vocabulary] = log_probs.dims();
    let total: usize = tokens.iter().map(Vec::len).sum();
    let scale = 1.0 / total.max(1) as f64;
    let mut values = floats(log_probs.clone());
    let utterances = values.par_chunks_mut((longest * vocabulary).max(1));
    let losses = utterances
        .zip(tokens)
        .zip(frames)
        .map(|((rows, tokens), frames)| Trellis::new(tokens, *frames, vocabulary).loss_and_gradient(rows, scale));
    let sum: f64 = losses.collect::<Vec<_>>().into_iter().sum();
    with_gradient(log_probs, sum * scale, values)
}

/// One utterance: frame by symbol, which are its tokens with a blank before, between and behind them.
struct Trellis {
    symbols: Vec<usize>,
    frames: usize,
    vocabulary: usize,
}

impl Trellis {
    fn new(tokens: &[u32], frames: usize, vocabulary: usize) -> Self {
        let symbols = tokens.iter().flat_map(|token| [BLANK, *token as usize]).chain([BLANK]).collect();
        Self { symbols, frames, vocabulary }
    }

    /// Whether an alignment may go on to `symbol` from the last but one: a blank must stand between equal tokens.
    fn skips(&self, symbol: usize) -> bool {
        symbol >= 2 && self.symbols[symbol] != BLANK && self.symbols[symbol] != self.symbols[symbol - 2]
    }

    /// The loss. The log probabilities in `rows`, (frames, vocabulary), become `scale` times its gradient.
    fn loss_and_gradient(&self, rows: &mut [f32], scale: f64) -> f64 {
        let width = self.symbols.len();
        let (before, after) = (self.before(rows), self.after(rows));
        let last = before.chunks_exact(width).last().map_or(f64::NEG_INFINITY, |last| {
            let token = width.checked_sub(2).map_or(f64::NEG_INFINITY, |token| last[token]);
            log_add(last[width - 1], token)
        });
        rows.fill(0.0);
        if last == f64::NEG_INFINITY {
            return 0.0;
        }
        let cells = before.chunks_exact(width).zip(after.chunks_exact(width));
        for (row, (before, after)) in rows.chunks_exact_mut(self.vocabulary).zip(cells) {
            for ((symbol, before), after) in self.symbols.iter().zip(before).zip(after) {
                row[*symbol] -= (scale * (before + after - last).exp()) as f32;
            }
        }
        -last
    }

    /// All alignments up to each cell, its own symbol included.
    fn before(&self, rows: &[f32]) -> Vec<f64> {
        let width = self.symbols.len();
        let mut before = vec![f64::NEG_INFINITY; self.frames * width];
        for (t, row) in rows.chunks_exact(self.vocabulary).take(self.frames).enumerate() {
            for symbol in 0..width {
                let from = |back: usize| before[(t - 1) * width + symbol - back];
                let mut sum = if t > 0 { from(0) } else { f64::NEG_INFINITY };
                match t {
                    0 if symbol < 2 => sum = 0.0,
                    0 => {}
                    _ => {
                        sum = if symbol > 0 { log_add(sum, from(1)) } else { sum };
                        sum = if self.skips(symbol) { log_add(sum, from(2)) } else { sum };
                    }
                }
                before[t * width + symbol] = sum + f64::from(row[self.symbols[symbol]]);
            }
        }
        before
    }

    /// All alignments from each cell to the end, its own symbol left out.
    fn after(&self, rows: &[f32]) -> Vec<f64> {
        let width = self.symbols.len();
        let mut after = vec![f64::NEG_INFINITY; self.frames * width];
        let Some(last) = self.frames.checked_sub(1) else { return after };
        after[last * width + width.saturating_sub(2)..].fill(0.0);
        for t in (0..last).rev() {
            let row = &rows[(t + 1) * self.vocabulary..];
            for symbol in 0..width {
                let to = |ahead: usize| {
                    let next = symbol + ahead;
                    after[(t + 1) * width + next] + f64::from(row[self.symbols[next]])
                };
                let mut sum = to(0);
                sum = if symbol + 1 < width { log_add(sum, to(1)) } else { sum };
                sum = if symbol + 2 < width && self.skips(symbol + 2) { log_add(sum, to(2)) } else { sum };
                after[t * width + symbol] = sum;
            }
        }
        after
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::activation::log_softmax;
    use burn::tensor::{Device, Distribution};

    use super::*;

    /// The probability of all labellings of the frames that collapse to the tokens.
    fn all_labellings(rows: &[Vec<f64>], tokens: &[u32]) -> f64 {
        let (vocabulary, mut sum) = (rows[0].len(), 0.0);
        for number in 0..vocabulary.pow(rows.len() as u32) {
            let label = |t: usize| number / vocabulary.pow(t as u32) % vocabulary;
            let mut labels: Vec<usize> = (0..rows.len()).map(label).collect();
            let probability: f64 = rows.iter().zip(&labels).map(|(row, label)| row[*label].exp()).product();
            labels.dedup();
            labels.retain(|label| *label != BLANK);
            if labels.iter().zip(tokens).all(|(a, b)| *a == *b as usize) && labels.len() == tokens.len() {
                sum += probability;
            }
        }
        sum
    }

    #[test]
    fn it_sums_all_labellings() {
        let device = Device::flex();
        device.seed(4);
        for (tokens, frames) in [(vec![1, 2], 4), (vec![1, 1], 5), (vec![2], 1), (vec![], 3), (vec![2, 1, 2], 3)] {
            let log_probs =
                log_softmax(Tensor::<3>::random([1, frames, 3], Distribution::Normal(0.0, 1.0), &device), 2);
            let values: Vec<f64> = log_probs.clone().into_data().iter::<f64>().collect();
            let rows: Vec<Vec<f64>> = values.chunks(3).map(<[f64]>::to_vec).collect();
            let expected = -all_labellings(&rows, &tokens).ln() / tokens.len().max(1) as f64;
            let found = f64::from(ctc_loss(log_probs, std::slice::from_ref(&tokens), &[frames]).into_scalar::<f32>());
            assert!((found - expected).abs() < 1e-5, "{tokens:?}: {found}, expected {expected}");
        }
    }

    #[test]
    fn too_few_frames_count_nothing() {
        let device = Device::flex().autodiff();
        let logits = Tensor::<3>::zeros([2, 2, 3], &device).require_grad();
        let loss = ctc_loss(log_softmax(logits.clone(), 2), &[vec![1, 1], vec![]], &[2, 0]);
        let gradients = loss.backward();
        assert_eq!(loss.into_scalar::<f32>(), 0.0);
        assert_eq!(logits.grad(&gradients).unwrap().abs().sum().into_scalar::<f32>(), 0.0);
    }
}
