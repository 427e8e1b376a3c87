//! What has to be alike in a recipe and a bundle that it begins with.

use std::path::Path;

use rejoinder_models::card::{Bundle, MODEL_ROLE, TOKENS_ROLE};
use rejoinder_models::features::FbankConfig;
use rejoinder_models::text::Tokenizer;

use crate::export::gguf::{FAMILY as GGUF_FAMILY, GgufFile};
use crate::{Error, Result};

/// The file beside the weights of a run with its tokens.
const TOKENS: &str = "tokens.txt";

/// Whether a path is that of a bundle's folder.
pub(crate) fn is_bundle(path: &Path) -> bool {
    path.join("card.toml").is_file()
}

/// The tokens of what a recipe begins with: those of a bundle, of a run's folder, or beside its weights.
///
/// # Errors
/// Missing or damaged tokens.
pub(crate) fn tokens(path: &Path) -> Result<Tokenizer> {
    if is_bundle(path) {
        return tokens_of(&Bundle::open(path)?);
    }
    let file = if path.is_dir() { path.join(TOKENS) } else { path.with_file_name(TOKENS) };
    if !file.is_file() {
        let reason = format!("expected the folder of a bundle, or {TOKENS} beside the weights of a run, found neither");
        return Err(Error::data(path.display().to_string(), reason));
    }
    Ok(Tokenizer::read(file)?)
}

/// The tokens of a bundle: those of a language model are in its file.
fn tokens_of(bundle: &Bundle) -> Result<Tokenizer> {
    if bundle.card().family == GGUF_FAMILY {
        return GgufFile::read(&bundle.path(MODEL_ROLE)?)?.tokenizer();
    }
    Ok(Tokenizer::parse(&bundle.text(TOKENS_ROLE)?)?)
}

/// Refuses a bundle of another family.
pub(crate) fn check_family(bundle: &Bundle, family: &str) -> Result<()> {
    match &bundle.card().family {
        found if found == family => Ok(()),
        found => {
            let reason = format!("expected a bundle of the family {family} to begin with, found {found}");
            Err(Error::config(bundle.root().display().to_string(), reason))
        }
    }
}

/// The file of a bundle that holds the whole net, as [`Task::weights_in`](crate::trainer::Task::weights_in) gives it.
///
/// # Errors
/// A bundle of another family or for other features.
pub(crate) fn single_file(
    bundle: &Bundle,
    family: &str,
    features: &FbankConfig,
) -> Result<Vec<(&'static str, &'static str)>> {
    check_family(bundle, family)?;
    check_features(bundle, features)?;
    Ok(vec![(MODEL_ROLE, "")])
}

/// Refuses a bundle whose net says other tokens.
pub(crate) fn check_tokens(bundle: &Bundle, tokens: &Tokenizer) -> Result<()> {
    if tokens_of(bundle)?.pieces() == tokens.pieces() {
        return Ok(());
    }
    let reason =
        "its tokens are not those of this run: run this recipe's `tokenizer` step again, which takes them over";
    Err(Error::config(bundle.root().display().to_string(), reason))
}

/// Refuses a bundle whose net has learnt from other features, and says what differs.
pub(crate) fn check_features(bundle: &Bundle, features: &FbankConfig) -> Result<()> {
    let root = bundle.root().display();
    let Some(theirs) = &bundle.card().features else {
        return Err(Error::config(root.to_string(), "the card names no features: [features] is missing"));
    };
    if theirs == features {
        return Ok(());
    }
    let table = |features| toml::Table::try_from(features).map_err(|e| Error::config("[features]", e));
    let (theirs, ours) = (table(theirs)?, table(features)?);
    let shown = |value: Option<&toml::Value>| value.map_or("nothing".to_owned(), ToString::to_string);
    let keys = theirs.keys().chain(ours.keys()).find(|key| theirs.get(*key) != ours.get(*key));
    let key = keys.map_or("", String::as_str);
    let reason = format!("expected {} as in {root}, found {}", shown(theirs.get(key)), shown(ours.get(key)));
    Err(Error::config(format!("features.{key}"), reason))
}
