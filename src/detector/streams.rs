//! Several pairs of sessions side by side, each on its share of the threads.
//!
//! Most layers of a network keep one thread busy better than many: there is nothing to share out and nobody to wait
//! for. With several photos at hand, one photo a thread takes less time than all threads on one photo, for the memory
//! of a network more each.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

use super::head::Head;
use super::trunk::Trunk;

/// The sessions that one photo, or one batch, goes through.
pub(super) struct Stream {
    pub(super) trunk: Trunk,
    /// In the order that boxes pass through them.
    pub(super) heads: Vec<Head>,
    /// The mask heads, where there are any.
    pub(super) masks: Option<Head>,
}

/// All streams, and which of the others nobody uses. The first is for whoever finds none of them free.
pub(super) struct Streams {
    first: Stream,
    others: Vec<Stream>,
    free: Mutex<Vec<usize>>,
}

impl Streams {
    /// Makes streams, the first before the others, which then go on at once: they find what it kept. There are fewer where
    /// the system gives no more threads.
    pub(super) fn new<E: Send>(
        count: NonZeroUsize,
        make: impl Fn() -> Result<Stream, E> + Sync,
    ) -> Result<Streams, E> {
        let first = make()?;
        let others = std::thread::scope(|scope| {
            let made: Vec<_> =
                (1..count.get()).map_while(|_| Builder::new().spawn_scoped(scope, &make).ok()).collect();
            let joined = made
                .into_iter()
                .map(|stream| stream.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)));
            joined.collect::<Result<Vec<Stream>, E>>()
        })?;
        let free = Mutex::new((0..others.len()).collect());
        Ok(Streams { first, others, free })
    }

    /// The stream that is always there.
    pub(super) fn first(&self) -> &Stream {
        &self.first
    }

    pub(super) fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// Works on a stream of its own, or on the first, whose sessions take callers in turn, where there are more callers
    /// than streams.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Stream) -> T) -> T {
        let place = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let stream = place.and_then(|place| self.others.get(place));
        let outcome = work(stream.unwrap_or(&self.first));
        self.free.lock().unwrap_or_else(PoisonError::into_inner).extend(place);
        outcome
    }
}
