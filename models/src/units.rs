//! Newtypes for the quantities that cross a seam. Inside a function, plain numbers carry a `_ms`, `_hz` or
//! `_frames` suffix instead.

use serde::{Deserialize, Serialize};

/// Samples per second of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SampleRate(u32);

impl SampleRate {
    /// The rate of everything inside the pipeline: 16 kHz, mono.
    pub const INTERNAL: Self = Self(16_000);

    /// A rate in hertz.
    pub const fn hz(hz: u32) -> Self {
        Self(hz)
    }

    /// The rate in hertz.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl std::fmt::Display for SampleRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}

/// A length of time, counted in samples of some rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Samples(pub u64);

impl Samples {
    /// The number of samples nearest to `ms` at `rate`.
    pub fn from_ms(ms: f64, rate: SampleRate) -> Self {
        Self((ms * f64::from(rate.get()) / 1000.0).round().max(0.0) as u64)
    }

    /// The length in milliseconds at `rate`.
    pub fn ms(self, rate: SampleRate) -> f64 {
        self.0 as f64 * 1000.0 / f64::from(rate.get())
    }

    /// The nearest length that takes the same time at another rate.
    pub fn convert(self, from: SampleRate, to: SampleRate) -> Self {
        let (from, to) = (u128::from(from.get()), u128::from(to.get()));
        Self(((u128::from(self.0) * to + from / 2) / from) as u64)
    }
}

impl std::ops::Add for Samples {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::ops::Sub for Samples {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// A moment on the one clock: samples since capture began, at [`SampleRate::INTERNAL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// The moment in milliseconds since capture began.
    pub fn ms(self) -> f64 {
        Samples(self.0).ms(SampleRate::INTERNAL)
    }

    /// The moment nearest to `ms` milliseconds after capture began.
    pub fn from_ms(ms: f64) -> Self {
        Self(Samples::from_ms(ms, SampleRate::INTERNAL).0)
    }

    /// The time since `earlier`, zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Samples {
        Samples(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Samples> for Position {
    type Output = Self;
    fn add(self, length: Samples) -> Self {
        Self(self.0 + length.0)
    }
}
