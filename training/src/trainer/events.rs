//! Event files that TensorBoard reads: records in TFRecord framing (`tensorflow/core/lib/io/record_writer.h`) of the
//! messages of `tensorflow/core/util/event.proto` and `tensorflow/core/framework/summary.proto`, with the fields that scalars take.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::{Message, Oneof};

use super::Task;
use super::observer::{At, Observer, Stage};
use super::run::EVENTS;
use super::run_log::with_rate;
use crate::{Error, Result};

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, tag = "2")]
    simple_value: f32,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    /// 1 for START: what earlier files say of this step and later ones no longer counts.
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Scalars by step, in a file of its own for each time that a run is begun or taken up.
pub(super) struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// A new file in the run folder, for what comes after `step`.
    pub(super) fn create(run: &Path, step: usize) -> Result<Self> {
        let seconds = now() as u64;
        let open = |number: usize| {
            let path = run.join(format!("{EVENTS}{seconds:010}.rejoinder.{number}"));
            let file = OpenOptions::new().write(true).create_new(true).open(&path);
            (path, file)
        };
        let (mut number, mut opened) = (0, open(0));
        while matches!(&opened.1, Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists) {
            number += 1;
            opened = open(number);
        }
        let (path, file) = opened;
        let mut events = Self { file: file.map_err(|e| Error::io(&path, e))?, path };
        events.write(0, What::FileVersion("brain.Event:2".to_owned()))?;
        events.write(step + 1, What::SessionLog(SessionLog { status: 1 }))?;
        Ok(events)
    }

    /// Figures of a step, each under `group/name`.
    pub(super) fn scalars(&mut self, group: &str, step: usize, figures: &[(&str, f64)]) -> Result<()> {
        let value = |(name, value): &(&str, f64)| Value { tag: format!("{group}/{name}"), simple_value: *value as f32 };
        self.write(step, What::Summary(Summary { value: figures.iter().map(value).collect() }))
    }

    fn write(&mut self, step: usize, what: What) -> Result<()> {
        let event = Event { wall_time: now(), step: step as i64, what: Some(what) };
        self.file.write_all(&record(&event.encode_to_vec())).map_err(|e| Error::io(&self.path, e))
    }
}

impl<T: Task> Observer<T> for Events {
    fn on_stage_end(&mut self, stage: Stage, figures: &[(&str, f64)], _net: &T::Net, at: &At) -> Result<()> {
        self.scalars(stage.name(), at.step, &with_rate(stage, figures, at))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The length as u64, its checksum, the bytes, and theirs; all little-endian.
fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    let parts: [&[u8]; 4] = [&length, &masked(&length), bytes, &masked(bytes)];
    parts.concat()
}

/// A CRC-32C, turned and moved so that a checksum of checksums is none (`tensorflow/core/lib/hash/crc32c.h`).
fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/peers/events.py` has written the golden file by TensorBoard's own writer.
    #[test]
    fn records_are_those_of_tensorboard() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/events.tfevents");
        let summary = |tag: &str, simple_value| {
            What::Summary(Summary { value: vec![Value { tag: tag.to_owned(), simple_value }] })
        };
        let events = [
            (0, What::FileVersion("brain.Event:2".to_owned())),
            (3, What::SessionLog(SessionLog { status: 1 })),
            (3, summary("train/loss", 2.5)),
            (400, summary("valid/wer", 0.125)),
        ];
        let bytes: Vec<u8> = events
            .into_iter()
            .flat_map(|(step, what)| record(&Event { wall_time: 1.5e9, step, what: Some(what) }.encode_to_vec()))
            .collect();
        assert_eq!(bytes, std::fs::read(golden).unwrap());
    }

    #[test]
    fn a_run_that_is_taken_up_goes_on_in_a_file_of_its_own() {
        let run = tempfile::tempdir().unwrap();
        Events::create(run.path(), 0).unwrap().scalars("train", 7, &[("loss", 1.0)]).unwrap();
        Events::create(run.path(), 7).unwrap();
        assert_eq!(std::fs::read_dir(run.path()).unwrap().count(), 2);
    }
}
