//! The program's answers to bad input: one clear line on the standard error and exit code 1.

use std::path::Path;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rejoinder"));
    command.args(arguments).env_remove("RUST_LOG").output().expect("the program runs")
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
    assert!(!Path::new(&output).exists());
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

#[test]
fn without_a_sound_system_talking_says_so() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rejoinder"));
    let folder = tempfile::tempdir().expect("a folder");
    command.env("PULSE_SERVER", "unix:/no/such/socket").env("XDG_RUNTIME_DIR", folder.path());
    let output = command.args(["talk", "--input", "no such device"]).output().expect("the program runs");
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{text}");
}

#[test]
fn a_reader_that_leaves_ends_the_program_in_silence() {
    let program = env!("CARGO_BIN_EXE_rejoinder");
    let script = format!("'{program}' --help | true; exit ${{PIPESTATUS[0]}}");
    let output = Command::new("bash").args(["-c", &script]).output().expect("bash");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
