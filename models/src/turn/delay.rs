//! Turns cut off against delay: what the ways to decide that a turn is over cost, as eot-bench counts it.

use serde::Serialize;

/// A silence is looked at after so many milliseconds, and again after every further step.
pub const FIRST_MS: usize = 100;
/// What lies between two looks, in milliseconds.
pub const STEP_MS: usize = 50;
/// Silence after which a turn counts as over at the latest, in milliseconds.
pub const LONGEST_MS: usize = 2_000;

/// What a detector says of one turn, pause after pause.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Looked {
    /// For each pause within the turn: the probability that it is over at each look that fits in.
    pub pauses: Vec<Vec<f32>>,
    /// For its end.
    pub end: Vec<f32>,
}

/// A way to decide, and what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The probability from which a turn is over; above 1 where silence alone decides.
    pub threshold: f32,
    /// The silence after which it is over whatever the probability, in milliseconds.
    pub hangover_ms: usize,
    /// The share of turns that are cut off in a pause.
    pub cut_off: f64,
    /// The mean delay from the end of the speech to the decision, in milliseconds.
    pub delay_ms: f64,
}

/// All ways to decide.
#[derive(Clone, Debug)]
pub struct Curve(Vec<Point>);

impl Looked {
    /// Which look decides that the turn is over, if it is reached.
    fn decides(looks: &[f32], threshold: f32, hangover: usize) -> Option<usize> {
        let sure = looks.iter().position(|p| *p >= threshold);
        let late = (looks.len() > hangover).then_some(hangover);
        sure.into_iter().chain(late).min()
    }
}

impl Curve {
    /// Tries all combinations of thresholds and hangovers on turns.
    pub fn of(turns: &[Looked], with_detector: bool) -> Self {
        let mut thresholds = vec![2.0];
        if with_detector {
            thresholds.extend((1..100).map(|percent| percent as f32 / 100.0));
        }
        let looks = (LONGEST_MS - FIRST_MS) / STEP_MS;
        let point = |threshold: f32, hangover: usize| {
            let cut = |turn: &&Looked| turn.pauses.iter().any(|p| Looked::decides(p, threshold, hangover).is_some());
            let delay = |turn: &Looked| Looked::decides(&turn.end, threshold, hangover).unwrap_or(looks) as f64;
            let count = turns.len().max(1) as f64;
            let mean = turns.iter().map(delay).sum::<f64>() / count;
            Point {
                threshold,
                hangover_ms: FIRST_MS + hangover * STEP_MS,
                cut_off: turns.iter().filter(cut).count() as f64 / count,
                delay_ms: FIRST_MS as f64 + mean * STEP_MS as f64,
            }
        };
        let all = thresholds.iter().flat_map(|threshold| (0..looks).map(move |hangover| (*threshold, hangover)));
        Self(all.map(|(threshold, hangover)| point(threshold, hangover)).collect())
    }

    /// The fewest turns cut off by a way whose mean delay is at most this.
    pub fn within_ms(&self, delay_ms: f64) -> Option<Point> {
        let fast = self.0.iter().filter(|point| point.delay_ms <= delay_ms + 1e-9);
        fast.min_by(|a, b| a.cut_off.total_cmp(&b.cut_off).then(a.delay_ms.total_cmp(&b.delay_ms))).copied()
    }

    /// The shortest mean delay of a way that cuts off at most this share of turns.
    pub fn within_share(&self, cut_off: f64) -> Option<Point> {
        let safe = self.0.iter().filter(|point| point.cut_off <= cut_off + 1e-9);
        safe.min_by(|a, b| a.delay_ms.total_cmp(&b.delay_ms)).copied()
    }
}

/// eot-bench's figures of a curve: none where no way is as fast, or as safe.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Trade {
    /// The fewest turns cut off with a mean delay of 300 ms.
    pub within_300_ms: Option<Point>,
    /// ... of 600 ms.
    pub within_600_ms: Option<Point>,
    /// The shortest mean delay with 5 % of the turns cut off.
    pub cut_off_5_percent: Option<Point>,
    /// ... with 10 %.
    pub cut_off_10_percent: Option<Point>,
}

impl Trade {
    /// The head of a table of [`rows`](Self::row), in Markdown.
    pub const HEAD: &'static str = "| decided by | cut off at 300 ms, % | at 600 ms, % | ms at 5 % | at 10 % | threshold, hangover at 5 % |\n\
                                    |---|---|---|---|---|---|";

    /// Those of a curve.
    pub fn of(curve: &Curve) -> Self {
        Self {
            within_300_ms: curve.within_ms(300.0),
            within_600_ms: curve.within_ms(600.0),
            cut_off_5_percent: curve.within_share(0.05),
            cut_off_10_percent: curve.within_share(0.10),
        }
    }

    /// A row of a table, of what decides.
    pub fn row(&self, by: &str) -> String {
        let percent = |point: Option<Point>| point.map_or("–".to_owned(), |p| format!("{:.1}", 100.0 * p.cut_off));
        let ms = |point: Option<Point>| point.map_or("–".to_owned(), |p| format!("{:.0}", p.delay_ms));
        let way = |point: Option<Point>| match point {
            Some(point) if point.threshold <= 1.0 => format!("{:.2}, {} ms", point.threshold, point.hangover_ms),
            Some(point) => format!("{} ms", point.hangover_ms),
            None => "–".to_owned(),
        };
        format!(
            "| {by} | {} | {} | {} | {} | {} |",
            percent(self.within_300_ms),
            percent(self.within_600_ms),
            ms(self.cut_off_5_percent),
            ms(self.cut_off_10_percent),
            way(self.cut_off_5_percent)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detector_that_knows_cuts_nobody_off_and_silence_alone_must_wait() {
        let pause = |p: f32, looks: usize| vec![p; looks];
        let turns = [
            Looked { pauses: vec![pause(0.1, 9)], end: pause(0.9, 39) },
            Looked { pauses: Vec::new(), end: pause(0.8, 39) },
        ];
        let knows = Curve::of(&turns, true).within_ms(100.0).unwrap();
        assert_eq!((knows.cut_off, knows.delay_ms), (0.0, 100.0));
        let silence = Curve::of(&turns, false);
        assert_eq!(silence.within_ms(300.0).unwrap().cut_off, 0.5);
        // A pause of 9 looks lasts 500 ms: silence may only decide at the next look.
        assert_eq!(silence.within_share(0.0).unwrap().delay_ms, 550.0);
    }
}
