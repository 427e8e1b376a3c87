//! The program as a person uses it, with the shipped models; and its answers to bad input: one clear line on the
//! standard error and exit code 1.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rejoinder_models::audio::{self, Clip};
use rejoinder_models::units::SampleRate;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn fixture(name: &str) -> String {
    repository().join("tests/fixtures/audio").join(name).display().to_string()
}

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rejoinder"));
    command.args(arguments).env_remove("RUST_LOG").output().expect("the program runs")
}

/// What a command that succeeds prints.
fn output(arguments: &[&str]) -> String {
    let output = run(arguments);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {complaint}");
    String::from_utf8(output.stdout).expect("text")
}

/// The one line of an error.
fn error(arguments: &[&str]) -> String {
    let output = run(arguments);
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
    assert_eq!(text.matches('\n').count(), 1, "{arguments:?}: {text}");
    text.strip_prefix("error: ").unwrap_or_else(|| panic!("{arguments:?}: {text}")).trim_end().to_owned()
}

fn write(folder: &Path, name: &str, contents: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, contents).expect("a file");
    path.display().to_string()
}

#[test]
fn a_recording_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing.wav").display().to_string();
    let text = write(folder.path(), "text.wav", b"this is not sound");
    let empty = write(folder.path(), "empty.flac", b"");
    let output = folder.path().join("out.wav").display().to_string();
    for input in [&missing, &text, &empty] {
        let line = error(&["converse", "--input", input, "--output", &output]);
        assert!(line.starts_with(input.as_str()), "{line}");
    }
    let cut = std::fs::read(fixture("what_time_is_it.flac")).expect("a file");
    let cut = write(folder.path(), "cut.flac", &cut[..9_000]);
    assert!(error(&["transcribe", &cut]).contains("truncated"));
    let default = repository().join("configs/assistants/default.toml");
    let button = format!("include = {:?}\n[turn]\npush_to_talk = true\n", default.display().to_string());
    let button = write(folder.path(), "button.toml", button.as_bytes());
    let input = fixture("sum.wav");
    let line = error(&["converse", "--config", &button, "--input", &input, "--output", &output]);
    assert!(line.starts_with("turn.push_to_talk: a recording presses no button"), "{line}");
    assert!(!Path::new(&output).exists());
    let line = error(&["converse", "--input", &fixture("sum.wav"), "--output", "/no/such/folder/out.wav"]);
    assert_eq!(line, "/no/such/folder/out.wav: there is no folder /no/such/folder; make it first");
}

#[test]
fn recordings_of_any_format_are_understood_in_order() {
    let names = [".wav", ".flac", ".opus", ".mp3", "_44k_stereo.flac", "_48k_24bit.flac", "_8k.wav"];
    let files: Vec<String> = names.iter().map(|name| fixture(&format!("what_time_is_it{name}"))).collect();
    let arguments: Vec<&str> = ["transcribe"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let text = output(&arguments);
    let lines: Vec<_> = text.lines().filter_map(|line| line.split_once('\t')).collect();
    assert_eq!(lines.iter().map(|(path, _)| *path).collect::<Vec<_>>(), files);
    let (_, wide) = lines.split_last().expect("lines");
    assert!(wide.iter().all(|(_, text)| text.contains("time")), "{text}");
}

#[test]
fn a_transcript_comes_in_parts_and_with_word_times() {
    let file = fixture("what_time_is_it.wav");
    let text = output(&["transcribe", "--partials", &file]);
    let (last, partials) = text.lines().collect::<Vec<_>>().split_last().map(|(a, b)| (*a, b.to_vec())).expect("lines");
    assert!(last.starts_with(&format!("{file}\t")) && !partials.is_empty(), "{text}");
    assert!(partials.iter().all(|line| line.starts_with(&format!("~ {file}\t"))), "{text}");
    let object: serde_json::Value = serde_json::from_str(&output(&["transcribe", "--json", &file])).expect("JSON");
    let seconds = object["seconds"].as_f64().expect("a length");
    let words = object["words"].as_array().expect("words");
    let times: Vec<f64> =
        words.iter().flat_map(|word| [&word["start_s"], &word["end_s"]]).filter_map(|s| s.as_f64()).collect();
    assert!(times.len() == 2 * words.len() && !times.is_empty() && times.is_sorted(), "{object}");
    assert!(times.iter().all(|&at| at <= seconds), "{object}");
}

/// Recordings one after the other, with so many seconds of silence before each and at the end.
fn one_after_the_other(names: &[&str], silence_s: usize, path: &str) {
    let rate = SampleRate::INTERNAL;
    let silence = vec![0.0; silence_s * rate.get() as usize];
    let mut samples = silence.clone();
    for name in names {
        samples.extend(audio::read_at(fixture(name), rate).expect("a recording").samples);
        samples.extend(&silence);
    }
    audio::write_wav(path, &Clip::new(samples, rate)).expect("a file");
}

#[test]
fn what_is_said_after_a_long_silence_is_heard_as_if_it_were_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("both.wav").display().to_string();
    let names = ["what_time_is_it.wav", "sum.wav", "what_time_is_it.wav"];
    one_after_the_other(&names, 8, &path);
    let alone = |name: &&str| output(&["transcribe", &fixture(name)]).trim_end().split_once('\t').unwrap().1.to_owned();
    let object: serde_json::Value = serde_json::from_str(&output(&["transcribe", "--json", &path])).expect("JSON");
    assert_eq!(object["text"], names.iter().map(alone).collect::<Vec<_>>().join(" "));
    let starts: Vec<f64> =
        object["words"].as_array().expect("words").iter().filter_map(|word| word["start_s"].as_f64()).collect();
    assert!(starts.is_sorted() && starts[0] > 8.0 && *starts.last().expect("words") > 24.0, "{object}");
}

#[test]
fn silence_is_no_part_of_a_voice() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (long, silent, voices) = (path("long.wav"), path("silent.wav"), path("voices.toml"));
    one_after_the_other(&["coffee_order.wav"], 20, &long);
    one_after_the_other(&[], 5, &silent);
    let said = error(&["enrol", "--voices", &voices, "Nobody", &silent]);
    assert_eq!(said, format!("{silent}: expected somebody's voice, found none"));
    output(&["enrol", "--voices", &voices, "Ada", &long]);
    let score = |file: &str| -> f64 {
        let line = output(&["identify", "--voices", &voices, file]);
        assert!(line.contains("\tAda\t"), "{line}");
        line.trim_end().rsplit('\t').next().and_then(|score| score.parse().ok()).expect("a score")
    };
    assert!(score(&fixture("coffee_order.wav")) > 0.99, "the same without the silence");
    assert!(score(&fixture("what_time_is_it.wav")) > 0.7, "other words of the voice");
}

#[test]
fn silence_and_noise_are_no_conversation() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (input, heard) = (path("in.wav"), path("out.wav"));
    let rate = SampleRate::INTERNAL;
    audio::write_wav(&input, &Clip::new(vec![0.0; 48_000], rate)).expect("a file");
    assert_eq!(output(&["converse", "--input", &input, "--output", &heard]), format!("nobody spoke in {input}\n"));
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    audio::write_wav(&input, &Clip::new((0..600 * 16_000).map(|_| noise()).collect(), rate)).expect("a file");
    output(&["converse", "--input", &input, "--output", &heard]);
    assert!(audio::read_channels(&heard).expect("a recording")[0].seconds() >= 600.0);
}

#[test]
fn events_take_no_other_files_place_and_are_not_lost_in_silence() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("caller.wav").display().to_string();
    std::fs::copy(fixture("sum.wav"), &input).expect("a copy");
    let output = folder.path().join("out.wav").display().to_string();
    for (taken, what) in [(&input, "the caller's recording"), (&output, "the conversation")] {
        let line = error(&["converse", "--input", &input, "--output", &output, "--events", taken]);
        assert_eq!(line, format!("{taken}: this is {what}; name another file for the events"));
    }
    let line = error(&["converse", "--input", &input, "--output", &output, "--events", "/dev/full"]);
    assert!(line.starts_with("/dev/full: ") && line.contains("No space"), "{line}");
}

#[test]
fn a_conversation_in_real_time_ends_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let heard = folder.path().join("out.wav").display().to_string();
    output(&["converse", "--realtime", "--input", &fixture("what_time_is_it.wav"), "--output", &heard]);
    let channels = audio::read_channels(&heard).expect("a recording");
    // The answer is over after four seconds.
    assert!(channels.len() == 2 && channels[0].seconds() < 9.0, "{} s", channels[0].seconds());
}

#[test]
fn outputs_that_cannot_be_written_are_told_before_the_work_and_spoil_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = write(folder.path(), "kept.jsonl", b"kept");
    let scenario = repository().join("configs/scenarios/smalltalk.toml").display().to_string();
    let missing = folder.path().join("missing/a.json").display().to_string();
    let told = error(&["simulate", &scenario, "--turns", "2", "--json", &missing]);
    assert!(told.contains("there is no folder"), "{told}");
    let told = error(&["simulate", &kept, "--output", &kept]);
    assert!(told.contains("this is the scenario; name another file for what was heard"), "{told}");
    let input = fixture("what_time_is_it.wav");
    let told = error(&["converse", "--input", &input, "--output", &missing, "--events", &kept]);
    assert!(told.contains("there is no folder"), "{told}");
    assert_eq!(std::fs::read(&kept).expect("a file"), b"kept");
}

#[test]
fn a_conversation_that_is_interrupted_leaves_valid_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (heard, events) = (path("out.wav"), path("events.jsonl"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_rejoinder"));
    command.args(["converse", "--realtime", "--input", &fixture("two_turns.wav")]);
    command.args(["--output", &heard, "--events", &events]).stdout(Stdio::null());
    let mut program = command.spawn().expect("the program runs");
    let lines = || std::fs::read_to_string(&events).unwrap_or_default();
    let began = Instant::now();
    while lines().lines().count() < 3 {
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", lines());
        std::thread::sleep(Duration::from_millis(20));
    }
    interrupt(&program);
    assert_eq!(program.wait().expect("an end").code(), Some(130));
    let channels = audio::read_channels(&heard).expect("a recording");
    assert!(channels.len() == 2 && channels[0].seconds() < 9.0, "{} s", channels[0].seconds());
    assert!(lines().lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{}", lines());
}

fn interrupt(program: &std::process::Child) {
    let sent = Command::new("sh").args(["-c", "kill -INT $0", &program.id().to_string()]).status();
    assert!(sent.expect("a shell").success());
}

#[test]
fn a_bench_with_the_costs_of_its_scenario_comes_out_the_same_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let voices = repository().join("tests/fixtures/caller");
    let scenario = format!("name = \"two\"\nturns = 2\nvoices = {voices:?}\n[cost]\nkind = \"fixed\"\n");
    let scenario = write(folder.path(), "two.toml", scenario.as_bytes());
    let delays = |name: &str| {
        let json = folder.path().join(name).display().to_string();
        let replay = folder.path().join("failed.toml").display().to_string();
        output(&["bench", "conversation", "--scenario", &scenario, "--json", &json, "--replay", &replay]);
        let text = std::fs::read_to_string(json).expect("figures");
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["voice_to_voice_by_utterance_ms"].clone()
    };
    let first = delays("first.json");
    assert_eq!(first, delays("second.json"));
    assert_eq!(first.as_object().map(serde_json::Map::len), Some(2));
}

#[test]
fn a_text_is_spoken_into_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("spoken.wav");
    output(&["speak", "It is half past five.", "-o", &path.display().to_string()]);
    let clip = audio::read(&path).expect("speech");
    assert!((0.5..6.0).contains(&clip.seconds()) && clip.rms() > 0.01, "{} s", clip.seconds());
    output(&["speak", "-5", "-o", &path.display().to_string()]);
    assert!((0.4..3.0).contains(&audio::read(&path).expect("speech").seconds()));
    for unspeakable in [" ... ", "\u{4f60}\u{597d}"] {
        let path = folder.path().join("nothing.wav");
        let line = error(&["speak", unspeakable, "-o", &path.display().to_string()]);
        assert_eq!(line, format!("expected a text with something to pronounce, found {unspeakable:?}"));
        assert!(!path.exists());
    }
}

#[test]
fn a_configuration_that_cannot_run_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    let typo = write(folder.path(), "typo.toml", b"[turn]\nsilense_ms = 3\n");
    assert!(error(&["validate", &typo]).contains("unknown field `silense_ms`"));
    let missing = folder.path().join("none.toml").display().to_string();
    assert!(error(&["validate", &missing]).starts_with(&missing));
    let binary = write(folder.path(), "binary.toml", &[0xff, 0xfe, 0x00]);
    assert!(error(&["validate", &binary]).starts_with(&binary));
}

#[test]
fn a_damaged_bundle_is_named_with_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = folder.path().join("models");
    std::fs::create_dir_all(models.join("broken")).expect("a folder");
    write(&models, "broken/card.toml", b"name = \"broken\"\n");
    let output = run(&["models", &models.display().to_string()]);
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("broken/card.toml") && text.contains("missing field"), "{text}");
    assert!(error(&["models", "/no/such/folder"]).contains("/no/such/folder"));
}

/// A model folder with a file that is missing, cut or changed is named with that file, before anything else happens.
#[test]
fn a_model_that_was_tampered_with_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let from = repository().join("models/pretrained/asr-en");
    let names: Vec<String> = std::fs::read_dir(&from)
        .expect("a bundle")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    for name in &names {
        std::fs::copy(from.join(name), folder.path().join(name)).expect("a copy");
    }
    let models = format!("[asr]\nmodel = {:?}\n[llm]\nkind = \"llama\"\nmodel = \"lm-en\"\n", folder.path());
    let config = write(folder.path(), "c.toml", format!("{models}[tts]\nmodel = \"tts-kathleen\"\n").as_bytes());
    let tokens = folder.path().join("tokens.txt");
    let whole = std::fs::read(&tokens).expect("tokens");
    let complaint = || error(&["transcribe", "--config", &config, &fixture("sum.wav")]);
    let mut changed = whole.clone();
    changed[100] ^= 1;
    for (contents, expected) in [
        (Some(changed), "expected sha256 "),
        (Some(whole[..50].to_vec()), "bytes, found 50"),
        (None, "the card names this file, but it is missing"),
    ] {
        match contents {
            Some(contents) => std::fs::write(&tokens, contents).expect("a file"),
            None => std::fs::remove_file(&tokens).expect("a file"),
        }
        let line = complaint();
        assert!(line.starts_with(&tokens.display().to_string()) && line.contains(expected), "{line}");
    }
}

#[test]
fn without_onnx_runtime_the_program_says_so_and_works() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rejoinder"));
    command.env("ORT_DYLIB_PATH", "/no/such/none.so").env_remove("RUST_LOG");
    let output = command.args(["transcribe", &fixture("what_time_is_it.wav")]).output().expect("the program runs");
    let (text, warning) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("time"), "{text}{warning}");
    assert!(warning.contains("runtime auto: tract") && warning.contains("none.so"), "{warning}");
}

#[test]
fn without_a_sound_system_talking_says_so() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rejoinder"));
    let folder = tempfile::tempdir().expect("a folder");
    command.env("PULSE_SERVER", "unix:/no/such/socket").env("XDG_RUNTIME_DIR", folder.path());
    let output = command.args(["talk", "--input", "no such device"]).output().expect("the program runs");
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    assert!(text.starts_with("error: audio device: "), "{text}");
}

#[test]
fn a_reader_that_leaves_ends_the_program_in_silence() {
    let program = env!("CARGO_BIN_EXE_rejoinder");
    let script = format!("'{program}' --help | true; exit ${{PIPESTATUS[0]}}");
    let output = Command::new("bash").args(["-c", &script]).output().expect("bash");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
