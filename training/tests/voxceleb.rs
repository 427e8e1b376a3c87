//! VoxCeleb as it lies on a disk, in small: its lists are SpeechBrain's, and a net is trained from them, exported and
//! measured on a list of trials.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeSet;
use std::f32::consts::TAU;
use std::path::{Path, PathBuf};

use rejoinder_models::audio::{Clip, write_wav};
use rejoinder_models::card::Bundle;
use rejoinder_models::runtime::RuntimeConfig;
use rejoinder_models::units::SampleRate;
use rejoinder_models::zoo::open_speaker_encoder;
use rejoinder_training::data::manifest::ManifestConfig;
use rejoinder_training::data::speakers::SpeakerDataset;
use rejoinder_training::data::trials::{self, Trial};
use rejoinder_training::recipe;
use rejoinder_training::trainer::RunMode;

const RATE: usize = 16_000;

/// A buzz whose pitch and overtones are the speaker's, and whose loudness is the utterance's.
fn voice(speaker: usize, utterance: usize, seconds: f32) -> Vec<f32> {
    let pitch = 90.0 + 23.0 * speaker as f32 + 2.0 * utterance as f32;
    let overtone = |k: usize| 1.0 / (1 + (k * 7 + speaker * 5) % 11) as f32;
    let sample = |i: usize| {
        let t = i as f32 / RATE as f32;
        let sum: f32 = (1..20).map(|k| overtone(k) * (TAU * pitch * k as f32 * t).sin()).sum();
        0.05 * sum * (1.0 + 0.5 * (TAU * (2.0 + utterance as f32) * t).sin())
    };
    (0..(seconds * RATE as f32) as usize).map(sample).collect()
}

fn write(path: &Path, samples: Vec<f32>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_wav(path, &Clip::new(samples, SampleRate::hz(RATE as u32))).unwrap();
}

/// Eight speakers, of whom the last two are tested, with one video of ten utterances each.
fn tree(root: &Path) -> PathBuf {
    let mut trials = String::new();
    for speaker in 0..8 {
        for utterance in 0..10 {
            let seconds = if utterance == 0 { 7.0 } else { 2.0 };
            let path = root.join(format!("wav/id1000{speaker}/video{speaker}/{utterance:05}.wav"));
            write(&path, voice(speaker, utterance, seconds));
        }
    }
    for (one, other) in [(6, 6), (7, 7), (6, 7), (7, 6)] {
        for (a, b) in [(1, 2), (3, 4), (5, 6), (7, 8)] {
            let label = u8::from(one == other);
            let name = |speaker: usize, utterance: usize| format!("id1000{speaker}/video{speaker}/{utterance:05}.wav");
            trials += &format!("{label} {} {}\n", name(one, a), name(other, b));
        }
    }
    let path = root.join("veri_test2.txt");
    std::fs::write(&path, trials).unwrap();
    path
}

fn write_recipe(folder: &Path) -> PathBuf {
    let trials = tree(&folder.join("voxceleb"));
    let text = format!(
        r#"
task = "speaker"
run = "{0}/run"
[prepare.voxceleb]
data_folders = ["{0}/voxceleb"]
save_folder = "{0}/lists"
verification_pairs_file = "{1}"
seg_dur = 1.0
[data]
train = ["{0}/lists/train.csv"]
valid_speakers = 2
valid_clips = 6
[[data.tests]]
name = "trials"
clips = ["{0}/lists/enrol.csv", "{0}/lists/test.csv"]
trials = "{1}"
[features]
flavour = "speechbrain"
bins = 20
[batches]
clips = 8
crop_s = 0.6
random_chunk = true
[net]
kind = "ecapa"
input_size = 20
channels = 16
mfa_channels = 24
res2net_scale = 4
se_channels = 8
attention_channels = 8
lin_neurons = 16
[train]
backend = "flex"
steps = 80
learning_rate = 4e-3
warmup_steps = 5
average_decay = 0.0
valid_every = 1000
[export]
bundle = "{0}/bundle"
name = "tiny"
licence = "CC0-1.0"
summary = "a test"
recipe = "a test"
data = ["made up"]
int8 = true
[evaluate]
card = true
n_train_snts = 60
cohort_size = 20
"#,
        folder.display(),
        trials.display()
    );
    let path = folder.join("speaker.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// The rows of a list, by column.
fn rows(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    assert_eq!(reader.headers().unwrap(), &["ID", "duration", "wav", "start", "stop", "spk_id"][..]);
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn a_tree_in_voxcelebs_layout_is_listed_trained_on_exported_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = recipe::open(&write_recipe(folder.path()), &[]).unwrap();
    recipe.prepare().unwrap();

    let (train, dev) = (rows(&folder.path().join("lists/train.csv")), rows(&folder.path().join("lists/dev.csv")));
    // Six speakers with 60 files, 25 whole seconds each: 54 files train.
    assert_eq!(train.len() + dev.len(), 6 * 25);
    let files = |rows: &[Vec<String>]| rows.iter().map(|row| row[2].clone()).collect::<BTreeSet<_>>();
    assert_eq!((files(&train).len(), files(&dev).len()), (54, 6));
    assert!(files(&train).is_disjoint(&files(&dev)));
    let long = train.iter().chain(&dev).find(|row| row[0] == "id10002--video2--00000_3.0_4.0").unwrap();
    assert_eq!((long[1].as_str(), &long[3..]), ("7.0", &["48000", "64000", "id10002"].map(str::to_owned)[..]));
    let enrol = rows(&folder.path().join("lists/enrol.csv"));
    assert_eq!(enrol.len(), 8);
    assert_eq!(enrol[0][0], "id10006/video6/00001");
    assert_eq!(&enrol[0][3..], &["0", "32000", "id10006"]);

    recipe.train(RunMode::New).unwrap();
    recipe.export().unwrap();
    recipe.evaluate().unwrap();
    let bundle = Bundle::open(&folder.path().join("bundle")).unwrap();
    assert!(bundle.card().results.contains_key("EER on trials, cosine, %"), "{:?}", bundle.card().results);
    let encoder = open_speaker_encoder(&folder.path().join("bundle"), &RuntimeConfig::default()).unwrap();
    let embed = |speaker, utterance| encoder.embed(&voice(speaker, utterance, 1.5)).unwrap();
    let (own, other) = (embed(0, 2).cosine(&embed(0, 7)), embed(0, 2).cosine(&embed(3, 7)));
    assert!(own > other + 0.2, "the same voice {own}, another {other}");
    let message = encoder.embed(&[0.0; 100]).unwrap_err().to_string();
    assert!(message.contains("at least") && message.contains("100"), "{message}");
}

/// A list of sound files that need not be there: speaker `a` has one clip, `b` three.
fn list(folder: &Path) -> SpeakerDataset {
    let path = folder.join("clips.csv");
    let rows =
        "a/1,1.0,a1.wav,0,16000,a\nb/1,1.0,b1.wav,0,16000,b\nb/2,1.0,b2.wav,0,16000,b\nb/3,1.0,b3.wav,0,16000,b\n";
    std::fs::write(&path, format!("ID,duration,wav,start,stop,spk_id\n{rows}")).unwrap();
    SpeakerDataset::open(&[path], &ManifestConfig::of_voices()).unwrap()
}

#[test]
fn a_list_of_trials_names_the_line_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let (clips, path) = (list(folder.path()), folder.path().join("trials.txt"));
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        trials::read(&path, &clips)
    };
    let found = read("1 b/1.wav b/3.wav\n0 a/1 b/2\n").unwrap();
    assert_eq!(found, [Trial { clips: [1, 3], same: true }, Trial { clips: [0, 2], same: false }]);
    for (text, what) in [("1 b/1 b/2\n0 a/1 c/1\n", "`c/1`"), ("1 b/1 b/2\n2 a/1 b/1\n", "`2 a/1 b/1`")] {
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains("line 2") && message.contains(what), "{message}");
    }
    let pairs = trials::all_pairs(&clips);
    assert_eq!((pairs.len(), pairs.iter().filter(|trial| trial.same).count()), (6, 3));
}

#[test]
fn an_epoch_hears_each_speaker_as_often_and_validation_speakers_stay_apart() {
    let folder = tempfile::tempdir().unwrap();
    let clips = list(folder.path());
    let mut drawn = clips.draw(2, &mut rand::rng());
    drawn.retain(|clip| clips.clips()[*clip].speaker == 0);
    assert_eq!(drawn, [0, 0], "the one clip of the speaker, twice");
    assert_eq!(clips.draw(0, &mut rand::rng()).len(), 4);
    let (rest, apart) = clips.split(1, 2);
    assert_eq!((rest.speakers(), apart.speakers()), (&["a".to_owned()][..], &["b".to_owned()][..]));
    assert_eq!((rest.clips().len(), apart.clips().len()), (1, 2));
    assert_eq!(clips.some(2, 1).speakers(), clips.speakers(), "of a list to validate on nobody is left out");
}
