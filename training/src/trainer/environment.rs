use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use burn::tensor::Device;
use rejoinder_models::llm::tools::Moment;
use serde::Serialize;

use super::TrainOptions;
use crate::export::commit;
use crate::{Error, Result};

/// In what a run was made: SpeechBrain's `env.log`.
pub(super) const ENVIRONMENT: &str = "environment.toml";

#[derive(Serialize)]
struct Starts {
    start: [Start; 1],
}

/// One for each time that a run is begun or resumed.
#[derive(Serialize)]
struct Start {
    /// In UTC.
    date: String,
    /// The step from which the run goes on.
    step: usize,
    command: Vec<String>,
    program: Program,
    device: Compute,
    host: Host,
}

#[derive(Serialize)]
struct Program {
    version: &'static str,
    /// Of the working tree in which the run was started.
    commit: String,
    target: String,
    backends: Vec<&'static str>,
    debug_assertions: bool,
}

#[derive(Serialize)]
struct Compute {
    device: String,
    precision: String,
    /// Of the pool that a step computes on.
    threads: usize,
}

/// What the system tells; Linux tells all.
#[derive(Serialize)]
struct Host {
    os: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<String>,
    cores: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_mib: Option<u64>,
}

/// Adds what is known of this start to the run folder.
pub(super) fn write(run: &Path, options: &TrainOptions, device: &Device, step: usize) -> Result<()> {
    let start = Start {
        date: date(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())),
        step,
        command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        program: program(),
        device: Compute {
            device: format!("{device:?}"),
            precision: options.precision.to_string(),
            threads: rayon::current_num_threads(),
        },
        host: host(),
    };
    let path = run.join(ENVIRONMENT);
    let text = toml::to_string(&Starts { start: [start] }).map_err(|e| Error::config(ENVIRONMENT, e))?;
    let file = OpenOptions::new().create(true).append(true).open(&path);
    file.and_then(|mut file| writeln!(file, "{text}")).map_err(|e| Error::io(&path, e))
}

fn program() -> Program {
    let built = [("flex", true), ("tch", cfg!(feature = "tch")), ("cuda", cfg!(feature = "cuda"))];
    let libraries =
        [("gnu", cfg!(target_env = "gnu")), ("musl", cfg!(target_env = "musl")), ("msvc", cfg!(target_env = "msvc"))];
    let library = libraries.iter().find(|(_, linked)| *linked).map_or("", |(name, _)| *name);
    let target = [std::env::consts::ARCH, std::env::consts::OS, library].join("-");
    Program {
        version: env!("CARGO_PKG_VERSION"),
        commit: commit(),
        target: target.trim_end_matches('-').to_owned(),
        backends: built.iter().filter(|(_, built)| *built).map(|(name, _)| *name).collect(),
        debug_assertions: cfg!(debug_assertions),
    }
}

fn host() -> Host {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let release = read("/etc/os-release").and_then(|text| value(&text, "PRETTY_NAME", '='));
    let memory = read("/proc/meminfo").and_then(|text| value(&text, "MemTotal", ':'));
    Host {
        os: release.unwrap_or_else(|| std::env::consts::OS.to_owned()),
        kernel: read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
        cpu: read("/proc/cpuinfo").and_then(|text| value(&text, "model name", ':')),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_mib: memory.and_then(|kib| kib.trim_end_matches(" kB").parse::<u64>().ok()).map(|kib| kib / 1024),
    }
}

/// The first value of a key in lines of keys and values.
fn value(text: &str, key: &str, between: char) -> Option<String> {
    let pairs = || text.lines().filter_map(|line| line.split_once(between));
    pairs().find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().trim_matches('"').to_owned())
}

/// Seconds since 1970 as RFC 3339 has them.
fn date(seconds: u64) -> String {
    let (year, month, day) = Moment::from_local_ms(seconds as i64 * 1000).date();
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Backend;

    #[test]
    fn each_start_of_a_run_is_told() {
        let run = tempfile::tempdir().unwrap();
        let options = TrainOptions { backend: Backend::Flex, ..TrainOptions::default() };
        write(run.path(), &options, &Device::flex(), 0).unwrap();
        write(run.path(), &options, &Device::flex(), 7).unwrap();
        let table: toml::Table = std::fs::read_to_string(run.path().join(ENVIRONMENT)).unwrap().parse().unwrap();
        let starts = table["start"].as_array().unwrap();
        let steps: Vec<_> = starts.iter().map(|start| start["step"].as_integer()).collect();
        assert_eq!(steps, [Some(0), Some(7)]);
        assert_eq!(starts[0]["program"]["version"].as_str(), Some(env!("CARGO_PKG_VERSION")));
        assert!(starts[0]["device"]["threads"].as_integer() >= Some(1));
        assert_eq!(date(951_827_696), "2000-02-29T12:34:56Z"); // date -u -d @951827696
    }
}
