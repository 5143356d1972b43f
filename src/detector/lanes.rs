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
pub(super) struct Lane {
    pub(super) trunk: Trunk,
    /// In the order that boxes pass through them.
    pub(super) heads: Vec<Head>,
}

/// All lanes, and which of the others nobody uses. The first is for whoever finds none of them free.
pub(super) struct Lanes {
    first: Lane,
    others: Vec<Lane>,
    free: Mutex<Vec<usize>>,
}

impl Lanes {
    /// Makes lanes, the first before the others, which then go on at once: they find what it kept. There are fewer where
    /// the system gives no more threads.
    pub(super) fn new<E: Send>(
        count: NonZeroUsize,
        make: impl Fn() -> Result<Lane, E> + Sync,
    ) -> Result<Lanes, E> {
        let first = make()?;
        let others = std::thread::scope(|scope| {
            let made: Vec<_> =
                (1..count.get()).map_while(|_| Builder::new().spawn_scoped(scope, &make).ok()).collect();
            let joined = made
                .into_iter()
                .map(|lane| lane.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)));
            joined.collect::<Result<Vec<Lane>, E>>()
        })?;
        let free = Mutex::new((0..others.len()).collect());
        Ok(Lanes { first, others, free })
    }

    /// The lane that is always there.
    pub(super) fn first(&self) -> &Lane {
        &self.first
    }

    pub(super) fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// Works on a lane of its own, or on the first, whose sessions take callers in turn, where there are more callers
    /// than lanes.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Lane) -> T) -> T {
        let place = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let lane = place.and_then(|place| self.others.get(place));
        let outcome = work(lane.unwrap_or(&self.first));
        self.free.lock().unwrap_or_else(PoisonError::into_inner).extend(place);
        outcome
    }
}
