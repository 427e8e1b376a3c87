use std::path::Path;

use rejoinder_models::card::{Bundle, CARD_KEY, EMBEDDED_ROLES, FILE_KEY_PREFIX, MODEL_ROLE, ModelCard, NewFile};
use rejoinder_models::runtime::{Runtime, RuntimeConfig, RuntimeKind, open};

use super::{Case, Difference, ExportError, OnnxModel, Result, check_parity};

/// A bundle in the making: the models, each with cases that the net itself has answered, and the other files.
///
/// Writing it runs every case on every runtime at hand, refuses a model that is farther off than allowed, puts the
/// largest difference for each runtime into the card, and the card and the text files into the main model's metadata.
#[derive(Clone, Debug)]
pub struct Package {
    card: ModelCard,
    models: Vec<Part>,
    files: Vec<NewFile>,
}

#[derive(Clone, Debug)]
struct Part {
    role: String,
    path: String,
    model: OnnxModel,
    cases: Vec<Case>,
    allowed: f64,
}

impl Package {
    /// A package with a card and nothing else.
    pub fn new(card: ModelCard) -> Self {
        Self { card, models: Vec::new(), files: Vec::new() }
    }

    /// Adds a model for a role, under a path inside the bundle. No element of any output in `cases` may be farther
    /// than `allowed` from the net's: about 1e-4 for floats, what the task can bear for 8-bit weights.
    #[must_use]
    pub fn model(mut self, role: &str, path: &str, model: OnnxModel, cases: Vec<Case>, allowed: f64) -> Self {
        self.models.push(Part { role: role.to_owned(), path: path.to_owned(), model, cases, allowed });
        self
    }

    /// Adds another file. A text file is found in the main model's metadata as well.
    #[must_use]
    pub fn file(mut self, file: NewFile) -> Self {
        self.files.push(file);
        self
    }

    /// Checks the models and writes the folder.
    ///
    /// # Errors
    /// [`ExportError::Parity`] for a model that is too far off, naming the runtime and the output;
    /// [`ExportError::Model`] when a runtime refuses a model or the bundle cannot be written.
    pub fn write(mut self, folder: &Path) -> Result<Bundle> {
        let io = |source| ExportError::Io { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(io)?;
        for part in &self.models {
            for difference in part.check(folder)? {
                let largest = self.card.parity.entry(difference.runtime).or_default();
                *largest = largest.max(difference.largest);
            }
        }
        let mut files = Vec::new();
        for part in &mut self.models {
            if part.role == MODEL_ROLE {
                part.model.set_metadata(CARD_KEY, &self.card.to_metadata()?);
                for file in self.files.iter().filter(|file| EMBEDDED_ROLES.contains(&file.role.as_str())) {
                    if let Ok(text) = std::str::from_utf8(&file.contents) {
                        part.model.set_metadata(&format!("{FILE_KEY_PREFIX}{}", file.role), text);
                    }
                }
            }
            files.push(NewFile::new(&part.role, &part.path, part.model.to_bytes()));
        }
        files.append(&mut self.files);
        Ok(Bundle::write(folder, self.card, &files)?)
    }
}

impl Part {
    fn check(&self, folder: &Path) -> Result<Vec<Difference>> {
        let path = folder.join(format!(".{}.unchecked", self.path.replace('/', ".")));
        self.model.write(&path)?;
        let engines = runtimes()?;
        let engines: Vec<&dyn Runtime> = engines.iter().map(|r| &**r).collect();
        let outcome = check_parity(&path, &engines, &self.cases);
        std::fs::remove_file(&path).map_err(|source| ExportError::Io { path, source })?;
        let differences = outcome?;
        match differences.iter().find(|d| d.largest.is_nan() || d.largest > self.allowed) {
            Some(difference) => Err(ExportError::Parity {
                file: self.path.clone(),
                runtime: difference.runtime.clone(),
                output: difference.output.clone(),
                allowed: self.allowed,
                found: difference.largest,
            }),
            None => Ok(differences),
        }
    }
}

/// tract, and ONNX Runtime where its library is found.
fn runtimes() -> Result<Vec<std::sync::Arc<dyn Runtime>>> {
    let mut all = vec![open(&RuntimeConfig::of(RuntimeKind::Tract))?];
    match open(&RuntimeConfig::of(RuntimeKind::Ort)) {
        Ok(runtime) => all.push(runtime),
        Err(reason) => tracing::warn!("the export is checked on tract alone: {reason}"),
    }
    Ok(all)
}

/// The commit of the working tree, where git knows one.
pub fn commit() -> String {
    let output = std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "unknown".into(),
    }
}
