//! The four verbs of every stream.

use crate::Result;

/// A stream: what goes in comes out transformed, some time later.
///
/// *Any chunking of the input gives the output of the whole*: for all ways to cut an input into pieces, the
/// concatenated output of `push`, `push`, …, `flush` is the same. Each implementation has a property test of this.
pub trait Streaming {
    /// A piece of input, such as `[f32]`.
    type Input: ?Sized;
    /// What output is appended to, such as `Vec<f32>`.
    type Output;

    /// Takes a piece of any length, the empty one included, and appends what is ready to `out`.
    ///
    /// # Errors
    /// The stream is broken after an error; [`reset`](Self::reset) makes it usable again.
    fn push(&mut self, input: &Self::Input, out: &mut Self::Output) -> Result<()>;

    /// Ends the input and appends what was held back. The stream is then as new.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    fn flush(&mut self, out: &mut Self::Output) -> Result<()>;

    /// Forgets all input so far.
    fn reset(&mut self);

    /// How far the output trails the input at the most, in units of the input (samples for audio).
    fn delay(&self) -> usize;
}
