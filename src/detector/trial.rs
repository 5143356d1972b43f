//! Timing the ways to compute a model on this machine, on photos that are there.
//!
//! Knows nothing of what becomes of the times.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::{Detector, DetectorError, Input};
use crate::model::Model;
use crate::photo::Photo;
use crate::runtime::{ComputeWay, Runtime, SessionOptions, TimedWay};

/// A round is repeated until a way has had so much time, or so many rounds; the best counts, as others that use the
/// processor can only make a round longer.
const ENOUGH: Duration = Duration::from_millis(200);
const MOST_ROUNDS: usize = 5;

/// Turns of the fastest way and the first in the end, one after the other.
const TURNS: usize = 2;

/// Of what ways are timed.
pub struct WayTrial<'a> {
    /// The model.
    pub model: &'a Model,
    /// What opens its sessions.
    pub runtime: &'a Runtime,
    /// Threads of a way, shared by its streams.
    pub threads: usize,
    /// What it looks at.
    pub photos: &'a [Photo],
    /// Set, it ends the trial without times.
    pub stop: &'a AtomicBool,
}

/// A way that works.
struct Contestant {
    way: ComputeWay,
    detector: Detector,
    best: Duration,
}

impl WayTrial<'_> {
    /// Times ways, one after another, and in the end the fastest and the first in turns; those that do not work are left
    /// out. After the first, `goes_on` is told what a photo takes on it and what the others will take about, and may end the
    /// trial. `None` where it did, `stop` is set, or there is no photo.
    ///
    /// # Errors
    /// When none of the ways works.
    pub fn time(
        &self,
        ways: &[ComputeWay],
        goes_on: &mut dyn FnMut(Duration, Duration) -> bool,
    ) -> Result<Option<Vec<TimedWay>>, DetectorError> {
        let mut first: Option<Contestant> = None;
        let mut fastest: Option<Contestant> = None;
        let mut times: Vec<(ComputeWay, Duration)> = Vec::new();
        let mut refused = None;
        for (place, &way) in ways.iter().enumerate() {
            let began = Instant::now();
            let found = match self.enter(way) {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(None),
                Err(error) => {
                    tracing::debug!("not on {} in {}: {error}", way.device, way.precision);
                    refused = Some(error);
                    continue;
                }
            };
            times.push((way, found.best));
            let Some(exact) = &first else {
                // The others take about as long to load and to time, and have more to prepare.
                if !goes_on(found.best, began.elapsed() * (ways.len() - place - 1) as u32) {
                    return Ok(None);
                }
                first = Some(found);
                continue;
            };
            let least = fastest.as_ref().unwrap_or(exact).best;
            if found.best < least {
                fastest = Some(found);
            }
        }
        if let Some(exact) = &first {
            let last = [Some(exact), fastest.as_ref()];
            for contestant in last.iter().flatten().cycle().take(TURNS * last.iter().flatten().count()) {
                let Some(took) = pace(&contestant.detector, self.photos, self.stop)? else { return Ok(None) };
                let known = times.iter_mut().filter(|(way, _)| *way == contestant.way);
                known.for_each(|(_, best)| *best = took.min(*best));
            }
        }
        let timed = |(way, best): (ComputeWay, Duration)| TimedWay {
            way,
            microseconds: u64::try_from(best.as_micros()).unwrap_or(u64::MAX).max(1),
        };
        match (refused, times.is_empty()) {
            (Some(error), true) => Err(error),
            _ => Ok((!times.is_empty()).then(|| times.into_iter().map(timed).collect())),
        }
    }

    /// Loads a way and times it.
    fn enter(&self, way: ComputeWay) -> Result<Option<Contestant>, DetectorError> {
        let streams = std::num::NonZeroUsize::new(way.streams).unwrap_or(std::num::NonZeroUsize::MIN);
        let (device, precision, threads) = (way.device, way.precision, self.threads);
        let options = SessionOptions { device, precision, threads, keep: true };
        let detector = Detector::with_streams(self.model, self.runtime, &options, streams)?;
        // The first round prepares kernels and memory.
        let Some(mut best) = pace(&detector, self.photos, self.stop)? else { return Ok(None) };
        let began = Instant::now();
        for rounds in 0..MOST_ROUNDS {
            if rounds > 0 && began.elapsed() > ENOUGH {
                break;
            }
            let Some(took) = pace(&detector, self.photos, self.stop)? else { return Ok(None) };
            best = if rounds == 0 { took } else { took.min(best) };
        }
        Ok(Some(Contestant { way, detector, best }))
    }
}

/// What a photo takes on a detector where as many are under way as in a run, once through these photos at least; `None` where
/// there is none, or `stop` is set.
///
/// # Errors
/// When a session fails.
pub fn pace(
    detector: &Detector,
    photos: &[Photo],
    stop: &AtomicBool,
) -> Result<Option<Duration>, DetectorError> {
    let inputs: Vec<Input> = photos.iter().map(|photo| detector.prepare(photo)).collect::<Result<_, _>>()?;
    // Two where there is one stream, as one photo is between sessions while the other uses one.
    let callers = detector.streams().max(2);
    let count = callers.max(inputs.len());
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(place) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&place| place < count) {
            let Some(input) = inputs.get(place % inputs.len().max(1)) else { break };
            if stop.load(Ordering::Relaxed) {
                break;
            }
            detector.infer(vec![input.clone()])?;
        }
        Ok::<_, DetectorError>(())
    };
    let began = Instant::now();
    std::thread::scope(|scope| {
        let others: Vec<_> =
            (1..callers).map_while(|_| Builder::new().spawn_scoped(scope, work).ok()).collect();
        let own = work();
        let all = others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)));
        all.fold(own, Result::and)
    })?;
    let stopped = inputs.is_empty() || stop.load(Ordering::Relaxed);
    Ok((!stopped).then(|| began.elapsed() / count as u32))
}
