//! `rcnn reproduce`: a published checkpoint is brought, run on annotated photos and judged, and its numbers stand beside
//! its publisher's.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;
use coco_eval::{DataSet, Evaluator, IouType, Params, Reading};
use sha2::Sha256;

use crate::compare::{Circumstances, Reproduction, StatedNumber};
use crate::hash::of_reader;
use crate::model::{Model, Published, find_published, no_such};
use crate::photo::{DecodeOptions, Limits, Listing};
use crate::run::{Event, Record, RunOptions, RunState};
use crate::runtime::Precision;
use crate::{Annotated, Run};

use super::fastest::RunAhead;
use super::memory::MemoryArgs;
use super::output::{print_report, tell};
use super::progress::ProgressLine;
use super::runtime_args::RuntimeArgs;
use super::signals::{self, stop_on_signal};
use super::streams::StreamArgs;
use super::values::folder;
use super::{Exit, Usage, say};

/// Judge a published checkpoint on annotated photos, and put the numbers beside its publisher's
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn reproduce pd-r50-fpn-1x -a instances_val2017.json -i val2017/
  rcnn reproduce d2-r50-fpn-3x -a instances_val2017.json -i val2017/ -o d2-r50 --json

The checkpoint is pulled where it is not here. A run that is stopped goes on where it stopped.")]
pub(crate) struct ReproduceArgs {
    /// Name that `rcnn models --all` lists
    name: String,
    /// COCO annotations: those that the publisher judges with, instances_val2017.json for most
    #[arg(short, long, value_name = "GT.json", value_parser = super::file_or_pipe())]
    annotations: PathBuf,
    /// Photos: files, folders (with all folders in them), patterns, .txt files of paths; with one -i for each
    #[arg(short = 'i', long, alias = "input", required = true, value_name = "PHOTOS")]
    images: Vec<OsString>,
    /// Folder for the run and reproduce.json; by default reproduced/NAME
    #[arg(short, long, value_name = "FOLDER", value_parser = folder())]
    out: Option<PathBuf>,
    /// Print one JSON document on standard output, and everything else on standard error
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    streams: StreamArgs,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    machine: RuntimeArgs,
}

/// Runs the command.
pub(crate) fn run(args: ReproduceArgs) -> anyhow::Result<Exit> {
    let known = known(&args.name)?;
    let out = args.out.clone().unwrap_or_else(|| Path::new("reproduced").join(&known.name));
    // What is wrong with the annotations is said before hours of work.
    let from = |error| with_source(known, error);
    let truth = DataSet::open(&args.annotations).map_err(|error| from(error.into()))?;
    let annotated = Annotated::open(&args.annotations)?;
    let listing = super::list_photos(&args.images, Some(&out.join("annotated"))).map_err(from)?;
    let model = super::find_model(known.name.as_ref(), args.machine.offline())?;
    let record = detect(&args, &model, listing, annotated, &out)?;
    if record.state != RunState::Finished {
        tell!("stopped: the same command goes on where this one ended, and judges when all photos are done");
        return Ok(signals::received().unwrap_or(Exit::Interrupted));
    }
    let found = judge(&args, known, &model, &truth, &record, &out)?;
    let document = serde_json::to_string_pretty(&found)?;
    let path = out.join("reproduce.json");
    crate::atomic::write(&path, |to| std::io::Write::write_all(to, document.as_bytes()))
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    print_report(&found, args.json)?;
    Ok(if record.counts.failed > 0 { Exit::PhotosFailed } else { Exit::Done })
}

/// Where COCO's files are.
const COCO: &str = "val2017.zip and annotations_trainval2017.zip, which has instances_val2017.json, are listed at \
                    https://cocodataset.org/#download";

/// The error that annotations or photos are not there, with where those of the publisher are.
fn with_source(known: &Published, error: anyhow::Error) -> anyhow::Error {
    if !known.dataset.starts_with("coco_") {
        return error;
    }
    let message = format!("{error}; {COCO}");
    if error.is::<Usage>() { Usage(message).into() } else { anyhow::anyhow!(message) }
}

/// The published detector of a name.
fn known(name: &str) -> Result<&'static Published, Usage> {
    let Some(known) = find_published(name) else {
        return Err(Usage(format!(
            "{}; `rcnn compare -a GT.json -i PHOTOS MODEL` judges a model of your own",
            no_such(name)
        )));
    };
    if known.family == "classifier" {
        return Err(Usage(format!(
            "`{name}` is a classifier, and detectors are judged here: `rcnn models --all` lists some"
        )));
    }
    Ok(known)
}

/// Runs the model on the photos into a folder, or goes on with that.
fn detect(
    args: &ReproduceArgs,
    model: &Model,
    listing: Listing,
    annotated: Annotated,
    out: &Path,
) -> anyhow::Result<Record> {
    let runtime = args.machine.open()?;
    let networks = [(model, 1.0)];
    let streams = args.streams.count(&args.machine, &networks, listing.entries.len(), 1, args.memory.whole());
    let stop = stop_on_signal();
    let (count, streams_said) = (listing.entries.len(), args.streams.are_said());
    let ahead = RunAhead { photos: &listing.entries, count, folder: Some(out), streams_said };
    let computing = args.machine.computing(&runtime, &[model], streams, ahead, &stop)?;
    let detector = computing.load(model, &runtime)?;
    let memory = args.memory.for_photos(&networks, computing.streams.get(), 1);
    let options = RunOptions {
        out: out.into(),
        draw_score: None,
        decode: DecodeOptions { limits: Limits { memory, ..Limits::default() }, ..DecodeOptions::default() },
        threads: args.machine.threads(),
        ..RunOptions::default()
    };
    let mut progress: Option<ProgressLine> = None;
    let mut watch = |event: Event<'_>| match event {
        Event::Warning(note) => tell!("note: {note}"),
        Event::Progress(now) => {
            let (done, total, failed) = (now.done as u64, now.total as u64, now.failed as u64);
            progress.get_or_insert_with(|| ProgressLine::new("photos", done, total)).set(done, total, failed);
        }
        _ => {}
    };
    let run = Run::builder(&detector)
        .listing(listing)
        .annotated(Some(annotated))
        .options(options)
        .command(super::command_line())
        .stop(&stop)
        .prepare()?;
    let outcome = run.start(&mut watch);
    progress.into_iter().for_each(|line| line.end());
    Ok(outcome?)
}

fn judge(
    args: &ReproduceArgs,
    known: &Published,
    model: &Model,
    truth: &DataSet,
    record: &Record,
    out: &Path,
) -> anyhow::Result<Reproduction> {
    let evaluator =
        Evaluator::open(&args.annotations, &out.join("detections.json"), &Params::default(), false)?;
    let reading = Reading::default();
    let evaluation = evaluator.evaluate_as(reading, true)?;
    let warnings = evaluator.warnings(&evaluation, reading);
    say(&warnings.into_iter().map(|warning| warning.message).collect::<Vec<_>>());
    let file = File::open(&args.annotations)
        .with_context(|| format!("cannot read `{}`", args.annotations.display()))?;
    let classes = &model.manifest().classes;
    let categories = truth.named_categories_by_use();
    let is_known = |name: &str| classes.iter().any(|class| class.is_called(name));
    let circumstances = Circumstances {
        annotations_sha256: of_reader::<Sha256>(file)?,
        images: truth.images().len(),
        annotations: truth.annotations().count(),
        categories: categories.len(),
        known_categories: categories.iter().filter(|(_, name)| is_known(name)).count(),
        photos: record.counts.photos,
        failed: record.counts.failed,
        fast: record.settings.precision != Precision::Exact.to_string(),
    };
    let found = Reproduction::new(known, &model.manifest().conventions, &evaluation.stats, circumstances);
    if known.mask_ap.is_none() || !record.settings.masks {
        return Ok(found);
    }
    Ok(match judge_masks(&args.annotations, out) {
        Ok(ap) => found.with_masks(known, ap),
        Err(error) => {
            tell!("masks are not judged, and {}'s publisher does: {error:#}", known.name);
            found
        }
    })
}

/// AP of the run's masks.
fn judge_masks(annotations: &Path, out: &Path) -> anyhow::Result<f64> {
    let params = Params::of(IouType::Segm);
    let evaluator = Evaluator::open(annotations, &out.join("detections.json"), &params, false)?;
    let evaluation = evaluator.evaluate_as(Reading::default(), false)?;
    evaluation.stats.first().copied().context("there is no AP")
}

/// The numbers side by side, the verdict, and what may be why they differ.
impl fmt::Display for Reproduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(f, self)
    }
}

fn write_all(text: &mut fmt::Formatter<'_>, found: &Reproduction) -> fmt::Result {
    let seen = &found.circumstances;
    writeln!(text, "{}, which its publisher judged on {}", found.name, found.dataset)?;
    writeln!(
        text,
        "{} photos; annotations of {} images, {} objects, {} categories, SHA-256 {}\n",
        seen.photos, seen.images, seen.annotations, seen.categories, seen.annotations_sha256
    )?;
    let number_text = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
    writeln!(text, "{:8}{:>8}{:>11}{:>12}", "percent", "here", "published", "difference")?;
    for number in found.numbers.iter().chain(&found.masks) {
        let published = number.published.map_or_else(String::new, |value| format!("{value:.1}"));
        let difference = number.difference.map_or_else(String::new, |value| format!("{value:+.2}"));
        writeln!(text, "{:8}{:>8}{published:>11}{difference:>12}", number.name, number_text(number.ours))?;
    }
    match found.reproduced {
        Some(true) if found.masks.as_ref().and_then(StatedNumber::agrees) == Some(false) => {
            writeln!(text, "\nAP is the published number, and AP of masks is not; what may be why:")?;
        }
        Some(true) => {
            return writeln!(text, "\nAP is the published number, as far as that is printed");
        }
        Some(false) => writeln!(text, "\nAP is not the published number; what may be why:")?,
        None if found.numbers.iter().all(|number| number.ours.is_none()) => {
            writeln!(
                text,
                "\nthere is no AP: the annotations have no objects of the model's classes; what may be why:"
            )?;
        }
        None => return writeln!(text, "\nits publisher states no AP for it as it is"),
    }
    for cause in &found.causes {
        writeln!(text, "  - {cause}")?;
    }
    Ok(())
}
