use burn::tensor::{Int, Tensor, TensorData};

/// The negative log-likelihood of given labels, averaged over the frames that have one.
///
/// # Shapes
/// - `log_probs`: (batch, frames, labels), normalised over the labels
/// - `labels`: for each utterance, at most one label a frame from the first on; frames without one count nothing
pub fn frame_loss(log_probs: Tensor<3>, labels: &[Vec<Option<u32>>]) -> Tensor<1> {
    let [batch, frames, _] = log_probs.dims();
    let device = log_probs.device();
    let (mut indices, mut counts) = (vec![0i64; batch * frames], vec![0f32; batch * frames]);
    let rows = indices.chunks_mut(frames.max(1)).zip(counts.chunks_mut(frames.max(1)));
    for ((indices, counts), labels) in rows.zip(labels) {
        for ((index, count), label) in indices.iter_mut().zip(counts).zip(labels) {
            if let Some(label) = label {
                (*index, *count) = (i64::from(*label), 1.0);
            }
        }
    }
    let total: f32 = counts.iter().sum();
    let indices = Tensor::<3, Int>::from_data(TensorData::new(indices, [batch, frames, 1]), &device);
    let counts = Tensor::<3>::from_data(TensorData::new(counts, [batch, frames, 1]), &device);
    (log_probs.gather(2, indices) * counts).sum().div_scalar(-f64::from(total.max(1.0)))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn only_labelled_frames_count() {
        let probabilities = [0.5f32, 0.5, 0.25, 0.75, 0.1, 0.9, 0.8, 0.2];
        let data = TensorData::new(probabilities.map(f32::ln).to_vec(), [2, 2, 2]);
        let log_probs = Tensor::<3>::from_data(data, &Device::flex());
        let loss: f32 = frame_loss(log_probs.clone(), &[vec![None, Some(1)], vec![Some(0)]]).into_scalar();
        assert!((loss + (0.75f32.ln() + 0.1f32.ln()) / 2.0).abs() < 1e-6, "{loss}");
        let nothing: f32 = frame_loss(log_probs, &[vec![], vec![None]]).into_scalar();
        assert_eq!(nothing, 0.0);
    }
}
