//! Our own family: what `rejoinder-train` exports for `task = "vad"`. A causal form of SpeechBrain's CRDNN for voice
//! activity: convolutions over time and frequency, a recurrent layer, a small perceptron.

use std::path::Path;

use crate::card::{Bundle, Task};
use crate::frame_net::{self, FrameNet, FrameStream};
use crate::runtime::Runtime;
use crate::streaming::Streaming;
use crate::vad::{Vad, VadStream, check_frame};
use crate::{Error, Result, zoo};

/// The family's name in a card.
pub const FAMILY: &str = "vad-crdnn";

/// The input: features, shape (1, frame, bin).
pub const INPUT: &str = frame_net::INPUT;
/// The output: the probability of speech, shape (1, frame, 1).
pub const OUTPUT: &str = frame_net::OUTPUT;

/// Our own detector.
#[derive(Clone)]
pub struct Crdnn {
    net: FrameNet,
}

impl Crdnn {
    /// Opens a bundle: its folder, or the name of one at hand.
    ///
    /// # Errors
    /// [`Error::Model`] for a bundle that is not there, of another task or family, or whose card and file do not fit.
    pub fn open(runtime: &dyn Runtime, path: impl AsRef<Path>) -> Result<Self> {
        let path = zoo::resolve(path.as_ref())?;
        let bundle = Bundle::open(&path)?;
        let (task, family) = (bundle.card().task, bundle.card().family.as_str());
        if (task, family) != (Task::Vad, FAMILY) {
            return Err(Error::model(&path, format!("expected a model for vad ({FAMILY}), found {family} for {task}")));
        }
        Ok(Self { net: FrameNet::open(&bundle, 1, runtime)? })
    }
}

impl Vad for Crdnn {
    fn name(&self) -> &'static str {
        FAMILY
    }

    fn stream(&self) -> Result<Box<dyn VadStream>> {
        let frame = self.net.frame().0 as usize;
        Ok(Box::new(CrdnnStream { stream: self.net.stream()?, frame, rows: Vec::new(), last: 0.0 }))
    }
}

struct CrdnnStream {
    stream: FrameStream,
    frame: usize,
    rows: Vec<f32>,
    /// The newest probability. Features look ahead by half a window, so that it may be that of the frame before.
    last: f32,
}

impl VadStream for CrdnnStream {
    fn frame_samples(&self) -> usize {
        self.frame
    }

    fn probability(&mut self, frame: &[f32]) -> Result<f32> {
        check_frame(frame, self.frame, FAMILY)?;
        self.stream.push(frame, &mut self.rows)?;
        self.last = self.rows.drain(..).next_back().unwrap_or(self.last);
        Ok(self.last)
    }

    fn reset(&mut self) {
        self.stream.reset();
        self.rows.clear();
        self.last = 0.0;
    }
}
