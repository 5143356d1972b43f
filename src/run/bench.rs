//! Measuring a detector on photos: the latency of each stage, one photo after another, and then the rate of the
//! whole pipeline. Knows nothing of how the figures are shown.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Machine, Record, RunError, RunOptions, RunState, Settings, Task, categories, run, stages};
use crate::clock::StageTimes;
use crate::detector::Detector;
use crate::memory;

/// Seconds that a stage took for one photo: half, nine tenths and 99 of 100 photos took no longer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The stage; `total` is all of them.
    pub stage: String,
    /// Median.
    pub p50: f64,
    /// Nine tenths.
    pub p90: f64,
    /// 99 of 100; the slowest where there are fewer.
    pub p99: f64,
}

/// How a measurement goes.
pub struct Course<'a> {
    /// Photos that go first, unmeasured.
    pub warm_up: usize,
    /// When the command began.
    pub started: Instant,
    /// Set, it ends the measurement without figures.
    pub stop: &'a AtomicBool,
}

/// What was measured, and on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    /// The program and its version.
    pub program: String,
    /// Name of the model.
    pub model: String,
    /// SHA-256 of its `model.json`.
    pub model_sha256: String,
    /// As in [`Settings`]: never `fast`, but what that chose.
    pub precision: String,
    /// What else decides what is computed; measurements of older versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Settings>,
    /// On what it ran.
    pub machine: Machine,
    /// Photos measured, without those that failed and those of the warm-up.
    pub photos: usize,
    /// Photos that failed.
    pub failed: usize,
    /// Seconds from the command's start to the first photo's boxes: library, model and the first, cold run.
    pub first_boxes: f64,
    /// By stage, one photo at a time.
    pub latency: Vec<Latency>,
    /// Photos a second through the whole pipeline, from files to a journal, without pictures.
    pub photos_per_second: f64,
    /// Share of that time, 0 to 1, in which a session was at work.
    pub session_share: f64,
    /// The process's peak memory in bytes, where the system tells.
    pub peak_memory: Option<u64>,
}

/// Measures a detector. `record` is that of a run with the options given. `widen` makes of the detector, which is measured photo by photo, the one
/// that is measured in the pipeline.
///
/// # Errors
/// When the journal cannot be written, no photo can be processed, `widen` fails, or `stop` is set.
pub fn bench<E: From<RunError>>(
    detector: Detector,
    widen: impl FnOnce(Detector) -> Result<Detector, E>,
    tasks: &[Task],
    options: &RunOptions,
    record: Record,
    course: &Course<'_>,
) -> Result<BenchReport, E> {
    let mut first_boxes = None;
    let mut times = Vec::new();
    let mut failed = 0;
    let one = |task: &Task| stages::alone(&detector, task, &options.decode);
    // The warm-up goes round where there are fewer photos than it asks for.
    let warming = tasks.iter().cycle().take(if tasks.is_empty() { 0 } else { course.warm_up.max(1) });
    for (task, measured) in warming.map(|task| (task, false)).chain(tasks.iter().map(|task| (task, true))) {
        if course.stop.load(Ordering::Relaxed) {
            return Err(RunError::Interrupted.into());
        }
        match one(task) {
            Ok(spent) => {
                first_boxes.get_or_insert_with(|| course.started.elapsed().as_secs_f64());
                if measured {
                    times.push(spent);
                }
            }
            Err(_) if !measured => {}
            Err(failure) => {
                tracing::debug!("{}: {}", task.entry.name, failure.detail);
                failed += 1;
            }
        }
    }
    let Some(first_boxes) = first_boxes.filter(|_| !times.is_empty()) else {
        return Err(RunError::NothingToMeasure(tasks.len()).into());
    };
    let detector = widen(detector)?;
    let record = Record { machine: Machine { streams: detector.streams(), ..record.machine }, ..record };
    let classes = categories(detector.classes());
    let record = run(&detector, &classes, tasks, options, record, course.stop, &mut |_| {})?;
    if record.state != RunState::Finished {
        return Err(RunError::Interrupted.into());
    }
    let done = (tasks.len() - record.counts.failed.min(tasks.len())) as f64;
    Ok(BenchReport {
        program: record.program.clone(),
        model: record.settings.model.clone(),
        model_sha256: record.settings.model_sha256.clone(),
        precision: record.settings.precision.clone(),
        settings: Some(record.settings.clone()),
        machine: record.machine.clone(),
        photos: times.len(),
        failed,
        first_boxes,
        latency: latencies(&times),
        photos_per_second: if record.wall > 0.0 { done / record.wall } else { 0.0 },
        session_share: 1.0 - record.overhead(),
        peak_memory: memory::peak(),
    })
}

fn latencies(times: &[StageTimes]) -> Vec<Latency> {
    let names = StageTimes::default().named().map(|(name, _)| name);
    let mut columns: Vec<(&str, Vec<f64>)> = names.into_iter().map(|name| (name, Vec::new())).collect();
    let mut totals = Vec::new();
    for spent in times {
        let named = spent.named();
        for ((_, column), (_, seconds)) in columns.iter_mut().zip(named) {
            column.push(seconds);
        }
        totals.push(named.iter().map(|(_, seconds)| seconds).sum());
    }
    columns.push(("total", totals));
    // Nothing is drawn here.
    columns.retain(|(name, column)| *name == "total" || column.iter().any(|seconds| *seconds > 0.0));
    columns.into_iter().map(|(stage, column)| latency(stage, column)).collect()
}

fn latency(stage: &str, mut seconds: Vec<f64>) -> Latency {
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let rank = (share * seconds.len() as f64).ceil() as usize;
        seconds.get(rank.max(1) - 1).copied().unwrap_or(0.0)
    };
    Latency { stage: stage.into(), p50: at(0.5), p90: at(0.9), p99: at(0.99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let found = latency("trunk", (1..=200).rev().map(f64::from).collect());
        assert_eq!((found.p50, found.p90, found.p99), (100.0, 180.0, 198.0));
        let one = latency("trunk", vec![7.0]);
        assert_eq!((one.p50, one.p90, one.p99), (7.0, 7.0, 7.0));
    }

    #[test]
    fn the_total_is_that_of_each_photo_and_idle_stages_are_left_out() {
        let photo = |trunk, head| StageTimes { trunk, head, ..StageTimes::default() };
        let found = latencies(&[photo(1.0, 4.0), photo(2.0, 1.0), photo(3.0, 1.0)]);
        let names: Vec<&str> = found.iter().map(|latency| latency.stage.as_str()).collect();
        assert_eq!(names, ["trunk", "head", "total"]);
        assert_eq!(found[2].p50, 4.0);
    }
}
