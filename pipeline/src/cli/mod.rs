//! The commands: each reads its options, calls the library and prints.

mod bench;
mod converse;
mod devices;
mod models;
mod print;
mod simulate;
mod speak;
mod talk;
mod transcribe;
mod validate;
mod voices;

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use rejoinder::sim::Scenario;
use rejoinder::{Assistant, Config};
use rejoinder_models::llm::Cancel;

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Talk with microphone and loudspeaker
    Talk(talk::Talk),
    /// Have a conversation with a recording as the caller
    Converse(converse::Converse),
    /// Have a conversation with a simulated caller, and hold it against the truth
    Simulate(simulate::Simulate),
    /// Write down what is said in sound files
    Transcribe(transcribe::Transcribe),
    /// Learn a voice from recordings, so that a conversation knows it
    Enrol(voices::Enrol),
    /// Say whose voice is in sound files, of those that are enrolled
    Identify(voices::Identify),
    /// Say a text
    Speak(speak::Speak),
    /// List the models at hand
    Models(models::Models),
    /// List microphones and loudspeakers
    Devices(devices::Devices),
    /// Check a configuration without running it
    Validate(validate::Validate),
    /// Measure how long the parts take, and a whole turn
    Bench(bench::Bench),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// As it should.
    Done,
    /// Some of what was asked for failed, and that was said.
    Partly,
    /// By Ctrl-C.
    Interrupted,
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<Ended> {
        match self {
            Self::Talk(command) => command.run(),
            Self::Converse(command) => command.run(),
            Self::Simulate(command) => command.run(),
            Self::Transcribe(command) => command.run(),
            Self::Enrol(command) => command.run(),
            Self::Identify(command) => command.run(),
            Self::Speak(command) => command.run(),
            Self::Models(command) => command.run(),
            Self::Devices(command) => command.run(),
            Self::Validate(command) => command.run(),
            Self::Bench(command) => command.run(),
        }
    }
}

/// Which assistant.
#[derive(Args)]
pub(crate) struct ConfigOption {
    /// The assistant's configuration [default: configs/assistants/default.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigOption {
    pub(crate) fn load(&self) -> anyhow::Result<Config> {
        Ok(match &self.config {
            Some(path) => Config::load(path)?,
            None => Config::load_default()?,
        })
    }

    /// As [`load`](Self::load), with that of a scenario where none is given.
    pub(crate) fn load_for(&self, scenario: &Scenario) -> anyhow::Result<Config> {
        match (&self.config, &scenario.config) {
            (None, Some(path)) => Ok(Config::load(path)?),
            _ => self.load(),
        }
    }

    /// The file that is named, as an input for [`check_outputs`].
    pub(crate) fn named(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.config.iter().map(|path| (path.as_path(), "the configuration"))
    }

    pub(crate) fn open(&self) -> anyhow::Result<(Config, Assistant)> {
        let config = self.load()?;
        let assistant = Assistant::open(&config)?;
        Ok((config, assistant))
    }
}

/// A recording is no caller for an assistant whose turns a button begins and ends.
pub(crate) fn refuse_buttons(config: &Config) -> anyhow::Result<()> {
    if config.turn_taking.policy.push_to_talk {
        bail!("turn.push_to_talk: a recording presses no button; expected a configuration without it");
    }
    Ok(())
}

/// A flag that the first Ctrl-C raises; the second ends the program on the spot.
pub(crate) fn interrupt_flag() -> anyhow::Result<Cancel> {
    let flag = Cancel::default();
    let raised = flag.clone();
    let handler = move || {
        if raised.is_cancelled() {
            std::process::exit(130);
        }
        raised.cancel();
    };
    ctrlc::set_handler(handler).context("cannot listen for Ctrl-C")?;
    Ok(flag)
}

/// Runs `body` without what the libraries of sound systems write to the standard error of their own accord. With
/// `RUST_LOG` set, they may.
pub(crate) fn quietly<T>(body: impl FnOnce() -> T) -> T {
    #[cfg(unix)]
    if std::env::var_os("RUST_LOG").is_none()
        && let Ok(kept) = nix::unistd::dup(std::io::stderr())
        && let Ok(nothing) = std::fs::File::options().write(true).open("/dev/null")
        && nix::unistd::dup2_stderr(nothing).is_ok()
    {
        let result = body();
        let _ = nix::unistd::dup2_stderr(kept);
        return result;
    }
    body()
}

/// One line on the standard error.
pub(crate) fn complain(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "error: {}", rejoinder_models::one_line(error.as_ref()));
}

/// Does the same with each file. What fails for one is said, and the others go on.
pub(crate) fn each_file(files: &[PathBuf], mut act: impl FnMut(&Path) -> anyhow::Result<()>) -> anyhow::Result<Ended> {
    let mut ended = Ended::Done;
    for file in files {
        match act(file) {
            Err(error) if is_broken_pipe(&error) => return Err(error),
            Err(error) => {
                complain(&error);
                ended = Ended::Partly;
            }
            Ok(()) => {}
        }
    }
    Ok(ended)
}

/// Whether two paths lead to one file, be it there or not.
fn same_file(a: &Path, b: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        // Two names of one file, which have no path in common.
        let number = |path: &Path| path.metadata().ok().map(|file| (file.dev(), file.ino()));
        if number(a).is_some_and(|a| number(b) == Some(a)) {
            return true;
        }
    }
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let there = path.canonicalize().ok();
        there.or_else(|| Some(folder.canonicalize().ok()?.join(path.file_name()?)))
    };
    place(a).is_some_and(|a| place(b).is_some_and(|b| a == b))
}

/// Refuses files to be written whose folder is not there, or which are other ones of the command. Each with what it is.
pub(crate) fn check_outputs<'a>(
    inputs: impl IntoIterator<Item = (&'a Path, &'a str)>,
    outputs: &[(Option<&'a Path>, &'a str)],
) -> anyhow::Result<()> {
    let mut taken: Vec<_> = inputs.into_iter().collect();
    for (path, what) in outputs {
        let Some(path) = *path else { continue };
        if let Some((_, other)) = taken.iter().find(|(other, _)| same_file(other, path)) {
            bail!("{}: this is {other}; name another file for {what}", path.display());
        }
        if path.is_dir() {
            bail!("{}: this is a folder; name a file in it for {what}", path.display());
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            bail!("{}: there is no folder {}; make it first", path.display(), folder.display());
        }
        taken.push((path, what));
    }
    Ok(())
}

/// The standard output of a command whose work does not end with its reader: when that is gone, as with `| head`, what is
/// written goes nowhere.
pub(crate) struct Unread(std::io::Stdout);

impl Unread {
    pub(crate) fn stdout() -> Self {
        Self(std::io::stdout())
    }
}

impl Write for Unread {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            flushed => flushed,
        }
    }
}

/// Whether the reader of our output is gone, as with `| head`.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    };
    error.chain().any(io)
}
