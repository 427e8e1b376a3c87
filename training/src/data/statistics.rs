//! Mean and deviation of feature bins, by which a net normalises what it is given.

/// Sums over feature frames.
#[derive(Clone, Debug)]
pub struct BinStatistics {
    count: f64,
    sum: Vec<f64>,
    square: Vec<f64>,
}

impl BinStatistics {
    /// No frames yet, of so many bins.
    pub fn new(bins: usize) -> Self {
        Self { count: 0.0, sum: vec![0.0; bins], square: vec![0.0; bins] }
    }

    /// Adds frames. Shape: (frame, bin), row by row.
    pub fn add(&mut self, frames: &[f32]) {
        for frame in frames.chunks_exact(self.sum.len()) {
            self.count += 1.0;
            for (bin, value) in frame.iter().enumerate() {
                self.sum[bin] += f64::from(*value);
                self.square[bin] += f64::from(*value) * f64::from(*value);
            }
        }
    }

    /// Mean and standard deviation of each bin.
    pub fn mean_and_deviation(&self) -> (Vec<f32>, Vec<f32>) {
        let count = self.count.max(1.0);
        let of = |(sum, square): (&f64, &f64)| {
            let mean = sum / count;
            (mean as f32, (square / count - mean * mean).max(0.0).sqrt() as f32)
        };
        self.sum.iter().zip(&self.square).map(of).unzip()
    }
}
