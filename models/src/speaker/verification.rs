//! How well scores tell trials of one voice from trials of two.

/// A rate or cost, and the threshold at which it is reached: scores above it are accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingPoint {
    /// The rate or cost.
    pub value: f64,
    /// The threshold.
    pub threshold: f32,
}

/// What mistakes cost, and how often voices are the same: the parameters of NIST's detection cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectionCost {
    /// The cost of refusing the right voice.
    pub miss: f64,
    /// The cost of accepting a wrong one.
    pub false_alarm: f64,
    /// How probable it is that the voices are the same.
    pub target: f64,
}

impl Default for DetectionCost {
    /// NIST's speaker recognition evaluations since 2010: equal costs, one trial in a hundred of the same voice.
    fn default() -> Self {
        Self { miss: 1.0, false_alarm: 1.0, target: 0.01 }
    }
}

/// The share of wrong answers where as large a share of `same` is refused as of `different` accepted: SpeechBrain's
/// `EER`. Thresholds that are tried are the scores and what lies midway between neighbours; of those where the shares
/// are nearest to each other the lowest counts, with the mean of the shares.
///
/// None where either side is empty.
pub fn equal_error_rate(same: &[f32], different: &[f32]) -> Option<OperatingPoint> {
    let curve = Curve::new(same, different)?;
    // Shares are compared as whole numbers, over their common denominator.
    let apart = |point: &Point| {
        let (refused, accepted) = (point.refused * different.len(), point.accepted * same.len());
        refused.abs_diff(accepted)
    };
    let point = curve.points().min_by_key(apart)?;
    let (refused, accepted) = curve.shares(&point);
    Some(OperatingPoint { value: (refused + accepted) / 2.0, threshold: point.threshold })
}

/// The least detection cost of any threshold: SpeechBrain's `minDCF`, with the thresholds of [`equal_error_rate`]. It is
/// not divided by the cost of a system that hears nothing, as NIST's figure is: that is 0.01 by default.
///
/// None where either side is empty.
pub fn min_detection_cost(same: &[f32], different: &[f32], cost: &DetectionCost) -> Option<OperatingPoint> {
    let curve = Curve::new(same, different)?;
    let points = curve.points().map(|point| {
        let (refused, accepted) = curve.shares(&point);
        let value = cost.miss * refused * cost.target + cost.false_alarm * accepted * (1.0 - cost.target);
        OperatingPoint { value, threshold: point.threshold }
    });
    points.min_by(|a, b| a.value.total_cmp(&b.value))
}

/// What a threshold does.
struct Point {
    threshold: f32,
    /// Scores of the same voice that do not exceed it.
    refused: usize,
    /// Scores of different voices that exceed it.
    accepted: usize,
}

/// Both kinds of scores in ascending order.
struct Curve {
    same: Vec<f32>,
    different: Vec<f32>,
}

impl Curve {
    fn new(same: &[f32], different: &[f32]) -> Option<Self> {
        let sorted = |scores: &[f32]| {
            let mut scores = scores.to_vec();
            scores.sort_by(f32::total_cmp);
            scores
        };
        (!same.is_empty() && !different.is_empty()).then(|| Self { same: sorted(same), different: sorted(different) })
    }

    /// The thresholds in ascending order.
    fn points(&self) -> impl Iterator<Item = Point> {
        let mut scores = [self.same.as_slice(), &self.different].concat();
        scores.sort_by(f32::total_cmp);
        scores.dedup();
        let midway: Vec<f32> = scores.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect();
        scores.extend(midway);
        scores.sort_by(f32::total_cmp);
        scores.into_iter().map(|threshold| Point {
            threshold,
            refused: self.same.partition_point(|score| *score <= threshold),
            accepted: self.different.len() - self.different.partition_point(|score| *score <= threshold),
        })
    }

    /// The shares of the same voice that are refused and of different voices that are accepted.
    fn shares(&self, point: &Point) -> (f64, f64) {
        (point.refused as f64 / self.same.len() as f64, point.accepted as f64 / self.different.len() as f64)
    }
}
