//! `rcnn report`.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::atomic;
use crate::report::{EvaluationReport, Sources, page};
use anyhow::Context;

use super::interval_args::IntervalArgs;
use super::iou_type::BoxesOrMasks;
use super::values::{new_file, whole};
use super::{Exit, Usage};

/// Write an HTML report of a run or of an evaluation
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn report out -o report.html
  rcnn report out -a annotations.json -i photos/ -o report.html
  rcnn evaluate -a annotations.json -r out --errors --json > judged.json
  rcnn report judged.json -o report.html

The page is one file with its pictures inside, and needs no other. With annotations it shows where results go wrong.")]
pub(crate) struct ReportArgs {
    /// Folder of a run, or a file that `rcnn evaluate --json` printed
    #[arg(value_name = "RUN|EVALUATION")]
    source: PathBuf,
    /// File for the page
    #[arg(short, long, value_name = "FILE.html", value_parser = new_file())]
    out: PathBuf,
    /// COCO annotations: the run is evaluated against them
    #[arg(short, long, value_name = "GT.json", value_parser = super::file_or_pipe())]
    annotations: Option<PathBuf>,
    /// What of an object is compared
    #[arg(long, value_enum, value_name = "TYPE", default_value_t, requires = "annotations")]
    iou_type: BoxesOrMasks,
    /// Photos: files, folders (with all folders in them), patterns, .txt files of paths; with one -i for each, those of the
    /// run, to show them with boxes on top; the run's own pictures are shown by default
    #[arg(short = 'i', long = "images", alias = "input", value_name = "PHOTOS")]
    input: Vec<OsString>,
    /// Most pictures of each kind; 0 for none
    #[arg(long, default_value_t = 24, value_name = "N", value_parser = whole::<u16>(..))]
    pictures: u16,
    #[command(flatten)]
    intervals: IntervalArgs,
    /// Print one JSON document on standard output, and everything else on standard error: where the page is and what it
    /// shows
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: ReportArgs) -> anyhow::Result<Exit> {
    let is_run = args.source.is_dir();
    if !is_run && (args.annotations.is_some() || !args.input.is_empty()) {
        return Err(Usage("-a and -i are for a run's folder: an evaluation has been judged".into()).into());
    }
    if args.annotations.is_none() && args.intervals.given() {
        let what =
            "`--interval` and `--cluster` are for a run that is judged here: give its annotations with -a";
        return Err(Usage(what.into()).into());
    }
    let photos = if args.input.is_empty() {
        Vec::new()
    } else {
        super::list_photos(&args.input, Some(&args.source.join("annotated")))?.entries
    };
    let judged = match &args.annotations {
        Some(annotations) => Some(EvaluationReport::measure(
            annotations,
            &args.source.join("detections.json"),
            args.intervals.method(),
            args.intervals.cluster.as_deref(),
            args.iou_type.into(),
        )?),
        None if is_run => None,
        None => Some(read(&args.source)?),
    };
    let run = is_run.then(|| args.source.clone());
    let (html, warnings) = page(&Sources { run, judged, photos, pictures: args.pictures.into() })?;
    super::say(&warnings);
    atomic::write(&args.out, |out| out.write_all(html.as_bytes()))
        .with_context(|| format!("cannot write `{}`", args.out.display()))?;
    if args.json {
        let (out, bytes) = (args.out.display().to_string(), html.len());
        super::print_json(&serde_json::json!({"out": out, "bytes": bytes, "warnings": warnings}))?;
    } else {
        super::show(&format!("`{}`\n", args.out.display()))?;
    }
    Ok(Exit::Done)
}

fn read(path: &Path) -> anyhow::Result<EvaluationReport> {
    let text = super::read_text(path)?;
    serde_json::from_str(&text).with_context(|| {
        format!("`{}` is neither a run's folder nor what `rcnn evaluate --json` prints", path.display())
    })
}
