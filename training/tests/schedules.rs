//! Learning rates and early stopping against SpeechBrain: `golden/schedules.json`, made by `tests/peers/schedules.py` at
//! the root.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod report;

use std::collections::BTreeMap;

use rejoinder_training::trainer::{Anneal, EarlyStopping, Schedule, ValidationState};
use report::report;
use serde::Deserialize;

const WARMUP: usize = 20;
const KEEP: usize = 50;

#[derive(Deserialize)]
struct Golden {
    noam: Vec<f64>,
    linear_noam: Vec<f64>,
    linear: Vec<f64>,
    tri_stage: Vec<f64>,
    cyclic: Vec<f64>,
    figures: Vec<f64>,
    new_bob: Vec<NewBob>,
    plateau: Vec<Plateau>,
    stopper: Vec<Stopper>,
}

#[derive(Deserialize)]
struct NewBob {
    factor: f64,
    threshold: f64,
    patience: usize,
    scales: Vec<f64>,
}

#[derive(Deserialize)]
struct Plateau {
    factor: f64,
    patience: usize,
    not_before: usize,
    scales: Vec<f64>,
}

#[derive(Deserialize)]
struct Stopper {
    patience: usize,
    not_before: usize,
    validations: usize,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/schedules.json")).unwrap()
}

#[test]
fn the_rates_of_a_run_are_speechbrains() {
    let golden = golden();
    let all = [
        (Schedule::Noam, golden.noam),
        (Schedule::LinearNoam, golden.linear_noam),
        (Schedule::Linear, golden.linear),
        (Schedule::TriStage, golden.tri_stage),
        (Schedule::Cyclic, golden.cyclic),
    ];
    for (schedule, rates) in all {
        let mut worst = 0.0_f64;
        for (step, expected) in rates.iter().enumerate() {
            let found = schedule.factor(step, WARMUP, KEEP, step as f64 / rates.len() as f64);
            assert!((found - expected).abs() < 1e-9, "{schedule:?} at step {step}: {found} {expected}");
            worst = worst.max((found - expected).abs());
        }
        report(&format!("{schedule:?} schedule"), "SpeechBrain's scheduler", "rates of 200 steps", worst as f32);
    }
}

#[test]
fn validations_lower_the_rate_as_speechbrains_do() {
    let Golden { figures, new_bob, plateau, .. } = golden();
    let metric = || "wer".to_owned();
    let bobs = new_bob.into_iter().map(|NewBob { factor, threshold, patience, scales }| {
        (Anneal::NewBob { metric: metric(), direction: None, factor, threshold, patience }, scales)
    });
    let plateaus = plateau.into_iter().map(|Plateau { factor, patience, not_before, scales }| {
        (Anneal::Plateau { metric: metric(), direction: None, factor, patience, not_before }, scales)
    });
    let [bob, plateau] = ["SpeechBrain's NewBobScheduler", "SpeechBrain's ReduceLROnPlateau"];
    let mut worst = BTreeMap::from([(bob, 0.0_f64), (plateau, 0.0)]);
    for (anneal, scales) in bobs.chain(plateaus) {
        let theirs = if matches!(anneal, Anneal::NewBob { .. }) { bob } else { plateau };
        let mut state = ValidationState::default();
        for (number, (figure, expected)) in figures.iter().zip(&scales).enumerate() {
            state.take(Some((&anneal, *figure)), None);
            let apart = (state.scale - expected).abs();
            assert!(apart < 1e-9, "{anneal:?}, {number}: {} {expected}", state.scale);
            worst.entry(theirs).and_modify(|worst| *worst = worst.max(apart));
        }
    }
    worst.into_iter().for_each(|(theirs, worst)| report("annealing by validations", theirs, "rates", worst as f32));
}

#[test]
fn a_run_without_progress_ends_when_speechbrains_does() {
    let Golden { figures, stopper, .. } = golden();
    for Stopper { patience, not_before, validations } in stopper {
        let stopping = EarlyStopping { metric: "wer".to_owned(), direction: None, patience, not_before };
        let mut state = ValidationState::default();
        for figure in &figures {
            if state.is_over(Some(&stopping)) {
                break;
            }
            state.take(None, Some((&stopping, *figure)));
        }
        assert_eq!(state.validations, validations, "{stopping:?}");
    }
}
