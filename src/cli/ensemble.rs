//! `rcnn ensemble`.

use std::fmt;
use std::path::PathBuf;

use crate::detector::MergeRule;
use crate::run::{self, Fused, Fusing};
use serde::Serialize;

use super::{Exit, Usage};

use super::output::print_report;
use super::values::{MERGE_RULES, new_file, whole, words};

/// Merge the results of several models, or several runs, on the same photos
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn ensemble run-a run-b -o both.json
  rcnn ensemble a.json b.json c.json --weights 2,1,1 -o all.json

Categories are united by name: a run's folder and its detections.jsonl have names, a COCO results list takes those of the
images.json beside it. Where there are none, ids count. Images are those of equal ids. `rcnn detect -m A -m B` does the same
with models.")]
pub(crate) struct EnsembleArgs {
    /// Results: runs' folders, their detections.jsonl, COCO results lists
    #[arg(required = true, num_args = 2.., value_name = "RESULTS")]
    results: Vec<PathBuf>,
    /// File for the merged COCO results
    #[arg(short, long, value_name = "OUT.json", value_parser = new_file())]
    out: PathBuf,
    /// Weights of several models or results when their detections are merged, in their order; all alike by default
    #[arg(long, value_delimiter = ',', value_parser = super::weight, value_name = "W,W")]
    weights: Option<Vec<f64>>,
    /// Rule by which what several views, models or results show is merged
    #[arg(long, default_value_t, value_name = "RULE", value_parser = words::<MergeRule>(MERGE_RULES))]
    merge: MergeRule,
    /// IoU with a better detection above which NMS drops a detection; for the rules that have NMS
    #[arg(long, default_value_t = 0.5, value_parser = super::share, value_name = "IOU")]
    nms: f64,
    /// Most detections of a photo, those of the best scores
    #[arg(long, default_value_t = 100, value_parser = whole::<u32>(1..), value_name = "N")]
    max_detections: u32,
    /// Print one JSON document on standard output, and everything else on standard error: a summary
    #[arg(long)]
    json: bool,
}

/// What was fused.
#[derive(Serialize)]
struct EnsembleReport {
    out: String,
    /// How many results were fused.
    results: usize,
    images: usize,
    /// Detections that were read, and that were written.
    read: usize,
    written: usize,
}

impl fmt::Display for EnsembleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EnsembleReport { out, results, images, read, written } = self;
        writeln!(f, "{read} detections of {results} results on {images} images became {written}, in `{out}`")
    }
}

/// Runs the command.
pub(crate) fn run(args: &EnsembleArgs) -> anyhow::Result<Exit> {
    if let Some(weights) = args.weights.as_ref().filter(|weights| weights.len() != args.results.len()) {
        return Err(Usage(format!(
            "--weights has {} numbers for {} results: give one for each, in their order",
            weights.len(),
            args.results.len()
        ))
        .into());
    }
    let results = args.results.iter().map(|path| super::results_of(path)).collect::<Result<Vec<_>, _>>()?;
    let how = Fusing {
        weights: args.weights.as_deref(),
        rule: args.merge,
        nms: args.nms,
        most: args.max_detections as usize,
    };
    let Fused { images, read, written } = run::ensemble(&results, &args.out, &how)?;
    let report = EnsembleReport {
        out: args.out.display().to_string(),
        results: args.results.len(),
        images,
        read,
        written,
    };
    print_report(&report, args.json)?;
    Ok(Exit::Done)
}
