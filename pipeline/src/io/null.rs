//! A microphone that hears nothing and a loudspeaker that nobody hears, both at the pace of real ones.

use rejoinder_models::units::SampleRate;

use super::file::Ticker;
use super::{Loudspeaker, Microphone, Sink, Source};
use crate::Result;

/// A microphone in a silent room.
#[derive(Default)]
pub struct NullSource(Option<Ticker>);

impl Source for NullSource {
    fn sample_rate(&self) -> SampleRate {
        SampleRate::INTERNAL
    }

    fn start(&mut self, mut microphone: Microphone) -> Result<()> {
        let mut samples = Vec::new();
        let rate = microphone.sample_rate();
        self.0 = Some(Ticker::start("source", move |tick| {
            samples.resize(tick.samples(rate), 0.0);
            microphone.push(&samples);
            true
        })?);
        Ok(())
    }

    fn stop(&mut self) {
        self.0 = None;
    }
}

/// A loudspeaker that is switched off.
#[derive(Default)]
pub struct NullSink(Option<Ticker>);

impl Sink for NullSink {
    fn sample_rate(&self, wanted: SampleRate) -> SampleRate {
        wanted
    }

    fn start(&mut self, mut loudspeaker: Loudspeaker) -> Result<()> {
        let mut samples = Vec::new();
        let rate = loudspeaker.sample_rate();
        self.0 = Some(Ticker::start("sink", move |tick| {
            samples.resize(tick.samples(rate), 0.0);
            loudspeaker.pull(&mut samples);
            true
        })?);
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        self.0 = None;
        Ok(())
    }
}
