//! What [`Precision::Fast`] means for a model on this machine: what was measured and kept, or is measured now.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::DetectorError;
use super::trial::WayTrial;
use crate::model::Model;
use crate::photo::Photo;
use crate::runtime::{ChoiceKey, Device, Precision, Runtime, SessionOptions, TimedWay, WayChoice, together};

/// Who asks for the fastest way.
pub struct FastQuestion<'a> {
    /// The models that look at each photo.
    pub models: &'a [&'a Model],
    /// What opens their sessions.
    pub runtime: &'a Runtime,
    /// The device that is asked for, and the threads.
    pub options: SessionOptions,
    /// Photos that may be in the network at the same time.
    pub streams: usize,
}

impl FastQuestion<'_> {
    fn key(&self, model: &Model) -> ChoiceKey {
        self.runtime.choice_key(model.name(), model.hash(), self.options.thread_count())
    }

    /// What was measured before and kept. `note` is told of a file that cannot be used.
    pub fn stored(&self, note: &mut dyn FnMut(&str)) -> Option<WayChoice> {
        let mut all = Vec::new();
        for model in self.models {
            match self.key(model).stored() {
                Ok(times) => all.push(times?),
                Err(error) => {
                    note(&error.to_string());
                    return None;
                }
            }
        }
        WayChoice::of(together(all), self.options.device, self.streams)
    }

    /// Whether there is anything to choose from beside what [`Precision::Exact`] does.
    pub fn is_open(&self) -> bool {
        let ways = self.runtime.ways(self.options.device, 1);
        ways.len() > 1
    }

    /// Measures all ways on photos, and keeps the times. Of the first model, `goes_on` is told what a photo takes on the
    /// first way and what the measurement will take about, and may end it. `note` is told where nothing can be kept. `None`
    /// where `goes_on` ended it, or `stop` is set.
    ///
    /// # Errors
    /// When none of the ways works.
    pub fn measure(
        &self,
        photos: &[Photo],
        stop: &AtomicBool,
        goes_on: &mut dyn FnMut(Duration, Duration) -> bool,
        note: &mut dyn FnMut(&str),
    ) -> Result<Option<WayChoice>, DetectorError> {
        // Whoever asks for OpenVINO next time may ask for the best of all the time after.
        let requested = match self.options.device {
            Device::Cuda(number) => Device::Cuda(number),
            _ => Device::Auto,
        };
        let ways = self.runtime.ways(requested, self.streams);
        let mut all: Vec<Vec<TimedWay>> = Vec::new();
        for model in self.models {
            let (runtime, threads) = (self.runtime, self.options.thread_count());
            let trial = WayTrial { model, runtime, threads, photos, stop };
            let decided = !all.is_empty();
            let mut goes_on = |each, cost| decided || goes_on(each, cost);
            let Some(times) = trial.time(&ways, &mut goes_on)? else { return Ok(None) };
            if let Err(error) = self.key(model).keep(&times) {
                note(&format!("what was measured cannot be kept: {error}"));
            }
            all.push(times);
        }
        Ok(WayChoice::of(together(all), self.options.device, self.streams))
    }

    /// How sessions compute by a choice; without one, as [`Precision::Exact`] has it.
    pub fn session(&self, choice: Option<&WayChoice>) -> SessionOptions {
        match choice {
            Some(choice) => {
                SessionOptions { device: choice.way.device, precision: choice.way.precision, ..self.options }
            }
            None => SessionOptions { precision: Precision::Exact, ..self.options },
        }
    }
}
