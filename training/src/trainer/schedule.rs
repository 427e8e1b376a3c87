use serde::{Deserialize, Serialize};

/// How the learning rate changes after the linear warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Stays at the peak.
    Constant,
    /// Half a cosine from the peak to a hundredth of it at the end (Loshchilov and Hutter, SGDR, 2017, eq. 5).
    #[default]
    Cosine,
    /// Falls with the square root of the step (Vaswani et al., Attention is all you need, 2017, section 5.3), scaled
    /// so that the peak is at the end of the warm-up.
    Noam,
    /// Stays at the peak for `keep_steps` after the warm-up, then falls with the step: SpeechBrain's `LinearNoamScheduler`.
    LinearNoam,
    /// Falls linearly to zero at the end: SpeechBrain's `LinearWarmupScheduler`.
    Linear,
    /// Warms up from a hundredth of the peak, stays there for `keep_steps`, or without them until half of the run, then falls
    /// exponentially to a twentieth at its end: SpeechBrain's `TriStageLRSchedule`, with its defaults for both ends.
    TriStage,
    /// Up to the peak within `warmup_steps` and down to zero within as many, over and over: SpeechBrain's
    /// `CyclicLRScheduler`, mode `triangular` with a base of zero.
    Cyclic,
    /// Stays at the peak for 60 % of the run, then falls linearly to a hundredth of it.
    Trapezoid,
}

impl Schedule {
    /// The rate as a share of the peak, at `step` (from 0) and after `progress` (0 to 1) of the run. `keep_steps` concern those alone that name them.
    pub fn factor(self, step: usize, warmup_steps: usize, keep_steps: usize, progress: f64) -> f64 {
        let warmup = warmup_steps.max(1) as f64;
        if matches!(self, Self::TriStage) && (step as f64) < warmup {
            return 0.01 + 0.99 * step as f64 / warmup;
        }
        let done = step as f64;
        let step = done + 1.0;
        if step < warmup {
            return step / warmup;
        }
        let progress = progress.clamp(0.0, 1.0);
        match self {
            Self::Linear => {
                if progress == 0.0 {
                    return 1.0;
                }
                // The steps of the run, by how far it has come.
                let all = done / progress;
                ((all - step) / (all - warmup).max(1.0)).max(0.0)
            }
            Self::TriStage => {
                if progress == 0.0 {
                    return 1.0;
                }
                let all = done / progress;
                let held = if keep_steps > 0 { warmup + keep_steps as f64 } else { warmup.max(all / 2.0) };
                0.05_f64.powf(((done - held) / (all - held).max(1.0)).clamp(0.0, 1.0))
            }
            Self::Cyclic => 1.0 - (step / warmup - 2.0 * (1.0 + step / (2.0 * warmup)).floor() + 1.0).abs(),
            Self::Constant => 1.0,
            Self::Cosine => 0.01 + 0.99 * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
            Self::Noam => (warmup / step).sqrt(),
            Self::LinearNoam => (warmup / (step - keep_steps as f64).max(warmup)).min(1.0),
            Self::Trapezoid => (1.0 - 0.99 * (progress - 0.6) / 0.4).min(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schedule_peaks_after_the_warmup_and_falls() {
        for schedule in [Schedule::Cosine, Schedule::Noam, Schedule::Trapezoid] {
            assert!(schedule.factor(0, 100, 0, 0.0) < 0.02);
            assert!((schedule.factor(99, 100, 0, 0.0) - 1.0).abs() < 1e-9);
            assert!(schedule.factor(9_999, 100, 0, 1.0) <= 0.101);
        }
    }

    #[test]
    fn three_stages_meet_where_the_warmup_is_longer_than_half_of_the_run() {
        let factor = |step, keep| Schedule::TriStage.factor(step, 60, keep, step as f64 / 100.0);
        assert!(factor(59, 0) > 0.98 && factor(60, 0) == 1.0 && factor(80, 0) < 0.3);
        assert!(factor(70, 20) == 1.0 && (factor(100, 20) - 0.05).abs() < 1e-9);
    }

    #[test]
    fn the_linear_schedule_stays_at_the_peak_until_it_knows_how_far_it_is() {
        assert_eq!([0, 1, 500].map(|step| Schedule::Linear.factor(step, 1, 0, 0.0)), [1.0; 3]);
        assert!((Schedule::Linear.factor(1_000, 0, 0, 0.5) - 0.5).abs() < 2e-3);
        assert_eq!(Schedule::Linear.factor(2_000, 0, 0, 1.0), 0.0);
    }
}
