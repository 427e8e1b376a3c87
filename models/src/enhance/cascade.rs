use super::{ConvTasNet, Enhancer, EnhancerStream, Sample, Webrtc};
use crate::Result;
use crate::streaming::Streaming;

/// A voice call's processing, and a net behind it.
pub(super) struct Cascade {
    call: Webrtc,
    net: ConvTasNet,
}

impl Cascade {
    pub(super) fn new(call: Webrtc, net: ConvTasNet) -> Self {
        Self { call, net }
    }
}

impl Enhancer for Cascade {
    fn name(&self) -> &'static str {
        "webrtc, conv-tasnet"
    }

    fn stream(&self) -> Result<Box<dyn EnhancerStream>> {
        Ok(Box::new(CascadeStream { call: self.call.stream()?, net: self.net.stream()?, between: Vec::new() }))
    }
}

struct CascadeStream {
    call: Box<dyn EnhancerStream>,
    net: Box<dyn EnhancerStream>,
    /// What the first has made.
    between: Vec<f32>,
}

impl CascadeStream {
    fn pass(&mut self, out: &mut Vec<f32>) -> Result<()> {
        let samples: Vec<Sample> = self.between.drain(..).map(|sample| [sample, 0.0]).collect();
        self.net.push(&samples, out)
    }
}

impl Streaming for CascadeStream {
    type Input = [Sample];
    type Output = Vec<f32>;

    fn push(&mut self, input: &[Sample], out: &mut Vec<f32>) -> Result<()> {
        self.call.push(input, &mut self.between)?;
        self.pass(out)
    }

    fn flush(&mut self, out: &mut Vec<f32>) -> Result<()> {
        self.call.flush(&mut self.between)?;
        self.pass(out)?;
        self.net.flush(out)
    }

    fn reset(&mut self) {
        self.call.reset();
        self.net.reset();
        self.between.clear();
    }

    fn delay(&self) -> usize {
        self.call.delay() + self.net.delay()
    }
}

impl EnhancerStream for CascadeStream {
    fn lag(&self) -> usize {
        self.call.lag() + self.net.lag()
    }

    fn echo_delay_ms(&self) -> Option<f64> {
        self.call.echo_delay_ms()
    }
}
