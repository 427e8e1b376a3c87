use crate::Result;
use crate::audio::resample;
use crate::units::{SampleRate, Samples};

/// A recording in memory: one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Samples in [-1, 1].
    pub samples: Vec<f32>,
    /// Samples per second.
    pub rate: SampleRate,
}

impl Clip {
    /// A clip of samples in [-1, 1].
    pub fn new(samples: Vec<f32>, rate: SampleRate) -> Self {
        Self { samples, rate }
    }

    /// Nothing but zeros.
    pub fn silence(length: Samples, rate: SampleRate) -> Self {
        Self { samples: vec![0.0; length.0 as usize], rate }
    }

    /// The number of samples.
    pub fn len(&self) -> Samples {
        Samples(self.samples.len() as u64)
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The length in seconds.
    pub fn seconds(&self) -> f64 {
        self.len().ms(self.rate) / 1000.0
    }

    /// The root of the mean square, 0 for an empty clip.
    pub fn rms(&self) -> f32 {
        let energy: f64 = self.samples.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        (energy / self.samples.len().max(1) as f64).sqrt() as f32
    }

    /// The largest magnitude, 0 for an empty clip.
    pub fn peak(&self) -> f32 {
        self.samples.iter().fold(0.0, |peak, x| peak.max(x.abs()))
    }

    /// The same sound at another rate, without delay, of the length that [`Samples::convert`] gives.
    ///
    /// # Errors
    /// As [`resample`].
    pub fn at(self, rate: SampleRate) -> Result<Self> {
        if rate == self.rate {
            return Ok(self);
        }
        Ok(Self { samples: resample(&self.samples, self.rate, rate)?, rate })
    }
}
