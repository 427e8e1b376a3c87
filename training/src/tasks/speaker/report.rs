use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rejoinder_models::card::{Bundle, Measure};
use rejoinder_models::runtime::RuntimeConfig;
use rejoinder_models::speaker::{
    DetectionCost, Embedding, SpeakerEncoder, Strangers, equal_error_rate, min_detection_cost, s_norm,
};
use rejoinder_models::zoo::open_speaker_encoder;
use serde::Serialize;

use super::recipe::{SpeakerFilter, SpeakerRecipe, TestConfig};
use crate::data::manifest;
use crate::data::prepare::{self, Set};
use crate::data::speakers::SpeakerDataset;
use crate::data::trials;
use crate::tasks::{self, save_results};
use crate::trainer::{interrupted, on_interrupt};
use crate::{Error, Result};

/// What a test came to. Error rates in percent.
#[derive(Debug, Serialize)]
struct Report {
    speakers: usize,
    clips: usize,
    same_trials: usize,
    different_trials: usize,
    cosine: Rates,
    s_norm: Rates,
    /// Of the trials at the card's threshold: right voices refused.
    missed: f64,
    /// Of the trials at the card's threshold: wrong voices accepted.
    accepted: f64,
}

/// Equal error rate and least detection cost with one kind of scores.
#[derive(Debug, Serialize)]
struct Rates {
    eer: f64,
    min_dcf: f64,
}

/// Measures the exported bundle on each test: printed as a table, and saved in the run folder as `results.json`.
pub(super) fn evaluate(recipe: &SpeakerRecipe) -> Result<()> {
    on_interrupt();
    recipe.check()?;
    make_ready(recipe)?;
    let encoder = open_speaker_encoder(&recipe.export.bundle, &RuntimeConfig::default())?;
    let cohort = cohort(recipe, encoder.as_ref())?;
    let mut results = BTreeMap::new();
    print(&["test", "speakers", "clips", "same", "different", "EER %", "EER % s-norm", "minDCF", "minDCF s-norm"])?;
    print(&["---"; 9])?;
    for config in &recipe.data.tests {
        let report = test(recipe, config, encoder.as_ref(), &cohort)?;
        print_row(&config.name, &report)?;
        results.insert(config.name.clone(), report);
    }
    save_results(&recipe.run, &results)?;
    if recipe.evaluate.card {
        let mut bundle = Bundle::open(&recipe.export.bundle)?;
        let mut card = bundle.card().clone();
        card.results.extend(results.iter().flat_map(|(name, report)| card_lines(name, report)));
        bundle.rewrite_card(card)?;
    }
    Ok(())
}

/// Prepares those of the tests' folders that are missing.
fn make_ready(recipe: &SpeakerRecipe) -> Result<()> {
    let Some(config) = &recipe.prepare.sets else { return Ok(()) };
    let sources = recipe.data.tests.iter().flat_map(|test| &test.clips);
    let missing: Vec<&PathBuf> = sources.filter(|folder| !manifest::locate(folder).exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let wanted = |split: prepare::Split| missing.iter().any(|folder| **folder == config.out.join(split.folder()));
    prepare::with_bar(|progress| prepare::prepare_speech(config, wanted, progress))
}

/// The strangers: a clip of each training speaker, or as many as the recipe wants.
fn cohort(recipe: &SpeakerRecipe, encoder: &dyn SpeakerEncoder) -> Result<Vec<Embedding>> {
    let heard = recipe.heard()?;
    if recipe.evaluate.n_train_snts > 0 {
        let mut clips: Vec<usize> = (0..heard.clips().len()).collect();
        clips.sort_by(|a, b| heard.clips()[*a].duration_s.total_cmp(&heard.clips()[*b].duration_s));
        clips.truncate(recipe.evaluate.n_train_snts);
        return embed(&heard, clips.into_iter(), encoder);
    }
    let mut of = heard.by_speaker();
    let mut rng = ChaCha8Rng::seed_from_u64(recipe.train.seed);
    let clips = of.iter_mut().filter_map(|own| {
        rand::seq::SliceRandom::shuffle(own.as_mut_slice(), &mut rng);
        own.first().copied()
    });
    embed(&heard, clips, encoder)
}

fn embed(
    dataset: &SpeakerDataset,
    clips: impl Iterator<Item = usize>,
    encoder: &dyn SpeakerEncoder,
) -> Result<Vec<Embedding>> {
    let mut reader = dataset.reader()?;
    clips
        .map(|clip| {
            if interrupted() {
                return Err(Error::Interrupted);
            }
            let mut sound = reader.read(&dataset.clips()[clip].sound)?;
            let least = encoder.shortest().0 as usize;
            if sound.len() < least && !sound.is_empty() {
                // As in training.
                sound = sound.iter().copied().cycle().take(least).collect();
            }
            Ok(encoder.embed(&sound)?)
        })
        .collect()
}

fn test(
    recipe: &SpeakerRecipe,
    config: &TestConfig,
    encoder: &dyn SpeakerEncoder,
    cohort: &[Embedding],
) -> Result<Report> {
    let mut dataset = SpeakerDataset::open(&config.clips, &recipe.data.manifest)?;
    if let Some(filter) = &config.speakers {
        let wanted = speakers(recipe, filter)?;
        dataset = dataset.filter(|_, speaker| wanted.contains(speaker));
    }
    let trials = match &config.trials {
        Some(path) => trials::read(path, &dataset)?,
        None => trials::all_pairs(&dataset),
    };
    let embeddings = embed(&dataset, 0..dataset.clips().len(), encoder)?;
    let strangers: Vec<Strangers> =
        embeddings.iter().map(|embedding| Strangers::of(embedding, cohort, recipe.evaluate.cohort_size)).collect();
    let (mut cosines, mut normalised) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for trial in &trials {
        let [one, other] = trial.clips;
        let cosine = embeddings[one].cosine(&embeddings[other]);
        cosines[usize::from(!trial.same)].push(cosine);
        normalised[usize::from(!trial.same)].push(s_norm(cosine, &strangers[one], &strangers[other]));
    }
    let share = |wrong: usize, all: usize| 100.0 * wrong as f64 / all.max(1) as f64;
    let [same, different] = &cosines;
    let (threshold, name) = (encoder.threshold(), &config.name);
    Ok(Report {
        speakers: dataset.speakers().len(),
        clips: dataset.clips().len(),
        same_trials: same.len(),
        different_trials: different.len(),
        missed: share(same.iter().filter(|score| **score <= threshold).count(), same.len()),
        accepted: share(different.iter().filter(|score| **score > threshold).count(), different.len()),
        cosine: rates(name, &cosines)?,
        s_norm: rates(name, &normalised)?,
    })
}

fn rates(test: &str, [same, different]: &[Vec<f32>; 2]) -> Result<Rates> {
    let missing = || Error::data(format!("test `{test}`"), "expected trials of one voice and of two, found one kind");
    let rate = equal_error_rate(same, different).ok_or_else(missing)?;
    let cost = min_detection_cost(same, different, &DetectionCost::default()).ok_or_else(missing)?;
    Ok(Rates { eer: 100.0 * rate.value, min_dcf: cost.value })
}

/// The names, as in manifests, of the speakers that a filter wants.
fn speakers(recipe: &SpeakerRecipe, filter: &SpeakerFilter) -> Result<BTreeSet<String>> {
    let config = recipe.prepare.sets.as_ref();
    let config = config.ok_or_else(|| Error::config("data.tests.speakers", "needs [prepare.sets], to find the set"))?;
    let set = Set::open(config.located(), &config.out, &filter.set)?;
    let mut wanted = BTreeSet::new();
    for clip in &set.clips {
        let text = clip.get(&filter.column)?;
        let mistake = |_| {
            Error::data(
                format!("{} clip `{}`", set.name, clip.id),
                format!("expected a number in `{}`, found `{text}`", filter.column),
            )
        };
        let value: f64 = text.parse().map_err(mistake)?;
        if filter.min.is_none_or(|min| value >= min) && filter.max.is_none_or(|max| value <= max) {
            wanted.insert(format!("{}/{}", set.name, clip.speaker));
        }
    }
    Ok(wanted)
}

fn card_lines<'a>(name: &'a str, report: &'a Report) -> impl Iterator<Item = (String, Measure)> + 'a {
    let percent = |value: f64| Measure::Number((100.0 * value).round() / 100.0);
    [
        (format!("EER on {name}, cosine, %"), percent(report.cosine.eer)),
        (format!("EER on {name}, s-norm, %"), percent(report.s_norm.eer)),
        (format!("minDCF (0.01) on {name}, cosine"), Measure::Number((1e3 * report.cosine.min_dcf).round() / 1e3)),
    ]
    .into_iter()
}

fn print<T: AsRef<str>>(cells: &[T]) -> Result<()> {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    tasks::print(&format!("| {} |", cells.join(" | ")))
}

fn print_row(name: &str, report: &Report) -> Result<()> {
    let counts = [report.speakers, report.clips, report.same_trials, report.different_trials];
    let mut cells = vec![name.to_owned()];
    cells.extend(counts.map(|count| count.to_string()));
    cells.extend([report.cosine.eer, report.s_norm.eer].map(|rate| format!("{rate:.2}")));
    cells.extend([report.cosine.min_dcf, report.s_norm.min_dcf].map(|cost| format!("{cost:.3}")));
    print(&cells)
}
