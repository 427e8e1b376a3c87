//! Scores and error rates of speaker verification against SpeechBrain: `golden/speaker.json`, made by
//! `tests/peers/speaker.py` at the root.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "../../training/tests/report/mod.rs"]
mod report;

use std::collections::BTreeMap;

use rejoinder_models::speaker::{
    DetectionCost, Embedding, Strangers, Voices, equal_error_rate, min_detection_cost, s_norm,
};
use report::report;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    cohort: Vec<f32>,
    pair: Vec<f32>,
    cosine: f32,
    s_norm: BTreeMap<usize, f32>,
}

#[derive(Deserialize)]
struct Case {
    positive: Vec<f32>,
    negative: Vec<f32>,
    eer: f64,
    eer_threshold: f32,
    min_dcf: f64,
    min_dcf_threshold: f32,
    min_dcf_10_1_05: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/speaker.json")).unwrap()
}

#[test]
fn error_rates_and_thresholds_are_speechbrains() {
    let (mut rates, mut costs) = (0.0_f64, 0.0_f64);
    for Case { positive, negative, eer, eer_threshold, min_dcf, min_dcf_threshold, min_dcf_10_1_05 } in golden().cases {
        let rate = equal_error_rate(&positive, &negative).unwrap();
        assert!((rate.value - eer).abs() < 1e-6 && (rate.threshold - eer_threshold).abs() < 1e-6, "{rate:?} {eer}");
        let cost = min_detection_cost(&positive, &negative, &DetectionCost::default()).unwrap();
        assert!((cost.value - min_dcf).abs() < 1e-6, "{cost:?} {min_dcf}");
        (rates, costs) = (rates.max((rate.value - eer).abs()), costs.max((cost.value - min_dcf).abs()));
        assert!((cost.threshold - min_dcf_threshold).abs() < 1e-6, "{cost:?} {min_dcf_threshold}");
        let other = DetectionCost { miss: 10.0, false_alarm: 1.0, target: 0.05 };
        let cost = min_detection_cost(&positive, &negative, &other).unwrap();
        assert!((cost.value - min_dcf_10_1_05).abs() < 1e-6, "{cost:?} {min_dcf_10_1_05}");
        costs = costs.max((cost.value - min_dcf_10_1_05).abs());
    }
    report("equal error rate", "SpeechBrain's EER", "rates of four lists of scores", rates as f32);
    report("minimal detection cost", "SpeechBrain's minDCF", "costs of four lists of scores", costs as f32);
    assert_eq!(equal_error_rate(&[], &[0.5]), None);
}

#[test]
fn normalised_scores_are_speechbrains() {
    let golden = golden();
    let dim = golden.pair.len() / 2;
    let rows = |values: &[f32]| values.chunks(dim).map(|row| Embedding::new(row.to_vec())).collect::<Vec<_>>();
    let (pair, cohort) = (rows(&golden.pair), rows(&golden.cohort));
    assert!((pair[0].cosine(&pair[1]) - golden.cosine).abs() < 1e-6);
    let mut worst = 0.0_f32;
    for (nearest, expected) in golden.s_norm {
        let strangers = [0, 1].map(|side| Strangers::of(&pair[side], &cohort, nearest));
        let found = s_norm(pair[0].cosine(&pair[1]), &strangers[0], &strangers[1]);
        assert!((found - expected).abs() < 1e-4, "{nearest} nearest: {found} {expected}");
        worst = worst.max((found - expected).abs() / expected.abs().max(1.0));
    }
    report("normalised scores", "SpeechBrain's recipe for VoxCeleb, s-norm", "scores", worst);
}

#[test]
fn voices_come_back_from_their_file_and_the_nearest_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("voices.toml");
    let text = "model = \"m\"\n[[voice]]\nname = \"Ada\"\nseconds = 2.0\nembedding = [0.6, 0.8]\n\
                [[voice]]\nname = \"Grace\"\nseconds = 3.5\nembedding = [1.0, 0.0]\n";
    std::fs::write(&path, text).unwrap();
    let voices = Voices::read(&path).unwrap();
    let near = voices.nearest(&Embedding::new(vec![0.0, 5.0])).unwrap();
    assert!(near.name == "Ada" && (near.score - 0.8).abs() < 1e-6, "{near:?}");
    voices.write(&path).unwrap();
    assert_eq!(Voices::read(&path).unwrap(), voices);
    std::fs::write(&path, "model = \"m\"\nvoices = []\n").unwrap();
    let message = Voices::read(&path).unwrap_err().to_string();
    assert!(message.contains("voices.toml") && message.contains("`voices`"), "{message}");
}
