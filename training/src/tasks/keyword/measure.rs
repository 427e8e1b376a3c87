use std::collections::BTreeMap;

use rejoinder_models::card::{Bundle, Measure};
use rejoinder_models::keyword::KeywordSpotter;
use rejoinder_models::runtime::RuntimeConfig;
use rejoinder_models::units::{SampleRate, Samples};
use rejoinder_models::zoo;
use serde::Serialize;

use super::corpus::Part;
use super::listen::{BackgroundScores, KeywordScores, hear, overhear};
use super::recipe::KeywordRecipe;
use crate::Result;
use crate::augment::Bank;
use crate::data::prepare::{Prepared, SAMPLE_RATE_HZ};
use crate::tasks::{print, save_results};

/// The figures of a bundle.
#[derive(Debug, Serialize)]
struct Report {
    /// Hours of other sound.
    hours: f64,
    /// The share of clips whose likeliest keyword is one that they say.
    accuracy: f64,
    /// All keywords together, at their thresholds.
    alarms_per_hour: f64,
    keywords: BTreeMap<String, Row>,
}

/// The figures of one keyword.
#[derive(Debug, Serialize)]
struct Row {
    clips: usize,
    threshold: f32,
    /// Shares of the clips that are detected.
    detected: f64,
    detected_in_noise: Option<f64>,
    alarms_per_hour: f64,
    /// Shares at the threshold that gives this many false alarms an hour on the test itself.
    detected_at_1_alarm: f64,
    detected_at_4_alarms: f64,
    /// From the end of the speech to the detection, the median, where anything was detected.
    delay_ms: Option<f64>,
}

/// Measures the bundle, prints a table and saves it as `results.json` in the run folder.
pub(super) fn evaluate(recipe: &KeywordRecipe) -> Result<()> {
    let path = &recipe.export.bundle;
    let spotter = zoo::open_keyword_spotter(path, &RuntimeConfig::default())?;
    // Clips have the numbers that the bundle gives its keywords.
    let keywords = spotter.keywords().to_vec();
    let recipe = &KeywordRecipe { keywords, ..recipe.clone() };
    let corpus = recipe.corpus(Part::Test)?.check(&recipe.keywords, "test data")?;
    let clean = hear(spotter.as_ref(), &corpus, None)?;
    let noisy = match &recipe.evaluate.noise {
        Some(folder) => {
            let mut bank = Bank::default();
            Prepared::open(folder, &recipe.data.manifest)?
                .each(SAMPLE_RATE_HZ, |item, clip| bank.push(&item.words, clip))?;
            Some(hear(spotter.as_ref(), &corpus, Some((&bank, recipe.evaluate.snr_db)))?)
        }
        None => None,
    };
    let report = Report::of(spotter.as_ref(), &clean, noisy.as_deref(), &overhear(spotter.as_ref(), &corpus)?);
    report.print(recipe.evaluate.snr_db)?;
    save_results(&recipe.run, &report)?;
    if recipe.evaluate.card {
        let mut bundle = Bundle::open(path)?;
        let mut card = bundle.card().clone();
        card.results.extend(report.card_lines(recipe.evaluate.snr_db));
        bundle.rewrite_card(card)?;
    }
    Ok(())
}

impl Report {
    fn of(
        spotter: &dyn KeywordSpotter,
        clean: &[KeywordScores],
        noisy: Option<&[KeywordScores]>,
        others: &BackgroundScores,
    ) -> Self {
        let count = spotter.keywords().len();
        let row = |(keyword, threshold): (usize, f32)| {
            let said = |heard: &&KeywordScores| heard.keywords.contains(&keyword);
            let share = |heard: &[KeywordScores], threshold: f32| {
                let said: Vec<_> = heard.iter().filter(said).collect();
                let detected = said.iter().filter(|heard| heard.most(keyword, count) >= threshold).count();
                detected as f64 / said.len().max(1) as f64
            };
            let late =
                |heard: &KeywordScores| Some(heard.reached(keyword, count, threshold)? as f64 - heard.end as f64);
            let mut delays: Vec<f64> = clean.iter().filter(said).filter_map(late).collect();
            delays.sort_by(f64::total_cmp);
            let frame_ms = Samples(spotter.frame().0).ms(SampleRate::INTERNAL);
            Row {
                clips: clean.iter().filter(said).count(),
                threshold,
                detected: share(clean, threshold),
                detected_in_noise: noisy.map(|noisy| share(noisy, threshold)),
                alarms_per_hour: others.alarms(keyword, threshold) as f64 / others.hours,
                detected_at_1_alarm: share(clean, others.threshold(keyword, 1.0)),
                detected_at_4_alarms: share(clean, others.threshold(keyword, 4.0)),
                delay_ms: delays.get(delays.len() / 2).map(|frames| frames * frame_ms),
            }
        };
        let rows: Vec<Row> = spotter.thresholds().iter().copied().enumerate().map(row).collect();
        let right = |heard: &&KeywordScores| {
            let likeliest = (0..count).max_by(|a, b| heard.most(*a, count).total_cmp(&heard.most(*b, count)));
            likeliest.is_some_and(|keyword| heard.keywords.contains(&keyword))
        };
        Self {
            hours: others.hours,
            accuracy: clean.iter().filter(right).count() as f64 / clean.len().max(1) as f64,
            alarms_per_hour: rows.iter().map(|row| row.alarms_per_hour).sum(),
            keywords: spotter.keywords().iter().cloned().zip(rows).collect(),
        }
    }

    fn print(&self, snr_db: f32) -> Result<()> {
        let mut table = format!(
            "| keyword | clips | threshold | detected, % | at {snr_db} dB | false alarms/h | detected at 1/h | at 4/h | delay, ms |\n\
             |---|---|---|---|---|---|---|---|---|\n"
        );
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        for (keyword, row) in &self.keywords {
            let cells = [
                keyword.clone(),
                row.clips.to_string(),
                format!("{:.2}", row.threshold),
                percent(row.detected),
                row.detected_in_noise.map_or("–".to_owned(), percent),
                format!("{:.2}", row.alarms_per_hour),
                percent(row.detected_at_1_alarm),
                percent(row.detected_at_4_alarms),
                row.delay_ms.map_or("–".to_owned(), |ms| format!("{ms:.0}")),
            ];
            table.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        for (what, value) in self.card_lines(snr_db) {
            table.push_str(&format!("\n{what}: {value}"));
        }
        print(&table)
    }

    fn card_lines(&self, snr_db: f32) -> Vec<(String, Measure)> {
        let percent = |share: f64| Measure::Number((1e3 * share).round() / 10.0);
        let clips: usize = self.keywords.values().map(|row| row.clips).sum();
        let mean = |of: fn(&Row) -> Option<f64>| {
            let weighted = |row: &Row| Some(of(row)? * row.clips as f64);
            let sum: Option<f64> = self.keywords.values().map(weighted).sum();
            sum.map(|sum| sum / clips.max(1) as f64)
        };
        let hours = format!("{:.1} h of other sound", self.hours);
        let mut lines = vec![
            (format!("keywords detected, %, of {clips}"), mean(|row| Some(row.detected)).map(percent)),
            (format!("keywords detected, %, in noise at {snr_db} dB"), mean(|row| row.detected_in_noise).map(percent)),
            ("the likeliest keyword is right, %".to_owned(), Some(percent(self.accuracy))),
        ];
        let alarms = Measure::Number((1e2 * self.alarms_per_hour).round() / 1e2);
        lines.push((format!("false alarms an hour, all keywords together, in {hours}"), Some(alarms)));
        lines.into_iter().filter_map(|(what, value)| Some((what, value?))).collect()
    }
}
