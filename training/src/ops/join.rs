use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

use super::fused::{Kernel, Values, handle, record};
use super::simd::{exp, vectorized};

/// The hidden layer of a transducer's joiner: the hyperbolic tangent of each sum of a frame and a place.
///
/// # Shapes
/// (batch, frames, width) and (batch, places, width) to (batch, frames, places, width)
pub(crate) fn join(frames: Tensor<3>, places: Tensor<3>) -> Tensor<4> {
    let ([batch, rows, width], [_, columns, _]) = (frames.dims(), places.dims());
    match (handle(&frames), handle(&places)) {
        (Some(encoded), Some(predicted)) => {
            let sizes = Join { frames: rows, places: columns, width };
            record(sizes, [encoded, predicted], [batch, rows, columns, width])
        }
        _ => {
            let frames = frames.reshape([batch, rows, 1, width]);
            activation::tanh(frames + places.reshape([batch, 1, columns, width]))
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Join {
    frames: usize,
    places: usize,
    width: usize,
}

impl Kernel<2> for Join {
    /// The output.
    type Saved = Values;

    fn forward(&self, [encoded, predicted]: [Values; 2]) -> (Values, Values) {
        let Self { frames, places, width } = *self;
        let mut y = vec![0.0; encoded.len() * places];
        let rows = y.par_chunks_mut(places * width).zip(encoded.par_chunks(width)).enumerate();
        rows.for_each(|(row, (y, frame))| {
            let clip = row / frames * places * width;
            add_tanh(frame, &predicted[clip..clip + places * width], y);
        });
        let y = Values::from(y);
        (y.clone(), y)
    }

    fn backward(&self, y: Values, gradient: Values, _wanted: [bool; 2]) -> [Option<Values>; 2] {
        let Self { frames, places, width } = *self;
        let clips = y.len() / (frames * places * width);
        let mut encoded = vec![0.0; clips * frames * width];
        let mut predicted = vec![0.0; clips * places * width];
        let inputs = y.par_chunks(frames * places * width).zip(gradient.par_chunks(frames * places * width));
        let outputs = encoded.par_chunks_mut(frames * width).zip(predicted.par_chunks_mut(places * width));
        outputs.zip(inputs).for_each(|((encoded, predicted), (y, gradient))| {
            differentiate(y, gradient, width, encoded, predicted);
        });
        [Some(encoded.into()), Some(predicted.into())]
    }
}

vectorized! {
    fn add_tanh(frame: &[f32], places: &[f32], y: &mut [f32]) {
        for (place, y) in places.chunks_exact(frame.len()).zip(y.chunks_exact_mut(frame.len())) {
            for ((y, frame), place) in y.iter_mut().zip(frame).zip(place) {
                *y = 1.0 - 2.0 / (exp(2.0 * (frame + place)) + 1.0);
            }
        }
    }
}

vectorized! {
    /// One clip: sums (1 - y^2) times the gradient over places and over frames.
    fn differentiate(y: &[f32], gradient: &[f32], width: usize, encoded: &mut [f32], predicted: &mut [f32]) {
        let size = predicted.len();
        let rows = y.chunks_exact(size).zip(gradient.chunks_exact(size)).zip(encoded.chunks_exact_mut(width));
        for ((y, gradient), encoded) in rows {
            let cells = y.chunks_exact(width).zip(gradient.chunks_exact(width)).zip(predicted.chunks_exact_mut(width));
            for ((y, gradient), predicted) in cells {
                for (((y, gradient), encoded), predicted) in y.iter().zip(gradient).zip(&mut *encoded).zip(predicted) {
                    let through = gradient * (1.0 - y * y);
                    *encoded += through;
                    *predicted += through;
                }
            }
        }
    }
}
