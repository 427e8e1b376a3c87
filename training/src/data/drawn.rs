//! Batches of examples that a task draws by chance.

use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::Result;
use crate::random::seed;

/// The seed of the examples whose features set the normalisation.
pub(crate) const STATISTICS_SEED: u64 = 0;
/// The seed of the examples that validate.
pub(crate) const VALID_SEED: u64 = 1;

/// The seed of what an epoch draws.
pub(crate) fn epoch_seed(run_seed: u64, epoch: usize) -> u64 {
    seed(&[run_seed, epoch as u64])
}

/// Batches of `size` items in their order, but the first `done`. The item of each number becomes an example by a generator
/// of its own, so that threads and a run that is resumed make the same of it.
pub(crate) fn batches<I, E, B>(
    items: Vec<I>,
    size: usize,
    done: usize,
    generator: impl Fn(usize) -> ChaCha8Rng + Send + Sync,
    example: impl Fn(&I, &mut ChaCha8Rng) -> Result<E> + Send + Sync,
) -> impl Iterator<Item = Result<B>> + Send
where
    I: Send + Sync,
    E: Send,
    B: FromIterator<E>,
{
    let size = size.max(1);
    (0..items.len()).step_by(size).skip(done).map(move |start| {
        let chosen = (start..items.len().min(start + size)).into_par_iter();
        let examples = chosen.map(|at| example(&items[at], &mut generator(at)));
        Ok(examples.collect::<Result<Vec<_>>>()?.into_iter().collect())
    })
}
