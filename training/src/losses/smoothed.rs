use burn::tensor::{Int, Tensor, TensorData};

/// The Kullback-Leibler divergence from labels that are smoothed (Szegedy et al., "Rethinking the Inception architecture",
/// CVPR 2016), averaged over the places that have a label. A label has the probability 1 - `smoothing`, and all others
/// share the rest, as in SpeechBrain's `kldiv_loss`; without smoothing that is the negative log-likelihood.
///
/// # Shapes
/// - `log_probs`: (batch, places, labels), normalised over the labels
/// - `labels`: for each row, those of its first places; places without one count nothing
/// - returns: (1)
pub fn smoothed_loss(log_probs: Tensor<3>, labels: &[Vec<u32>], smoothing: f64) -> Tensor<1> {
    let [batch, places, vocabulary] = log_probs.dims();
    let device = log_probs.device();
    let (mut indices, mut counts) = (vec![0_i64; batch * places], vec![0_f32; batch * places]);
    let rows = indices.chunks_mut(places.max(1)).zip(counts.chunks_mut(places.max(1)));
    for ((indices, counts), labels) in rows.zip(labels) {
        for ((index, count), label) in indices.iter_mut().zip(counts).zip(labels) {
            (*index, *count) = (i64::from(*label), 1.0);
        }
    }
    let total = f64::from(counts.iter().sum::<f32>().max(1.0));
    let other = smoothing / (vocabulary.max(2) - 1) as f64;
    let entropy: f64 = [1.0 - smoothing, smoothing].into_iter().zip([1.0 - smoothing, other]).map(times_ln).sum();
    let indices = Tensor::<3, Int>::from_data(TensorData::new(indices, [batch, places, 1]), &device);
    let counts = Tensor::<3>::from_data(TensorData::new(counts, [batch, places, 1]), &device);
    let own = log_probs.clone().gather(2, indices); // (batch, places, 1)
    let expected = own.mul_scalar(1.0 - smoothing - other) + log_probs.sum_dim(2).mul_scalar(other);
    ((expected.neg().add_scalar(entropy)) * counts).sum().div_scalar(total)
}

/// A probability times the logarithm of another; 0 for 0.
fn times_ln((mass, probability): (f64, f64)) -> f64 {
    if mass > 0.0 { mass * probability.ln() } else { 0.0 }
}
