//! What the program says while it trains, kept in the run folder as well.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::{Error, Result};

/// The file of a run folder.
pub(crate) const LOG: &str = "log.txt";

/// Where lines go.
enum Place {
    Nowhere,
    /// To the folder of a run that has not begun, as soon as it has.
    Waiting(PathBuf, Vec<u8>),
    Open(File),
}

static PLACE: Mutex<Place> = Mutex::new(Place::Nowhere);

fn place() -> MutexGuard<'static, Place> {
    PLACE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is said from now on belongs to the run of this folder.
pub(crate) fn expect(run: &Path) {
    *place() = Place::Waiting(run.to_owned(), Vec::new());
}

/// Opens the log of a run that begins, with what was said before.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn open(run: &Path) -> Result<()> {
    let path = run.join(LOG);
    let mut place = place();
    let failed = |e| Error::io(&path, e);
    let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
    if let Place::Waiting(_, said) = &*place {
        file.write_all(said).map_err(failed)?;
    }
    *place = Place::Open(file);
    Ok(())
}

/// Writes a line that no subscriber brings.
pub(crate) fn say(line: &str) {
    // A full disk is told by the checkpoint that it keeps from being written.
    let _ = writeln!(RunFile, "{line}");
}

/// Ends the log of a run: with what it ended by, where it failed, be it before its first step.
pub fn close(error: Option<&str>) {
    if let Some(error) = error {
        say(&format!("error: {error}"));
    }
    let ended = std::mem::replace(&mut *place(), Place::Nowhere);
    if let (Place::Waiting(run, said), Some(_)) = (ended, error)
        && run.is_dir()
        && let Ok(mut file) = OpenOptions::new().create(true).append(true).open(run.join(LOG))
    {
        let _ = file.write_all(&said);
    }
}

/// Appends to the log of the run that is under way.
struct RunFile;

impl Write for RunFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *place() {
            Place::Nowhere => Ok(bytes.len()),
            Place::Waiting(_, said) => said.write(bytes),
            Place::Open(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A layer that writes what is said to the log of the run that is under way, but for the lines in the place of a bar: the log
/// has its own.
pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).with_writer(|| RunFile);
    lines.with_filter(filter_fn(|said| said.target() != crate::trainer::PROGRESS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_before_a_run_begins_stands_in_its_log() {
        let run = tempfile::tempdir().unwrap();
        let text = || std::fs::read_to_string(run.path().join(LOG)).unwrap();
        expect(run.path());
        say("two clips are too long");
        open(run.path()).unwrap();
        say("step 1");
        close(None);
        say("nobody's");
        assert_eq!(text(), "two clips are too long\nstep 1\n");
        expect(run.path());
        say("no clips");
        close(Some("nothing to learn from"));
        assert_eq!(text(), "two clips are too long\nstep 1\nno clips\nerror: nothing to learn from\n");
    }
}
