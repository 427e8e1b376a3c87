use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rejoinder_models::card::{Bundle, Measure};
use rejoinder_models::runtime::{self, RuntimeConfig};
use rejoinder_models::turn::delay::{Curve, FIRST_MS, LONGEST_MS, Looked, Point, STEP_MS, Trade};
use rejoinder_models::turn::{self, TurnDetector};
use serde::Serialize;

use super::corpus::Corpus;
use super::moments::{Kind, Moment, Silence, silences};
use super::recipe::{TurnData, TurnRecipe};
use crate::Result;
use crate::data::manifest;
use crate::data::prepare::SAMPLE_RATE_HZ;
use crate::tasks::{print, save_results};

/// The figures of one test: eot-bench's, for a detector and for silence alone.
#[derive(Debug, Serialize)]
struct Report {
    turns: usize,
    with_pauses: usize,
    detector: Trade,
    silence: Trade,
}

/// Measures the bundle on each test, prints a table and saves it as `results.json` in the run folder.
pub(super) fn evaluate(recipe: &TurnRecipe) -> Result<()> {
    let path = recipe.evaluate.model.as_ref().unwrap_or(&recipe.export.bundle);
    let detector = turn::open(path, runtime::open(&RuntimeConfig::default())?.as_ref())?;
    let mut results = BTreeMap::new();
    for folder in &recipe.data.tests {
        let name = manifest::title_among(folder, &recipe.data.tests);
        let turns = look_at(folder, recipe, detector.as_ref())?;
        let report = Report {
            turns: turns.len(),
            with_pauses: turns.iter().filter(|turn| !turn.pauses.is_empty()).count(),
            detector: Trade::of(&Curve::of(&turns, true)),
            silence: Trade::of(&Curve::of(&turns, false)),
        };
        print(&format!("{name}: {} turns, {} with pauses\n\n{}", report.turns, report.with_pauses, Trade::HEAD))?;
        print(&format!("{}\n{}\n", report.detector.row(detector.name()), report.silence.row("silence")))?;
        results.insert(name, report);
        save_results(&recipe.run, &results)?;
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
    let TurnData { manifest, least_s, .. } = &recipe.data;
    let corpus =
        Corpus::open(&[PathBuf::from(folder)], manifest, &recipe.listener()?, *least_s, recipe.evaluate.clips)?;
    let each = |number: usize| -> Result<Looked> {
        let (mut stream, turn) = (detector.stream()?, &corpus.turns()[number]);
        let recording = corpus.reader()?.read(&turn.sound)?;
        let mut looked = Looked { pauses: Vec::new(), end: Vec::new() };
        for moment in silences(number, turn) {
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

fn card_lines(name: &str, report: &Report) -> Vec<(String, Measure)> {
    let Trade { within_300_ms, within_600_ms, cut_off_5_percent, cut_off_10_percent } = &report.detector;
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
