use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rayon::prelude::*;
use rejoinder_models::decode::log_add;

use super::BLANK;
use super::given::{floats, with_gradient};
use crate::ops::{log_denominator, shifted_exp};

/// Cells that fewer alignments than this pass through, as a logarithm of their share, have no gradient.
const NO_SHARE: f64 = -30.0;

/// The loss of RNN transducers (Graves, "Sequence transduction with recurrent neural networks", 2012, section 2.4): the
/// negative log-likelihood of each utterance's tokens over all alignments, summed and divided by the number of tokens of
/// the batch. An utterance without frames counts nothing.
///
/// Forward and backward variables are computed on the host, utterances in parallel. On flex the gradient of the softmax is
/// folded into that of the lattice, in place: beside the logits, one tensor of their size is kept for it. Elsewhere the
/// device normalises, and only what leads out of each cell goes to the host and back: two numbers of a vocabulary.
///
/// # Shapes
/// - `logits`: (batch, frames, most tokens + 1, vocabulary), not normalised, blank at 0
/// - `tokens`: the utterances' token ids, without blanks
/// - `frames`: the number of frames that count, for each utterance
/// - returns: (1)
pub fn transducer_loss(logits: Tensor<4>, tokens: &[Vec<u32>], frames: &[usize]) -> Tensor<1> {
    match logits.device().inner() == Device::flex() {
        true => loss_of(Cells::Logits, logits, tokens, frames),
        false => loss_of(Cells::WaysOut, ways_out(logits, tokens), tokens, frames),
    }
}

/// `cells`: (batch, frames, places, width)
fn loss_of(kind: Cells, cells: Tensor<4>, tokens: &[Vec<u32>], frames: &[usize]) -> Tensor<1> {
    let [_, longest, places, width] = cells.dims();
    let total: usize = tokens.iter().map(Vec::len).sum();
    let mut values = floats(cells.clone());
    let utterances = values.par_chunks_mut((longest * places * width).max(1));
    let losses = utterances.zip(tokens).zip(frames).map(|((cells, tokens), frames)| {
        Lattice { kind, tokens, frames: *frames, places, width }.loss_and_gradient(cells)
    });
    let sum: f64 = losses.collect::<Vec<_>>().into_iter().sum();
    let scale = 1.0 / total.max(1) as f64;
    values.iter_mut().for_each(|gradient| *gradient *= scale as f32);
    with_gradient(cells, sum * scale, values)
}

/// The log probabilities of a blank and of the next token in each cell: (batch, frames, places, vocabulary) to (batch,
/// frames, places, 2). After the last token, that of a blank stands twice.
fn ways_out(logits: Tensor<4>, tokens: &[Vec<u32>]) -> Tensor<4> {
    let [batch, frames, places, _] = logits.dims();
    let mut next = vec![BLANK as i64; batch * places];
    for (row, tokens) in next.chunks_exact_mut(places).zip(tokens) {
        row.iter_mut().zip(tokens).for_each(|(slot, token)| *slot = i64::from(*token));
    }
    let next = Tensor::<1, Int>::from_data(TensorData::new(next, [batch * places]), &logits.device());
    let next = next.reshape([batch, 1, places, 1]).expand([batch, frames, places, 1]);
    let log_probs = log_softmax(logits, 3);
    Tensor::cat(vec![log_probs.clone().narrow(3, BLANK, 1), log_probs.gather(3, next)], 3)
}

/// What stands in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cells {
    /// A number for each token of the vocabulary, not normalised.
    Logits,
    /// The log probabilities of a blank and of the next token.
    WaysOut,
}

/// One utterance: frame `t` by place `u`, which is the number of tokens that are out.
struct Lattice<'a> {
    kind: Cells,
    tokens: &'a [u32],
    frames: usize,
    /// Places in a frame of the tensor, the padding included.
    places: usize,
    /// Numbers in a cell: the vocabulary, or two.
    width: usize,
}

/// What leads out of a cell, in log probabilities: a blank to the next frame, the next token to the next place.
#[derive(Clone, Copy)]
struct Ways {
    blank: f64,
    token: f64,
    /// The logarithm of the softmax's denominator.
    normaliser: f64,
}

impl Lattice<'_> {
    /// The loss. `cells`, (frames, places, width), become its gradient.
    fn loss_and_gradient(&self, cells: &mut [f32]) -> f64 {
        let used = self.tokens.len() + 1;
        if self.frames == 0 {
            cells.fill(0.0);
            return 0.0;
        }
        let ways = self.ways(cells);
        let (before, after) = (self.before(&ways), self.after(&ways));
        let total = after[0];
        for (index, row) in cells.chunks_exact_mut(self.width).enumerate() {
            let (t, u) = (index / self.places, index % self.places);
            if t >= self.frames || u >= used {
                row.fill(0.0);
                continue;
            }
            let cell = t * used + u;
            let share = before[cell] + after[cell] - total;
            if share < NO_SHARE {
                row.fill(0.0);
                continue;
            }
            let Ways { blank, token, normaliser } = ways[cell];
            let by_blank = (before[cell] + blank + self.beyond(&after, t, u) - total).exp() as f32;
            let next = self.tokens.get(u).map(|next| *next as usize);
            let by_token = next.map_or(0.0, |_| (before[cell] + token + after[cell + 1] - total).exp() as f32);
            match self.kind {
                Cells::Logits => {
                    shifted_exp(row, (normaliser - share) as f32);
                    row[BLANK] -= by_blank;
                    if let Some(next) = next {
                        row[next] -= by_token;
                    }
                }
                Cells::WaysOut => row.copy_from_slice(&[-by_blank, -by_token]),
            }
        }
        -total
    }

    fn ways(&self, cells: &[f32]) -> Vec<Ways> {
        let mut ways = Vec::with_capacity(self.frames * (self.tokens.len() + 1));
        for frame in cells.chunks_exact(self.places * self.width).take(self.frames) {
            for (u, row) in frame.chunks_exact(self.width).take(self.tokens.len() + 1).enumerate() {
                let (normaliser, place) = match self.kind {
                    Cells::Logits => (f64::from(log_denominator(row)), self.tokens.get(u).map(|id| *id as usize)),
                    Cells::WaysOut => (0.0, self.tokens.get(u).map(|_| 1)),
                };
                let of = |place: usize| f64::from(row[place]) - normaliser;
                ways.push(Ways { blank: of(BLANK), token: place.map_or(f64::NEG_INFINITY, of), normaliser });
            }
        }
        ways
    }

    /// All alignments from the beginning to each cell.
    fn before(&self, ways: &[Ways]) -> Vec<f64> {
        let used = self.tokens.len() + 1;
        let mut before = vec![f64::NEG_INFINITY; ways.len()];
        before[0] = 0.0;
        for cell in 1..ways.len() {
            let blank = cell.checked_sub(used).map_or(f64::NEG_INFINITY, |from| before[from] + ways[from].blank);
            let token = match cell % used {
                0 => f64::NEG_INFINITY,
                _ => before[cell - 1] + ways[cell - 1].token,
            };
            before[cell] = log_add(blank, token);
        }
        before
    }

    /// All alignments from each cell to the end, which is a blank in the last cell.
    fn after(&self, ways: &[Ways]) -> Vec<f64> {
        let used = self.tokens.len() + 1;
        let mut after = vec![f64::NEG_INFINITY; ways.len()];
        for cell in (0..ways.len()).rev() {
            let (t, u) = (cell / used, cell % used);
            let blank = ways[cell].blank + self.beyond(&after, t, u);
            let token = if u + 1 < used { ways[cell].token + after[cell + 1] } else { f64::NEG_INFINITY };
            after[cell] = log_add(blank, token);
        }
        after
    }

    /// All alignments from where a blank leads to.
    fn beyond(&self, after: &[f64], t: usize, u: usize) -> f64 {
        let used = self.tokens.len() + 1;
        match (t + 1 < self.frames, u + 1 == used) {
            (true, _) => after[(t + 1) * used + u],
            (false, true) => 0.0,
            (false, false) => f64::NEG_INFINITY,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    fn value(logits: &Tensor<4>, tokens: &[Vec<u32>], frames: &[usize]) -> f64 {
        f64::from(transducer_loss(logits.clone(), tokens, frames).into_scalar::<f32>())
    }

    /// The probability of all ways from a cell to the end, one after the other.
    fn all_ways(logits: &Tensor<4>, tokens: &[u32], frames: usize, t: usize, u: usize) -> f64 {
        let [.., vocabulary] = logits.dims();
        let row = logits.clone().slice([0..1, t..t + 1, u..u + 1, 0..vocabulary]);
        let row: Vec<f64> = row.into_data().iter::<f64>().map(f64::exp).collect();
        let probability = |id: usize| row[id] / row.iter().sum::<f64>();
        let blank = match (t + 1 == frames, u == tokens.len()) {
            (true, true) => probability(0),
            (true, false) => 0.0,
            (false, _) => probability(0) * all_ways(logits, tokens, frames, t + 1, u),
        };
        let token =
            tokens.get(u).map_or(0.0, |id| probability(*id as usize) * all_ways(logits, tokens, frames, t, u + 1));
        blank + token
    }

    #[test]
    fn it_sums_all_alignments() {
        let device = Device::flex();
        device.seed(5);
        for (tokens, frames) in [(vec![1, 3, 3], 4), (vec![2], 1), (vec![], 3), (vec![1, 2, 1, 2], 2)] {
            let shape = [1, frames, tokens.len() + 1, 4];
            let logits = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.5), &device);
            let expected = -all_ways(&logits, &tokens, frames, 0, 0).ln() / tokens.len().max(1) as f64;
            let found = value(&logits, std::slice::from_ref(&tokens), &[frames]);
            assert!((found - expected).abs() < 1e-5, "{tokens:?}: {found}, expected {expected}");
        }
    }

    #[test]
    fn what_leads_out_of_the_cells_is_all_that_the_host_has_to_know() {
        let device = Device::flex();
        device.seed(7);
        let (tokens, frames) = (vec![vec![1, 2, 2], vec![3], vec![]], [4, 2, 0]);
        let logits = Tensor::<4>::random([3, 4, 4, 5], Distribution::Normal(0.0, 2.0), &device);
        let tracked = || Tensor::<4>::from_data(logits.clone().into_data(), &device.clone().autodiff()).require_grad();
        let (whole, parts) = (tracked(), tracked());
        let losses = [
            loss_of(Cells::Logits, whole.clone(), &tokens, &frames),
            loss_of(Cells::WaysOut, ways_out(parts.clone(), &tokens), &tokens, &frames),
        ];
        let values = losses.clone().map(|loss| loss.into_scalar::<f32>());
        assert!((values[0] - values[1]).abs() < 1e-5, "{values:?}");
        let [by_whole, by_parts] = losses.map(|loss| loss.backward());
        let (expected, found) = (whole.grad(&by_whole).unwrap(), parts.grad(&by_parts).unwrap());
        let difference = (expected - found).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-6, "{difference}");
    }

    #[test]
    fn the_gradient_is_that_of_differences() {
        let device = Device::flex();
        device.seed(6);
        let (tokens, frames) = (vec![vec![1, 2], vec![3]], [3, 2]);
        let logits = Tensor::<4>::random([2, 3, 3, 4], Distribution::Normal(0.0, 1.0), &device);
        let tracked = Tensor::<4>::from_data(logits.clone().into_data(), &device.clone().autodiff()).require_grad();
        let gradients = transducer_loss(tracked.clone(), &tokens, &frames).mul_scalar(2.0).backward();
        let gradient: Vec<f64> = tracked.grad(&gradients).unwrap().into_data().iter::<f64>().collect();
        let values: Vec<f32> = logits.into_data().iter::<f32>().collect();
        let moved = |at: usize, by: f32| {
            let mut values = values.clone();
            values[at] += by;
            2.0 * value(&Tensor::from_data(TensorData::new(values, [2, 3, 3, 4]), &device), &tokens, &frames)
        };
        for (at, found) in gradient.into_iter().enumerate() {
            let expected = (moved(at, 0.01) - moved(at, -0.01)) / 0.02;
            assert!((found - expected).abs() < 1e-3, "{at}: {found}, expected {expected}");
        }
    }
}
