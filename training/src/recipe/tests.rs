use super::*;

#[test]
fn speechbrains_names_stand_for_ours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recipe.toml");
    for (table, theirs, ours) in BY_OTHER_NAMES {
        std::fs::write(&path, format!("[{table}]\n{theirs} = 3\n")).unwrap();
        let mut read = super::table(&path).unwrap();
        let value = |read: &toml::Table| read[table].as_table().unwrap()[ours].as_integer();
        assert_eq!(value(&read), Some(3));
        set(&mut read, &format!("{table}.{theirs}=4")).unwrap();
        assert_eq!((value(&read), read[table].as_table().unwrap().len()), (Some(4), 1));
        std::fs::write(&path, format!("[{table}]\n{theirs} = 3\n{ours} = 3\n")).unwrap();
        assert!(super::table(&path).unwrap_err().to_string().contains("found both"));
    }
}

#[test]
fn a_mistake_in_a_recipe_is_named_by_its_key() {
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/recipes");
    let message = |recipe: &str, pair: &str| open(&recipes.join(recipe), &[pair.to_owned()]).err().unwrap().to_string();
    let crdnn = |pair| message("vad/crdnn.toml", pair);
    assert!(crdnn("train.steps=-1").contains("in `train.steps`"), "{}", crdnn("train.steps=-1"));
    assert!(crdnn("net.width=wide").contains("in `net.width`"));
    assert!(crdnn("train.steps=1.5").contains("in `train.steps`"));
    assert!(crdnn("task=hear").contains("task: expected one of asr, attention"));
    assert!(message("asr/conformer_transducer.toml", "transducer.joint.dim=none").contains("dim"));
}

#[test]
fn a_run_that_goes_on_keeps_its_classes() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let begin = |mode, names: [&str; 2]| {
        let begun = begin_run("asr", &toml::Table::new(), run, mode).unwrap();
        begun.with_classes(&names.map(str::to_owned))
    };
    let kept = || LabelEncoder::read(run.join(LABELS)).unwrap().names().unwrap();
    begin(RunMode::Resume, ["rise", "fall"]).write().unwrap();
    assert_eq!(kept(), ["rise", "fall"]);
    begin(RunMode::Resume, ["fall", "rise"]).write().unwrap();
    assert_eq!(kept(), ["rise", "fall"]);
    // Until training begins nothing is changed.
    let fresh = begin(RunMode::Fresh, ["fall", "rise"]);
    assert_eq!(kept(), ["rise", "fall"]);
    fresh.write().unwrap();
    assert_eq!(kept(), ["fall", "rise"]);
}

#[test]
fn weights_are_used_as_they_were_learnt() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    let recipe = |text: &str| text.parse::<toml::Table>().unwrap();
    let known = recipe("[net]\nheads = 4\nchunk = 16\ndropout = 0.1\n[train]\noptimizer = \"adamw\"\nsteps = 10");
    begin_run("asr", &known, run, RunMode::New).unwrap().write().unwrap();
    hold("asr", &known, run).unwrap();
    let other = "[net]\nheads = 4\nchunk = 8\ndropout = 0.0\n[train]\noptimizer = \"sgd\"\nsteps = 20";
    hold("asr", &recipe(other), run).unwrap();
    let message = hold("asr", &recipe(&other.replace("heads = 4", "heads = 8")), run).unwrap_err().to_string();
    assert!(message.contains("net.heads = 4; expected the same, found 8"), "{message}");
    // One that goes on has its optimizer's state, too.
    std::fs::create_dir(run.join("checkpoint")).unwrap();
    std::fs::write(run.join("checkpoint/state.toml"), "").unwrap();
    let message = begin_run("asr", &recipe(other), run, RunMode::Resume).map(drop).unwrap_err().to_string();
    assert!(message.contains("train.optimizer = \"adamw\""), "{message}");
    begin_run("asr", &known, run, RunMode::Resume).map(drop).unwrap();
}

#[test]
fn overrides_reach_nested_keys_and_keep_types() {
    let mut table: toml::Table = "[train]\nsteps = 1\n".parse().unwrap();
    set(&mut table, "train.steps=20").unwrap();
    set(&mut table, "net.name=tiny net").unwrap();
    assert_eq!(table["train"]["steps"].as_integer(), Some(20));
    assert_eq!(table["net"]["name"].as_str(), Some("tiny net"));
    assert!(set(&mut table, "train.steps.more=1").is_err());
    assert!(set(&mut table, "steps").is_err());
    set(&mut table, "train.optimizer_step_limit=30").unwrap();
    set(&mut table, "net.device=unheard").unwrap();
    assert_eq!(table["train"]["steps"].as_integer(), Some(30));
    assert_eq!(table["net"]["device"].as_str(), Some("unheard"));
    for key in ["steps", "optimizer_step_limit"] {
        let mut table: toml::Table = "[train]\noptimizer_step_limit = 1\n".parse().unwrap();
        set(&mut table, &format!("train.{key}=20")).unwrap();
        assert_eq!(table.to_string(), "[train]\nsteps = 20\n");
    }
}

#[test]
fn the_nearest_file_decides_by_whichever_name() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    write("base.toml", "[train]\nsteps = 1\n[voice.train]\noptimizer_step_limit = 2\ndevice = \"cpu\"\n");
    let path =
        write("variant.toml", "include = \"base.toml\"\n[train]\noptimizer_step_limit = 3\n[voice.train]\nsteps = 4\n");
    let expected = "[train]\nsteps = 3\n[voice.train]\nsteps = 4\nbackend = \"cpu\"\n";
    assert_eq!(table(&path).unwrap(), expected.parse::<toml::Table>().unwrap());
    let path = write("both.toml", "[train]\nsteps = 1\noptimizer_step_limit = 2\n");
    let message = table(&path).unwrap_err().to_string();
    let expected = "both.toml: [train] expected `steps` or `optimizer_step_limit`, found both";
    assert!(message.ends_with(expected), "{message}");
}

#[test]
fn debug_mode_has_a_run_folder_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recipe.toml");
    std::fs::write(&path, "run = \"runs/a\"\n[voice.train]\nsteps = 1\n").unwrap();
    let run = |overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(|pair| (*pair).to_owned()).collect();
        resolve(&path, &overrides).unwrap()["run"].as_str().unwrap().to_owned()
    };
    assert_eq!(run(&[]), "runs/a");
    assert_eq!(run(&["voice.train.debug=false"]), "runs/a");
    assert_eq!(Path::new(&run(&["voice.train.debug=true"])), Path::new("runs/a").join(DEBUG_RUN));
    assert_eq!(run(&["voice.train.debug=true", "run=runs/b"]), "runs/b");
}

#[test]
fn a_run_in_debug_mode_has_tokens_and_is_begun_anew_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join(DEBUG_RUN);
    std::fs::write(folder.path().join(TOKENS), "a").unwrap();
    begin_run("asr", &toml::Table::new(), &run, RunMode::New).map(drop).unwrap();
    assert_eq!(std::fs::read_to_string(run.join(TOKENS)).unwrap(), "a");
    for name in ["net.safetensors", TOKENS] {
        std::fs::write(run.join(name), "b").unwrap();
    }
    begin_run("asr", &toml::Table::new(), &run, RunMode::New).map(drop).unwrap();
    assert_eq!(std::fs::read_to_string(run.join(TOKENS)).unwrap(), "b");
    std::fs::write(folder.path().join("net.safetensors"), "").unwrap();
    assert!(begin_run("asr", &toml::Table::new(), folder.path(), RunMode::New).is_err());
}
