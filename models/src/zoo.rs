//! Opens a bundle as the family that its card names, and finds the bundles at hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::asr::{
    ConformerAttention, ConformerCtc, ConformerTransducer, Decoding, Recognizer, conformer_attention, conformer_ctc,
    conformer_transducer,
};
use crate::card::{Bundle, LatencyChoice, Task};
use crate::keyword::{self, KeywordSpotter};
use crate::runtime::{self, RuntimeConfig};
use crate::speaker::{EmbeddingNet, SpeakerEncoder, embedding_net};
use crate::tts::{self, Synthesizer};
use crate::turn::{self, TurnDetector};
use crate::{Error, Result};

/// Names the folder of the bundles, before any search.
const MODELS_VARIABLE: &str = "REJOINDER_MODELS";
/// The folder of the bundles in the repository.
const MODELS_FOLDER: &str = "models/pretrained";

/// Opens a recogniser: a bundle's folder, a lone ONNX file with a card inside, or the name of a bundle at hand.
///
/// # Errors
/// [`Error::Model`] when it is not there, damaged, of another task, or of a family that this build does not know;
/// [`Error::Engine`] when the engine asked for is not there.
pub fn open_recognizer(path: &Path, config: &RuntimeConfig) -> Result<Arc<dyn Recognizer>> {
    open_recognizer_with(path, config, &LatencyChoice::default(), &Decoding::default())
}

/// As [`open_recognizer`], with another latency than the card's default, and another way to decode than the card's.
///
/// # Errors
/// As [`open_recognizer`]; [`Error::Model`] for a latency that the card does not offer, naming those that it does;
/// [`Error::Invalid`] when a hotword is empty.
pub fn open_recognizer_with(
    path: &Path,
    config: &RuntimeConfig,
    latency: &LatencyChoice,
    decoding: &Decoding,
) -> Result<Arc<dyn Recognizer>> {
    let path = resolve(path)?;
    let runtime = runtime::open(config)?;
    let (bundle, model) = if path.is_dir() {
        (Bundle::open(&path)?, None)
    } else {
        let model = runtime.open(&path)?;
        let bundle = Bundle::of_model(&path, model.as_ref())?;
        let missing = || Error::model(&path, format!("the metadata lacks the key `{}`", crate::card::CARD_KEY));
        (bundle.ok_or_else(missing)?, Some(model))
    };
    check_task(&bundle, &path, Task::Asr)?;
    let bundle = bundle.choose(latency)?;
    match (bundle.card().family.as_str(), model) {
        (conformer_ctc::FAMILY, Some(model)) => {
            Ok(Arc::new(ConformerCtc::of_model(&bundle, model, runtime.as_ref(), decoding)?))
        }
        (conformer_ctc::FAMILY, None) => Ok(Arc::new(ConformerCtc::open(&bundle, runtime.as_ref(), decoding)?)),
        (conformer_transducer::FAMILY | conformer_attention::FAMILY, Some(_)) => {
            Err(Error::model(&path, "this recogniser has several files: open its folder"))
        }
        (conformer_attention::FAMILY, None) => {
            Ok(Arc::new(ConformerAttention::open(&bundle, runtime.as_ref(), decoding)?))
        }
        (conformer_transducer::FAMILY, None) => {
            Ok(Arc::new(ConformerTransducer::open(&bundle, runtime.as_ref(), decoding)?))
        }
        (other, _) => {
            let known = [conformer_ctc::FAMILY, conformer_transducer::FAMILY, conformer_attention::FAMILY];
            Err(unknown_family(&path, other, &known))
        }
    }
}

/// Opens a detector of turn ends: a bundle's folder, the name of a bundle at hand, or a published file.
///
/// # Errors
/// [`Error::Model`] when it is not there, damaged, of another task, or of a family that this build does not know;
/// [`Error::Engine`] when the engine asked for is not there.
pub fn open_turn_detector(path: &Path, config: &RuntimeConfig) -> Result<Arc<dyn TurnDetector>> {
    turn::open(&resolve(path)?, runtime::open(config)?.as_ref())
}

/// Opens a spotter of keywords: a bundle's folder, or the name of a bundle at hand.
///
/// # Errors
/// [`Error::Model`] when it is not there, damaged, of another task, or of a family that this build does not know;
/// [`Error::Engine`] when the engine asked for is not there.
pub fn open_keyword_spotter(path: &Path, config: &RuntimeConfig) -> Result<Arc<dyn KeywordSpotter>> {
    let path = resolve(path)?;
    let bundle = Bundle::open(&path)?;
    check_task(&bundle, &path, Task::Keyword)?;
    match bundle.card().family.as_str() {
        keyword::convolutional::FAMILY => {
            Ok(Arc::new(keyword::Convolutional::open(&bundle, runtime::open(config)?.as_ref())?))
        }
        other => Err(unknown_family(&path, other, &[keyword::convolutional::FAMILY])),
    }
}

/// Opens a synthesizer: a bundle's folder, or the name of a bundle at hand.
///
/// # Errors
/// [`Error::Model`] when it is not there, damaged, of another task, or of a family that this build does not know;
/// [`Error::Engine`] when the engine asked for is not there.
pub fn open_synthesizer(path: &Path, config: &RuntimeConfig) -> Result<Arc<dyn Synthesizer>> {
    let path = resolve(path)?;
    let bundle = Bundle::open(&path)?;
    check_task(&bundle, &path, Task::Tts)?;
    tts::open(&bundle, runtime::open(config)?.as_ref())
}

/// Opens a model that tells voices apart: a bundle's folder, or the name of a bundle at hand.
///
/// # Errors
/// [`Error::Model`] when it is not there, damaged, of another task, or of a family that this build does not know;
/// [`Error::Engine`] when the engine asked for is not there.
pub fn open_speaker_encoder(path: &Path, config: &RuntimeConfig) -> Result<Arc<dyn SpeakerEncoder>> {
    let path = resolve(path)?;
    let bundle = Bundle::open(&path)?;
    check_task(&bundle, &path, Task::Speaker)?;
    match bundle.card().family.as_str() {
        embedding_net::FAMILY => Ok(Arc::new(EmbeddingNet::open(&bundle, runtime::open(config)?.as_ref())?)),
        other => Err(unknown_family(&path, other, &[embedding_net::FAMILY])),
    }
}

fn check_task(bundle: &Bundle, path: &Path, expected: Task) -> Result<()> {
    let found = bundle.card().task;
    if found == expected {
        return Ok(());
    }
    Err(Error::model(path, format!("expected a model for {expected}, found one for {found}")))
}

fn unknown_family(path: &Path, found: &str, known: &[&str]) -> Error {
    Error::model(path, format!("the family `{found}` is not known: expected {}", known.join(" or ")))
}

/// The path of a bundle or model file: the path itself where it exists, else the bundle of that name in one of
/// [`model_folders`].
///
/// # Errors
/// [`Error::Model`] when neither is there, naming the folders that were searched.
pub fn resolve(path: &Path) -> Result<PathBuf> {
    resolve_in(path, &model_folders())
}

/// As [`resolve`], for a path that one of these files names: it may count from the file's folder, and `models/pretrained`
/// in a folder above the file is searched as well.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_for(path: &Path, named_in: &[PathBuf]) -> Result<PathBuf> {
    let mut beside = named_in.iter().map(|file| file.with_file_name(path));
    if let Some(found) = beside.find(|path| path.exists()) {
        return Ok(found);
    }
    let mut folders = model_folders();
    for file in named_in.iter().filter_map(|file| std::path::absolute(file).ok()) {
        let above = find_above(&[file], MODELS_FOLDER, Path::is_dir);
        folders.extend(above.filter(|folder| !folders.contains(folder)));
    }
    resolve_in(path, &folders)
}

fn resolve_in(path: &Path, folders: &[PathBuf]) -> Result<PathBuf> {
    if path.exists() {
        return Ok(path.to_owned());
    }
    if path.components().count() == 1
        && let Some(found) = folders.iter().map(|folder| folder.join(path)).find(|path| path.exists())
    {
        return Ok(found);
    }
    let searched: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let searched = if searched.is_empty() { "no model folder was found".to_owned() } else { searched.join(", ") };
    Err(Error::model(path, format!("no such model: neither a path nor a bundle in {MODELS_FOLDER} ({searched})")))
}

/// The folders that hold bundles: what `REJOINDER_MODELS` names, then `models/pretrained` in the working folder, beside
/// the executable, or in a folder above either.
pub fn model_folders() -> Vec<PathBuf> {
    let named = std::env::var_os(MODELS_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    folders_from(named, &starts())
}

/// The working folder and the program: where the search for what belongs to the program begins.
pub fn starts() -> Vec<PathBuf> {
    [std::env::current_dir().ok(), std::env::current_exe().ok()].into_iter().flatten().collect()
}

/// The nearest `wanted` in one of `starts` or in a folder above it, where it `is` what it should be.
pub fn find_above(starts: &[PathBuf], wanted: impl AsRef<Path>, is: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let mut paths = starts.iter().flat_map(|start| start.ancestors()).map(|folder| folder.join(&wanted));
    paths.find(|path| is(path))
}

fn folders_from(named: Option<PathBuf>, starts: &[PathBuf]) -> Vec<PathBuf> {
    let beside = starts.chunks(1).filter_map(|start| find_above(start, MODELS_FOLDER, Path::is_dir));
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in named.into_iter().chain(beside) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

/// A bundle in a folder: its path, and its card or what is wrong with it. The card tells origin, licence and results;
/// the files are looked at only when the bundle is opened.
#[derive(Debug)]
pub struct Listing {
    /// The folder of the bundle.
    pub path: PathBuf,
    /// The bundle.
    pub bundle: Result<Bundle>,
}

/// The bundles in a folder, in the order of their names. Entries without a card are no bundles and are left out.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read.
pub fn list(dir: &Path) -> Result<Vec<Listing>> {
    let entries = std::fs::read_dir(dir).map_err(|e| Error::io(dir, e))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.join("card.toml").exists());
    paths.sort();
    Ok(paths.into_iter().map(|path| Listing { bundle: Bundle::open_unchecked(&path), path }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_found_above_a_start_and_named_once() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let models = root.path().join(MODELS_FOLDER);
        std::fs::create_dir_all(&models).expect("a folder");
        let starts = [root.path().join("target/debug/rejoinder"), root.path().join("tests")];
        assert_eq!(folders_from(None, &starts), std::slice::from_ref(&models));
        assert_eq!(folders_from(Some("/elsewhere".into()), &starts), [PathBuf::from("/elsewhere"), models]);
    }

    #[test]
    fn a_voice_whose_nets_do_not_fit_its_card_is_not_opened() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("pretrained/tts-kathleen");
        let folder = tempfile::tempdir().expect("a temporary folder");
        for entry in std::fs::read_dir(&root).expect("the bundle").flatten() {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("a copy");
        }
        let card = std::fs::read_to_string(root.join("card.toml")).expect("the card");
        for (good, bad, expected) in [
            (
                "rate_hz = 24000",
                "rate_hz = 16000",
                "params.geometry.rate_hz: expected the card's 24000 Hz, found 16000",
            ),
            ("fft = 1200", "fft = 1201", "params.geometry: source-filter geometry: expected an even fft"),
            ("harmonic_order = 120", "harmonic_order = 60", "its nets do not fit its card: output `cepstra`: expected"),
            ("vocoder_context = 20", "vocoder_context = 20\nsteps = 3", "unknown field `steps`"),
        ] {
            assert!(card.contains(good), "{good}");
            std::fs::write(folder.path().join("card.toml"), card.replace(good, bad)).expect("the card");
            let error = open_synthesizer(folder.path(), &RuntimeConfig::default()).err().expect(bad).to_string();
            assert!(error.contains(expected), "{bad}: {error}");
        }
    }
}
