//! Mean and deviation of feature bins, by which a net normalises what it is given.

use crate::Result;

/// Mean and standard deviation of each feature bin. Shapes: (bin).
#[derive(Clone, Debug, PartialEq)]
pub struct BinStatistics {
    /// The means.
    pub mean: Vec<f32>,
    /// The standard deviations.
    pub deviation: Vec<f32>,
}

impl BinStatistics {
    /// Those of all frames of some batches. The shape of each: (frame, bin), row by row.
    ///
    /// # Errors
    /// The first error among the batches.
    pub fn of(bins: usize, batches: impl IntoIterator<Item = Result<Vec<f32>>>) -> Result<Self> {
        let (mut count, mut sum, mut square) = (0.0_f64, vec![0.0_f64; bins], vec![0.0_f64; bins]);
        for batch in batches {
            for frame in batch?.chunks_exact(bins) {
                count += 1.0;
                for (bin, value) in frame.iter().enumerate() {
                    sum[bin] += f64::from(*value);
                    square[bin] += f64::from(*value) * f64::from(*value);
                }
            }
        }
        let count = count.max(1.0);
        let of = |(sum, square): (&f64, &f64)| {
            let mean = sum / count;
            (mean as f32, (square / count - mean * mean).max(0.0).sqrt() as f32)
        };
        let (mean, deviation) = sum.iter().zip(&square).map(of).unzip();
        Ok(Self { mean, deviation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_of_all_batches() {
        let batches = [Ok(vec![1.0, 5.0, 3.0, 5.0]), Ok(vec![5.0, 5.0])];
        let BinStatistics { mean, deviation } = BinStatistics::of(2, batches).unwrap();
        assert_eq!(mean, [3.0, 5.0]);
        assert!((deviation[0] - (8.0_f32 / 3.0).sqrt()).abs() < 1e-6 && deviation[1] == 0.0, "{deviation:?}");
    }
}
