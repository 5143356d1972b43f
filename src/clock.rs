//! Seconds: those that each stage of a photo takes, and those in which a session is at work.

use std::ops::{AddAssign, Div};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Seconds that each stage was at work, summed over its threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageTimes {
    /// Reading and decoding.
    pub decode: f64,
    /// Resizing, normalising, padding.
    pub prepare: f64,
    /// The trunk's session.
    pub trunk: f64,
    /// Between the sessions: top-k, decoding, NMS.
    pub proposals: f64,
    /// RoIAlign and the head's session.
    pub head: f64,
    /// After them: softmax, decoding, NMS; joining what tiles show.
    pub postprocess: f64,
    /// Boxes and labels.
    pub draw: f64,
    /// Encoding and writing pictures.
    pub write: f64,
}

impl StageTimes {
    /// Name and seconds of each stage, in order.
    pub fn named(&self) -> [(&'static str, f64); 8] {
        [
            ("decode", self.decode),
            ("prepare", self.prepare),
            ("trunk", self.trunk),
            ("proposals", self.proposals),
            ("head", self.head),
            ("postprocess", self.postprocess),
            ("draw", self.draw),
            ("write", self.write),
        ]
    }
}

impl AddAssign for StageTimes {
    fn add_assign(&mut self, other: StageTimes) {
        self.decode += other.decode;
        self.prepare += other.prepare;
        self.trunk += other.trunk;
        self.proposals += other.proposals;
        self.head += other.head;
        self.postprocess += other.postprocess;
        self.draw += other.draw;
        self.write += other.write;
    }
}

impl Div<f64> for StageTimes {
    type Output = StageTimes;

    fn div(self, by: f64) -> StageTimes {
        StageTimes {
            decode: self.decode / by,
            prepare: self.prepare / by,
            trunk: self.trunk / by,
            proposals: self.proposals / by,
            head: self.head / by,
            postprocess: self.postprocess / by,
            draw: self.draw / by,
            write: self.write / by,
        }
    }
}

/// Does some work, and adds its seconds to `seconds`.
pub(crate) fn timed<T>(seconds: &mut f64, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let outcome = work();
    *seconds += started.elapsed().as_secs_f64();
    outcome
}

/// A clock that runs while at least one session is at work, however many overlap.
#[derive(Debug, Default)]
pub(crate) struct SessionClock(Mutex<ClockState>);

#[derive(Debug, Default)]
struct ClockState {
    at_work: usize,
    since: Option<Instant>,
    total: Duration,
}

impl SessionClock {
    /// Runs `work` with the clock on; adds its own seconds to `seconds`.
    pub(crate) fn time<T>(&self, seconds: &mut f64, work: impl FnOnce() -> T) -> T {
        timed(seconds, || {
            self.step(|state| {
                state.at_work += 1;
                state.since.get_or_insert_with(Instant::now);
            });
            let outcome = work();
            self.step(|state| {
                state.at_work -= 1;
                if state.at_work == 0 {
                    state.total += state.since.take().map_or(Duration::ZERO, |since| since.elapsed());
                }
            });
            outcome
        })
    }

    /// How long it has run.
    pub(crate) fn total(&self) -> Duration {
        let mut total = Duration::ZERO;
        self.step(|state| total = state.total);
        total
    }

    fn step(&self, change: impl FnOnce(&mut ClockState)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_counts_once() {
        let clock = SessionClock::default();
        let nap = || {
            let mut seconds = 0.0;
            clock.time(&mut seconds, || std::thread::sleep(Duration::from_millis(60)));
            seconds
        };
        let sum =
            std::thread::scope(|scope| [scope.spawn(nap), scope.spawn(nap)].map(|nap| nap.join().unwrap()))
                .iter()
                .sum::<f64>();
        assert!(sum >= 0.12);
        assert!(
            clock.total() >= Duration::from_millis(60) && clock.total().as_secs_f64() < sum,
            "{:?} of {sum}",
            clock.total()
        );
    }
}
