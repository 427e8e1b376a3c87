use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::run::{Cost, StageCosts};

/// What a step costs in virtual time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum CostConfig {
    /// As long as it took.
    Measured {},
    /// Always the same, so that a run repeats to the byte.
    Fixed(FixedCosts),
}

impl Default for CostConfig {
    fn default() -> Self {
        Self::Measured {}
    }
}

/// Microseconds for each message that a stage handles, and on top for each that it sends. Default: about what the
/// embedded models take on one core of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FixedCosts {
    /// `listen`. Default: 50, 0.
    pub listen_us: [u64; 2],
    /// `transcribe`. Default: 1000, 0.
    pub transcribe_us: [u64; 2],
    /// `respond`. Default: 5000, 3000.
    pub respond_us: [u64; 2],
    /// `speak`. Default: 1000, 12000.
    pub speak_us: [u64; 2],
}

impl Default for FixedCosts {
    fn default() -> Self {
        Self { listen_us: [50, 0], transcribe_us: [1_000, 0], respond_us: [5_000, 3_000], speak_us: [1_000, 12_000] }
    }
}

impl CostConfig {
    pub(crate) fn resolve(&self) -> Cost {
        let pair = |us: [u64; 2]| (Duration::from_micros(us[0]), Duration::from_micros(us[1]));
        match self {
            Self::Measured {} => Cost::Measured,
            Self::Fixed(costs) => Cost::Stages(StageCosts {
                listen: pair(costs.listen_us),
                transcribe: pair(costs.transcribe_us),
                respond: pair(costs.respond_us),
                speak: pair(costs.speak_us),
            }),
        }
    }
}
