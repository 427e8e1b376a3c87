use std::sync::mpsc::sync_channel;

use super::Batches;
use crate::{Error, Result};

/// Batches that wait ready for the net.
const PREFETCH: usize = 3;

/// Runs `use_batches` while a thread of its own makes the batches.
pub(super) fn ahead<B: Send + 'static, R>(
    batches: Batches<B>,
    use_batches: impl FnOnce(&mut dyn Iterator<Item = Result<B>>) -> Result<R>,
) -> Result<R> {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(PREFETCH);
        std::thread::Builder::new()
            .name("loader".into())
            .spawn_scoped(scope, move || {
                for batch in batches {
                    if sender.send(batch).is_err() {
                        return;
                    }
                }
            })
            .map_err(|e| Error::io("loader thread", e))?;
        use_batches(&mut receiver.into_iter())
    })
}
