//! The engines, as programs: one process a clip for flite and espeak-ng, one process a block for a festival voice.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rayon::prelude::*;

use super::Job;
use super::voices::{Reading, Voice};
use crate::data::prepare::decode;
use crate::{Error, Result};

/// Silence that stays before and after the speech, in samples.
const MARGIN: usize = 1600;
/// A clip shorter than this, in samples, has failed.
const SHORTEST: usize = 1600;

/// Renders jobs in a scratch folder.
pub(super) struct Studio {
    scratch: PathBuf,
    pool: rayon::ThreadPool,
}

impl Studio {
    pub(super) fn new(scratch: &Path, jobs: usize) -> Result<Self> {
        std::fs::create_dir_all(scratch).map_err(|e| Error::io(scratch, e))?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.max(1)).build();
        let pool = pool.map_err(|e| Error::Training(format!("cannot start threads for the engines: {e}")))?;
        Ok(Self { scratch: scratch.to_owned(), pool })
    }

    /// The clips of all jobs that came back with sound, in order.
    pub(super) fn render(&self, jobs: &[Job]) -> Result<Vec<(String, Vec<f32>)>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for voice in [Voice::FestivalSltHts, Voice::FestivalKed, Voice::FestivalKal] {
            groups.push((0..jobs.len()).filter(|i| jobs[*i].reading.voice == voice).collect());
        }
        let festival: Vec<bool> = jobs.iter().map(|job| is_festival(job.reading.voice)).collect();
        groups.extend((0..jobs.len()).filter(|i| !festival[*i]).map(|i| vec![i]));
        groups.retain(|group| !group.is_empty());
        let rendered =
            self.pool.install(|| groups.par_iter().map(|group| self.group(jobs, group)).collect::<Result<Vec<_>>>())?;
        let mut clips: Vec<_> = rendered.into_iter().flatten().collect();
        clips.sort_by_key(|(index, _)| *index);
        Ok(clips.into_iter().map(|(index, samples)| (jobs[index].id.clone(), samples)).collect())
    }

    /// Removes the scratch folder.
    pub(super) fn close(self) -> Result<()> {
        std::fs::remove_dir_all(&self.scratch).map_err(|e| Error::io(&self.scratch, e))
    }

    fn group(&self, jobs: &[Job], group: &[usize]) -> Result<Vec<(usize, Vec<f32>)>> {
        let file = |index: usize| self.scratch.join(format!("{index}.wav"));
        let first = &jobs[group[0]];
        let output = match first.reading.voice {
            Voice::FliteKal16 | Voice::FliteSlt | Voice::FliteRms | Voice::FliteAwb => {
                run("flite", "flite", &flite(first, &file(group[0])))?
            }
            Voice::Espeak => run("espeak-ng", "espeak-ng", &espeak(first, &file(group[0])))?,
            Voice::FestivalKal | Voice::FestivalKed | Voice::FestivalSltHts => {
                let script = self.scratch.join(format!("{}.scm", first.reading.speaker()));
                let text: String = group.iter().map(|i| festival(&jobs[*i], &file(*i))).collect();
                std::fs::write(&script, text).map_err(|e| Error::io(&script, e))?;
                run(
                    "festival",
                    "festival, festvox-kallpc16k, festvox-kdlpc16k, festvox-us-slt-hts",
                    &["-b".to_owned(), script.display().to_string()],
                )?
            }
        };
        let mut clips = Vec::new();
        for index in group {
            match take(&file(*index)) {
                Ok(samples) => clips.push((*index, samples)),
                Err(reason) => {
                    let said = String::from_utf8_lossy(&output.stderr);
                    tracing::warn!("{} by {}: {reason}; {}", jobs[*index].words, first.reading.speaker(), said.trim());
                }
            }
        }
        Ok(clips)
    }
}

fn is_festival(voice: Voice) -> bool {
    matches!(voice, Voice::FestivalKal | Voice::FestivalKed | Voice::FestivalSltHts)
}

fn run(program: &str, packages: &str, arguments: &[String]) -> Result<Output> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).output();
    output.map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => {
            Error::data(program, format!("is not installed; install {packages}, or give its voices no share"))
        }
        _ => Error::io(program, e),
    })
}

fn flite(job: &Job, file: &Path) -> Vec<String> {
    let Reading { voice, stretch, pitch, .. } = job.reading;
    let (name, pitch) = match voice {
        // kal16's own mean is 95 Hz.
        Voice::FliteKal16 => ("kal16", format!("int_f0_target_mean={}", 95.0 * pitch)),
        Voice::FliteRms => ("rms", format!("f0_shift={pitch}")),
        Voice::FliteAwb => ("awb", format!("f0_shift={pitch}")),
        _ => ("slt", format!("f0_shift={pitch}")),
    };
    let stretch = format!("duration_stretch={stretch}");
    let file = file.display().to_string();
    ["-voice", name, "--setf", &stretch, "--setf", &pitch, "-t", &job.words, "-o", &file].map(String::from).to_vec()
}

fn espeak(job: &Job, file: &Path) -> Vec<String> {
    let Reading { stretch, pitch, accent, variant, .. } = &job.reading;
    let voice = format!("{accent}+{variant}");
    // 165 words per minute and pitch 50 are in the middle.
    let speed = format!("{}", (165.0 / stretch) as i32);
    let pitch = format!("{}", (50.0 + 150.0 * (pitch - 1.0)).clamp(0.0, 99.0) as i32);
    let file = file.display().to_string();
    ["-v", &voice, "-s", &speed, "-p", &pitch, "-w", &file, "--", &job.words].map(String::from).to_vec()
}

/// A Scheme program that reads one text; an error in it leaves the next ones alone.
fn festival(job: &Job, file: &Path) -> String {
    let Reading { voice, stretch, pitch, .. } = job.reading;
    let (name, mean) = match voice {
        Voice::FestivalKal => ("voice_kal_diphone", 105.0),
        Voice::FestivalKed => ("voice_ked_diphone", 105.0),
        _ => ("voice_cmu_us_slt_arctic_hts", 0.0),
    };
    let mut script = format!("(unwind-protect (begin\n({name})\n");
    if mean > 0.0 {
        // Infallible: the target is a string.
        let _ = writeln!(script, "(Parameter.set 'Duration_Stretch {stretch})");
        let _ = writeln!(
            script,
            "(set! int_lr_params '((target_f0_mean {}) (target_f0_std 14) (model_f0_mean 170) (model_f0_std 34)))",
            mean * pitch
        );
    }
    let _ = writeln!(
        script,
        "(set! u (utt.synth (Utterance Text {})))\n(utt.wave.resample u 16000)\n(utt.save.wave u {} 'riff)) nil)",
        quoted(&job.words),
        quoted(&file.display().to_string())
    );
    script
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Reads, trims and removes a rendered file.
fn take(file: &Path) -> std::result::Result<Vec<f32>, String> {
    let samples = decode(file).map_err(|e| e.to_string())?;
    std::fs::remove_file(file).map_err(|e| e.to_string())?;
    let trimmed = trim(&samples);
    if trimmed.len() < SHORTEST { Err(format!("only {} samples", trimmed.len())) } else { Ok(trimmed.to_vec()) }
}

/// What is louder than a hundredth of the peak, with a margin.
fn trim(samples: &[f32]) -> &[f32] {
    let floor = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs())) * 0.01;
    let loud = |s: &f32| s.abs() > floor;
    match (samples.iter().position(loud), samples.iter().rposition(loud)) {
        (Some(first), Some(last)) => &samples[first.saturating_sub(MARGIN)..(last + 1 + MARGIN).min(samples.len())],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_trimmed_to_the_margin() {
        let mut samples = vec![0.0; 20_000];
        samples[8000..9000].fill(0.5);
        assert_eq!(trim(&samples).len(), 1000 + 2 * MARGIN);
        assert!(trim(&[0.0; 100]).is_empty());
        assert!(trim(&[]).is_empty());
    }

    #[test]
    fn a_missing_engine_is_named_with_its_package() {
        let message = run("rejoinder-no-such-engine", "flite", &[]).unwrap_err().to_string();
        assert!(message.contains("rejoinder-no-such-engine") && message.contains("install flite"), "{message}");
    }

    #[test]
    fn quotes_cannot_leave_their_string() {
        assert_eq!(quoted(r#"say "hi" \"#), r#""say \"hi\" \\""#);
    }
}
