use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rejoinder_models::card::{Bundle, Measure};
use rejoinder_models::runtime::{self, RuntimeConfig};
use rejoinder_models::turn::{self, TurnDetector};
use serde::Serialize;

use super::corpus::Corpus;
use super::moments::{Kind, Moment, Silence, silences};
use super::recipe::TurnRecipe;
use crate::data::prepare::SAMPLE_RATE_HZ;
use crate::{Error, Result};

/// The detector is asked after so many milliseconds of silence, and again after every further step.
const FIRST_MS: usize = 100;
const STEP_MS: usize = 50;
/// Silence after which a turn counts as over at the latest.
const LONGEST_MS: usize = 2_000;

/// What a detector says of one turn, pause after pause.
#[derive(Clone, Debug)]
pub struct Looked {
    /// For each pause within the turn: the probability at each look that fits in.
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

    /// What comes of one way.
    pub fn at(&self, threshold: f32, hangover_ms: usize) -> Option<Point> {
        let same = |point: &&Point| (point.threshold - threshold).abs() < 1e-4 && point.hangover_ms == hangover_ms;
        self.0.iter().find(same).copied()
    }
}

/// The figures of one test: eot-bench's, for a detector and for silence alone.
#[derive(Debug, Serialize)]
struct Report {
    turns: usize,
    with_pauses: usize,
    detector: Row,
    silence: Row,
}

#[derive(Debug, Serialize)]
struct Row {
    within_300_ms: Option<Point>,
    within_600_ms: Option<Point>,
    cut_off_5_percent: Option<Point>,
    cut_off_10_percent: Option<Point>,
}

impl Row {
    fn of(curve: &Curve) -> Self {
        Self {
            within_300_ms: curve.within_ms(300.0),
            within_600_ms: curve.within_ms(600.0),
            cut_off_5_percent: curve.within_share(0.05),
            cut_off_10_percent: curve.within_share(0.10),
        }
    }
}

/// Measures the bundle on each test, prints a table and saves it as `results.json` in the run folder.
pub(super) fn evaluate(recipe: &TurnRecipe) -> Result<()> {
    let path = recipe.evaluate.model.as_ref().unwrap_or(&recipe.export.bundle);
    let detector = turn::open(path, runtime::open(&RuntimeConfig::default())?.as_ref())?;
    let mut results = BTreeMap::new();
    print(
        "| test | turns | with pauses | decided by | cut off at 300 ms, % | at 600 ms, % | ms at 5 % | at 10 % | threshold, hangover at 5 % |",
    )?;
    print("|---|---|---|---|---|---|---|---|---|")?;
    for folder in &recipe.data.tests {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let turns = look_at(folder, recipe, detector.as_ref())?;
        let report = Report {
            turns: turns.len(),
            with_pauses: turns.iter().filter(|turn| !turn.pauses.is_empty()).count(),
            detector: Row::of(&Curve::of(&turns, true)),
            silence: Row::of(&Curve::of(&turns, false)),
        };
        for (by, row) in [(detector.name(), &report.detector), ("silence", &report.silence)] {
            print(&line(&name, &report, by, row))?;
        }
        results.insert(name, report);
        save(&recipe.run, &results)?;
    }
    if recipe.evaluate.card && path.is_dir() {
        let mut bundle = Bundle::open(path)?;
        let mut card = bundle.card().clone();
        card.results.extend(results.iter().flat_map(|(name, report)| card_lines(name, report)));
        bundle.rewrite_card(card)?;
    }
    Ok(())
}

/// Asks a detector at every look of every pause of the turns in a folder.
fn look_at(folder: &Path, recipe: &TurnRecipe, detector: &dyn TurnDetector) -> Result<Vec<Looked>> {
    let corpus = Corpus::open(&[PathBuf::from(folder)], recipe.data.least_s, recipe.evaluate.clips)?;
    let each = |number: usize| -> Result<Looked> {
        let (mut stream, mut recording) = (detector.stream()?, Vec::new());
        corpus.read(&mut corpus.readers()?, number, &mut recording)?;
        let mut looked = Looked { pauses: Vec::new(), end: Vec::new() };
        for moment in silences(number, &corpus.turns()[number]) {
            let looks = looks(&moment).map(|ms| {
                let sound = moment.sound(&recording, ms * SAMPLE_RATE_HZ as usize / 1_000, Silence::Recorded);
                stream.probability(&sound)
            });
            let looks = looks.collect::<rejoinder_models::Result<Vec<_>>>()?;
            match moment.kind {
                Kind::End => looked.end = looks,
                _ if looks.is_empty() => {}
                _ => looked.pauses.push(looks),
            }
        }
        Ok(looked)
    };
    (0..corpus.turns().len()).into_par_iter().map(each).collect()
}

/// When a silence is looked at, in milliseconds from its beginning.
fn looks(moment: &Moment) -> impl Iterator<Item = usize> + use<> {
    let recorded = moment.silence * 1_000 / SAMPLE_RATE_HZ as usize;
    let longest = if moment.kind == Kind::End { LONGEST_MS } else { recorded.min(LONGEST_MS) };
    (FIRST_MS..=longest).step_by(STEP_MS)
}

fn line(name: &str, report: &Report, by: &str, row: &Row) -> String {
    let percent = |point: Option<Point>| point.map_or("–".to_owned(), |p| format!("{:.1}", 100.0 * p.cut_off));
    let ms = |point: Option<Point>| point.map_or("–".to_owned(), |p| format!("{:.0}", p.delay_ms));
    let way = |point: Option<Point>| match point {
        Some(point) if point.threshold <= 1.0 => format!("{:.2}, {} ms", point.threshold, point.hangover_ms),
        Some(point) => format!("{} ms", point.hangover_ms),
        None => "–".to_owned(),
    };
    format!(
        "| {name} | {} | {} | {by} | {} | {} | {} | {} | {} |",
        report.turns,
        report.with_pauses,
        percent(row.within_300_ms),
        percent(row.within_600_ms),
        ms(row.cut_off_5_percent),
        ms(row.cut_off_10_percent),
        way(row.cut_off_5_percent)
    )
}

fn card_lines(name: &str, report: &Report) -> Vec<(String, Measure)> {
    let Row { within_300_ms, within_600_ms, cut_off_5_percent, cut_off_10_percent } = &report.detector;
    let share = |ms: usize, point: &Option<Point>| {
        let share = point.map(|point| Measure::Number((1e3 * point.cut_off).round() / 10.0))?;
        Some((format!("turns of {name} cut off, %, at a mean delay of {ms} ms"), share))
    };
    let delay = |percent: usize, point: &Option<Point>| {
        let delay = point.map(|point| Measure::Number(point.delay_ms.round()))?;
        Some((format!("mean delay on {name}, ms, with {percent} % of turns cut off"), delay))
    };
    let lines = [
        share(300, within_300_ms),
        share(600, within_600_ms),
        delay(5, cut_off_5_percent),
        delay(10, cut_off_10_percent),
    ];
    lines.into_iter().flatten().collect()
}

fn print(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(|e| Error::io("standard output", e))
}

fn save(run: &Path, results: &BTreeMap<String, Report>) -> Result<()> {
    std::fs::create_dir_all(run).map_err(|e| Error::io(run, e))?;
    let path = run.join("results.json");
    let text = serde_json::to_string_pretty(results).map_err(|e| Error::data("results", e))?;
    std::fs::write(&path, text).map_err(|e| Error::io(&path, e))
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
        let way = Curve::of(&turns, true).at(0.85, 600).unwrap();
        assert_eq!((way.cut_off, way.delay_ms), (0.0, (100.0 + 600.0) / 2.0));
    }
}
