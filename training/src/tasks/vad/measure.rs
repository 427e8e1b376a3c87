use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rejoinder_models::card::{Bundle, Measure};
use rejoinder_models::runtime::{self, RuntimeConfig};
use rejoinder_models::streaming::Streaming;
use rejoinder_models::vad::{CrdnnConfig, SegmenterConfig, SileroConfig, Vad, VadConfig, VadDetector, WebrtcConfig};
use serde::Serialize;

use super::mixture::{Mixture, Utterances};
use super::parties::Parties;
use super::recipe::{VadData, VadRecipe};
use super::score::{Counts, Delays, median, stretches};
use crate::data::energy::FRAME;
use crate::data::manifest;
use crate::tasks::{print, save_results};
use crate::{Error, Result};

/// Steps of 10 ms in a second.
const FRAMES_PER_S: f64 = 100.0;

/// The figures of one detector on one test.
#[derive(Debug, Serialize)]
struct Row {
    precision: f64,
    recall: f64,
    f1: f64,
    /// Stretches of speech, and how many of them were never told.
    stretches: usize,
    missed: usize,
    /// Medians.
    onset_ms: Option<f64>,
    offset_ms: Option<f64>,
}

/// Measures the bundle beside other detectors on each test, prints a table and saves it as `results.json` in the run
/// folder.
pub(super) fn evaluate(recipe: &VadRecipe) -> Result<()> {
    recipe.check()?;
    let detectors = detectors(recipe)?;
    let mut results: BTreeMap<String, BTreeMap<&str, Row>> = BTreeMap::new();
    print("| test | detector | precision, % | recall, % | F1, % | onset, ms | offset, ms | missed |")?;
    print("|---|---|---|---|---|---|---|---|")?;
    let VadData { tests, parties, manifest: config, .. } = &recipe.data;
    let made = tests.iter().map(|place| (place, mixtures(recipe, place)));
    let recorded = |place| Parties::open(std::slice::from_ref(place), config, false)?.all();
    for (place, mixtures) in made.chain(parties.tests.iter().map(|place| (place, recorded(place)))) {
        let (name, mixtures) = (manifest::title_among(place, tests.iter().chain(&parties.tests)), mixtures?);
        let mut rows = BTreeMap::new();
        for vad in &detectors {
            let row = measure(vad.as_ref(), &mixtures, recipe.evaluate.segments)?;
            print(&line(&name, vad.name(), &row))?;
            rows.insert(vad.name(), row);
        }
        results.insert(name, rows);
    }
    save_results(&recipe.run, &results)?;
    if recipe.evaluate.card {
        let mut bundle = Bundle::open(&recipe.export.bundle)?;
        let mut card = bundle.card().clone();
        card.results.extend(card_lines(&results));
        bundle.rewrite_card(card)?;
    }
    Ok(())
}

/// The bundle first.
fn detectors(recipe: &VadRecipe) -> Result<Vec<Arc<dyn Vad>>> {
    let mut configs = vec![
        VadConfig::Crdnn(CrdnnConfig { model: recipe.export.bundle.clone(), hysteresis: None }),
        VadConfig::default(),
        VadConfig::Webrtc(WebrtcConfig::default()),
    ];
    configs
        .extend(recipe.evaluate.silero.clone().map(|path| VadConfig::Silero(SileroConfig { path, hysteresis: None })));
    let runtime = runtime::open(&RuntimeConfig::default())?;
    Ok(configs.iter().map(|config| config.open(runtime.as_ref())).collect::<rejoinder_models::Result<_>>()?)
}

/// The mixtures of one test, always the same.
fn mixtures(recipe: &VadRecipe, folder: &Path) -> Result<Vec<Mixture>> {
    let utterances = Utterances::open(&[PathBuf::from(folder)], &recipe.data.manifest, false)?;
    if utterances.is_empty() {
        return Err(Error::data(folder.display().to_string(), "expected clips of speech, found none"));
    }
    let augmenter = recipe.augmenter(recipe.data.test_noise.as_deref())?;
    let frames = (recipe.evaluate.mixture_s * FRAMES_PER_S) as usize;
    let each = |number: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
        utterances.mix(&mut utterances.reader()?, &recipe.mixtures, &augmenter, frames, &mut rng)
    };
    (0..recipe.evaluate.mixtures).into_par_iter().map(each).collect()
}

fn measure(vad: &dyn Vad, mixtures: &[Mixture], segments: SegmenterConfig) -> Result<Row> {
    let each = |mixture: &Mixture| -> Result<(Vec<f32>, Delays, usize)> {
        let least = f64::from(segments.min_silence_ms) / 1e3 * FRAMES_PER_S;
        let (speech, mut delays, mut events) =
            (stretches(&mixture.speech, least as usize), Delays::default(), Vec::new());
        let mut detector = VadDetector::new(vad, segments)?;
        detector.push(&mixture.sound, &mut events)?;
        delays.add(&events, &speech);
        Ok((probabilities(vad, mixture)?, delays, speech.len()))
    };
    let measured = mixtures.par_iter().map(each).collect::<Result<Vec<_>>>()?;
    let threshold = vad.hysteresis().threshold;
    let (mut counts, mut all, mut stretches) = (Counts::default(), Delays::default(), 0);
    for (mixture, (probabilities, delays, number)) in mixtures.iter().zip(measured) {
        let frames = probabilities.iter().zip(&mixture.speech);
        frames.for_each(|(probability, speech)| counts.add(*probability >= threshold, *speech));
        all.onsets.extend(delays.onsets);
        all.offsets.extend(delays.offsets);
        (all.missed, stretches) = (all.missed + delays.missed, stretches + number);
    }
    Ok(Row {
        precision: counts.precision(),
        recall: counts.recall(),
        f1: counts.f1(),
        stretches,
        missed: all.missed,
        onset_ms: median(&all.onsets),
        offset_ms: median(&all.offsets),
    })
}

/// What a detector says of each frame of 10 ms: of frames of another length, the one that holds its middle.
fn probabilities(vad: &dyn Vad, mixture: &Mixture) -> Result<Vec<f32>> {
    let mut stream = vad.stream()?;
    let size = stream.frame_samples();
    let frames = mixture.sound.chunks_exact(size).map(|frame| stream.probability(frame));
    let own = frames.collect::<rejoinder_models::Result<Vec<_>>>()?;
    let middle = |frame: usize| (frame * FRAME + FRAME / 2) / size;
    Ok((0..mixture.speech.len()).map_while(|frame| own.get(middle(frame)).copied()).collect())
}

fn line(name: &str, vad: &str, row: &Row) -> String {
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    let ms = |delay: Option<f64>| delay.map_or("–".to_owned(), |ms| format!("{ms:.0}"));
    let (onset, offset) = (ms(row.onset_ms), ms(row.offset_ms));
    let [precision, recall, f1] = [row.precision, row.recall, row.f1].map(percent);
    let missed = format!("{} of {}", row.missed, row.stretches);
    format!("| {name} | {vad} | {precision} | {recall} | {f1} | {onset} | {offset} | {missed} |")
}

fn card_lines(results: &BTreeMap<String, BTreeMap<&str, Row>>) -> Vec<(String, Measure)> {
    let mut lines = Vec::new();
    for (test, rows) in results {
        for (vad, row) in rows {
            let figure = Measure::Number((1e3 * row.f1).round() / 10.0);
            lines.push((format!("F1 at frames of mixtures of {test}, %, {vad}"), figure));
        }
    }
    lines
}
