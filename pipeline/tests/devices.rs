//! A conversation through virtual devices of PulseAudio: a recording is played into the microphone, and what the
//! loudspeaker got is recorded and understood. Says so and passes where PulseAudio is not installed.

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Parrot, assistant, speech};
use rejoinder::io::device::{self, DeviceSink, DeviceSource};
use rejoinder::{EventKind, Session};
use rejoinder_models::audio;

/// Set in the process that talks to the sound server of the test.
const INSIDE: &str = "REJOINDER_TEST_SOUND";
const TEST: &str = "a_conversation_goes_through_virtual_devices";

/// Ends its process when the test is over.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(program: &str, arguments: &[&str], folder: &Path) -> std::io::Result<Running> {
    let mut command = Command::new(program);
    command.args(arguments).env("XDG_RUNTIME_DIR", folder).env("PULSE_SERVER", server(folder));
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(Running)
}

fn server(folder: &Path) -> String {
    format!("unix:{}/pulse.sock", folder.display())
}

fn sound_server(folder: &Path) -> std::io::Result<Running> {
    let socket = format!("--load=module-native-protocol-unix auth-anonymous=1 socket={}/pulse.sock", folder.display());
    let sink = |name: &str, channels| {
        format!("--load=module-null-sink sink_name={name} rate=48000 channels={channels} norewinds=1")
    };
    let (spk, mic) = (sink("spk", 2), sink("mic_feed", 1));
    let server = spawn(
        "pulseaudio",
        &["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", &socket, &spk, &mic],
        folder,
    )?;
    let began = Instant::now();
    while !folder.join("pulse.sock").exists() && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(server)
}

#[test]
fn a_conversation_goes_through_virtual_devices() {
    if let Some(folder) = std::env::var_os(INSIDE) {
        return inside(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let Ok(_server) = sound_server(folder.path()) else {
        println!("skipped: pulseaudio is not installed");
        return;
    };
    let program = std::env::current_exe().expect("this program");
    let status = Command::new(program)
        .args(["--exact", TEST, "--nocapture"])
        .env(INSIDE, folder.path())
        .env("XDG_RUNTIME_DIR", folder.path())
        .env("PULSE_SERVER", server(folder.path()))
        .status();
    assert!(status.expect("a run").success());
}

fn inside(folder: &Path) {
    let devices = device::devices().expect("devices");
    assert!(devices.iter().any(|device| device.id == "mic_feed.monitor" && device.input.is_some()), "{devices:?}");
    let Err(error) = DeviceSource::open(Some("no such device"), 20.0) else { panic!("there is no such device") };
    assert!(error.to_string().starts_with("audio device: no microphone named no such device; there are: "), "{error}");

    let question = folder.join("question.wav");
    audio::write_wav(&question, &speech("300 alpha 100 charlie 1500")).expect("a file");
    let (events, told) = std::sync::mpsc::channel();
    let source = DeviceSource::open(Some("mic_feed.monitor"), 20.0).expect("a microphone");
    let sink = DeviceSink::open(Some("spk"), 20.0).expect("a loudspeaker");
    let answer = folder.join("answer.raw");
    let path = answer.display().to_string();
    let recording = ["-d", "spk.monitor", "--raw", "--rate=16000", "--channels=1", "--format=s16le", &path];
    let recorder = spawn("parec", &recording, folder).expect("parec");
    let builder = Session::builder(&assistant(&Parrot::default())).source(source).sink(sink);
    let session = builder.on_event(move |event| drop(events.send(event.clone()))).start().expect("a conversation");
    let _player = spawn("paplay", &["-d", "mic_feed", &question.display().to_string()], folder).expect("paplay");
    let mut text = String::new();
    loop {
        let event = told.recv_timeout(Duration::from_secs(60)).expect("an answer within a minute");
        match event.kind {
            EventKind::Final { text: heard, .. } => text = heard,
            EventKind::AudioFinished => break,
            _ => {}
        }
    }
    assert!(text.contains("alpha") && text.contains("charlie"), "the microphone heard {text:?}");
    std::thread::sleep(Duration::from_millis(300));
    session.stop().expect("an orderly end");
    drop(recorder);
    let words = understand(&std::fs::read(&answer).expect("a recording"));
    assert!(words.contains("alpha") && words.ends_with("bravo"), "the loudspeaker played {words:?}");
}

/// What is said in 16-bit samples at 16 kHz.
fn understand(bytes: &[u8]) -> String {
    let samples: Vec<f32> =
        bytes.chunks_exact(2).map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0).collect();
    let mut stream = assistant(&Parrot::default()).recognizer.stream().expect("a recogniser");
    stream.push(&samples).expect("words");
    stream.flush().expect("words").text
}
