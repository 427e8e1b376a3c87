use std::time::Duration;

/// What a step costs in virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// As long as it took.
    Measured,
    /// Always the same, so that a run repeats exactly.
    Fixed {
        /// Each message that a stage handles.
        step: Duration,
        /// Each message that a stage sends meanwhile, on top.
        output: Duration,
    },
    /// Always the same, for each stage by itself, so that a run repeats exactly.
    Stages(StageCosts),
}

/// What each message costs that a stage handles, and on top what each message costs that it sends meanwhile. `identify`,
/// which looks at a voice twice in a turn, and a stage that is inserted cost nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageCosts {
    /// `listen`.
    pub listen: (Duration, Duration),
    /// `transcribe`.
    pub transcribe: (Duration, Duration),
    /// `respond`.
    pub respond: (Duration, Duration),
    /// `speak`.
    pub speak: (Duration, Duration),
}

impl Cost {
    /// For one stage: each message that it handles, and each that it sends. None where that is measured.
    pub(super) fn of(&self, stage: &str) -> Option<(Duration, Duration)> {
        match self {
            Self::Measured => None,
            Self::Fixed { step, output } => Some((*step, *output)),
            Self::Stages(costs) => Some(match stage {
                "listen" => costs.listen,
                "transcribe" => costs.transcribe,
                "respond" => costs.respond,
                "speak" => costs.speak,
                _ => (Duration::ZERO, Duration::ZERO),
            }),
        }
    }
}
