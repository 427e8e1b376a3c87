//! A conversation through virtual devices of PulseAudio: a recording is played into the microphone, and what the
//! loudspeaker got is recorded and understood. Says so and passes where PulseAudio is not installed.

#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use common::{Parrot, assistant, speech};
use rejoinder::io::device::{self, DeviceSink, DeviceSource};
use rejoinder::sim::{SoundServer, with_priority};
use rejoinder::{AudioDevice, Event, EventKind, Session};
use rejoinder_models::audio;

/// Set in the process that talks to the sound server of the test.
const INSIDE: &str = "REJOINDER_TEST_SOUND";
/// 960 frames at 48 kHz.
const BLOCK_MS: f64 = 20.0;
const ATTEMPTS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends its process when the test is over.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program beside the sound server, with the priority of audio where that may be had.
fn spawn(program: &str, arguments: &[&str]) -> std::io::Result<Running> {
    with_priority(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(Running)
}

/// Runs a test of this file once more, as a program that knows the sound server.
fn beside_a_sound_server(test: &str, body: impl FnOnce(&Path)) {
    if let Some(folder) = std::env::var_os(INSIDE) {
        return body(Path::new(&folder));
    }
    let Some(server) = SoundServer::start().expect("a sound server") else {
        println!("skipped: pulseaudio is not installed");
        return;
    };
    let mut program = with_priority(std::env::current_exe().expect("this program"));
    program.args(["--exact", test, "--nocapture"]).env(INSIDE, server.folder());
    let status = server.tell(&mut program).status();
    assert!(status.expect("a run").success());
}

#[test]
fn a_conversation_goes_through_virtual_devices() {
    beside_a_sound_server("a_conversation_goes_through_virtual_devices", inside);
}

#[test]
fn the_program_talks_until_it_is_interrupted() {
    beside_a_sound_server("the_program_talks_until_it_is_interrupted", talk);
}

#[test]
fn a_sound_server_that_hangs_ends_a_reply_and_no_conversation() {
    beside_a_sound_server("a_sound_server_that_hangs_ends_a_reply_and_no_conversation", hang);
}

#[test]
fn devices_whose_sound_server_begins_anew_are_opened_again() {
    beside_a_sound_server("devices_whose_sound_server_begins_anew_are_opened_again", restart);
}

fn hang(folder: &Path) {
    let server = server_of(folder);
    let signal = |name: &str| {
        let sent = Command::new("sh").args(["-c", "kill -$0 $1", name, &server]).status();
        assert!(sent.expect("a shell").success());
    };
    let devices = [AudioDevice::Loudspeaker, AudioDevice::Microphone];
    loses_a_reply(folder, &devices, || signal("STOP"), || signal("CONT"));
}

/// The server ends, and another one begins as it did.
fn restart(folder: &Path) {
    let server = server_of(folder);
    let line = std::fs::read(format!("/proc/{server}/cmdline")).expect("a command line");
    let line: Vec<_> = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let arguments: Vec<_> = line[1..].iter().filter(|word| !word.is_empty()).map(String::as_str).collect();
    let devices = [AudioDevice::Loudspeaker, AudioDevice::Microphone];
    let mut again = None;
    let end = || {
        let sent = Command::new("sh").args(["-c", "kill -KILL $0", &server]).status();
        assert!(sent.expect("a shell").success());
    };
    loses_a_reply(folder, &devices, end, || again = Some(spawn("pulseaudio", &arguments).expect("a sound server")));
    drop(again);
}

/// The process of the sound server.
fn server_of(folder: &Path) -> String {
    let folder = folder.display().to_string();
    let processes = std::fs::read_dir("/proc").expect("processes").flatten();
    let is_it = |path: &Path| {
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        line.starts_with(b"pulseaudio") && String::from_utf8_lossy(&line).contains(&folder)
    };
    let process = processes.map(|entry| entry.path()).find(|path| is_it(path)).expect("a sound server");
    process.file_name().expect("its number").to_string_lossy().into_owned()
}

/// A conversation in whose first reply devices are lost, and that goes on when they are back.
fn loses_a_reply(folder: &Path, devices: &[AudioDevice], lose: impl FnOnce(), restore: impl FnOnce()) {
    let question = |name: &str, script: &str| {
        let path = folder.join(name);
        audio::write_wav(&path, &speech(script)).expect("a file");
        path.display().to_string()
    };
    let (long, short) = (question("long.wav", "300 delta 1000"), question("short.wav", "300 alpha 1000"));
    let ask = |path: &str| spawn("paplay", &["-d", "mic_feed", path]).expect("paplay");
    let source = DeviceSource::open(Some("mic_feed.monitor"), BLOCK_MS).expect("a microphone");
    let sink = DeviceSink::open(Some("spk"), BLOCK_MS).expect("a loudspeaker");
    let (events, told) = std::sync::mpsc::channel();
    let builder = Session::builder(&assistant(&Parrot::default())).source(source).sink(sink);
    let session = builder.on_event(move |event| drop(events.send(event.clone()))).start().expect("a conversation");
    let wait = |is: &mut dyn FnMut(&EventKind) -> bool| {
        let mut passed = Vec::new();
        loop {
            let event = told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("after {passed:?}"));
            if is(&event.kind) {
                return;
            }
            passed.push(event.kind);
        }
    };
    let all = |kind: &dyn Fn(AudioDevice) -> EventKind| {
        let mut left = devices.to_vec();
        wait(&mut |event| {
            left.retain(|device| kind(*device) != *event);
            left.is_empty()
        });
    };
    let mut player = ask(&long);
    wait(&mut |kind| matches!(kind, EventKind::WordPlayed { .. }));
    lose();
    all(&|device| EventKind::DeviceLost { device });
    restore();
    all(&|device| EventKind::DeviceFound { device });
    while !session.is_idle() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = player.0.wait();
    let _player = ask(&short);
    wait(&mut |kind| matches!(kind, EventKind::Final { text, .. } if text.contains("alpha")));
    wait(&mut |kind| *kind == EventKind::AudioFinished);
    session.stop().expect("an orderly end");
}

/// `rejoinder talk` with the shipped models.
fn talk(folder: &Path) {
    let question = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/audio/what_time_is_it.wav");
    let events = folder.join("events.jsonl");
    let arguments = ["talk", "--input", "mic_feed.monitor", "--output", "spk", "--events"];
    let path = events.display().to_string();
    let program = env!("CARGO_BIN_EXE_rejoinder");
    let mut program = spawn(program, &[&arguments[..], &[path.as_str()]].concat()).expect("the program");
    let told = |kind: &str| {
        let text = std::fs::read_to_string(&events).unwrap_or_default();
        text.lines().any(|line| line.contains(&format!("\"kind\":\"{kind}\"")))
    };
    let began = Instant::now();
    // The program is not ready at once, and a machine that is too busy loses sound: the caller asks until it is heard.
    while !told("audio_finished") {
        assert!(began.elapsed() < 2 * PATIENCE, "{}", std::fs::read_to_string(&events).unwrap_or_default());
        let asked = Instant::now();
        let _player = spawn("paplay", &["-d", "mic_feed", &question.display().to_string()]).expect("paplay");
        while !told("audio_finished") && asked.elapsed() < Duration::from_secs(12) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let sent = Command::new("sh").args(["-c", "kill -INT $0", &program.0.id().to_string()]).status();
    assert!(sent.expect("a shell").success());
    assert_eq!(program.0.wait().expect("an end").code(), Some(130));
    let text = std::fs::read_to_string(&events).expect("events");
    assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{text}");
}

fn inside(folder: &Path) {
    let devices = device::devices().expect("devices");
    assert!(devices.iter().any(|device| device.id == "mic_feed.monitor" && device.input.is_some()), "{devices:?}");
    let Err(error) = DeviceSource::open(Some("no such device"), BLOCK_MS) else { panic!("there is no such device") };
    assert!(error.to_string().starts_with("audio device: no microphone named no such device; there are: "), "{error}");

    let question = folder.join("question.wav");
    audio::write_wav(&question, &speech("300 alpha 100 charlie 1500")).expect("a file");
    let (events, told) = std::sync::mpsc::channel();
    let source = DeviceSource::open(Some("mic_feed.monitor"), BLOCK_MS).expect("a microphone");
    let sink = DeviceSink::open(Some("spk"), BLOCK_MS).expect("a loudspeaker");
    let answer = folder.join("answer.raw");
    let path = answer.display().to_string();
    let format = ["--raw", "--rate=16000", "--channels=1", "--format=s16le", "--latency-msec=50"];
    let _recorder = spawn("parec", &[&["-d", "spk.monitor"], &format[..], &[&path]].concat()).expect("parec");
    let builder = Session::builder(&assistant(&Parrot::default())).source(source).sink(sink);
    let session = builder.on_event(move |event| drop(events.send(event.clone()))).start().expect("a conversation");
    let latency = device_latency("spk");
    assert!(latency >= Duration::from_millis(5), "the loudspeaker works in blocks of {latency:?}");
    let mut heard = Vec::new();
    // A machine that is too busy loses sound on the way, as a line would; the caller then says it again.
    while heard.len() < ATTEMPTS && !heard.last().is_some_and(|text: &String| understood(text, "charlie")) {
        let _player = spawn("paplay", &["-d", "mic_feed", &question.display().to_string()]).expect("paplay");
        heard.push(answered(&told));
    }
    assert!(understood(heard.last().expect("an attempt"), "charlie"), "the microphone heard {heard:?}");
    let began = Instant::now();
    let mut words = String::new();
    while !understood(&words, "bravo") {
        assert!(began.elapsed() < PATIENCE, "the loudspeaker played {words:?}");
        std::thread::sleep(Duration::from_millis(200));
        words = understand(&std::fs::read(&answer).expect("a recording"));
    }
    session.stop().expect("an orderly end");
}

/// The latency that a loudspeaker's clients leave to the device itself.
fn device_latency(sink: &str) -> Duration {
    let output = Command::new("pactl").args(["list", "sinks"]).env("LC_ALL", "C").output().expect("pactl");
    let text = String::from_utf8_lossy(&output.stdout);
    let about = text.split_once(&format!("Name: {sink}\n")).expect("the loudspeaker").1;
    let (_, configured) = about.split_once("configured ").expect("its latency");
    let microseconds = configured.split_whitespace().next().and_then(|number| number.parse().ok());
    Duration::from_micros(microseconds.expect("a number"))
}

/// What the assistant heard, once its reply was played to its end.
fn answered(told: &Receiver<Event>) -> String {
    let (mut text, mut events) = (String::new(), Vec::new());
    loop {
        let event = told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("an answer was expected after {events:?}"));
        match &event.kind {
            EventKind::Final { text: heard, .. } => text.clone_from(heard),
            EventKind::AudioFinished | EventKind::NoReply => return text,
            _ => {}
        }
        events.push(event);
    }
}

fn understood(words: &str, last: &str) -> bool {
    words.contains("alpha") && words.contains(last)
}

/// What is said in 16-bit samples at 16 kHz.
fn understand(bytes: &[u8]) -> String {
    let samples: Vec<f32> =
        bytes.chunks_exact(2).map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0).collect();
    let mut stream = assistant(&Parrot::default()).recognizer.stream().expect("a recogniser");
    stream.push(&samples).expect("words");
    stream.flush().expect("words").text
}
