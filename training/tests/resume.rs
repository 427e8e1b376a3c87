//! A run that is killed at some step and resumed ends with the weights of one that was not, bit for bit: sampling,
//! augmentation, dropout, running statistics, optimizer, gathered gradients,
//! validation figures and the average of the weights, in both precisions.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod prepared;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use rand::Rng;
use rejoinder_training::recipe;
use rejoinder_training::tasks::asr::AsrRecipe;
use rejoinder_training::tasks::speaker::SpeakerRecipe;
use rejoinder_training::trainer::RunMode;

const STEPS: usize = 40;
/// The average of the weights, and the weights themselves.
const AVERAGE_AND_NET: [&str; 2] = [".", "checkpoint"];
const WORDS: [&str; 4] = ["one tone", "two tones", "no tone", "a tone or two"];

/// Both recipes learn all from these: no epoch is a whole number of steps, and checkpoints fall into its middle.
const TRAIN: &str = "[train]\nbackend = \"flex\"\nepochs = 0\nsteps = 40\nlearning_rate = 2e-3\nwarmup_steps = 5\n\
                     average_decay = 0.9\nvalid_every = 3\ngrad_accumulation_factor = 2\nckpt_interval_steps = 1\n";

const EXPORT: &str = "[export]\nbundle = \"none\"\nname = \"none\"\nlicence = \"none\"\nsummary = \"none\"\n\
                      recipe = \"none\"\ndata = []\n";

/// The rate falls by what the validations come to, too.
fn anneal(metric: &str) -> String {
    format!("[train.anneal]\nkind = \"new_bob\"\nmetric = \"{metric}\"\nfactor = 0.7\n")
}

/// Tones of six speakers, four each.
fn write_clips(folder: &Path) {
    let clips = (0..24).map(|clip| {
        let (speaker, words) = (clip / 4, WORDS[clip % 4]);
        let pitch = 0.02 * (speaker + 1) as f32;
        let samples = (0..12_000 + 700 * clip).map(|i| 0.3 * (pitch * i as f32).sin()).collect();
        (format!("tones/{clip}"), format!("s{speaker}"), words.to_owned(), samples)
    });
    prepared::write_clips(folder, clips);
}

fn write_recipe(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text.replace("FOLDER", &folder.display().to_string())).unwrap();
    path
}

fn train(recipe: &Path, run: &Path, resume: bool) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rejoinder-train"));
    command.arg("train").arg(recipe).arg("--set").arg(format!("run={:?}", run.display().to_string()));
    if resume {
        command.arg("--resume");
    }
    command.env("RUST_LOG", "error").stdout(Stdio::null()).spawn().unwrap()
}

/// The step of the newest checkpoint.
fn step(run: &Path) -> Option<usize> {
    let text = std::fs::read_to_string(run.join("checkpoint/state.toml")).ok()?;
    text.parse::<toml::Table>().ok()?.get("step")?.as_integer().map(|step| step as usize)
}

/// Kills a run that has come to `at`. Returns where it was.
fn kill_at(mut child: Child, run: &Path, at: usize) -> usize {
    let began = Instant::now();
    while step(run).is_none_or(|step| step < at) {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before step {at}");
        assert!(began.elapsed() < Duration::from_secs(240), "no step {at} within four minutes");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let checkpoint = ["checkpoint", "checkpoint.old"].map(|name| run.join(name).join("state.toml"));
    assert!(checkpoint.iter().any(|path| path.exists()), "a killed run left no checkpoint");
    step(run).unwrap_or(at)
}

/// Presses Ctrl-C in a run that has come to `at`.
fn interrupt_at(mut child: Child, run: &Path, at: usize) {
    let began = Instant::now();
    while step(run).is_none_or(|step| step < at) {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before step {at}");
        assert!(began.elapsed() < Duration::from_secs(240), "no step {at} within four minutes");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(Command::new("kill").arg("-INT").arg(child.id().to_string()).status().unwrap().success());
    assert!(!child.wait().unwrap().success());
}

/// Compares the weights in these folders of a run.
fn same_weights(folder: &Path, recipe: &Path, places: &[&str]) {
    let [whole, torn] = ["whole", "torn"].map(|name| folder.join(name));
    assert!(train(recipe, &whole, false).wait().unwrap().success());
    let at = rand::rng().random_range(2..STEPS * 2 / 3);
    let stopped = kill_at(train(recipe, &torn, false), &torn, at);
    assert!(stopped < STEPS, "killed at step {stopped}, after the end");
    assert!(train(recipe, &torn, true).wait().unwrap().success());
    for folder in places {
        let [whole, torn] = [&whole, &torn].map(|run| weights(recipe, &run.join(folder)));
        assert!(whole.iter().any(|values| values.iter().any(|bits| *bits != 0)));
        assert!(whole == torn, "{folder}/net.safetensors differs after a kill at step {stopped}");
    }
}

/// The bits of every weight of the net in a folder.
fn weights(recipe: &Path, folder: &Path) -> Vec<Vec<u32>> {
    let mut table: toml::Table = std::fs::read_to_string(recipe).unwrap().parse().unwrap();
    let task = table.remove("task").unwrap();
    table.insert("run".to_owned(), folder.display().to_string().into());
    let mut bits = Bits::default();
    if task.as_str() == Some("asr") {
        let tokens = recipe.with_file_name("whole/tokens.txt");
        let there = folder.join("tokens.txt");
        if !there.exists() {
            std::fs::copy(tokens, there).unwrap();
        }
        table.try_into::<AsrRecipe>().unwrap().trained(&Device::flex()).unwrap().visit(&mut bits);
    } else {
        table.try_into::<SpeakerRecipe>().unwrap().trained(&Device::flex()).unwrap().visit(&mut bits);
    }
    bits.0
}

#[derive(Default)]
struct Bits(Vec<Vec<u32>>);

impl ModuleVisitor for Bits {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(param.val().into_data().iter::<f32>().map(f32::to_bits).collect());
    }
}

/// What changes clips in a run: effects that draw much and little.
const AUGMENT: &str = "[augment]\nreverb = { probability = 0.3, min = 0.3, max = 1.0 }\n\
    noise_snr_db = { probability = 0.5, min = 5.0, max = 30.0 }\n\
    level_db = { probability = 0.9, min = -30.0, max = -1.0 }\n\
    channel = { telephone = 0.1 }\nspec = { probability = 0.9, warp_probability = 0.5 }\n";

/// A recogniser of the clips, with more in its table of training.
fn asr_recipe(more: &str) -> String {
    format!(
        "task = \"asr\"\nrun = \"FOLDER/whole\"\n[prepare]\nsets = \"FOLDER\"\nout = \"FOLDER\"\n\
         [tokenizer]\nvocabulary = 14\n\
         [data]\ntrain = [{{ folder = \"FOLDER/clips\" }}]\nvalid = \"FOLDER/clips\"\ntests = []\n\
         {AUGMENT}\
         speed = {{ probability = 0.7, min = 0.87, max = 1.15 }}\n\
         pad_s = {{ probability = 0.5, min = 0.0, max = 0.3 }}\n\
         [loader]\nmax_seconds = 6.0\nworkers = 2\n\
         [net]\nbins = 80\ndim = 16\nlayers = 1\nheads = 2\nfeed_forward = 32\nkernel = 5\nchannels = 16\nchunk = 4\n\
         left = 8\ndropout = 0.2\n{TRAIN}{}{more}{EXPORT}",
        anneal("wer")
    )
}

/// The recipe with products in 16 bits.
fn in_bf16(recipe: &str) -> String {
    recipe.replace("[train]\n", "[train]\nprecision = \"bf16\"\n")
}

#[test]
fn a_killed_recogniser_goes_on_bit_for_bit() {
    killed_recogniser(&asr_recipe(""));
}

#[test]
fn a_killed_recogniser_goes_on_bit_for_bit_in_16_bits() {
    killed_recogniser(&in_bf16(&asr_recipe("")));
}

fn killed_recogniser(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    write_clips(&folder.path().join("clips"));
    let recipe = write_recipe(folder.path(), "asr.toml", text);
    recipe::open(&recipe, &[]).unwrap().tokenizer().unwrap();
    std::fs::create_dir_all(folder.path().join("torn")).unwrap();
    std::fs::copy(folder.path().join("whole/tokens.txt"), folder.path().join("torn/tokens.txt")).unwrap();
    same_weights(folder.path(), &recipe, &AVERAGE_AND_NET);
}

#[test]
fn a_run_goes_on_with_the_net_and_the_tokens_that_it_has_alone() {
    let folder = tempfile::tempdir().unwrap();
    write_clips(&folder.path().join("clips"));
    let path = write_recipe(folder.path(), "asr.toml", &asr_recipe(""));
    let open = |more: &str| recipe::open(&path, &["train.steps=2".to_owned(), more.to_owned()]).unwrap();
    open("train.valid_every=1").tokenizer().unwrap();
    open("train.valid_every=1").train(RunMode::New).unwrap();
    let message = |more: &str| open(more).train(RunMode::Resume).unwrap_err().to_string();
    assert!(message("net.heads=4").contains("begun with net.heads = 2; expected the same, found 4"));
    assert!(message("features={flavour=\"speechbrain\",bins=80}").contains("begun with features."));
    open("net.dropout=0.1").train(RunMode::Resume).unwrap();
    open("train.valid_every=1").tokenizer().unwrap();
    let tokens = open("tokenizer.vocabulary=12").tokenizer().unwrap_err().to_string();
    assert!(tokens.contains("a net was trained with these tokens"), "{tokens}");
    // What a run began with may not change either.
    let net = folder.path().join("start.safetensors");
    std::fs::copy(folder.path().join("whole/net.safetensors"), &net).unwrap();
    let begun = |steps: usize| {
        let run = format!("run={}", folder.path().join("begun").display());
        let start = format!("train.start={}", net.display());
        std::fs::create_dir_all(folder.path().join("begun")).unwrap();
        std::fs::copy(folder.path().join("whole/tokens.txt"), folder.path().join("begun/tokens.txt")).unwrap();
        recipe::open(&path, &[run, start, "train.start_share=0.2".to_owned(), format!("train.steps={steps}")]).unwrap()
    };
    begun(2).train(RunMode::New).unwrap();
    begun(3).train(RunMode::Resume).unwrap();
    std::fs::copy(folder.path().join("begun/net.safetensors"), &net).unwrap();
    let changed = begun(4).train(RunMode::Resume).unwrap_err().to_string();
    assert!(changed.contains("the weights that this run began with have changed"), "{changed}");
}

#[test]
fn a_killed_adaptation_goes_on_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    write_clips(&folder.path().join("clips"));
    let base = write_recipe(folder.path(), "base.toml", &asr_recipe(""));
    let base = recipe::open(&base, &["run=".to_owned() + &folder.path().join("base").display().to_string()]).unwrap();
    base.tokenizer().unwrap();
    base.train(RunMode::New).unwrap();
    let lora = "lora = { rank = 2, all_linear = true }\nhoulsby = { projection_size = 3 }\n";
    let adapters = format!("[train.adapters]\nbase = \"FOLDER/base/net.safetensors\"\n{lora}");
    let recipe = write_recipe(folder.path(), "asr.toml", &asr_recipe(&adapters));
    for run in ["whole", "torn"] {
        let path = folder.path().join(run);
        recipe::open(&recipe, &[format!("run={}", path.display())]).unwrap().tokenizer().unwrap();
    }
    // A checkpoint has only what was trained; the net of the run has all.
    same_weights(folder.path(), &recipe, &AVERAGE_AND_NET[..1]);
}

/// A net of the clips' speakers, which has batch normalisations.
fn speaker_recipe(more: &str) -> String {
    format!(
        "task = \"speaker\"\nrun = \"FOLDER/whole\"\n[prepare]\n\
         [data]\ntrain = [\"FOLDER/clips\"]\nvalid_speakers = 2\nvalid_clips = 4\ntests = []\n\
         {AUGMENT}[batches]\nclips = 3\ncrop_s = 0.5\neach = 3\nspeeds = [1.0, 1.1]\n\
         [net]\nkind = \"ecapa\"\nchannels = 16\nmfa_channels = 24\nres2net_scale = 4\nse_channels = 8\n\
         attention_channels = 8\nlin_neurons = 16\n{TRAIN}{}{more}{EXPORT}",
        anneal("eer")
    )
}

#[test]
fn a_killed_speaker_net_goes_on_bit_for_bit() {
    killed_speaker_net(&speaker_recipe(""));
}

#[test]
fn a_killed_speaker_net_goes_on_bit_for_bit_in_16_bits() {
    killed_speaker_net(&in_bf16(&speaker_recipe("")));
}

fn killed_speaker_net(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    write_clips(&folder.path().join("clips"));
    let recipe = write_recipe(folder.path(), "speaker.toml", text);
    same_weights(folder.path(), &recipe, &AVERAGE_AND_NET);
}

#[test]
fn a_killed_adaptation_of_a_speaker_net_goes_on_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    write_clips(&folder.path().join("clips"));
    let base = write_recipe(folder.path(), "base.toml", &speaker_recipe(""));
    let run = format!("run={}", folder.path().join("base").display());
    recipe::open(&base, &[run]).unwrap().train(RunMode::New).unwrap();
    // The statistics of what is unfrozen follow the batches, those of all else stay.
    let adapters = "[train.adapters]\nbase = \"FOLDER/base/net.safetensors\"\nunfrozen_layers = [\"*.mfa\"]\n\
                    lora = { rank = 2, all_linear = true }\n";
    let recipe = write_recipe(folder.path(), "speaker.toml", &speaker_recipe(adapters));
    same_weights(folder.path(), &recipe, &AVERAGE_AND_NET[..1]);
}

#[cfg(unix)]
#[test]
fn a_run_that_is_interrupted_before_its_step_goes_on_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    write_clips(&folder.path().join("clips"));
    // Most batches are not the last of their step; running statistics follow each of them.
    let text = speaker_recipe("").replace("grad_accumulation_factor = 2", "grad_accumulation_factor = 5");
    let recipe = write_recipe(folder.path(), "speaker.toml", &text.replace("steps = 40", "steps = 16"));
    let [whole, torn] = ["whole", "torn"].map(|name| folder.path().join(name));
    assert!(train(&recipe, &whole, false).wait().unwrap().success());
    interrupt_at(train(&recipe, &torn, false), &torn, 1);
    interrupt_at(train(&recipe, &torn, true), &torn, 5);
    assert!(train(&recipe, &torn, true).wait().unwrap().success());
    for place in AVERAGE_AND_NET {
        let [whole, torn] = [&whole, &torn].map(|run| weights(&recipe, &run.join(place)));
        assert!(whole == torn, "{place}/net.safetensors differs after an interruption");
    }
}
