//! `rcnn bench --tune`: what the ways to compute a model take on this machine, measured anew and kept for `--precision fast`.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use serde::Serialize;

use crate::detector::FastQuestion;
use crate::model::Model;
use crate::photo::{Photo, PhotoEntry};
use crate::runtime::{Runtime, TimedWay, WayChoice};

use super::output::{print_watched_report, tell};
use super::runtime_args::RuntimeArgs;
use super::{Exit, Usage, fastest};

/// What was measured.
#[derive(Serialize)]
pub(super) struct TuneReport<'a> {
    model: &'a str,
    model_sha256: &'a str,
    threads: usize,
    runtime: &'a str,
    /// Whether it is kept for later commands.
    kept: bool,
    /// What `--precision fast` takes from now on, where all of these may be taken.
    chosen: TimedWay,
    /// All ways that work, the most exact first.
    measured: Vec<TimedWay>,
}

/// What is to be measured.
pub(super) struct Tuning<'a> {
    pub(super) machine: &'a RuntimeArgs,
    pub(super) runtime: &'a Runtime,
    pub(super) models: &'a [&'a Model],
    /// Photos that may be in the network at the same time.
    pub(super) streams: usize,
    pub(super) photos: &'a [PhotoEntry],
    /// Set, it ends the measurement.
    pub(super) stop: &'a AtomicBool,
}

/// Measures each model's ways and keeps the times.
pub(super) fn tune(tuning: &Tuning<'_>, json: bool) -> anyhow::Result<Exit> {
    let photos = fastest::sample(tuning.photos);
    if photos.is_empty() {
        return Err(Usage("none of the photos can be read: `rcnn detect` says why".into()).into());
    }
    let reports = tuning.models.iter().map(|model| measured(tuning, model, &photos));
    let reports = reports.collect::<anyhow::Result<Vec<TuneReport<'_>>>>()?;
    match &reports[..] {
        [report] => print_watched_report(report, json)?,
        reports => print_watched_report(&TuneReports(reports), json)?,
    }
    Ok(Exit::Done)
}

/// Of several models, in their order.
#[derive(Serialize)]
struct TuneReports<'a>(&'a [TuneReport<'a>]);

impl fmt::Display for TuneReports<'_> {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|report| report.fmt(text))
    }
}

fn measured<'a>(tuning: &Tuning<'a>, model: &'a Model, photos: &[Photo]) -> anyhow::Result<TuneReport<'a>> {
    let &Tuning { machine, runtime, streams, stop, .. } = tuning;
    let question = FastQuestion { models: &[model], runtime, options: machine.session(), streams };
    let mut kept = true;
    let mut note = |note: &str| {
        kept = false;
        tell!("note: {note}");
    };
    let choice = question.measure(photos, stop, &mut |_, _| true, &mut note)?;
    let Some(WayChoice { way, measured, .. }) = choice else {
        if stop.load(Ordering::Relaxed) {
            anyhow::bail!("stopped before all ways were measured: nothing is kept");
        }
        anyhow::bail!("nothing works on {} here: `rcnn doctor` says why", machine.device);
    };
    let chosen = *measured.iter().find(|timed| timed.way == way).context("nothing was measured")?;
    let (threads, model_sha256) = (machine.threads(), model.hash());
    Ok(TuneReport {
        model: model.name(),
        model_sha256,
        threads,
        runtime: runtime.version(),
        kept,
        chosen,
        measured,
    })
}

impl fmt::Display for TuneReport<'_> {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TuneReport { model, threads, runtime, chosen, measured, .. } = self;
        writeln!(text, "{model} with {threads} threads, ONNX Runtime {runtime}")?;
        writeln!(text, "ms a photo  x exact  computed on")?;
        let exact = measured.first().map_or(0, |first| first.microseconds) as f64;
        for timed in measured {
            let took = timed.microseconds as f64;
            let mark = if timed.way == chosen.way { "  <- fast" } else { "" };
            let way = fastest::way(&timed.way);
            writeln!(text, "{:10.2}  {:7.2}  {way}{mark}", took / 1e3, exact / took.max(1.0))?;
        }
        Ok(())
    }
}
