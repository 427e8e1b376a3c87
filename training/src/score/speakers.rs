use std::fmt;
use std::path::PathBuf;

use clap::Args;
use rejoinder_models::speaker::{DetectionCost, OperatingPoint, equal_error_rate, min_detection_cost};

use crate::{Error, Result};

/// `rejoinder-train score speakers`
#[derive(Args)]
pub struct ScoreSpeakers {
    /// Lines of a label and a score: `1` or `target` for trials of one voice, `0` or `nontarget` for trials of two
    #[arg(value_name = "TRIALS")]
    pub trials: PathBuf,
    /// How probable it is that the voices are the same, for the detection cost
    #[arg(long, value_name = "P", default_value_t = DetectionCost::default().target)]
    pub p_target: f64,
    /// The cost of refusing the right voice
    #[arg(long, value_name = "COST", default_value_t = DetectionCost::default().miss)]
    pub c_miss: f64,
    /// The cost of accepting a wrong voice
    #[arg(long, value_name = "COST", default_value_t = DetectionCost::default().false_alarm)]
    pub c_fa: f64,
}

/// How well scores tell voices apart.
#[derive(Clone, Copy, Debug)]
pub struct SpeakersReport {
    /// Trials of one voice.
    pub same: usize,
    /// Trials of two voices.
    pub different: usize,
    /// The equal error rate.
    pub eer: OperatingPoint,
    /// The least detection cost.
    pub min_dcf: OperatingPoint,
    /// What mistakes cost.
    pub cost: DetectionCost,
}

impl ScoreSpeakers {
    /// Measures the scores.
    ///
    /// # Errors
    /// A missing file, a line of another form, trials of one kind only.
    pub fn report(&self) -> Result<SpeakersReport> {
        let text = std::fs::read_to_string(&self.trials).map_err(|e| Error::io(&self.trials, e))?;
        let (mut same, mut different) = (Vec::new(), Vec::new());
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let mistake =
                |reason: String| Error::data(format!("{} line {}", self.trials.display(), number + 1), reason);
            let side = match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["1" | "target", score] => Ok((&mut same, score)),
                ["0" | "nontarget", score] => Ok((&mut different, score)),
                _ => Err(mistake(format!("expected `1` or `0` (`target`, `nontarget`) and a score, found `{line}`"))),
            };
            let (scores, score) = side?;
            match score.parse::<f32>() {
                Ok(score) if score.is_finite() => scores.push(score),
                _ => return Err(mistake(format!("expected a number for the score, found `{score}`"))),
            }
        }
        let place = || self.trials.display().to_string();
        let cost = DetectionCost { miss: self.c_miss, false_alarm: self.c_fa, target: self.p_target };
        if !(cost.target > 0.0 && cost.target < 1.0) {
            return Err(Error::config(
                "--p-target",
                format!("expected a number between 0 and 1, found {}", cost.target),
            ));
        }
        if let Some(found) = [cost.miss, cost.false_alarm].into_iter().find(|cost| !(cost.is_finite() && *cost > 0.0)) {
            return Err(Error::config("--c-miss, --c-fa", format!("expected numbers above 0, found {found}")));
        }
        let eer = equal_error_rate(&same, &different);
        let min_dcf = min_detection_cost(&same, &different, &cost);
        let (Some(eer), Some(min_dcf)) = (eer, min_dcf) else {
            let found =
                format!("expected trials of one voice and of two, found {} and {}", same.len(), different.len());
            return Err(Error::data(place(), found));
        };
        Ok(SpeakersReport { same: same.len(), different: different.len(), eer, min_dcf, cost })
    }
}

impl fmt::Display for SpeakersReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { same, different, eer, min_dcf, cost } = self;
        let DetectionCost { miss, false_alarm, target } = cost;
        writeln!(f, "EER {:.2} % at {:.4}", 100.0 * eer.value, eer.threshold)?;
        let deaf = (miss * target).min(false_alarm * (1.0 - target));
        write!(f, "minDCF {:.4}, normalised {:.4}, at {:.4}", min_dcf.value, min_dcf.value / deaf, min_dcf.threshold)?;
        writeln!(f, " (p_target {target}, c_miss {miss}, c_fa {false_alarm})")?;
        writeln!(f, "{} trials: {same} of one voice, {different} of two", same + different)
    }
}
