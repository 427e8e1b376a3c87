//! Sentences of plain-text books.

use std::path::Path;

use crate::{Error, Result};

/// Words that end in a full stop without ending a sentence.
const SHORT: [&str; 8] = ["mr", "mrs", "dr", "st", "messrs", "capt", "col", "m"];

/// The sentences of all `.txt` files of a folder, in the order of their names.
pub(super) fn sentences(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>();
    let mut paths = paths.map_err(|e| Error::io(folder, e))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        let text = String::from_utf8_lossy(&bytes).replace('\r', "");
        all.extend(body(&text).split("\n\n").flat_map(split));
    }
    Ok(all)
}

/// What stands between Project Gutenberg's header and its licence; all of a text that has neither.
fn body(text: &str) -> &str {
    let after = text.find("*** START OF").or_else(|| text.find("***START OF"));
    let from = after.and_then(|at| Some(at + text[at..].find('\n')?)).unwrap_or(0);
    let to = text.rfind("*** END OF").or_else(|| text.rfind("***END OF")).filter(|to| *to > from);
    &text[from..to.unwrap_or(text.len())]
}

/// The sentences of a paragraph. Lines in capitals, such as headings, are none.
fn split(paragraph: &str) -> Vec<String> {
    if !paragraph.chars().any(char::is_lowercase) {
        return Vec::new();
    }
    let mut sentences = vec![String::new()];
    for token in paragraph.split_whitespace().map(|token| token.replace('_', "")) {
        if let Some(sentence) = sentences.last_mut() {
            sentence.push_str(if sentence.is_empty() { "" } else { " " });
            sentence.push_str(&token);
        }
        let bare = token.trim_matches(['"', '\'', '(', ')', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']);
        let stem = bare.trim_end_matches(['.', '!', '?']);
        let short = SHORT.contains(&stem.to_lowercase().as_str()) || (stem.len() == 1 && stem != "I");
        if stem.len() < bare.len() && !(short && bare.ends_with('.')) {
            sentences.push(String::new());
        }
    }
    sentences.retain(|sentence| sentence.split(' ').count() > 1);
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_is_its_sentences() {
        let dir = tempfile::tempdir().unwrap();
        let text = "Title: X\r\n*** START OF THIS PROJECT GUTENBERG EBOOK X ***\r\n\r\nCHAPTER I. IN WHICH\r\n\r\n\
                    \"Mr. Low is _here!\" said J. Doe.  So was\r\nI. Then he\r\nleft\r\n\r\n*** END OF THIS ***\r\nLicence. All of it.";
        std::fs::write(dir.path().join("1.txt"), text).unwrap();
        std::fs::write(dir.path().join("LICENCE.md"), "Not read. At all.").unwrap();
        let found = sentences(dir.path()).unwrap();
        assert_eq!(found, ["\"Mr. Low is here!\"", "said J. Doe.", "So was I.", "Then he left"]);
    }
}
