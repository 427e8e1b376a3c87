//! The threads on which nets are trained.

use no_denormals::no_denormals;
use rayon::ThreadPoolBuilder;

use crate::{Error, Result};

/// Bytes of a thread's stack: that of a program's first thread, since graphs of gradients are walked on it.
const STACK: usize = 8 << 20;

/// Runs `work` on threads that take denormal numbers for zeros, and all that it gives to rayon.
///
/// Where a net is sure of itself, its gradients fall below 1e-38, and x86 processors work on such numbers in microcode: a
/// step of the recogniser on speech takes ten times as long with them.
///
/// # Errors
/// Threads that do not start; the error of `work`.
pub(super) fn without_denormals<R: Send>(work: impl FnOnce() -> Result<R> + Send) -> Result<R> {
    let pool = ThreadPoolBuilder::new()
        .stack_size(STACK)
        .spawn_handler(|worker| {
            let thread = std::thread::Builder::new().name(format!("train{}", worker.index())).stack_size(STACK);
            // SAFETY: the compiler takes it that denormal numbers count, so it may compute some of them where the processor
            // takes zeros. Values that differ by less than 1e-37 are all that can come of it.
            thread.spawn(move || unsafe { no_denormals(|| worker.run()) }).map(drop)
        })
        .build()
        .map_err(|e| Error::config("threads", e))?;
    pool.install(work)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use rayon::prelude::*;

    use super::*;

    #[test]
    fn denormal_numbers_are_zeros_on_every_thread() {
        let halves = || -> Vec<f32> { rayon::broadcast(|_| black_box(f32::MIN_POSITIVE) * black_box(0.5)) };
        let inner = without_denormals(|| Ok(halves())).unwrap();
        assert!(!inner.is_empty() && inner.iter().all(|half| *half == 0.0), "{inner:?}");
        assert!(halves().into_par_iter().all(|half| half > 0.0), "threads of others are left as they were");
    }
}
