use crate::Result;
use crate::vad::{Vad, VadStream, check_frame};

/// 16 ms, what the network takes.
const FRAME_SAMPLES: usize = 256;

/// The small network of the `earshot` crate, which is part of the program: nothing to install or to open.
#[derive(Clone, Copy, Debug, Default)]
pub struct Earshot;

impl Vad for Earshot {
    fn name(&self) -> &'static str {
        "earshot"
    }

    fn stream(&self) -> Result<Box<dyn VadStream>> {
        Ok(Box::new(EarshotStream { detector: Box::default(), clipped: [0.0; FRAME_SAMPLES] }))
    }
}

struct EarshotStream {
    detector: Box<::earshot::Detector>,
    clipped: [f32; FRAME_SAMPLES],
}

impl VadStream for EarshotStream {
    fn frame_samples(&self) -> usize {
        FRAME_SAMPLES
    }

    fn probability(&mut self, frame: &[f32]) -> Result<f32> {
        check_frame(frame, FRAME_SAMPLES, "earshot")?;
        for (clipped, sample) in self.clipped.iter_mut().zip(frame) {
            *clipped = sample.clamp(-1.0, 1.0);
        }
        Ok(self.detector.predict_f32(&self.clipped))
    }

    fn reset(&mut self) {
        self.detector.reset();
    }
}
