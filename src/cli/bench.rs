//! `rcnn bench`: how fast a model is on this machine, and against an earlier measurement.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::detector::Detector;
use crate::model::Model;
use crate::photo::{DecodeOptions, Limits, PhotoEntry};
use crate::run::{self, BenchReport, Course, Machine, Record, RunOptions, Settings};
use crate::runtime::{Device, Runtime};
use anyhow::Context;
use serde::Serialize;

use super::Exit;
use super::fastest::{Computing, RunAhead};
use super::memory::MemoryArgs;
use super::model_and_photos::ModelsAndPhotos;
use super::output::print_watched_report;
use super::postprocess_args::PostprocessArgs;
use super::runtime_args::RuntimeArgs;
use super::signals::stop_on_signal;
use super::streams::StreamArgs;
use super::tune::{Tuning, tune};
use super::values::whole;
use super::view_args::ViewArgs;

/// Measure a model's speed on photos
#[derive(Debug, clap::Args)]
#[command(override_usage = "rcnn bench [OPTIONS] <MODEL> --images <PHOTOS>...")]
#[command(after_help = "Examples:
  rcnn bench fod-r18 -i photos/
  rcnn bench fod-r18 -i photos/ --json > before.json
  rcnn bench -m fod-r18 -m models/mine -i photos/
  rcnn bench fod-r18 -i photos/ --tune
  rcnn bench fod-r18 -i photos/ --precision fast --against before.json

First each photo goes through all stages alone, for the latencies; then all photos go through the pipeline
that `rcnn detect --no-draw` uses, for the rate. Ratios above 1 are faster than FILE; the one of memory, less.
--tune measures nothing but which way to compute is the fastest here, on two of the photos.
Exit code 3: measured, but some photos failed.")]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    both: ModelsAndPhotos,
    /// Photos to measure, repeated if there are fewer; by default each once
    #[arg(short = 'n', long, value_name = "N", value_parser = whole::<u32>(1..))]
    count: Option<u32>,
    /// Photos that are not measured, before the others
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = whole::<u32>(1..))]
    warm_up: u32,
    /// Photos of the same size that go through the network together; does not change results
    #[arg(long, default_value_t = 1, value_parser = whole::<u16>(1..), value_name = "N")]
    batch: u16,
    /// Print one JSON document on standard output, and everything else on standard error
    #[arg(long)]
    json: bool,
    /// Output of an earlier `rcnn bench --json` to compare with
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Measure the ways to compute each model on this machine, and keep what --precision fast takes from now on
    #[arg(long, conflicts_with_all = ["against", "count", "batch", "warm_up"])]
    tune: bool,
    #[command(flatten)]
    postprocess: PostprocessArgs,
    #[command(flatten)]
    views: ViewArgs,
    #[command(flatten)]
    streams: StreamArgs,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    machine: RuntimeArgs,
}

/// Runs the command.
pub(crate) fn run(args: BenchArgs) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let (names, photos) = args.both.split()?;
    let against = args.against.as_deref().map(read).transpose()?;
    let listing = super::list_photos(&photos, None)?;
    let offline = args.machine.offline();
    let models =
        names.iter().map(|name| super::find_model(name, offline)).collect::<anyhow::Result<Vec<_>>>()?;
    let models: Vec<&Model> = models.iter().collect();
    let runtime = args.machine.open()?;
    let stop = stop_on_signal();
    if args.tune {
        return tune_each(&args, &runtime, &models, &listing.entries, &stop);
    }
    let augment = args.views.augment(models.len())?;
    let networks = networks(&models, augment.largest());
    let count = args.count.map_or(listing.entries.len(), |count| count as usize);
    let entries: Vec<_> = listing.entries.iter().cycle().take(count).cloned().collect();
    let whole = args.memory.whole();
    let streams = args.streams.count(&args.machine, &networks, entries.len(), args.batch.into(), whole);
    let ahead = RunAhead { photos: &entries, count, folder: None, streams_said: args.streams.are_said() };
    let computing = args.machine.computing(&runtime, &models, streams, ahead, &stop)?;
    let load = |streams| {
        let computing = Computing { streams, ..computing.clone() };
        let mut detector = computing.load_all(models.iter().map(|model| (*model, 1.0)), &runtime)?;
        args.postprocess.apply(&mut detector)?;
        detector.set_augment(augment.clone())?;
        detector.set_refine(args.views.refine());
        anyhow::Ok(detector)
    };
    let detector = load(NonZeroUsize::MIN)?;
    let tasks = run::count(entries);
    let place = tempfile::tempdir().context("cannot make a folder for the measurement's journal")?;
    let decode = DecodeOptions::default();
    let memory = args.memory.for_photos(&networks, computing.streams.get(), args.batch.into());
    let options = RunOptions {
        out: place.path().to_owned(),
        overwrite: true,
        draw_score: None,
        decode: DecodeOptions { limits: Limits { memory, ..decode.limits }, ..decode },
        threads: args.machine.threads(),
        batch: args.batch.into(),
        ..RunOptions::default()
    };
    let classes = &run::categories(detector.classes());
    let settings = Settings::of(&detector, classes, &options);
    let machine = Machine::of(&detector, &options);
    let record = Record::new(super::command_line(), settings, machine);
    let course = Course { warm_up: args.warm_up as usize, started, stop: &stop };
    let widen = |detector: Detector| {
        if computing.streams == NonZeroUsize::MIN || detector.device() != Device::Cpu {
            return Ok(detector);
        }
        // Its memory goes before the other one's comes.
        drop(detector);
        load(computing.streams)
    };
    let report = run::bench(detector, widen, &tasks, &options, record, &course)?;
    print_watched_report(&BenchReportView { now: &report, then: against.as_ref() }, args.json)?;
    Ok(if report.failed > 0 || !listing.unread.is_empty() { Exit::PhotosFailed } else { Exit::Done })
}

/// All of them, each at so many times its own size.
fn networks<'a>(models: &[&'a Model], scale: f64) -> Vec<(&'a Model, f64)> {
    models.iter().map(|model| (*model, scale)).collect()
}

fn tune_each(
    args: &BenchArgs,
    runtime: &Runtime,
    models: &[&Model],
    photos: &[PhotoEntry],
    stop: &AtomicBool,
) -> anyhow::Result<Exit> {
    let whole = args.memory.whole();
    // As for a run of many photos.
    let streams = args.streams.count(&args.machine, &networks(models, 1.0), usize::MAX, 1, whole).get();
    tune(&Tuning { machine: &args.machine, runtime, models, streams, photos, stop }, args.json)
}

fn read(path: &Path) -> anyhow::Result<BenchReport> {
    let text = super::read_text(path)?;
    serde_json::from_str(&text).with_context(|| {
        format!("`{}` is not what `rcnn bench --json` of this version prints", path.display())
    })
}

/// What was measured, beside what was measured before.
#[derive(Serialize)]
struct BenchReportView<'a> {
    #[serde(flatten)]
    now: &'a BenchReport,
    #[serde(skip)]
    then: Option<&'a BenchReport>,
}

impl fmt::Display for BenchReportView<'_> {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(text, self.now, self.then)
    }
}

/// In what else than device and precision, which the headings tell, the measurement of a model before was another.
fn otherwise(now: &BenchReport, then: &BenchReport) -> Option<String> {
    let (now, then) = (now.settings.as_ref()?, then.settings.as_ref()?);
    let (device, precision) = (now.device.clone(), now.precision.clone());
    now.difference(&Settings { device, precision, ..then.clone() })
}

fn write_all(text: &mut fmt::Formatter<'_>, now: &BenchReport, then: Option<&BenchReport>) -> fmt::Result {
    let heading = |report: &BenchReport| {
        let BenchReport { model, precision, machine, .. } = report;
        let Machine { device, threads, streams, runtime, .. } = machine;
        let streams = if *streams > 1 { format!(" in {streams} streams") } else { String::new() };
        format!("{model} on {device}, {precision}, {threads} threads{streams}, ONNX Runtime {runtime}")
    };
    writeln!(text, "{}: {} photos", heading(now), now.photos)?;
    if now.failed > 0 {
        let photos = if now.failed == 1 { "photo" } else { "photos" };
        writeln!(text, "{} {photos} failed and are left out", now.failed)?;
    }
    if let Some(then) = then {
        writeln!(text, "against {}: {} photos", heading(then), then.photos)?;
        if then.model_sha256 != now.model_sha256 {
            writeln!(text, "note: that was another model")?;
        } else if let Some(difference) = otherwise(now, then) {
            writeln!(text, "note: that was with {difference}")?;
        }
    }
    let ratio = |then: Option<f64>, now: f64| match then {
        Some(then) if now > 0.0 => format!("  {:5.2} x", then / now),
        _ => String::new(),
    };
    writeln!(text, "ms a photo       p50      p90      p99{}", if then.is_some() { "    p50" } else { "" })?;
    for latency in &now.latency {
        let [p50, p90, p99] = [latency.p50, latency.p90, latency.p99].map(|seconds| 1e3 * seconds);
        let same = |then: &BenchReport| then.latency.iter().find(|old| old.stage == latency.stage).cloned();
        let ratio = ratio(then.and_then(same).map(|old| old.p50), latency.p50);
        writeln!(text, "{:12} {p50:8.2} {p90:8.2} {p99:8.2}{ratio}", latency.stage)?;
    }
    let rate = then.map(|then| format!("  {:5.2} x", now.photos_per_second / then.photos_per_second));
    writeln!(text, "{:.2} photos a second{}", now.photos_per_second, rate.unwrap_or_default())?;
    writeln!(text, "{:.1} % of the time in sessions", 100.0 * now.session_share)?;
    let first = ratio(then.map(|then| then.first_boxes), now.first_boxes);
    writeln!(text, "{:.2} s from the start to the first boxes{first}", now.first_boxes)?;
    if let Some(bytes) = now.peak_memory {
        let memory = ratio(then.and_then(|then| then.peak_memory).map(|old| old as f64), bytes as f64);
        writeln!(text, "{:.0} MiB of memory at most{memory}", bytes as f64 / f64::from(1 << 20))?;
    }
    Ok(())
}
