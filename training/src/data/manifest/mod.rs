//! Manifests: one CSV row for each clip, with the columns that SpeechBrain's recipes use.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::Result;

use super::table::{Table, TableWriter};

/// The columns of a manifest, in order.
pub const COLUMNS: [&str; 5] = ["ID", "duration", "wav", "spk_id", "wrd"];

/// What stands in `wav` for the folder that holds the unpacked sets.
pub const DATA_ROOT: &str = "$data_root";

/// One clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Unique name, `set/id`.
    pub id: String,
    /// Length in seconds.
    pub duration_s: f64,
    /// The recording, as written: a path that may begin with [`DATA_ROOT`], or the pack that holds it.
    pub wav: String,
    /// Who speaks; empty where unknown.
    pub speaker: String,
    /// What is said, in words; empty where unknown.
    pub words: String,
}

impl Item {
    /// The recording's path, with [`DATA_ROOT`] replaced by `root`.
    pub fn wav_path(&self, root: &Path) -> PathBuf {
        match self.wav.strip_prefix(DATA_ROOT) {
            Some(rest) => root.join(rest.trim_start_matches('/')),
            None => PathBuf::from(&self.wav),
        }
    }

    /// The values of [`COLUMNS`].
    pub(super) fn row(&self) -> [String; COLUMNS.len()] {
        let duration = format!("{:.3}", self.duration_s);
        [self.id.clone(), duration, self.wav.clone(), self.speaker.clone(), self.words.clone()]
    }
}

/// The clips of one split.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// The clips, in file order.
    pub items: Vec<Item>,
}

impl Manifest {
    /// Reads a CSV manifest; further columns are ignored.
    ///
    /// # Errors
    /// A missing file or column, a duration that is no positive number, or an id that stands twice, with its line.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let table = Table::read(path)?;
        let columns = COLUMNS.iter().map(|name| table.column(name)).collect::<Result<Vec<_>>>()?;
        let mut seen = HashSet::new();
        let mut items = Vec::with_capacity(table.rows.len());
        for row in &table.rows {
            let field = |i: usize| row.fields[columns[i]].to_owned();
            let item = Item {
                id: field(0),
                duration_s: table.seconds(row, columns[1])?,
                wav: field(2),
                speaker: field(3),
                words: field(4),
            };
            if item.id.is_empty() || !seen.insert(item.id.clone()) {
                return Err(table.error(row, "ID", "a name that stands once", &item.id));
            }
            items.push(item);
        }
        Ok(Self { items })
    }

    /// Writes the manifest as CSV.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut writer = TableWriter::create(path.as_ref(), &COLUMNS)?;
        self.items.iter().try_for_each(|item| writer.append(&item.row()))?;
        writer.flush()
    }

    /// The sum of all durations in hours.
    pub fn hours(&self) -> f64 {
        self.items.iter().map(|item| item.duration_s).sum::<f64>() / 3600.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Manifest> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.csv");
        std::fs::write(&path, text).unwrap();
        Manifest::read(path)
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.csv");
        let item = |id: &str, words: &str| Item {
            id: id.into(),
            duration_s: 1.25,
            wav: format!("{DATA_ROOT}/set/{id}.wav"),
            speaker: "s1".into(),
            words: words.into(),
        };
        let manifest = Manifest { items: vec![item("set/a", "one, \"two\""), item("set/b", "")] };
        manifest.write(&path).unwrap();
        assert_eq!(Manifest::read(&path).unwrap(), manifest);
        assert_eq!(manifest.items[0].wav_path(Path::new("/sets")), Path::new("/sets/set/set/a.wav"));
    }

    #[test]
    fn errors_name_line_and_column() {
        let message = |text| read(text).unwrap_err().to_string();
        let missing = message("ID,duration,wav,wrd\na,1,a.wav,hello\n");
        assert!(missing.contains("column `spk_id`") && missing.contains("ID, duration, wav, wrd"), "{missing}");
        let number = message("ID,duration,wav,spk_id,wrd\na,1,a.wav,s,hello\nb,long,b.wav,s,hello\n");
        assert!(number.contains("line 3") && number.contains("long"), "{number}");
        let twice = message("ID,duration,wav,spk_id,wrd\na,1,a.wav,s,hello\na,1,b.wav,s,hello\n");
        assert!(twice.contains("line 3") && twice.contains("stands once"), "{twice}");
        let short = message("ID,duration,wav,spk_id,wrd\na,1,a.wav\n");
        assert!(short.contains("line"), "{short}");
        let gone = Manifest::read("/nowhere/m.csv").unwrap_err().to_string();
        assert!(gone.contains("/nowhere/m.csv"), "{gone}");
    }
}
