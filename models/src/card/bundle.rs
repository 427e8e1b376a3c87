use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{CARD_KEY, FILE_KEY_PREFIX, FileEntry, Latency, LatencyChoice, MODEL_ROLE, ModelCard};
use crate::runtime::Model;
use crate::{Error, Result};

const CARD_FILE: &str = "card.toml";

/// A model's folder: the card and the files that it names, all of them there and unchanged.
#[derive(Clone, Debug)]
pub struct Bundle {
    root: PathBuf,
    card: ModelCard,
    embedded: BTreeMap<String, String>,
}

/// A file that is to go into a bundle.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// The role, such as `model` or `tokens`.
    pub role: String,
    /// The path inside the bundle.
    pub path: String,
    /// The contents.
    pub contents: Vec<u8>,
}

impl NewFile {
    /// A file for a role.
    pub fn new(role: &str, path: &str, contents: impl Into<Vec<u8>>) -> Self {
        Self { role: role.to_owned(), path: path.to_owned(), contents: contents.into() }
    }
}

impl Bundle {
    /// Opens a folder, and checks size and SHA-256 of each file that its card names.
    ///
    /// # Errors
    /// [`Error::Model`] when the folder has no card, or the card is wrong, or a file is missing or changed: the error
    /// names the file, what the card says, and what was found.
    pub fn open(dir: &Path) -> Result<Self> {
        let bundle = Self::open_unchecked(dir)?;
        bundle.card.files.values().try_for_each(|entry| check_file(dir, entry))?;
        Ok(bundle)
    }

    /// Opens a folder by its card alone, to list it: its files are not looked at.
    ///
    /// # Errors
    /// [`Error::Model`] when the folder has no card, or the card is wrong.
    pub fn open_unchecked(dir: &Path) -> Result<Self> {
        if !dir.is_dir() {
            return Err(Error::model(
                dir,
                format!("expected a bundle (a folder with {CARD_FILE}), found no such folder"),
            ));
        }
        let path = dir.join(CARD_FILE);
        let text = std::fs::read_to_string(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::model(dir, format!("not a bundle: {CARD_FILE} is missing")),
            std::io::ErrorKind::InvalidData => Error::model(&path, "expected text, found bytes that are not UTF-8"),
            _ => Error::io(&path, e),
        })?;
        let card = ModelCard::from_toml(&text, &path)?;
        if card.files.is_empty() {
            return Err(Error::model(&path, "the card names no file: [files.model] is missing"));
        }
        Ok(Self { root: dir.to_owned(), card, embedded: BTreeMap::new() })
    }

    /// The bundle that a lone ONNX file carries in its metadata; none when it carries no card.
    ///
    /// # Errors
    /// [`Error::Model`] when the card in it is wrong.
    pub fn of_model(path: &Path, model: &dyn Model) -> Result<Option<Self>> {
        let Some(text) = model.metadata(CARD_KEY) else { return Ok(None) };
        let mut card = ModelCard::from_toml(&text, path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
        card.files = BTreeMap::from([(MODEL_ROLE.to_owned(), FileEntry { path: name, bytes, sha256: String::new() })]);
        let root = path.parent().unwrap_or(Path::new("")).to_owned();
        let embedded = super::EMBEDDED_ROLES.iter().filter_map(|role| {
            let text = model.metadata(&format!("{FILE_KEY_PREFIX}{role}"))?;
            Some(((*role).to_owned(), text))
        });
        Ok(Some(Self { root, card, embedded: embedded.collect() }))
    }

    /// Writes the files and then the card, with the sizes and sums of the files, and makes the folder where it is
    /// missing. What the card said of files before is forgotten.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be written; [`Error::Model`] when the card is wrong or a path leaves the
    /// folder.
    pub fn write(dir: &Path, mut card: ModelCard, files: &[NewFile]) -> Result<Self> {
        card.files = files.iter().map(|file| (file.role.clone(), entry_of(file))).collect();
        card.verify(&dir.join(CARD_FILE))?;
        for file in files {
            let path = dir.join(&file.path);
            let parent = path.parent().unwrap_or(dir);
            std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
            std::fs::write(&path, &file.contents).map_err(|e| Error::io(&path, e))?;
        }
        let mut bundle = Self { root: dir.to_owned(), card: card.clone(), embedded: BTreeMap::new() };
        bundle.rewrite_card(card)?;
        Ok(bundle)
    }

    /// Writes another card, such as one with measured results, over the present one. The files stay.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written; [`Error::Model`] when it is wrong.
    pub fn rewrite_card(&mut self, mut card: ModelCard) -> Result<()> {
        let path = self.root.join(CARD_FILE);
        card.files.clone_from(&self.card.files);
        card.verify(&path)?;
        std::fs::create_dir_all(&self.root).map_err(|e| Error::io(&self.root, e))?;
        std::fs::write(&path, card.to_toml()?).map_err(|e| Error::io(&path, e))?;
        self.card = card;
        Ok(())
    }

    /// The card.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// The bundle with this latency as its card's default.
    #[must_use]
    pub fn at(&self, latency: Latency) -> Self {
        Self { card: self.card.at(latency), ..self.clone() }
    }

    /// The bundle with the latency that is wanted as its card's default.
    ///
    /// # Errors
    /// [`Error::Model`] when the card offers no such latency, naming those that it offers.
    pub fn choose(&self, choice: &LatencyChoice) -> Result<Self> {
        let latency = self.card.choose(choice, &self.root)?;
        Ok(latency.map_or_else(|| self.clone(), |latency| self.at(latency)))
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of the file of a role.
    ///
    /// # Errors
    /// [`Error::Model`] when the card names none.
    pub fn path(&self, role: &str) -> Result<PathBuf> {
        match self.card.files.get(role) {
            Some(entry) => Ok(self.root.join(&entry.path)),
            None => Err(Error::model(
                &self.root,
                format!("the card names no file for the role `{role}`: [files.{role}] is missing"),
            )),
        }
    }

    /// Whether the bundle has a file of a role.
    pub fn has(&self, role: &str) -> bool {
        self.embedded.contains_key(role) || self.card.files.contains_key(role)
    }

    /// The text of the file of a role.
    ///
    /// # Errors
    /// As [`path`](Self::path); [`Error::Io`] when it cannot be read, or is not text.
    pub fn text(&self, role: &str) -> Result<String> {
        if let Some(text) = self.embedded.get(role) {
            return Ok(text.clone());
        }
        let path = self.path(role)?;
        std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))
    }

    /// The size of all its files, in bytes.
    pub fn bytes(&self) -> u64 {
        self.card.files.values().map(|entry| entry.bytes).sum()
    }
}

fn entry_of(file: &NewFile) -> FileEntry {
    let sha256 = hex(&Sha256::digest(&file.contents));
    FileEntry { path: file.path.clone(), bytes: file.contents.len() as u64, sha256 }
}

fn check_file(dir: &Path, entry: &FileEntry) -> Result<()> {
    let path = dir.join(&entry.path);
    let mut file = std::fs::File::open(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::model(&path, "the card names this file, but it is missing"),
        _ => Error::io(&path, e),
    })?;
    let found = file.metadata().map_err(|e| Error::io(&path, e))?.len();
    if found != entry.bytes {
        let expected = entry.bytes;
        return Err(Error::model(
            &path,
            format!("expected {expected} bytes, found {found}: the file is damaged or was changed"),
        ));
    }
    let found = sum(&mut file).map_err(|e| Error::io(&path, e))?;
    if found != entry.sha256 {
        let expected = &entry.sha256;
        return Err(Error::model(
            &path,
            format!("expected sha256 {expected}, found {found}: the file is damaged or was changed"),
        ));
    }
    Ok(())
}

fn sum(file: &mut impl Read) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
