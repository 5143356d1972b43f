//! What int8 gains on this machine: both models on a photo or two, in turns.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;

use crate::cli::fastest::{self, RunAhead};
use crate::cli::runtime_args::RuntimeArgs;
use crate::compare::JudgedModel;
use crate::detector::pace;
use crate::model::Model;
use crate::photo::PhotoEntry;
use crate::runtime::Runtime;

/// Turns that count; the best of them does. One before them prepares kernels and memory.
const TURNS: usize = 4;

/// Milliseconds a photo.
#[derive(Serialize)]
pub(super) struct Int8Gain {
    /// Before.
    pub(super) float32_ms: f64,
    /// After.
    pub(super) int8_ms: f64,
}

impl Int8Gain {
    /// How many times as fast int8 is.
    pub(super) fn times(&self) -> f64 {
        self.float32_ms / self.int8_ms
    }

    /// What both took when they were judged.
    pub(super) fn of_judged(judged: &[JudgedModel]) -> Option<Int8Gain> {
        let [before, after] = judged else { return None };
        let (before, after) = (before.costs.as_ref()?, after.costs.as_ref()?);
        Some(Int8Gain { float32_ms: before.milliseconds, int8_ms: after.milliseconds })
    }

    /// Runs both; `None` where no photo can be read, or `stop` is set.
    pub(super) fn measured(
        machine: &RuntimeArgs,
        runtime: &Runtime,
        models: [&Model; 2],
        photos: &[PhotoEntry],
        stop: &AtomicBool,
    ) -> anyhow::Result<Option<Int8Gain>> {
        let photos = fastest::sample(photos);
        let load = |model| {
            let one = NonZeroUsize::MIN;
            let computing = machine.computing(runtime, &[model], one, RunAhead::default(), stop)?;
            anyhow::Ok(computing.load(model, runtime)?)
        };
        let detectors = [load(models[0])?, load(models[1])?];
        let mut best = [Duration::MAX; 2];
        for turn in 0..=TURNS {
            for (detector, best) in detectors.iter().zip(&mut best) {
                let Some(took) = pace(detector, &photos, stop)? else { return Ok(None) };
                if turn > 0 {
                    *best = took.min(*best);
                }
            }
        }
        let [float32_ms, int8_ms] = best.map(|best| 1e3 * best.as_secs_f64());
        Ok(Some(Int8Gain { float32_ms, int8_ms }))
    }
}
