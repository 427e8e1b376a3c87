//! The shape of a distribution in few numbers.

use serde::Serialize;

/// The least of the values that `share` of them, 0 to 1, do not exceed (the nearest rank). 0 without values.
pub fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    ranked(&values, share)
}

/// As [`quantile`], of values in order.
fn ranked(values: &[f64], share: f64) -> f64 {
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// Quantiles by nearest rank, and how many values there were. Without values, all are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// What 95 % of the values do not exceed.
    pub p95: f64,
    /// What 99 % of the values do not exceed.
    pub p99: f64,
    /// How many values there were.
    pub n: usize,
}

impl FromIterator<f64> for Quantiles {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let at = |share| ranked(&values, share);
        Self { p50: at(0.5), p95: at(0.95), p99: at(0.99), n: values.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_by_rank() {
        let quantiles: Quantiles = (1..=100).rev().map(f64::from).collect();
        assert_eq!(quantiles, Quantiles { p50: 50.0, p95: 95.0, p99: 99.0, n: 100 });
        let one: Quantiles = [7.0].into_iter().collect();
        assert_eq!(one, Quantiles { p50: 7.0, p95: 7.0, p99: 7.0, n: 1 });
        assert_eq!(
            (quantile(vec![3.0, 1.0, 2.0], 0.5), quantile(vec![3.0, 1.0], 0.0), quantile(Vec::new(), 0.5)),
            (2.0, 1.0, 0.0)
        );
        assert_eq!(std::iter::empty().collect::<Quantiles>(), Quantiles::default());
    }
}
