//! A recipe: one TOML file that says everything about a model, from its data to its bundle.

mod references;

use std::path::{Path, PathBuf};

use burn::module::Module;
use rejoinder_models::in_one_line;
use rejoinder_models::text::Tokenizer;
use rejoinder_models::variant::{self, Variant, VariantError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::data::labels::{LABELS, LabelEncoder};
use crate::tasks::asr::AsrRecipe;
use crate::tasks::attention::AttentionRecipe;
use crate::tasks::g2p::G2pRecipe;
use crate::tasks::keyword::KeywordRecipe;
use crate::tasks::lm::LmRecipe;
use crate::tasks::separation::SeparationRecipe;
use crate::tasks::speaker::SpeakerRecipe;
use crate::tasks::token_lm::TokenLmRecipe;
use crate::tasks::transducer::TransducerRecipe;
use crate::tasks::tts::TtsRecipe;
use crate::tasks::turn::TurnRecipe;
use crate::tasks::vad::VadRecipe;
use crate::trainer::{At, Checkpoint, DEBUG_RUN, Observer, Observers, RunMode, Task, Timing, TrainOptions, Trained};
use crate::{Error, Result, log, trainer};

/// The file of a run folder with the recipe as it was resolved.
pub(crate) const RESOLVED: &str = "recipe.toml";

/// The file of a run folder with the tokens that its recipe has learnt.
const TOKENS: &str = "tokens.txt";

/// What opens the recipe of a task from its table; `place` stands in errors.
type Open = fn(toml::Table, place: &str) -> Result<Box<dyn Recipe>>;

/// The tasks that there are.
const TASKS: [(&str, Open); 12] = [
    (AsrRecipe::TASK, boxed::<AsrRecipe>),
    (AttentionRecipe::TASK, boxed::<AttentionRecipe>),
    (G2pRecipe::TASK, boxed::<G2pRecipe>),
    (KeywordRecipe::TASK, boxed::<KeywordRecipe>),
    (LmRecipe::TASK, boxed::<LmRecipe>),
    (SeparationRecipe::TASK, boxed::<SeparationRecipe>),
    (SpeakerRecipe::TASK, boxed::<SpeakerRecipe>),
    (TokenLmRecipe::TASK, boxed::<TokenLmRecipe>),
    (TransducerRecipe::TASK, boxed::<TransducerRecipe>),
    (TtsRecipe::TASK, boxed::<TtsRecipe>),
    (TurnRecipe::TASK, boxed::<TurnRecipe>),
    (VadRecipe::TASK, boxed::<VadRecipe>),
];

/// The steps of a recipe. Each leaves its result in files, so that each can be run again alone.
pub trait Recipe {
    /// Makes manifests and packed audio, or texts, from the raw data sets.
    ///
    /// # Errors
    /// Missing or malformed data.
    fn prepare(&self) -> Result<()>;

    /// Trains the tokenizer. A task without one says so and goes on, so that all steps can be run of any recipe.
    ///
    /// # Errors
    /// Data that is not prepared.
    fn tokenizer(&self) -> Result<()> {
        tracing::info!("nothing to do: this task has no tokenizer");
        Ok(())
    }

    /// Trains the net in the run folder, or goes on from its checkpoint.
    ///
    /// # Errors
    /// A run folder that `mode` refuses; data that is not prepared; [`Error::Interrupted`] after Ctrl-C.
    fn train(&self, mode: RunMode) -> Result<()>;

    /// Prints and saves the figures of the trained net on the test sets.
    ///
    /// # Errors
    /// A run without weights.
    fn evaluate(&self) -> Result<()>;

    /// Writes the bundle that the pipeline opens.
    ///
    /// # Errors
    /// A run without weights; an export that does not agree with the net.
    fn export(&self) -> Result<()>;

    /// Times the loader and `steps` training steps on the prepared data.
    ///
    /// # Errors
    /// Data that is not prepared; by default every one, since the task trains several nets, or none.
    fn time(&self, _steps: usize) -> Result<Timing> {
        Err(Error::config("bench", "expected a task that trains one net; this one trains several, or none"))
    }
}

/// Makes the run folder of a recipe's task, and has the log written there from now on.
///
/// # Errors
/// A folder that `mode` refuses, or that cannot be written; a run that would go on by the recipe of another net.
pub fn begin_run(task: &str, recipe: &impl Serialize, run: &Path, mode: RunMode) -> Result<Begun> {
    mode.check(run)?;
    log::expect(run);
    std::fs::create_dir_all(run).map_err(|e| Error::io(run, e))?;
    lend_tokens(run)?;
    let resolved = resolved(task, recipe)?;
    if mode == RunMode::Resume && Checkpoint::folder(run).is_some() {
        let optimizer: &[&[&str]] = &[&["train"]];
        let kept = [&KEPT, optimizer].concat();
        refuse_changes(&run.join(RESOLVED), &resolved, &kept)?;
    }
    Ok(Begun { run: run.to_owned(), mode, files: vec![(RESOLVED, resolved)] })
}

/// A run whose folder is ready. What tells of its net is written beside its weights when training begins: where data or net
/// fail before, a run that was there is what it was.
#[derive(Clone, Debug)]
#[must_use = "`fit` trains"]
pub struct Begun {
    run: PathBuf,
    mode: RunMode,
    files: Vec<(&'static str, String)>,
}

impl Begun {
    /// With the names of the net's classes. A run that goes on keeps those that it has.
    pub(crate) fn with_classes(mut self, names: &[String]) -> Self {
        if self.mode != RunMode::Resume || !self.run.join(LABELS).is_file() {
            self.files.push((LABELS, LabelEncoder::classes(names).to_text()));
        }
        self
    }

    fn write(&self) -> Result<()> {
        self.files.iter().try_for_each(|(name, text)| {
            let path = self.run.join(name);
            std::fs::write(&path, text).map_err(|e| Error::io(&path, e))
        })
    }

    /// Trains the task's net as [`fit_observed`](trainer::fit_observed) does.
    ///
    /// # Errors
    /// As [`fit_observed`](trainer::fit_observed).
    pub fn fit<T: Task>(self, task: &T, options: &TrainOptions, observers: Observers<'_, T>) -> Result<T::Net> {
        let run = self.run.clone();
        self.fit_in(&run, task, options, observers)
    }

    /// Trains one of several nets, in a folder of its own inside the run's.
    pub(crate) fn fit_in<T: Task>(
        self,
        folder: &Path,
        task: &T,
        options: &TrainOptions,
        mut observers: Observers<'_, T>,
    ) -> Result<T::Net> {
        let mode = self.mode;
        observers.insert(0, Box::new(self));
        trainer::fit_observed(task, options, folder, mode, observers)
    }
}

impl<T: Task> Observer<T> for Begun {
    fn on_fit_start(&mut self, _net: &T::Net, _at: &At) -> Result<()> {
        self.write()
    }
}

/// The net with the weights that a run has left so far, if the recipe is that of the run; `net` makes one of fresh weights.
///
/// # Errors
/// A run without weights, or of another net.
pub(crate) fn trained<M: Module>(
    task: &str,
    recipe: &impl Serialize,
    run: &Path,
    options: &TrainOptions,
    net: impl Fn() -> Result<M>,
) -> Result<M> {
    hold(task, recipe, run)?;
    Trained::expect(run, options)?.load(net)
}

/// Refuses a recipe by which the weights of a run would not be used as they were learnt.
///
/// # Errors
/// [`Error::Config`] with the key.
pub(crate) fn hold(task: &str, recipe: &impl Serialize, run: &Path) -> Result<()> {
    refuse_changes(&run.join(RESOLVED), &resolved(task, recipe)?, &KEPT)
}

/// A recipe as a file, which is a recipe again, defaults written out.
fn resolved(task: &str, recipe: &impl Serialize) -> Result<String> {
    let resolved = toml::to_string(recipe).map_err(|e| Error::config("recipe", e))?;
    Ok(format!("task = {task:?}\n{resolved}"))
}

/// What must be as a run was begun with, since weights of the same shape would not tell.
const KEPT: [&[&str]; 5] =
    [&["net"], &["features"], &["decoder", "net"], &["transducer", "joint"], &["voice", "geometry"]];
/// Of `[train]` what a run that goes on must have as it was: the checkpoint has what it remembers.
const KEPT_IN_TRAINING: &str = "optimizer";
/// Of the others it is not what no weight depends on.
const CHANGEABLE: [&str; 3] = ["dropout", "chunk", "left"];

/// The table of a recipe at a path of keys.
fn section<'a>(table: &'a toml::Table, path: &[&str]) -> Option<&'a toml::Table> {
    path.iter().try_fold(table, |table, key| table.get(*key)?.as_table())
}

/// Refuses the weights of a run to a recipe of another net; `path` is that of the recipe that it was begun with.
fn refuse_changes(path: &Path, resolved: &str, sections: &[&[&str]]) -> Result<()> {
    let Some(known) = std::fs::read_to_string(path).ok().and_then(|text| text.parse::<toml::Table>().ok()) else {
        return Ok(());
    };
    let now: toml::Table = resolved.parse().map_err(|e: toml::de::Error| Error::config("recipe", in_one_line(e)))?;
    for path_of in sections {
        let (Some(known), Some(now)) = (section(&known, path_of), section(&now, path_of)) else { continue };
        let differs = |(key, value): &(&String, &toml::Value)| {
            let kept = match *path_of {
                ["train"] => *key == KEPT_IN_TRAINING,
                _ => !CHANGEABLE.contains(&key.as_str()),
            };
            kept && now.get(*key).is_some_and(|now| now != *value)
        };
        if let Some((key, value)) = known.iter().find(differs) {
            let section = path_of.join(".");
            let reason = format!(
                "this run was begun with {section}.{key} = {value}; expected the same, found {}; `train --fresh` begins anew, \
                 `--set run=FOLDER` is another run",
                now.get(key).map_or_else(String::new, toml::Value::to_string)
            );
            return Err(Error::config(path.display().to_string(), reason));
        }
    }
    Ok(())
}

/// Writes the tokens that a recipe has learnt into its run folder.
///
/// # Errors
/// Other tokens than those of a net that was trained there; a file that cannot be written.
pub(crate) fn keep_tokens(run: &Path, tokenizer: &Tokenizer) -> Result<()> {
    let (path, new) = (run.join(TOKENS), run.join(format!("{TOKENS}.new")));
    tokenizer.write(&new)?;
    let read = |path: &Path| std::fs::read(path).map_err(|e| Error::io(path, e));
    let begun = Checkpoint::folder(run).is_some() || run.join("net.safetensors").is_file();
    let trained = begun && !run.ends_with(DEBUG_RUN);
    if trained && path.is_file() && read(&path)? != read(&new)? {
        std::fs::remove_file(&new).map_err(|e| Error::io(&new, e))?;
        let reason =
            "a net was trained with these tokens, and the recipe now has others: name another `run`, or remove this";
        return Err(Error::data(path.display().to_string(), reason));
    }
    std::fs::rename(&new, &path).map_err(|e| Error::io(&path, e))
}

/// A run in debug mode has the tokens of the run whose folder it is in, where it has none of its own.
fn lend_tokens(run: &Path) -> Result<()> {
    let own = run.join(TOKENS);
    let lent = run.parent().filter(|_| run.ends_with(DEBUG_RUN) && !own.exists()).map(|whole| whole.join(TOKENS));
    match lent.filter(|tokens| tokens.is_file()) {
        Some(tokens) => std::fs::copy(&tokens, &own).map(drop).map_err(|e| Error::io(tokens, e)),
        None => Ok(()),
    }
}

/// Reads the tokens of a run, which its recipe's `tokenizer` step writes.
///
/// # Errors
/// A missing file, with what to do about it, or a damaged one.
pub(crate) fn read_tokens(path: &Path) -> Result<Tokenizer> {
    if !path.is_file() {
        return Err(Error::data(
            path.display().to_string(),
            "there are no tokens yet: run the recipe's `tokenizer` step first",
        ));
    }
    Ok(Tokenizer::read(path)?)
}

/// Reads a recipe and applies `key=value` overrides, whose keys are dotted paths and whose values are TOML, or bare
/// text.
///
/// A recipe with `include = "other.toml"` is a variant of that one, whose path is relative to its own: what it says goes
/// before what the other says, key by key in tables, and as a whole elsewhere.
///
/// `${key}` in a text stands for the value of another key, as the overrides leave it; a table `[vars]` holds values for that.
/// A value `"!PLACEHOLDER"` has to be given by an override; `"!none"` takes out what an included recipe says.
///
/// In debug mode ([`TrainOptions::debug`](crate::trainer::TrainOptions::debug)) the run folder is one of its own, and the bundle
/// goes into it, unless the overrides name others.
///
/// # Errors
/// [`Error::Config`] with the file and the key that is unknown, missing or wrong.
pub fn open(path: &Path, overrides: &[String]) -> Result<Box<dyn Recipe>> {
    let place = path.display().to_string();
    let mut table = resolve(path, overrides)?;
    let task = match table.remove("task") {
        Some(toml::Value::String(task)) => task,
        Some(other) => return Err(Error::config(&place, format!("task: expected a name, found {other}"))),
        None => return Err(Error::config(&place, "missing field `task`")),
    };
    match TASKS.iter().find(|(name, _)| *name == task) {
        Some((_, open)) => open(table, &place),
        None => {
            let known = TASKS.map(|(name, _)| name).join(", ");
            Err(Error::config(&place, format!("task: expected one of {known}, found `{task}`")))
        }
    }
}

/// A recipe of one kind; a mistake in it with its key.
fn typed<R: DeserializeOwned>(table: toml::Table, place: &str) -> Result<R> {
    table.try_into().map_err(|e: toml::de::Error| Error::config(place, in_one_line(&e)))
}

fn boxed<R: Recipe + DeserializeOwned + 'static>(table: toml::Table, place: &str) -> Result<Box<dyn Recipe>> {
    Ok(Box::new(typed::<R>(table, place)?))
}

fn resolve(path: &Path, overrides: &[String]) -> Result<toml::Table> {
    let mut table = table(path)?;
    for pair in overrides {
        let key = pair.split_once('=').map_or("", |(key, _)| key.trim());
        references::check_named(&table, key).map_err(|reason| Error::config(path.display().to_string(), reason))?;
        set(&mut table, pair)?;
    }
    references::take_out(&mut table);
    let said = |table: &mut toml::Table| {
        references::resolve(table).map_err(|reason| Error::config(path.display().to_string(), reason))
    };
    let mut known = table.clone();
    said(&mut known)?;
    let names =
        |key: &str| overrides.iter().filter_map(|pair| pair.split_once('=')).any(|(name, _)| name.trim() == key);
    if is_debug(&known)
        && let Some(toml::Value::String(run)) = table.get_mut("run")
    {
        if !names("run") && !Path::new(run).ends_with(DEBUG_RUN) {
            *run = Path::new(run).join(DEBUG_RUN).display().to_string();
        }
        let beside = Path::new(run).join("bundle").display().to_string();
        if !names("export.bundle")
            && let Some(toml::Value::Table(export)) = table.get_mut("export")
        {
            export.insert("bundle".to_owned(), beside.into());
        }
    }
    said(&mut table)?;
    Ok(table)
}

/// Whether a net of a recipe is trained in debug mode.
fn is_debug(table: &toml::Table) -> bool {
    let tables = || table.iter().filter_map(|(key, value)| Some((key, value.as_table()?)));
    let debug = |train: &toml::Table| train.get("debug").and_then(toml::Value::as_bool) == Some(true);
    tables().any(|(key, inner)| (key == "train" && debug(inner)) || is_debug(inner))
}

/// As [`open`], for a program of one's own that trains by the recipe of a task that it knows, such as
/// [`AsrRecipe::TASK`]: what [`AsrRecipe::task`] makes of it goes to [`Begun::fit`], with
/// whoever looks on (`training/examples/looking_on.rs`).
///
/// # Errors
/// As [`open`]; the recipe of another task.
pub fn read<R: DeserializeOwned>(task: &str, path: &Path, overrides: &[String]) -> Result<R> {
    let place = path.display().to_string();
    let mut table = resolve(path, overrides)?;
    match table.remove("task") {
        Some(toml::Value::String(found)) if found == task => {}
        found => {
            let found = found.map_or_else(|| "none".to_owned(), |found| found.to_string());
            return Err(Error::config(&place, format!("task: expected {task:?}, found {found}")));
        }
    }
    typed(table, &place)
}

/// The tables whose other keys depend on their `kind`. (Those of nets are not among them: what kinds of nets share, a variant
/// keeps.)
const TAGGED: [&str; 1] = ["vad"];

/// A recipe's table, with those that it includes.
pub(crate) fn table(path: &Path) -> Result<toml::Table> {
    let Variant { mut table, files } = variant::read(path, &TAGGED).map_err(|error| match error {
        VariantError::Io { path, source } => Error::io(path, source),
        VariantError::Toml { path, reason } => Error::config(path.display().to_string(), reason),
    })?;
    // The nearest file comes last, for it decides.
    for file in files.iter().rev() {
        let text = std::fs::read_to_string(file).map_err(|e| Error::io(file, e))?;
        let place = || file.display().to_string();
        let said: toml::Table = text.parse().map_err(|e: toml::de::Error| Error::config(place(), in_one_line(e)))?;
        by_our_names(&mut table, &said).map_err(|reason| Error::config(place(), reason))?;
    }
    Ok(table)
}

/// Keys of tables that may be written by SpeechBrain's names, those of its run options (`utils/run_opts.py`) and of its
/// `Augmenter`: the table, their name, ours.
const BY_OTHER_NAMES: [(&str, &str, &str); 8] = [
    ("train", "device", "backend"),
    ("train", "optimizer_step_limit", "steps"),
    ("augment", "augment_prob", "probability"),
    ("augment", "min_augmentations", "min_effects"),
    ("augment", "max_augmentations", "max_effects"),
    ("augment", "shuffle_augmentations", "shuffle"),
    ("augment", "parallel_augment", "parallel"),
    ("augment", "repeat_augment", "repeat"),
];

/// Gives the keys of `train` and `augment` tables that one file says the names that are ours, whichever it says them by.
fn by_our_names(table: &mut toml::Table, said: &toml::Table) -> Result<(), String> {
    for (key, said) in said {
        let (Some(toml::Value::Table(table)), Some(said)) = (table.get_mut(key), said.as_table()) else { continue };
        by_our_names(table, said)?;
        for (_, theirs, ours) in BY_OTHER_NAMES.into_iter().filter(|(table, ..)| table == key) {
            let value = match (said.get(theirs), said.get(ours)) {
                (None, None) => continue,
                (Some(value), None) | (None, Some(value)) => value.clone(),
                (Some(_), Some(_)) => return Err(format!("[{key}] expected `{ours}` or `{theirs}`, found both")),
            };
            table.remove(theirs);
            table.insert(ours.to_owned(), value);
        }
    }
    Ok(())
}

fn set(table: &mut toml::Table, pair: &str) -> Result<()> {
    let mistake = |reason: &str| Error::config(format!("--set {pair}"), reason);
    let (key, value) = pair.split_once('=').ok_or_else(|| mistake("expected key=value"))?;
    let value = format!("v = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let mut parts: Vec<_> = key.trim().split('.').collect();
    let last = parts.pop().filter(|last| !last.is_empty()).ok_or_else(|| mistake("expected a key before ="))?;
    let named =
        |(table, theirs, ours): &&(&str, &str, &str)| parts.last() == Some(table) && [*theirs, *ours].contains(&last);
    let ours = BY_OTHER_NAMES.iter().find(named);
    let last = ours.map_or(last, |(.., ours)| ours);
    let mut place = table;
    for part in parts {
        place = place
            .entry(part)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(|| mistake("the key leads through something that is no table"))?;
    }
    if let Some((_, theirs, _)) = ours {
        place.remove(*theirs);
    }
    place.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests;
