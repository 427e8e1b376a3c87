//! A sound server of our own, with a virtual loudspeaker and a virtual microphone.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::devices::Devices;
use crate::{Error, Result};

/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(20);
/// The priority of audio.
const FIFO: [&str; 2] = ["-f", "15"];
/// 480 frames at 48 kHz, as the assistant's configs have it.
const BLOCK_MS: f64 = 10.0;
/// Where this process is killed, nobody ends the server: it does so itself, a minute after its last client has gone.
const EXIT_IDLE: &str = "--exit-idle-time=60";
/// The servers that this process has started: each has a folder of its own.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A PulseAudio server with the devices `spk` and `mic_feed`, which other programs are told of. Dropping it ends it.
#[derive(Debug)]
pub struct SoundServer {
    process: Child,
    folder: PathBuf,
}

impl SoundServer {
    /// Starts one; none where PulseAudio is not installed.
    ///
    /// # Errors
    /// [`Error::Io`] when its folder cannot be made, [`Error::Device`] when it does not start.
    pub fn start() -> Result<Option<Self>> {
        if Command::new("pulseaudio").arg("--version").stdout(Stdio::null()).status().is_err() {
            return Ok(None);
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("rejoinder-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|source| Error::io(&folder, source))?;
        let sink = |name: &str, channels| {
            format!("--load=module-null-sink sink_name={name} rate=48000 channels={channels} norewinds=1")
        };
        let socket = socket(&folder);
        let mut command = with_priority("pulseaudio");
        command.args(["-n", "--daemonize=no", EXIT_IDLE, "--disallow-exit=yes", "--use-pid-file=no"]);
        command.args([sink("spk", 2), sink("mic_feed", 1)]);
        command.arg(format!("--load=module-native-protocol-unix auth-anonymous=1 socket={}", socket.display()));
        command.env("XDG_RUNTIME_DIR", &folder).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C is for the programs that use it, whose last one ends it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let process = command.spawn().map_err(|error| Error::Device(format!("pulseaudio: {error}")))?;
        let mut server = Self { process, folder };
        let began = Instant::now();
        while !socket.exists() {
            let ended = server.process.try_wait().is_ok_and(|status| status.is_some());
            if ended || began.elapsed() > PATIENCE {
                return Err(Error::Device("pulseaudio does not start".to_owned()));
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(Some(server))
    }

    /// A folder that lasts as long as the server.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a program that is about to be started use this server, and all programs that it starts.
    pub fn tell<'a>(&self, program: &'a mut Command) -> &'a mut Command {
        let address = format!("unix:{}", socket(&self.folder).display());
        program.env("XDG_RUNTIME_DIR", &self.folder).env("PULSE_SERVER", address)
    }

    /// The devices of a program that was told.
    pub fn devices() -> Devices {
        Devices {
            microphone: "mic_feed.monitor".to_owned(),
            loudspeaker: "spk".to_owned(),
            mouth: "mic_feed".to_owned(),
            ear: "spk.monitor".to_owned(),
            block_ms: BLOCK_MS,
        }
    }
}

impl Drop for SoundServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("pulse.sock")
}

/// A program with the priority of audio, where that may be had: on a busy machine, a sound server of usual priority loses
/// blocks.
pub fn with_priority(program: impl AsRef<OsStr>) -> Command {
    let permitted = Command::new("chrt").args(FIFO).arg("true").stderr(Stdio::null()).status();
    if !permitted.is_ok_and(|status| status.success()) {
        return Command::new(program);
    }
    let mut command = Command::new("chrt");
    command.args(FIFO).arg(program);
    command
}
