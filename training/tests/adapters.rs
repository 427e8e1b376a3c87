//! Adapters against SpeechBrain's (`golden/adapters.json`, made by `tests/peers/adapters.py` at the root), and a
//! recogniser that is adapted to other clips.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::activation::silu;
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use rejoinder_training::nets::bottleneck::Bottleneck;
use rejoinder_training::nets::conformer::Reach;
use rejoinder_training::nets::speaker::{EcapaConfig, EncoderConfig};
use rejoinder_training::recipe::Recipe;
use rejoinder_training::tasks::asr::AsrRecipe;
use rejoinder_training::trainer::{self, AdaptersConfig, RunMode};
use report::report;
use serde::Deserialize;

mod golden_weights;
mod prepared;
mod report;

use golden_weights::{Compare, Load, assert_close};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    kind: String,
    x: Vec<f32>,
    output: Vec<f32>,
    weights: BTreeMap<String, Vec<f32>>,
    gradients: BTreeMap<String, Vec<f32>>,
}

#[derive(Module, Debug)]
struct Pair {
    first: Linear,
    bottleneck: Option<Bottleneck>,
    second: Linear,
}

#[test]
fn adapters_say_and_learn_what_speechbrains_do() {
    let golden: Golden = serde_json::from_str(include_str!("golden/adapters.json")).unwrap();
    assert_eq!(golden.cases.len(), 2);
    for case in &golden.cases {
        let device = Device::flex();
        let houlsby = case.kind == "HoulsbyAdapterLinear";
        let pair = Pair {
            first: LinearConfig::new(6, 5).init(&device),
            bottleneck: houlsby.then(|| Bottleneck::new(5, 2, &device)),
            second: LinearConfig::new(5, 4).init(&device),
        };
        let table = if houlsby {
            "houlsby = { projection_size = 2 }"
        } else {
            "lora = { rank = 2, alpha = 3.0, target_layers = [\"fir*\"] }"
        };
        let adapters: AdaptersConfig =
            toml::from_str(&format!("base = \"\"\nunfrozen_layers = [\"second\"]\n{table}")).unwrap();
        let pair = Load::into(adapters.attach_to(pair).unwrap(), &case.weights).train();
        let x = Tensor::<3>::from_data(TensorData::new(case.x.clone(), [2, 3, 6]), &device.autodiff());
        let hidden = pair.first.forward(x);
        let hidden = pair.bottleneck.as_ref().map_or(hidden.clone(), |bottleneck| bottleneck.forward(hidden));
        let output = pair.second.forward(silu(hidden));
        let apart = assert_close(&case.kind, output.clone(), &case.output);
        let gradients = GradientsParams::from_grads(output.square().mean().backward(), &pair);
        let worst = Compare::worst(&pair, &gradients, &case.gradients);
        assert!(worst.0 < 1e-4, "{}: {worst:?}", case.kind);
        let peer = format!("SpeechBrain's {}", case.kind);
        report("Adapters", &peer, "outputs", apart);
        report("Adapters", &peer, "gradients", worst.0);
    }
}

/// Twelve tones of a pitch that goes with their words.
fn write_clips(folder: &Path, words: [&str; 3], pitch: f32) {
    let clips = (0..12).map(|clip| {
        let pitch = pitch * (1 + clip % 3) as f32;
        let samples = (0..12_000 + 300 * clip).map(|i| 0.3 * (pitch * i as f32).sin()).collect();
        (format!("tones/{clip}"), "s".to_owned(), words[clip % 3].to_owned(), samples)
    });
    prepared::write_clips(folder, clips);
}

fn recipe(folder: &Path, run: &str, clips: &str, adapters: &str) -> AsrRecipe {
    let root = folder.display();
    let text = format!(
        "run = \"{root}/{run}\"\n[prepare]\nsets = \"{root}\"\nout = \"{root}\"\n[tokenizer]\nvocabulary = 12\n\
         [data]\ntrain = [{{ folder = \"{root}/{clips}\" }}]\nvalid = \"{root}/{clips}\"\ntests = []\n\
         [loader]\nmax_seconds = 8.0\nworkers = 1\n\
         [net]\nbins = 80\ndim = 16\nlayers = 1\nheads = 2\nfeed_forward = 32\nkernel = 5\nchannels = 16\nchunk = 4\n\
         left = 8\ndropout = 0.0\n\
         [train]\nbackend = \"flex\"\nepochs = 0\nsteps = 60\nlearning_rate = 1e-2\nwarmup_steps = 5\naverage_decay = 0.8\n\
         valid_every = 100\n{adapters}\
         [export]\nbundle = \"{root}/{run}/bundle\"\nname = \"tiny\"\nlicence = \"CC0-1.0\"\nsummary = \"a test\"\n\
         recipe = \"a test\"\ndata = []\n"
    );
    toml::from_str(&text).unwrap()
}

/// The bits of each weight by its path.
fn weights<M: Module>(net: &M) -> BTreeMap<String, Vec<u32>> {
    #[derive(Default)]
    struct Bits {
        path: Vec<String>,
        found: BTreeMap<String, Vec<u32>>,
    }
    impl ModuleVisitor for Bits {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let bits = param.val().into_data().iter::<f32>().map(f32::to_bits).collect();
            self.found.insert(self.path.join("."), bits);
        }
    }
    let mut bits = Bits::default();
    net.visit(&mut bits);
    bits.found
}

fn loss(recipe: &AsrRecipe) -> f64 {
    let device = Device::flex();
    let figures = trainer::evaluate(&recipe.task().unwrap(), &recipe.trained(&device).unwrap(), &device).unwrap();
    let means = figures.means();
    means.iter().find(|(name, _)| *name == "loss").unwrap().1
}

/// The exported bundle takes the place of the run: adapted, or to begin a whole net with, tokens and all.
fn begins_with_a_bundle(folder: &Path, base: &AsrRecipe, unheard: f64) {
    base.export().unwrap();
    let bundle = format!("\"{}/base/bundle\"", folder.display());
    let run = |run: &str, train: &str| {
        let recipe = recipe(folder, run, "new", &format!("{train}\n"));
        recipe.tokenizer().unwrap();
        recipe
    };
    let lora = "unfrozen_layers = [\"head\"]\nlora = { rank = 4, alpha = 8.0, all_linear = true }";
    let adapted = run("bundled", &format!("[train.adapters]\nbase = {bundle}\n{lora}"));
    adapted.train(RunMode::New).unwrap();
    assert!(loss(&adapted) < 0.95 * unheard, "{} after {unheard}", loss(&adapted));
    let begun = run("begun", &format!("start = {bundle}\nminutes = 1e-9"));
    begun.train(RunMode::New).unwrap();
    assert_eq!(weights(&begun.trained(&Device::flex()).unwrap()), weights(&base.trained(&Device::flex()).unwrap()));

    let message = |mut recipe: AsrRecipe, change: fn(&mut AsrRecipe)| {
        change(&mut recipe);
        recipe.train(RunMode::New).unwrap_err().to_string()
    };
    let start = || run("unlike", &format!("start = {bundle}"));
    let features = message(start(), |recipe| recipe.features.low_hz = 60.0);
    assert!(
        features.starts_with("features.low_hz: expected 20.0 as in ") && features.ends_with("found 60.0"),
        "{features}"
    );
    let heads = message(start(), |recipe| recipe.net.heads = 4);
    assert!(heads.starts_with("net.heads: expected 2 as in ") && heads.ends_with("found 4"), "{heads}");
    let frames = message(start(), |recipe| recipe.net.subsampling = 4);
    assert!(frames.starts_with("net.subsampling: expected 8 as in ") && frames.ends_with("found 4"), "{frames}");
    let reach = message(start(), |recipe| recipe.net.convolution = Reach::Chunk);
    let expected = "net.kernel and net.convolution: expected such as see 4 frames before a chunk";
    assert!(reach.starts_with(expected) && reach.ends_with("found 2"), "{reach}");
    let of_run = format!("start = \"{}/base/net.safetensors\"", folder.display());
    let reach = message(run("unlike", &of_run), |recipe| recipe.net.convolution = Reach::Chunk);
    assert!(reach.starts_with("[net]: expected kind Conformer") && reach.contains("base/recipe.toml"), "{reach}");
    let width = message(start(), |recipe| recipe.net.feed_forward = 48);
    assert!(width.contains("blocks.0.after.expand.bias: expected [48], found [1, 1, 32]"), "{width}");
    let recipe = start();
    std::fs::write(folder.join("unlike/tokens.txt"), "<blk> 0\na 1\n").unwrap();
    let tokens = message(recipe, |_| ());
    assert!(tokens.contains("base/bundle: its tokens are not those of this run"), "{tokens}");
    let twice = message(run("unlike", &format!("start = {bundle}\n[train.adapters]\nbase = {bundle}\n{lora}")), |_| ());
    assert!(twice.starts_with("[train]: expected `start` or `adapters.base`, found both"), "{twice}");
}

#[test]
fn a_recogniser_learns_other_clips_beside_weights_that_stay() {
    let folder = tempfile::tempdir().unwrap();
    write_clips(&folder.path().join("old"), ["one tone", "no tone", "a tone"], 0.02);
    write_clips(&folder.path().join("new"), ["no tone", "a tone", "one tone"], 0.03);
    let base = recipe(folder.path(), "base", "old", "");
    base.tokenizer().unwrap();
    base.train(RunMode::New).unwrap();
    let before = weights(&base.trained(&Device::flex()).unwrap());
    let whole = std::fs::metadata(folder.path().join("base/checkpoint/net.safetensors")).unwrap().len();

    let section =
        |rest: &str| format!("[train.adapters]\nbase = \"{}/base/net.safetensors\"\n{rest}\n", folder.path().display());
    let with_head = |rest: &str| section(&format!("unfrozen_layers = [\"head\"]\n{rest}"));
    let lora = with_head("lora = { rank = 4, alpha = 8.0, target_layers = [\"blocks.*.attention.*\"] }");
    let houlsby = with_head("houlsby = { projection_size = 16, target_layers = [\"blocks.*.after\"] }");
    let unheard = loss(&recipe(folder.path(), "base", "new", ""));
    for (run, adapters, changed) in [("lora", lora, "blocks.0.attention."), ("houlsby", houlsby, "bottleneck")] {
        let adapted = recipe(folder.path(), run, "new", &adapters);
        adapted.tokenizer().unwrap();
        adapted.train(RunMode::New).unwrap();
        let heard = loss(&adapted);
        assert!(heard < 0.95 * unheard, "{run}: {heard} after {unheard}");

        let after = weights(&adapted.trained(&Device::flex()).unwrap());
        let learns = |name: &str| name.contains(changed) || name.starts_with("head.");
        for (name, bits) in &after {
            match before.get(name) {
                Some(old) if !learns(name) => assert!(old == bits, "{run}: {name} has changed"),
                Some(old) if run == "lora" && name.ends_with("query_key_value.weight") => {
                    assert!(old != bits, "{run}: {name} has not changed")
                }
                Some(_) => {}
                None => {
                    assert!(name.contains(".after.bottleneck."), "{run}: {name} is new");
                    // It begins at zero.
                    let learnt = !name.ends_with("up.weight") || bits.iter().any(|bits| f32::from_bits(*bits) != 0.0);
                    assert!(learnt, "{run}: {name} has not changed");
                }
            }
        }
        let kept = std::fs::metadata(folder.path().join(run).join("checkpoint/net.safetensors")).unwrap().len();
        assert!(kept < whole / 2, "{run}: a checkpoint of {kept} bytes, where all weights take {whole}");
        // The export compares its outputs with those of the net.
        adapted.export().unwrap();
    }
    begins_with_a_bundle(folder.path(), &base, unheard);
    let message = |rest: &str| {
        let wrong = recipe(folder.path(), "wrong", "new", &section(rest));
        wrong.tokenizer().unwrap();
        wrong.train(RunMode::New).unwrap_err().to_string()
    };
    let behind = message("houlsby = { projection_size = 2, target_layers = [\"blocks.0.attention\"] }");
    let expected = "houlsby.target_layers: no feed-forward part is called `blocks.0.attention`; one that there is: \
                    blocks.0.before";
    assert!(behind.ends_with(expected), "{behind}");
    let nobody = message("lora = { target_layers = [\"blokcs.*\"] }");
    assert!(nobody.contains("`blokcs.*`") && nobody.contains("one that there is: "), "{nobody}");
    let nothing = message("");
    assert!(nothing.contains("nothing to train"), "{nothing}");
}

#[test]
fn batch_normalisation_stays_as_it_is_where_it_is_not_unfrozen() {
    let shape = EcapaConfig { channels: 16, mfa_channels: 24, lin_neurons: 12, ..EcapaConfig::default() };
    let device = Device::flex().autodiff();
    device.seed(3);
    let sound = || Tensor::<3>::random([4, 40, 80], Distribution::Normal(1.0, 2.0), &device);
    let base = EncoderConfig::Ecapa(shape).init(5, &device);
    base.embed(sound(), None); // statistics of its own
    let base = base.valid().train();
    let (before, heard) = (weights(&base), sound());
    let plain: Vec<f32> = base.valid().embed(heard.clone().inner(), None).into_data().iter().collect();
    for (unfrozen, changed) in [("", None), ("*.mfa", Some(".mfa.norm.running_"))] {
        let table = format!("base = \"\"\nlora = {{ all_linear = true }}\nunfrozen_layers = [{unfrozen:?}]");
        let table = table.replace("\"\"]", "]");
        let adapters: AdaptersConfig = toml::from_str(&table).unwrap();
        let adapted = adapters.attach_to(base.clone().valid().train()).unwrap();
        let output = adapted.embed(heard.clone(), None);
        let gradients = GradientsParams::from_grads(output.clone().square().mean().backward(), &adapted);
        assert!(!gradients.is_empty());
        let after = weights(&adapted.valid().materialize());
        for (name, bits) in &before {
            let follows = changed.is_some_and(|changed| name.contains(changed));
            assert_eq!(follows, *bits != after[name], "{unfrozen}: {name}");
        }
        if changed.is_none() {
            // Additions begin without effect, so that the net in training says what the base says when it is evaluated.
            let output: Vec<f32> = output.into_data().iter().collect();
            assert!(output.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-4), "{output:?} {plain:?}");
        }
    }
}
