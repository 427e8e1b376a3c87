//! The file twins of microphone and loudspeaker, at the pace of real ones.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rejoinder_models::audio::{self, Clip, WavWriter};
use rejoinder_models::units::SampleRate;

use super::{Loudspeaker, Microphone, Sink, Source};
use crate::clock::samples_at;
use crate::{Error, Result};

/// Sound moves in pieces of this length.
const TICK: Duration = Duration::from_millis(10);
/// The caller is silent for this long before the recording counts as over.
const TAIL: Duration = Duration::from_millis(1_500);

/// A thread that does something every 10 ms. It ends when that returns false, or when this is dropped.
pub(crate) struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The number of a tick.
#[derive(Clone, Copy)]
pub(crate) struct Tick(u64);

impl Tick {
    /// How many samples of `rate` belong to this tick, so that none is lost over many.
    pub(crate) fn samples(self, rate: SampleRate) -> usize {
        let tick = TICK.as_nanos() as u64;
        (samples_at((self.0 + 1) * tick, rate) - samples_at(self.0 * tick, rate)) as usize
    }

    fn begins(self) -> Duration {
        TICK * self.0 as u32
    }
}

impl Ticker {
    pub(crate) fn start(name: &str, mut each: impl FnMut(Tick) -> bool + Send + 'static) -> Result<Self> {
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let body = move || {
            let began = Instant::now();
            for tick in (0..).map(Tick) {
                let due = tick.begins() + TICK;
                while let Some(rest) = due.checked_sub(began.elapsed()).filter(|rest| !rest.is_zero()) {
                    if stopped.load(Ordering::Acquire) {
                        return;
                    }
                    std::thread::park_timeout(rest);
                }
                if stopped.load(Ordering::Acquire) || !each(tick) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        let thread = thread.map_err(|source| Error::Session(format!("thread {name}: {source}")))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// A recording as the caller, paced as a microphone. It goes on in silence until the conversation is at rest.
pub struct FileSource {
    clip: Clip,
    ends: Arc<Mutex<Ends>>,
    ticker: Option<Ticker>,
}

/// A stereo WAV file that records the conversation: the caller on the left, the assistant on the right.
pub struct FileSink {
    path: PathBuf,
    ends: Arc<Mutex<Ends>>,
}

#[derive(Default)]
struct Ends {
    recorder: Option<Recorder>,
}

struct Recorder {
    loudspeaker: Loudspeaker,
    left: Clip,
    file: Option<WavWriter>,
    failed: Option<rejoinder_models::Error>,
}

/// [`conversation`] with a sound file as the caller.
///
/// # Errors
/// [`Error::Models`] when the file cannot be read.
pub fn open(input: impl AsRef<Path>, output: impl AsRef<Path>) -> Result<(FileSource, FileSink)> {
    Ok(conversation(audio::read(input)?, output))
}

/// A recording as the caller and a file for the conversation, which share one clock, so that the file's two sides are
/// in step. The sink is started before the source.
pub fn conversation(clip: Clip, output: impl AsRef<Path>) -> (FileSource, FileSink) {
    let ends = Arc::<Mutex<Ends>>::default();
    let sink = FileSink { path: output.as_ref().to_owned(), ends: ends.clone() };
    (FileSource { clip, ends, ticker: None }, sink)
}

impl FileSource {
    /// A recording as the caller, without a file for the conversation.
    pub fn new(clip: Clip) -> Self {
        Self { clip, ends: Arc::default(), ticker: None }
    }
}

impl Recorder {
    fn tick(&mut self, tick: Tick) {
        let rate = self.loudspeaker.sample_rate();
        let from = samples_at(tick.begins().as_nanos() as u64, rate) as usize;
        let mut right = vec![0.0; tick.samples(rate)];
        self.loudspeaker.pull(&mut right);
        let left = self.left.samples.iter().skip(from).take(right.len()).copied();
        let mut left: Vec<f32> = left.collect();
        left.resize(right.len(), 0.0);
        if let Some(file) = &mut self.file
            && let Err(error) = file.write(&[&left, &right])
        {
            self.failed = Some(error);
            self.file = None;
        }
    }
}

impl Source for FileSource {
    fn sample_rate(&self) -> SampleRate {
        self.clip.rate
    }

    fn start(&mut self, mut microphone: Microphone) -> Result<()> {
        let rate = self.clip.rate;
        let ends = self.ends.clone();
        let clip = self.clip.clone();
        if let Some(recorder) = &mut ends.lock().unwrap_or_else(PoisonError::into_inner).recorder {
            recorder.left = clip.clone().at(recorder.loudspeaker.sample_rate())?;
        }
        let over = Duration::from_secs_f64(clip.seconds()) + TAIL;
        let mut at = 0;
        self.ticker = Some(Ticker::start("source", move |tick| {
            let until = at + tick.samples(rate);
            let samples: Vec<f32> = (at..until).map(|i| clip.samples.get(i).copied().unwrap_or(0.0)).collect();
            at = until;
            if let Some(recorder) = &mut ends.lock().unwrap_or_else(PoisonError::into_inner).recorder {
                recorder.tick(tick);
            }
            // What is pushed now is still to be taken.
            let rests = microphone.is_idle();
            microphone.push(&samples);
            tick.begins() < over || !rests
        })?);
        Ok(())
    }

    fn stop(&mut self) {
        self.ticker = None;
    }
}

impl Sink for FileSink {
    fn sample_rate(&self, wanted: SampleRate) -> SampleRate {
        wanted
    }

    fn start(&mut self, loudspeaker: Loudspeaker) -> Result<()> {
        let rate = loudspeaker.sample_rate();
        let file = Some(WavWriter::create(&self.path, rate, 2)?);
        let left = Clip::new(Vec::new(), rate);
        let recorder = Recorder { loudspeaker, left, file, failed: None };
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).recorder = Some(recorder);
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        let recorder = self.ends.lock().unwrap_or_else(PoisonError::into_inner).recorder.take();
        let Some(recorder) = recorder else { return Ok(()) };
        if let Some(error) = recorder.failed {
            return Err(error.into());
        }
        Ok(recorder.file.map_or(Ok(()), WavWriter::finish)?)
    }
}
