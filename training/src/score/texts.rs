use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use crate::data::trials::stem;
use crate::{Error, Result};

/// What marks the lines of partial transcripts that `rejoinder transcribe --partials` prints.
const PARTIAL: &str = "~ ";

/// A line of `rejoinder transcribe --json`.
#[derive(Deserialize)]
struct Told {
    path: String,
    text: String,
}

/// Transcripts, in the order of their file.
pub(super) struct Texts {
    pub(super) lines: Vec<(String, String)>,
    numbers: HashMap<String, usize>,
}

impl Texts {
    /// Reads lines of an utterance's name, a tab and its text, as `rejoinder transcribe` prints them, or its objects of
    /// `--json`, or with white space between, as in Kaldi's `text`; of a file that ends in `.trn`, as NIST's sclite has it,
    /// a text with the name behind it in round brackets.
    ///
    /// # Errors
    /// A missing file; a line without name; a name that comes twice, with the number of the line; no line at all.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        let text = text.trim_start_matches('\u{feff}');
        let is_trn = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("trn"));
        let (mut lines, mut numbers) = (Vec::new(), HashMap::new());
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            if is_trn && line.starts_with(";;") {
                continue;
            }
            let json: Option<Told> = line.starts_with('{').then(|| serde_json::from_str(line).ok()).flatten();
            let (id, text) = match line.split_once('\t') {
                _ if json.is_some() => json.as_ref().map_or(("", ""), |told| (&told.path, &told.text)),
                _ if is_trn => in_trn(line),
                Some((id, _)) if id.starts_with(PARTIAL) => continue,
                Some((id, text)) => (id.trim(), text),
                None => line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), "")),
            };
            let mistake = |reason: String| Error::data(format!("{} line {}", path.display(), number + 1), reason);
            if id.is_empty() {
                return Err(mistake(format!("expected an utterance's name and its text, found `{line}`")));
            }
            if numbers.insert(id.to_owned(), lines.len()).is_some() {
                return Err(mistake(format!("utterance `{id}` comes twice")));
            }
            lines.push((id.to_owned(), text.trim().to_owned()));
        }
        match lines.is_empty() {
            true => Err(Error::data(path.display().to_string(), "expected lines of a name and a text, found none")),
            false => Ok(Self { lines, numbers }),
        }
    }

    /// For each line of `wanted` the number of the line here that has its name: the same, or else the same but for folders
    /// and the extension of a file.
    pub(super) fn find(&self, wanted: &Self) -> Vec<Option<usize>> {
        let mut short: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, (id, _)) in self.lines.iter().enumerate() {
            short.entry(file_stem(id)).or_default().push(number);
        }
        let find =
            |(id, _): &(String, String)| match (self.numbers.get(id), short.get(file_stem(id)).map(Vec::as_slice)) {
                (Some(number), _) | (None, Some([number])) => Some(*number),
                _ => None,
            };
        wanted.lines.iter().map(find).collect()
    }
}

/// The name and the text of a line of sclite's transcripts; no name where it has none.
fn in_trn(line: &str) -> (&str, &str) {
    let named = line.trim_end().strip_suffix(')').and_then(|line| line.rsplit_once('('));
    named.map_or(("", line), |(text, id)| (id.trim(), text))
}

/// The name of a file without folders and extension.
fn file_stem(id: &str) -> &str {
    stem(id.rsplit_once(['/', '\\']).map_or(id, |(_, name)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transcripts_are_read_in_any_of_their_forms() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Texts::read(&path).map(|texts| texts.lines)
        };
        let lines = |text: &str| read("texts", text).unwrap();
        let expected = [("a.wav".to_owned(), "one two".to_owned()), ("b.wav".to_owned(), String::new())];
        assert_eq!(lines("\u{feff}a.wav\tone two\nb.wav\t\n"), expected);
        assert_eq!(lines("a.wav one two\nb.wav\n"), expected);
        assert_eq!(lines("{\"path\":\"a.wav\",\"text\":\"one two\"}\n{\"path\":\"b.wav\",\"text\":\"\"}\n"), expected);
        assert_eq!(read("texts.trn", ";; by us\none two (a.wav)\n(b.wav)\n").unwrap(), expected);
        let nameless = read("texts.trn", "one two\n").unwrap_err().to_string();
        assert!(nameless.ends_with("line 1: expected an utterance's name and its text, found `one two`"), "{nameless}");
    }
}
