use std::sync::mpsc::sync_channel;

use super::Batches;
use crate::{Error, Result};

/// Batches that wait ready for the net.
const PREFETCH: usize = 3;

/// Runs `use_batches` while a thread of its own makes the batches.
///
/// # Errors
/// Those of `use_batches`; [`Error::Data`] where making one panics.
pub(super) fn ahead<B: Send + 'static, R>(
    batches: Batches<B>,
    use_batches: impl FnOnce(&mut dyn Iterator<Item = Result<B>>) -> Result<R>,
) -> Result<R> {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(PREFETCH);
        let loader = std::thread::Builder::new()
            .name("loader".into())
            .spawn_scoped(scope, move || {
                for batch in batches {
                    if sender.send(batch).is_err() {
                        return;
                    }
                }
            })
            .map_err(|e| Error::io("loader thread", e))?;
        let outcome = use_batches(&mut receiver.into_iter());
        match loader.join() {
            Ok(()) => outcome,
            Err(_) => Err(Error::data("training data", "a batch could not be made: the message above tells where")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loader_that_panics_is_an_error_of_the_data() {
        let batches = (0..3).map(|number| if number == 1 { panic!("a damaged clip") } else { Ok(number) });
        let mut seen = Vec::new();
        let outcome = ahead(Box::new(batches), |batches| {
            seen.extend(batches.map(|batch| batch.unwrap()));
            Ok(())
        });
        assert!(matches!(outcome, Err(Error::Data { .. })), "{outcome:?}");
        assert_eq!(seen, [0]);
    }
}
