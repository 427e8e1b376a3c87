use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rejoinder_models::card::{Bundle, Measure};
use rejoinder_models::enhance::ConvTasNet;
use rejoinder_models::runtime::{self, RuntimeConfig};
use rejoinder_models::streaming::Streaming;
use serde::Serialize;

use super::mixture::{Mixture, Voices};
use super::recipe::{SeparationData, SeparationRecipe};
use super::recorded::Recorded;
use crate::data::manifest;
use crate::data::prepare::SAMPLE_RATE_HZ;
use crate::metrics::{separation, si_snr};
use crate::tasks::{print, save_results};
use crate::{Error, Result};

/// The figures of one system on one test: means over the voices of all mixtures, in decibels.
#[derive(Debug, Serialize)]
struct Row {
    mixtures: usize,
    si_snr_db: f64,
    /// By how much that is more than the mixture's own.
    si_snr_gained_db: f64,
    /// Where levels count too, in the order that fits best.
    snr_db: f64,
    /// Seconds of work for a second of sound, on one thread.
    real_time_factor: f64,
}

/// Measures the bundle on each test, prints a table and saves it as `results.json` in the run folder.
pub(super) fn evaluate(recipe: &SeparationRecipe) -> Result<()> {
    recipe.check()?;
    let runtime = runtime::open(&RuntimeConfig::default())?;
    let net = ConvTasNet::open(runtime.as_ref(), &recipe.export.bundle)?;
    if net.sources() != recipe.net.sources {
        let reason = format!("expected a net of {} sources, found {}", recipe.net.sources, net.sources());
        return Err(Error::config(recipe.export.bundle.display().to_string(), reason));
    }
    let systems = [("mixture", None), ("net", Some(&net))];
    let SeparationData { tests, recorded, .. } = &recipe.data;
    let mut results: BTreeMap<String, BTreeMap<&str, Row>> = BTreeMap::new();
    print("| test | system | mixtures | SI-SNR, dB | gained, dB | SNR, dB | real-time factor |")?;
    print("|---|---|---|---|---|---|---|")?;
    let made = tests.iter().map(|place| (place, mixtures(recipe, place)));
    for (place, mixtures) in made.chain(recorded.tests.iter().map(|place| (place, listed(recipe, place)))) {
        let (name, mixtures) = (manifest::title_among(place, tests.iter().chain(&recorded.tests)), mixtures?);
        let mut rows = BTreeMap::new();
        for (system, how) in systems {
            let row = measure(how, &mixtures)?;
            let Row { mixtures, si_snr_db, si_snr_gained_db, snr_db, real_time_factor } = row;
            print(&format!(
                "| {name} | {system} | {mixtures} | {si_snr_db:.1} | {si_snr_gained_db:.1} | {snr_db:.1} | {real_time_factor:.3} |"
            ))?;
            rows.insert(system, row);
        }
        results.insert(name, rows);
    }
    save_results(&recipe.run, &results)?;
    if recipe.evaluate.card {
        let mut bundle = Bundle::open(&recipe.export.bundle)?;
        let mut card = bundle.card().clone();
        for (test, rows) in &results {
            let gained = Measure::Number((10.0 * rows["net"].si_snr_gained_db).round() / 10.0);
            card.results.insert(format!("SI-SNR gained, dB, mixtures of {test}"), gained);
        }
        bundle.rewrite_card(card)?;
    }
    Ok(())
}

/// Mixtures of the voices of one test, always the same.
fn mixtures(recipe: &SeparationRecipe, place: &Path) -> Result<Vec<Mixture>> {
    let voices = Voices::open(&[PathBuf::from(place)], &recipe.data.manifest, false)?;
    if voices.is_empty() {
        return Err(Error::data(place.display().to_string(), "expected clips of single voices, found none"));
    }
    let augmenter = recipe.augmenter(recipe.data.test_noise.as_deref())?;
    let samples = (recipe.evaluate.mixture_s * f64::from(SAMPLE_RATE_HZ)) as usize;
    let sizes = [recipe.net.sources, samples];
    let each = |number: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
        voices.mix(&mut voices.reader()?, &recipe.mixtures, &augmenter, sizes, &mut rng)
    };
    (0..recipe.evaluate.mixtures).into_par_iter().map(each).collect()
}

/// Recorded mixtures of one test, spread over it.
fn listed(recipe: &SeparationRecipe, place: &Path) -> Result<Vec<Mixture>> {
    let SeparationData { recorded, manifest, .. } = &recipe.data;
    let recorded = Recorded::open(&[PathBuf::from(place)], recorded, manifest, false)?;
    let count = match recipe.evaluate.mixtures {
        0 => recorded.len(),
        some => some.min(recorded.len()),
    };
    let mut reader = recorded.reader()?;
    (0..count).map(|number| recorded.read(&mut reader, number * recorded.len() / count)).collect()
}

fn measure(net: Option<&ConvTasNet>, mixtures: &[Mixture]) -> Result<Row> {
    let each = |mixture: &Mixture| -> Result<[f64; 4]> {
        let began = Instant::now();
        let estimates = estimates(net, mixture)?;
        let spent_s = began.elapsed().as_secs_f64();
        let count = mixture.sources.len() as f64;
        let found = separation(&estimates, &mixture.sources);
        let mixed: f64 = mixture.sources.iter().map(|source| si_snr(&mixture.sound, source)).sum();
        let pairs = estimates.iter().zip(&found.sources);
        let plain: f64 = pairs.map(|(estimate, source)| snr(estimate, &mixture.sources[*source])).sum();
        let ratio = found.si_snr_db.iter().sum::<f64>();
        Ok([ratio / count, (ratio - mixed) / count, plain / count, spent_s])
    };
    let figures = mixtures.par_iter().map(each).collect::<Result<Vec<_>>>()?;
    let sum = |at: usize| figures.iter().map(|figures| figures[at]).sum::<f64>();
    let mean = |at: usize| sum(at) / figures.len().max(1) as f64;
    let samples: usize = mixtures.iter().map(|mixture| mixture.sound.len()).sum();
    let sound_s = samples as f64 / f64::from(SAMPLE_RATE_HZ);
    Ok(Row {
        mixtures: mixtures.len(),
        si_snr_db: mean(0),
        si_snr_gained_db: mean(1),
        snr_db: mean(2),
        real_time_factor: sum(3) / sound_s.max(1e-9),
    })
}

/// What a net takes out of a mixture, as a stream; the mixture itself where there is none.
fn estimates(net: Option<&ConvTasNet>, mixture: &Mixture) -> Result<Vec<Vec<f32>>> {
    let Some(net) = net else { return Ok(vec![mixture.sound.clone(); mixture.sources.len()]) };
    let (mut stream, mut voices) = (net.separator()?, vec![Vec::new(); net.sources()]);
    stream.push(&mixture.sound, &mut voices)?;
    stream.flush(&mut voices)?;
    Ok(voices)
}

/// The signal-to-noise ratio in decibels.
fn snr(estimate: &[f32], source: &[f32]) -> f64 {
    let energy = |signal: &mut dyn Iterator<Item = f64>| signal.map(|x| x * x).sum::<f64>() + 1e-8;
    let signal = energy(&mut source.iter().copied().map(f64::from));
    let noise = energy(&mut estimate.iter().zip(source).map(|(estimate, source)| f64::from(estimate - source)));
    10.0 * (signal / noise).log10()
}
