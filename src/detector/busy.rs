//! How long at least one session was at work, however many overlapped.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A clock that runs while anybody is at work.
#[derive(Debug, Default)]
pub(super) struct Busy(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    at_work: usize,
    since: Option<Instant>,
    total: Duration,
}

impl Busy {
    /// Runs `work` with the clock on; adds its own seconds to `seconds`.
    pub(super) fn time<T>(&self, seconds: &mut f64, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        self.step(|state| {
            state.at_work += 1;
            state.since.get_or_insert(started);
        });
        let outcome = work();
        self.step(|state| {
            state.at_work -= 1;
            if state.at_work == 0 {
                state.total += state.since.take().map_or(Duration::ZERO, |since| since.elapsed());
            }
        });
        *seconds += started.elapsed().as_secs_f64();
        outcome
    }

    /// The clock's reading.
    pub(super) fn total(&self) -> Duration {
        let mut total = Duration::ZERO;
        self.step(|state| total = state.total);
        total
    }

    fn step(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_counts_once() {
        let busy = Busy::default();
        let nap = || {
            let mut seconds = 0.0;
            busy.time(&mut seconds, || std::thread::sleep(Duration::from_millis(60)));
            seconds
        };
        let sum =
            std::thread::scope(|scope| [scope.spawn(nap), scope.spawn(nap)].map(|nap| nap.join().unwrap()))
                .iter()
                .sum::<f64>();
        assert!(sum >= 0.12);
        assert!(
            busy.total() >= Duration::from_millis(60) && busy.total().as_secs_f64() < sum,
            "{:?} of {sum}",
            busy.total()
        );
    }
}
