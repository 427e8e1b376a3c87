//! The language model of a bundle, and the lexicon of its words.

use std::fs;
use std::path::Path;

use rejoinder_models::card::{Bundle, LEXICON_ROLE, LM_ROLE, NewFile, PHONES_ROLE};
use rejoinder_models::decode::ctc::LmUnit;
use rejoinder_models::decode::ngram::{self, Ngram};
use rejoinder_models::text::{TextForm, Tokenizer};

use super::phones;
use super::recipe::AsrRecipe;
use super::tables::LmConfig;
use crate::data::synth::TextSource;
use crate::data::test_texts::TestTexts;
use crate::{Error, Result};

/// The files of a recipe's language model, if it is to have one, and with `phones` of the lexicon of its words.
///
/// # Errors
/// Missing texts; a bundle without what is to be taken from it.
pub(super) fn files(recipe: &AsrRecipe, phones: bool) -> Result<Vec<NewFile>> {
    let Some(config) = &recipe.lm else { return Ok(Vec::new()) };
    let base = config.bundle.as_deref().map(Bundle::open).transpose()?;
    if let Some(base) =
        base.as_ref().filter(|_| config.texts.is_empty() && config.mixed.is_empty() && config.arpa.is_none())
    {
        return taken(base, phones);
    }
    let path = recipe.run.join("lm.bin");
    let pieces = match unit(recipe)? {
        LmUnit::Word => None,
        LmUnit::Piece => Some(recipe.read_tokenizer()?),
    };
    let model = model(recipe, config, base.as_ref(), pieces.as_ref())?;
    model.write(&path)?;
    let mut files = Vec::new();
    if let Some(pronouncer) = recipe.pronouncer()?.filter(|_| phones && pieces.is_none()) {
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

/// A model in ARPA form, with words as a recogniser writes them.
fn arpa(path: &Path, form: TextForm) -> Result<Ngram> {
    let mut text = crate::data::text::read(path)?;
    if form == TextForm::English {
        text.make_ascii_lowercase();
    }
    Ngram::parse_arpa(&text).map_err(|e| Error::data(path.display().to_string(), e))
}

/// What is counted: what the recogniser, whose parameters the bundle's card will have, looks up.
fn unit(recipe: &AsrRecipe) -> Result<LmUnit> {
    let Some(unit) = recipe.export.params.get("lm_unit") else { return Ok(LmUnit::Word) };
    unit.clone().try_into().map_err(|e: toml::de::Error| Error::config("export.params.lm_unit", e))
}

/// The pieces of a text, parted by spaces.
fn in_pieces(tokenizer: &Tokenizer, text: &str) -> String {
    let ids = tokenizer.encode(text);
    ids.iter().filter_map(|id| tokenizer.piece(*id)).collect::<Vec<_>>().join(" ")
}

/// The model of a bundle, where there is one, that of the recipe's texts, and those that are mixed in: over words, or over
/// the `pieces` of a tokenizer.
fn model(recipe: &AsrRecipe, config: &LmConfig, base: Option<&Bundle>, pieces: Option<&Tokenizer>) -> Result<Ngram> {
    // Tests that are not prepared have nothing to hide here.
    let mut said = Vec::new();
    for folder in recipe.data.tests.iter().filter(|folder| folder.exists()) {
        said.extend(recipe.open_text(folder)?.clips().iter().map(|clip| clip.text.clone()));
    }
    let tests = TestTexts::new(recipe.tokenizer.text, &said);
    let counted = |texts: &[TextSource], min_word_count, min_counts: &[u64]| {
        let mut sentences = Vec::new();
        for (number, source) in texts.iter().enumerate() {
            let seed = config.seed + number as u64;
            let (form, folders) = (recipe.tokenizer.text, [recipe.prepare.located(), &recipe.prepare.out]);
            sentences.extend(source.texts(seed, form, folders, &recipe.data.manifest)?);
        }
        let dropped = tests.keep_out(&mut sentences);
        tracing::info!("language model: {} sentences, and {dropped} that test clips say", sentences.len());
        if sentences.is_empty() {
            return Ok(None);
        }
        if let Some(tokenizer) = pieces {
            sentences.iter_mut().for_each(|sentence| *sentence = in_pieces(tokenizer, sentence));
        }
        let settings =
            ngram::NgramConfig { order: config.order, min_word_count, min_counts: min_counts.to_vec(), prune: 0.0 };
        Ok::<_, Error>(Some(ngram::count(sentences.iter().map(String::as_str), &settings)?))
    };
    let mut parts = Vec::new();
    if let Some(base) = base {
        parts.push((Ngram::read(base.path(LM_ROLE)?)?, 1.0));
    }
    if let Some(path) = &config.arpa {
        parts.push((arpa(path, recipe.tokenizer.text)?, 1.0));
    }
    let own = counted(&config.texts, config.min_word_count, &config.min_counts)?;
    parts.extend(own.map(|model| (model, 1.0)));
    for mixed in &config.mixed {
        let model = counted(&mixed.texts, mixed.min_word_count, &mixed.min_counts)?;
        parts.extend(model.map(|model| (model, mixed.weight)));
    }
    if parts.is_empty() {
        let reason = "expected texts to count, `arpa` or `bundle`, found none; `--set lm=!none` exports without a language model";
        return Err(Error::config("[lm]", reason));
    }
    let parts: Vec<(&Ngram, f64)> = parts.iter().map(|(model, weight)| (model, *weight)).collect();
    Ok(ngram::mix(&parts, config.prune)?)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_published_model_is_read_gzipped_and_in_capitals() {
        let folder = tempfile::tempdir().unwrap();
        let arpa_text = "\\data\\\nngram 1=4\nngram 2=1\n\n\\1-grams:\n-99\t<s>\t-0.3\n-1.0\t</s>\n-0.5\tHELLO\t-0.2\n\
                         -2.0\t<UNK>\n\n\\2-grams:\n-0.1\t<s> HELLO\n\n\\end\\\n";
        let path = folder.path().join("2-gram.arpa.gz");
        let mut file = flate2::write::GzEncoder::new(fs::File::create(&path).unwrap(), flate2::Compression::fast());
        file.write_all(arpa_text.as_bytes()).unwrap();
        file.finish().unwrap();
        let model = arpa(&path, TextForm::English).unwrap();
        assert!(model.knows("hello") && !model.knows("HELLO"));
        fs::write(folder.path().join("bad.arpa"), "\\data\\\n\\1-grams:\nmany\n").unwrap();
        let error = arpa(&folder.path().join("bad.arpa"), TextForm::English).unwrap_err().to_string();
        assert!(error.contains("bad.arpa") && error.contains("line 3"), "{error}");
    }

    #[test]
    fn a_text_in_pieces_has_those_that_the_recogniser_scores() {
        let tokenizer = Tokenizer::characters("广州市".chars()).unwrap();
        let text = in_pieces(&tokenizer, "广州市");
        let pieces: Vec<&str> = text.split(' ').collect();
        assert_eq!(pieces.len(), 3, "{text}");
        assert!(pieces.iter().all(|piece| tokenizer.pieces().iter().any(|known| known == piece)), "{text}");
        let model = ngram::count([text.as_str()], &ngram::NgramConfig { order: 2, ..Default::default() }).unwrap();
        assert!(pieces.iter().all(|piece| model.knows(piece)));
    }
}
