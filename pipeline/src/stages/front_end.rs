//! What is done to captured sound before anybody listens: resampling, and where it is wanted, echo, noise and gain.

use std::borrow::Cow;

use rejoinder_models::audio::is_sound;
use rejoinder_models::enhance::{EnhancerStream, Sample};

use crate::Result;
use crate::io::playout::Resample;
use crate::io::reference::Reference;

/// Captured sound in; clean sound at 16 kHz out.
pub(crate) struct FrontEnd {
    resample: Option<Resample>,
    cleaner: Option<Cleaner>,
    /// At 16 kHz and not cleaned yet.
    heard: Vec<f32>,
}

/// An enhancer with what was played.
pub(crate) struct Cleaner {
    enhancer: Box<dyn EnhancerStream>,
    reference: Reference,
    played: Vec<f32>,
    samples: Vec<Sample>,
}

impl FrontEnd {
    pub(crate) fn new(resample: Option<Resample>, cleaner: Option<Cleaner>) -> Self {
        Self { resample, cleaner, heard: Vec::new() }
    }

    /// Takes what was captured and appends what is ready. A sample that is none, such as NaN, is taken for silence:
    /// filters and nets with a state would never get rid of it.
    pub(crate) fn push(&mut self, captured: &[f32], out: &mut Vec<f32>) -> Result<()> {
        let finite = |sample: &f32| if is_sound(*sample) { *sample } else { 0.0 };
        let captured: Cow<'_, [f32]> = match captured.iter().all(|sample| is_sound(*sample)) {
            true => captured.into(),
            false => captured.iter().map(finite).collect(),
        };
        self.push_finite(&captured, out)
    }

    fn push_finite(&mut self, captured: &[f32], out: &mut Vec<f32>) -> Result<()> {
        let Some(cleaner) = &mut self.cleaner else {
            match &mut self.resample {
                Some(resample) => resample.push(captured, out)?,
                None => out.extend_from_slice(captured),
            }
            return Ok(());
        };
        match &mut self.resample {
            Some(resample) => {
                self.heard.clear();
                resample.push(captured, &mut self.heard)?;
                cleaner.clean(&self.heard, out)
            }
            None => cleaner.clean(captured, out),
        }
    }

    /// How long the loudspeaker's sound takes to come back; none where echoes are not cancelled.
    pub(crate) fn echo_delay_ms(&self) -> Option<f64> {
        self.cleaner.as_ref()?.enhancer.echo_delay_ms()
    }
}

impl Cleaner {
    pub(crate) fn new(enhancer: Box<dyn EnhancerStream>, reference: Reference) -> Self {
        Self { enhancer, reference, played: Vec::new(), samples: Vec::new() }
    }

    fn clean(&mut self, heard: &[f32], out: &mut Vec<f32>) -> Result<()> {
        self.played.clear();
        self.reference.take(heard.len(), &mut self.played)?;
        self.samples.clear();
        self.samples.extend(heard.iter().zip(&self.played).map(|(heard, played)| [*heard, *played]));
        Ok(self.enhancer.push(&self.samples, out)?)
    }
}
