use std::f64::consts::PI;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Tensor, TensorData};

/// How far cosines stay from 1, where the sine has no derivative.
const LEAST_DISTANCE: f64 = 1e-7;

/// Additive angular margin softmax (Deng et al., ArcFace, CVPR 2019; for speakers: Xiang et al., "Margin Matters",
/// 2019): the cross-entropy of scaled cosines, where the angle to an utterance's own speaker counts as `margin` radians
/// wider. It is the mean over the batch, as SpeechBrain's `LogSoftmaxWrapper(AdditiveAngularMargin(margin, scale))`.
///
/// # Shapes
/// - `cosines`: (batch, speakers)
/// - `speakers`: the number of each utterance's speaker
/// - returns: (1)
pub fn aam_softmax(cosines: Tensor<2>, speakers: &[usize], margin: f64, scale: f64) -> Tensor<1> {
    let ([batch, known], device) = (cosines.dims(), cosines.device());
    let mut own = vec![0.0_f32; batch * known];
    own.chunks_exact_mut(known).zip(speakers).for_each(|(row, speaker)| row[*speaker] = 1.0);
    let own = Tensor::<2>::from_data(TensorData::new(own, [batch, known]), &device);
    let cosines = cosines.clamp(LEAST_DISTANCE - 1.0, 1.0 - LEAST_DISTANCE);
    let cosine = (cosines.clone() * own.clone()).sum_dim(1); // (batch, 1)
    let sine = cosine.clone().square().neg().add_scalar(1.0).sqrt();
    let wider = cosine.clone().mul_scalar(margin.cos()) - sine.mul_scalar(margin.sin());
    // Beyond pi - margin the cosine of the wider angle would rise again; a line goes on falling instead.
    let falling = cosine.clone().sub_scalar((PI - margin).sin() * margin);
    let beyond = cosine.clone().lower_equal_scalar((PI - margin).cos());
    let shift = wider.mask_where(beyond, falling) - cosine;
    let log_probs = log_softmax((cosines + own.clone() * shift).mul_scalar(scale), 1);
    (log_probs * own).sum().div_scalar(-(batch as f64))
}
