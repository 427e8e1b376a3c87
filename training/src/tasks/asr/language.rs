//! The language model of a bundle, and the lexicon of its words.

use std::fs;
use std::path::Path;

use rejoinder_models::card::{Bundle, LEXICON_ROLE, LM_ROLE, NewFile, PHONES_ROLE};
use rejoinder_models::decode::ngram::{self, Ngram};

use super::phones;
use super::recipe::AsrRecipe;
use super::tables::LmConfig;
use super::test_texts::TestTexts;
use crate::data::synth::TextSource;
use crate::{Error, Result};

/// The files of a recipe's language model, if it is to have one, and with `phones` of the lexicon of its words.
///
/// # Errors
/// Missing texts; a bundle without what is to be taken from it.
pub(super) fn files(recipe: &AsrRecipe, phones: bool) -> Result<Vec<NewFile>> {
    let Some(config) = &recipe.lm else { return Ok(Vec::new()) };
    let base = config.bundle.as_deref().map(Bundle::open).transpose()?;
    if let Some(base) = base.as_ref().filter(|_| config.texts.is_empty() && config.mixed.is_empty()) {
        return taken(base, phones);
    }
    let path = recipe.run.join("lm.bin");
    let model = model(recipe, config, base.as_ref())?;
    model.write(&path)?;
    let mut files = Vec::new();
    if let Some(pronouncer) = recipe.pronouncer()?.filter(|_| phones) {
        let words = model.vocabulary().iter().map(String::as_str).filter(|word| !word.starts_with('<'));
        files.push(NewFile::new(PHONES_ROLE, "phones.txt", phones::list()));
        files.push(NewFile::new(LEXICON_ROLE, "lexicon.txt", pronouncer.lexicon(words)));
    }
    files.push(NewFile::new(LM_ROLE, "lm.bin", read(&path)?));
    Ok(files)
}

/// The model of a bundle as it is, and its lexicon where it has one.
fn taken(base: &Bundle, phones: bool) -> Result<Vec<NewFile>> {
    let roles = [(PHONES_ROLE, "phones.txt"), (LEXICON_ROLE, "lexicon.txt"), (LM_ROLE, "lm.bin")];
    let wanted = roles.into_iter().filter(|(role, _)| *role == LM_ROLE || (phones && base.has(role)));
    wanted.map(|(role, name)| Ok(NewFile::new(role, name, read(&base.path(role)?)?))).collect()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| Error::io(path, e))
}

/// The model of a bundle, where there is one, that of the recipe's texts, and those that are mixed in.
fn model(recipe: &AsrRecipe, config: &LmConfig, base: Option<&Bundle>) -> Result<Ngram> {
    let tests = TestTexts::of(recipe)?;
    let counted = |texts: &[TextSource], min_word_count, min_counts: &[u64]| {
        let mut sentences = Vec::new();
        for (number, source) in texts.iter().enumerate() {
            sentences.extend(source.texts(
                config.seed + number as u64,
                recipe.prepare.located(),
                &recipe.prepare.out,
            )?);
        }
        let dropped = tests.keep_out(&mut sentences);
        tracing::info!("language model: {} sentences, and {dropped} that test clips say", sentences.len());
        if sentences.is_empty() {
            return Ok(None);
        }
        let settings =
            ngram::NgramConfig { order: config.order, min_word_count, min_counts: min_counts.to_vec(), prune: 0.0 };
        Ok::<_, Error>(Some(ngram::count(sentences.iter().map(String::as_str), &settings)?))
    };
    let mut parts = Vec::new();
    if let Some(base) = base {
        parts.push((Ngram::read(base.path(LM_ROLE)?)?, 1.0));
    }
    let own = counted(&config.texts, config.min_word_count, &config.min_counts)?;
    parts.extend(own.map(|model| (model, 1.0)));
    for mixed in &config.mixed {
        let model = counted(&mixed.texts, mixed.min_word_count, &mixed.min_counts)?;
        parts.extend(model.map(|model| (model, mixed.weight)));
    }
    let parts: Vec<(&Ngram, f64)> = parts.iter().map(|(model, weight)| (model, *weight)).collect();
    Ok(ngram::mix(&parts, config.prune)?)
}
