//! What `--precision fast` takes: what a run began with, what was measured before, what is measured now, or what exact takes.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::detector::{Detector, DetectorError, FastQuestion};
use crate::model::Model;
use crate::photo::{DecodeOptions, Photo, PhotoEntry, decode};
use crate::run::{Record, Settings};
use crate::runtime::{ComputeWay, Device, Precision, Runtime, SessionOptions, WayChoice, pays};

use super::Usage;
use super::output::tell;
use super::runtime_args::RuntimeArgs;

/// Nothing is measured for runs of fewer photos.
const FEW: usize = 64;

/// Photos on which ways are timed, and how many are looked at to find these.
pub(crate) const PHOTOS: usize = 2;
const LOOKED_AT: usize = 8;

/// How a command's sessions compute.
#[derive(Clone)]
pub(crate) struct Computing {
    /// Device, precision and threads.
    pub(crate) session: SessionOptions,
    /// Photos in the network at the same time.
    pub(crate) streams: NonZeroUsize,
    /// Why, where `fast` chose.
    pub(crate) choice: Option<WayChoice>,
}

/// What is known of a run before its models are loaded.
#[derive(Clone, Copy, Default)]
pub(crate) struct RunAhead<'a> {
    /// Its photos, where they are known.
    pub(crate) photos: &'a [PhotoEntry],
    /// How many of them it does.
    pub(crate) count: usize,
    /// The folder of a run that it may go on with.
    pub(crate) folder: Option<&'a Path>,
    /// The user said how many are in the network at the same time.
    pub(crate) streams_said: bool,
}

impl Computing {
    /// Loads a model.
    pub(crate) fn load(&self, model: &Model, runtime: &Runtime) -> Result<Detector, DetectorError> {
        let mut detector = Detector::with_streams(model, runtime, &self.session, self.streams)?;
        detector.set_choice(self.choice.clone());
        Ok(detector)
    }

    /// Loads models as one detector, each with what it counts.
    pub(crate) fn load_all<'a>(
        &self,
        models: impl IntoIterator<Item = (&'a Model, f64)>,
        runtime: &Runtime,
    ) -> anyhow::Result<Detector> {
        let mut all: Option<(Detector, f64)> = None;
        for (model, weight) in models {
            let detector = self.load(model, runtime)?;
            match &mut all {
                None => all = Some((detector, weight)),
                Some((first, own)) => first.join(detector, weight / *own)?,
            }
        }
        all.map(|(detector, _)| detector).ok_or_else(|| Usage("no model is named".into()).into())
    }
}

impl RuntimeArgs {
    /// How the sessions of these models compute, with at most so many photos in the network at once. Measures where `fast`
    /// is asked for, nothing was measured before, and the run ahead is long enough.
    pub(crate) fn computing(
        &self,
        runtime: &Runtime,
        models: &[&Model],
        streams: NonZeroUsize,
        ahead: RunAhead<'_>,
        stop: &AtomicBool,
    ) -> anyhow::Result<Computing> {
        let options = self.session();
        if options.precision != Precision::Fast {
            return Ok(Computing { session: options, streams, choice: None });
        }
        let begun = ahead.folder.and_then(|folder| Record::open(folder).ok());
        let begun = begun.and_then(|record| Some((self.as_begun(&record.settings)?, record.machine.choice)));
        let (session, choice) = match begun {
            Some(begun) => begun,
            None => {
                self.chosen(&FastQuestion { models, runtime, options, streams: streams.get() }, ahead, stop)?
            }
        };
        let one = choice.as_ref().is_some_and(|choice| choice.way.streams == 1) && !ahead.streams_said;
        Ok(Computing { session, streams: if one { NonZeroUsize::MIN } else { streams }, choice })
    }

    fn chosen(
        &self,
        question: &FastQuestion<'_>,
        ahead: RunAhead<'_>,
        stop: &AtomicBool,
    ) -> anyhow::Result<(SessionOptions, Option<WayChoice>)> {
        let kept = question.stored(&mut |note| tell!("warning: {note}; `rcnn bench --tune` measures anew"));
        let choice = match kept {
            None if question.is_open() => measured(question, ahead, stop)?,
            kept => kept,
        };
        Ok((question.session(choice.as_ref()), choice))
    }

    /// As a run began that is in the folder already: what would be measured now may be something else.
    fn as_begun(&self, settings: &Settings) -> Option<SessionOptions> {
        let (device, precision) = (settings.device.parse().ok()?, settings.precision.parse().ok()?);
        let eligible = self.device == Device::Auto || self.device == device;
        eligible.then(|| SessionOptions { device, precision, ..self.session() })
    }
}

/// What is fastest on the run's photos, where it is long enough to find that out.
fn measured(
    question: &FastQuestion<'_>,
    ahead: RunAhead<'_>,
    stop: &AtomicBool,
) -> anyhow::Result<Option<WayChoice>> {
    let mut choice = None;
    let photos = if ahead.count < FEW { Vec::new() } else { sample(ahead.photos) };
    if !photos.is_empty() {
        let mut goes_on = |each, cost| {
            let pays = pays(ahead.count, each, cost);
            if pays {
                tell!("finding out what is fastest on this machine, once for each model");
            }
            pays
        };
        choice = question.measure(&photos, stop, &mut goes_on, &mut |note| tell!("note: {note}"))?;
        if stop.load(Ordering::Relaxed) {
            anyhow::bail!("stopped while it was being found out what is fastest: nothing was begun");
        }
    }
    match &choice {
        None => tell!(
            "note: fast computes as exact until it was measured what is fastest on this machine, for which this run is too \
             short: `rcnn bench MODEL -i PHOTOS --tune` does it"
        ),
        Some(choice) => tell!("fastest is {}", choice_text(choice, question)),
    }
    Ok(choice)
}

/// A choice in a few words, such as `openvino, bfloat16: 3.3 times as fast as exact`.
fn choice_text(choice: &WayChoice, question: &FastQuestion<'_>) -> String {
    let gain = choice.gain(question.options.device).filter(|_| choice.way.precision != Precision::Exact);
    let gain = gain.map_or_else(String::new, |gain| format!(", {gain:.1} times as fast as exact"));
    format!("{}{gain}", way(&choice.way))
}

/// A way in a few words.
pub(crate) fn way(way: &ComputeWay) -> String {
    let streams =
        if way.streams > 1 { format!(", {} photos side by side", way.streams) } else { String::new() };
    format!("{}, {}{streams}", way.device, way.precision)
}

/// A photo or two of a run: the first, and one from its middle.
pub(crate) fn sample(photos: &[PhotoEntry]) -> Vec<Photo> {
    let (first, second) = photos.split_at(photos.len() / 2);
    let halves = [first, second].into_iter().filter_map(|half| {
        let mut looked_at = half.iter().take(LOOKED_AT);
        looked_at.find_map(|entry| decode(&entry.path, &DecodeOptions::default()).ok())
    });
    halves.take(PHOTOS).collect()
}
