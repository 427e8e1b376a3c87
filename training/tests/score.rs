//! `rejoinder-train score` against SpeechBrain, NIST's md-eval.pl and spyder: `golden/scores.json`, made by
//! `tests/peers/scores.py` at the root, and the trials of `models/tests/golden/speaker.json`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use rejoinder_models::audio::{Clip, write_wav};
use rejoinder_models::units::SampleRate;
use rejoinder_training::metrics::{DiarizationConfig, DiarizationErrors};
use rejoinder_training::score::{ScoreDiarization, ScoreSeparation, ScoreSpeakers, ScoreWords};
use report::report;
use serde::Deserialize;

mod report;

#[derive(Deserialize)]
struct Golden {
    words: Words,
    diarization: Diarization,
    separation: Separation,
}

#[derive(Deserialize)]
struct Words {
    texts: Vec<(String, String, Option<String>)>,
    summary: String,
    characters: String,
    alignments: String,
}

#[derive(Deserialize)]
struct Diarization {
    reference: String,
    hypothesis: String,
    cases: Vec<Judged>,
    spyder: BTreeMap<String, [f64; 4]>,
}

#[derive(Deserialize)]
struct Judged {
    collar: f64,
    ignore_overlap: bool,
    seconds: BTreeMap<String, [f64; 4]>,
}

#[derive(Deserialize)]
struct Separation {
    sources: Vec<Vec<i32>>,
    estimates: Vec<Vec<i32>>,
    mixture: Vec<Vec<i32>>,
    order: Vec<usize>,
    si_snr: Vec<f64>,
    improvement: Vec<f64>,
}

#[derive(Deserialize)]
struct Trials {
    cases: Vec<Scores>,
}

#[derive(Deserialize)]
struct Scores {
    positive: Vec<f32>,
    negative: Vec<f32>,
    eer: f64,
    min_dcf: f64,
    min_dcf_10_1_05: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/scores.json")).unwrap()
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn transcripts_are_reported_as_by_speechbrain() {
    let (folder, golden) = (tempfile::tempdir().unwrap(), golden().words);
    let kaldi: String = golden.texts.iter().map(|(id, text, _)| format!("{id} {text}\n")).collect();
    let heard = golden.texts.iter().rev().filter_map(|(id, _, text)| Some((id, text.as_ref()?)));
    // As `rejoinder transcribe --partials` prints them, in an order of its own.
    let printed: String = heard.map(|(id, text)| format!("~ in/{id}.wav\tthe\nin/{id}.wav\t{text}\n")).collect();
    let (reference, hypothesis) = (write(folder.path(), "text", &kaldi), write(folder.path(), "hyp.tsv", &printed));
    let score = ScoreWords { reference, hypothesis, text: None, alignments: true };
    let found = score.report().unwrap().to_string();
    let characters = golden.characters.replace("%WER", "%CER");
    let expected = golden.summary.replace("%SER", &format!("{characters}\n%SER")) + &golden.alignments;
    assert_eq!(found, expected);
    let short = ScoreWords { alignments: false, ..score }.report().unwrap().to_string();
    assert_eq!(short.lines().collect::<Vec<_>>(), expected.lines().take(4).collect::<Vec<_>>());
    report("score words", "SpeechBrain's ErrorRateStats", "report of 6 utterances, to the letter", 0.0);
}

#[test]
fn transcripts_are_brought_into_one_form_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let reference = write(folder.path(), "ref", "a Set 2 timers, please.\n");
    let hypothesis = write(folder.path(), "hyp", "a set two timers please\n");
    let words =
        |text| ScoreWords { reference: reference.clone(), hypothesis: hypothesis.clone(), text, alignments: false };
    let errors = |text| words(text).report().unwrap().words().errors();
    assert_eq!([errors(None), errors(Some(rejoinder_models::text::TextForm::English))], [4, 0]);
}

#[test]
fn scores_of_trials_are_speechbrains() {
    let folder = tempfile::tempdir().unwrap();
    let golden: Trials = serde_json::from_str(include_str!("../../models/tests/golden/speaker.json")).unwrap();
    for Scores { positive, negative, eer, min_dcf, min_dcf_10_1_05 } in golden.cases {
        let lines = |label: &str, scores: &[f32]| scores.iter().map(|x| format!("{label} {x}\n")).collect::<String>();
        let numbers = lines("1", &positive) + &lines("0", &negative);
        let names = lines("nontarget", &negative) + &lines("target", &positive);
        for text in [numbers, names] {
            let trials = write(folder.path(), "trials", &text);
            let score = ScoreSpeakers { trials, p_target: 0.01, c_miss: 1.0, c_fa: 1.0 };
            let found = score.report().unwrap();
            assert!((found.eer.value - eer).abs() < 1e-6 && (found.min_dcf.value - min_dcf).abs() < 1e-6, "{found:?}");
            assert!(found.to_string().starts_with(&format!("EER {:.2} % at ", 100.0 * eer)), "{found}");
            let found = ScoreSpeakers { p_target: 0.05, c_miss: 10.0, ..score }.report().unwrap();
            assert!((found.min_dcf.value - min_dcf_10_1_05).abs() < 1e-6, "{found:?}");
        }
    }
}

#[test]
fn diarisation_errors_are_those_of_md_eval_and_spyder() {
    let (folder, golden) = (tempfile::tempdir().unwrap(), golden().diarization);
    let reference = write(
        folder.path(),
        "ref.rttm",
        &format!(";; made up\nSPKR-INFO call 1 <NA> <NA> <NA> unknown spkA <NA>\n{}", golden.reference),
    );
    let hypothesis = write(folder.path(), "hyp.rttm", &golden.hypothesis);
    let seconds =
        |errors: &DiarizationErrors| [errors.scored_s, errors.missed_s, errors.false_alarm_s, errors.confusion_s];
    let mut worst = [0.0_f64; 2];
    let mut near = |found: [f64; 4], expected: &[f64; 4], judge: usize, what: &str| {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{what}: {found} {expected}");
            worst[judge] = worst[judge].max((found - expected).abs());
        }
    };
    for Judged { collar, ignore_overlap, seconds: expected } in golden.cases {
        let (reference, hypothesis) = (reference.clone(), hypothesis.clone());
        let found = ScoreDiarization { reference, hypothesis, collar, ignore_overlap }.report().unwrap();
        assert_eq!(found.recordings.len() + 1, expected.len());
        for (recording, errors) in &found.recordings {
            let file = recording.strip_suffix(" 1").unwrap();
            near(seconds(errors), &expected[file], 0, &format!("{recording}, {collar}, {ignore_overlap}"));
            if let (true, false, Some(spied)) = (collar == 0.0, ignore_overlap, golden.spyder.get(file)) {
                near(seconds(errors), spied, 1, recording);
            }
        }
        near(seconds(&found.total()), &expected["ALL"], 0, "all");
        let [scored, wrong @ ..] = expected["ALL"];
        let rate = format!("| {:.2} |", 100.0 * wrong.iter().sum::<f64>() / scored);
        assert!(found.to_string().trim_end().ends_with(&rate), "{rate} {found}");
    }
    report(
        "diarisation errors",
        "NIST's md-eval.pl",
        "seconds of 5 recordings, 3 collars, with and without overlaps",
        worst[0] as f32,
    );
    report("diarisation errors", "spyder", "seconds of 4 recordings", worst[1] as f32);
    assert_eq!(DiarizationConfig::default(), DiarizationConfig { collar_s: 0.25, ignore_overlap: false });
}

fn write_clips(folder: &Path, name: &str, clips: &[Vec<i32>]) -> Vec<PathBuf> {
    let write = |(number, clip): (usize, &Vec<i32>)| {
        let path = folder.join(format!("{name}{number}.wav"));
        let samples = clip.iter().map(|sample| *sample as f32 / 32_768.0).collect();
        write_wav(&path, &Clip::new(samples, SampleRate::hz(8_000))).unwrap();
        path
    };
    clips.iter().enumerate().map(write).collect()
}

#[test]
fn separated_sources_are_found_and_measured_as_by_speechbrain() {
    let (folder, golden) = (tempfile::tempdir().unwrap(), golden().separation);
    let sources = write_clips(folder.path(), "ref", &golden.sources);
    let estimates = write_clips(folder.path(), "hyp", &golden.estimates);
    let mixture = write_clips(folder.path(), "mixture", &golden.mixture).pop();
    let files = [sources.clone(), estimates].concat();
    let found = ScoreSeparation { files: files.clone(), mixture }.report().unwrap();
    let mut worst = 0.0_f64;
    for (number, estimate) in found.estimates.iter().enumerate() {
        assert_eq!(estimate.source, sources[golden.order[number]]);
        let gained = estimate.improvement_db.unwrap();
        for (found, expected) in [(estimate.si_snr_db, golden.si_snr[number]), (gained, golden.improvement[number])] {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
            worst = worst.max((found - expected).abs());
        }
    }
    report(
        "SI-SNR and its improvement",
        "SpeechBrain's cal_si_snr",
        "decibels of 3 sources of a mixture",
        worst as f32,
    );
    let alone = ScoreSeparation { files, mixture: None }.report().unwrap();
    assert_eq!((alone.improvement_db(), alone.si_snr_db()), (None, found.si_snr_db()));
}

#[test]
fn a_mistake_is_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| write(folder.path(), name, text).display().to_string();
    let clips = write_clips(folder.path(), "clip", &[vec![0; 80], vec![0; 79]]);
    let [long, short] = [&clips[0], &clips[1]].map(|path| path.display().to_string());
    let words = file("words", "a one two\nb three\n");
    let turns = "SPEAKER a 1 0.0 1.0 <NA> <NA> x <NA> <NA>\n";
    let [known, other] = [file("a.rttm", turns), file("b.rttm", &turns.replace(" a ", " b "))];
    let line = |arguments: &[&str]| arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>();
    let cases = [
        (line(&["words", "none", &words]), "none: No such file"),
        (line(&["words", &words, &file("twice", "a one\na two\n")]), "twice line 2: utterance `a` comes twice"),
        (line(&["words", &words, &file("more", "a one\nc two\n")]), "more: utterance `c` is not in"),
        (
            line(&["words", &words, &file("both", "x/b.wav\tone\ny/b.wav\ttwo\n")]),
            "both: utterance `y/b.wav` comes twice",
        ),
        (line(&["words", &words, &words, "--text", "french"]), "unknown variant `french`"),
        (line(&["speakers", &file("label", "1 0.5\n2 0.5\n")]), "label line 2: expected `1` or `0`"),
        (
            line(&["speakers", &file("score", "1 0.5\n0 x\n")]),
            "score line 2: expected a number for the score, found `x`",
        ),
        (
            line(&["speakers", &file("one", "1 0.5\n1 0.25\n")]),
            "one: expected trials of one voice and of two, found 2 and 0",
        ),
        (line(&["diarization", &known, &other]), "b.rttm: recording `b 1` (file and channel) is not in"),
        (
            line(&["diarization", &known, &file("c.rttm", &format!("{turns}SPEAKER a 1 0.0\n"))]),
            "c.rttm line 2: expected",
        ),
        (
            line(&["diarization", &known, &file("d.rttm", &turns.replace("0.0", "-1"))]),
            "d.rttm line 1: expected seconds",
        ),
        (line(&["diarization", &known, &words]), "words line 1: expected a line of an RTTM file"),
        (line(&["separation", &long, &short]), "clip1.wav: expected 80 samples at 8000 Hz, as in"),
        (line(&["separation", &long, &long, &long]), "expected as many estimates as sources, found 3 files"),
    ];
    for (arguments, expected) in cases {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rejoinder-train"));
        let output = command.arg("score").args(&arguments).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(expected), "{arguments:?}: {told}");
        assert!(told.lines().count() == 1 || told.contains("--help"), "{arguments:?}: {told}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_rejoinder-train")).args(["score", "words", &words, &words]).output();
    assert!(
        String::from_utf8(output.unwrap().stdout).unwrap().starts_with("%WER 0.00 [ 0 / 3, 0 ins, 0 del, 0 sub ]\n")
    );
}
