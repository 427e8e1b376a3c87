//! A sound server of our own, with a virtual loudspeaker and a virtual microphone.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rejoinder::sim::Devices;

/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(20);
/// On a busy machine, a sound server of usual priority loses blocks.
const FIFO: [&str; 2] = ["-f", "15"];
/// 960 frames at 48 kHz.
const BLOCK_MS: f64 = 20.0;

/// Ends the server, and takes its folder away.
struct Server {
    process: Child,
    folder: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The devices of a program that runs [`beside`] a sound server.
pub(super) fn devices() -> Devices {
    Devices {
        microphone: "mic_feed.monitor".to_owned(),
        loudspeaker: "spk".to_owned(),
        mouth: "mic_feed".to_owned(),
        ear: "spk.monitor".to_owned(),
        block_ms: BLOCK_MS,
    }
}

/// Runs this program once more, with one more argument, as one that knows a sound server. None where PulseAudio is not
/// installed, else the exit code.
pub(super) fn beside(argument: &str) -> anyhow::Result<Option<i32>> {
    if Command::new("pulseaudio").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Ok(None);
    }
    let server = start()?;
    // The program itself keeps its usual priority: what competes with it in the bench must not starve the machine.
    let mut program = Command::new(std::env::current_exe()?);
    program.args(std::env::args_os().skip(1)).arg(argument);
    program.env("XDG_RUNTIME_DIR", &server.folder).env("PULSE_SERVER", address(&server.folder));
    Ok(Some(program.status()?.code().unwrap_or(1)))
}

fn address(folder: &Path) -> String {
    format!("unix:{}", socket(folder).display())
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("pulse.sock")
}

fn with_priority(program: impl AsRef<OsStr>) -> Command {
    let permitted = Command::new("chrt").args(FIFO).arg("true").stderr(Stdio::null()).status();
    if !permitted.is_ok_and(|status| status.success()) {
        return Command::new(program);
    }
    let mut command = Command::new("chrt");
    command.args(FIFO).arg(program);
    command
}

fn start() -> anyhow::Result<Server> {
    let folder = std::env::temp_dir().join(format!("rejoinder-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let socket = socket(&folder);
    let sink = |name: &str, channels| {
        format!("--load=module-null-sink sink_name={name} rate=48000 channels={channels} norewinds=1")
    };
    let mut command = with_priority("pulseaudio");
    command.args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--disallow-exit=yes", "--use-pid-file=no"]);
    command.args([sink("spk", 2), sink("mic_feed", 1)]);
    command.arg(format!("--load=module-native-protocol-unix auth-anonymous=1 socket={}", socket.display()));
    command.env("XDG_RUNTIME_DIR", &folder).stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = Server { process: command.spawn().context("pulseaudio")?, folder };
    let began = Instant::now();
    while !socket.exists() {
        let ended = server.process.try_wait()?;
        ensure!(ended.is_none() && began.elapsed() < PATIENCE, "pulseaudio does not start");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    Ok(server)
}
