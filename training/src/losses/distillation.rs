//! Learning from a teacher's answers (G. Hinton et al., "Distilling the knowledge in a neural network", 2015; for
//! recognisers: Y. Gao et al., "Distilling knowledge from ensembles of acoustic models", Interspeech 2021).

use burn::tensor::{Tensor, TensorData, activation};

use super::{BLANK, ctc_loss};

/// What a teacher gives away: its probabilities, the flatter the higher the temperature.
///
/// # Shapes
/// - `logits`, returns: (batch, places, vocabulary)
pub fn softened(logits: Tensor<3>, temperature: f64) -> Tensor<3> {
    activation::softmax(logits.div_scalar(temperature), 2)
}

/// The cross-entropy of a student against a teacher, averaged over the places that count: SpeechBrain's `nll_loss_kd`.
///
/// # Shapes
/// - `log_probs`: the student's, (batch, places, vocabulary), normalised over the vocabulary
/// - `teacher`: the teacher's probabilities, such as [`softened`] gives, the same
/// - `lengths`: the number of places that count, for each row
/// - returns: (1)
pub fn distillation_loss(log_probs: Tensor<3>, teacher: Tensor<3>, lengths: &[usize]) -> Tensor<1> {
    let [batch, places, _] = log_probs.dims();
    let counts: Vec<f32> =
        lengths.iter().flat_map(|length| (0..places).map(|place| f32::from(u8::from(place < *length)))).collect();
    let total = f64::from(counts.iter().sum::<f32>().max(1.0));
    let counts = Tensor::<3>::from_data(TensorData::new(counts, [batch, places, 1]), &log_probs.device());
    (log_probs * teacher.detach() * counts).sum().div_scalar(-total)
}

/// [`ctc_loss`] with the labels that the teacher finds likeliest in each frame, repetitions and blanks left out:
/// SpeechBrain's `ctc_loss_kd`, which averages over utterances where this one averages over tokens.
///
/// # Shapes
/// - `log_probs`: the student's, (batch, frames, vocabulary), normalised over the vocabulary, blank at 0
/// - `teacher`: the teacher's probabilities, logarithms of them or logits, the same
/// - `frames`: the number of frames that count, for each utterance
/// - returns: (1)
pub fn ctc_distillation_loss(log_probs: Tensor<3>, teacher: Tensor<3>, frames: &[usize]) -> Tensor<1> {
    let longest = teacher.dims()[1];
    let best: Vec<u32> = teacher.argmax(2).into_data().iter().collect();
    let tokens = best.chunks(longest.max(1)).zip(frames).map(|(labels, frames)| {
        let mut labels = labels[..longest.min(*frames)].to_vec();
        labels.dedup();
        labels.retain(|label| *label as usize != BLANK);
        labels
    });
    ctc_loss(log_probs, &tokens.collect::<Vec<_>>(), frames)
}

/// The loss by labels and by a teacher in one: `(1 - weight) labels + weight temperature² teacher`. The square makes up
/// for gradients that shrink as the temperature rises.
///
/// # Shapes
/// - `labels`, `teacher`, returns: (1)
pub fn distilled(labels: Tensor<1>, teacher: Tensor<1>, weight: f64, temperature: f64) -> Tensor<1> {
    labels.mul_scalar(1.0 - weight) + teacher.mul_scalar(weight * temperature * temperature)
}
