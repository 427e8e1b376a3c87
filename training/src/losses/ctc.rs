use burn::nn::loss::CTCLossConfig;
use burn::tensor::{Int, Tensor, TensorData};

/// The blank's id, in every token file of ours.
const BLANK: usize = 0;

/// Connectionist temporal classification (Graves et al., ICML 2006): the negative log-likelihood of each utterance's
/// tokens, summed and divided by the number of tokens of the batch. Utterances with too few frames count nothing.
///
/// # Shapes
/// - `log_probs`: (batch, frames, vocabulary), normalised over the vocabulary, blank at 0
/// - `tokens`: the utterances' token ids, without blanks
/// - `frames`: the number of frames that count, for each utterance
pub fn ctc_loss(log_probs: Tensor<3>, tokens: &[Vec<u32>], frames: &[usize]) -> Tensor<1> {
    let device = log_probs.device();
    let longest = tokens.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let total: usize = tokens.iter().map(Vec::len).sum();
    let batch = tokens.len();
    let mut padded = vec![1i64; batch * longest];
    for (row, tokens) in padded.chunks_mut(longest).zip(tokens) {
        row.iter_mut().zip(tokens).for_each(|(slot, token)| *slot = i64::from(*token));
    }
    let targets = Tensor::<2, Int>::from_data(TensorData::new(padded, [batch, longest]), &device);
    let lengths = |values: Vec<i64>| Tensor::<1, Int>::from_data(TensorData::new(values, [batch]), &device);
    CTCLossConfig::new()
        .with_blank(BLANK)
        .with_zero_infinity(true)
        .init()
        .forward(
            log_probs.swap_dims(0, 1),
            targets,
            lengths(frames.iter().map(|n| *n as i64).collect()),
            lengths(tokens.iter().map(|t| t.len() as i64).collect()),
        )
        .sum()
        .div_scalar(total.max(1) as f64)
}
