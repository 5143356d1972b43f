//! `rcnn convert`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::convert::{self, LabelFailure, ReadOptions, SizePolicy, Target, WriteOptions, Written};
use serde::Serialize;

use super::output::{print_watched_report, tell};
use super::progress::ProgressLine;
use super::{Exit, Usage, say};

/// Convert annotations to another format: COCO, Pascal VOC, YOLO, LabelMe, CVAT, Label Studio, Open Images, CSV
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn convert VOC2007/ -o voc2007.json --split test
  rcnn convert coco8/data.yaml -o coco8.json --split val
  rcnn convert annotations.json -o yolo --to yolo -i photos/
  rcnn convert out -o labels --to yolo --score 0.7

The last one turns what a run found into a start for annotating. The format of IN is recognised automatically. From
COCO to COCO everything is kept; what another format has no place for (segmentations, key points, ids, …) is counted
and named. In VOC's format pixels are counted from 1 and boxes end at their last one; difficult objects become crowds in COCO, which evaluation
ignores, and the other way round. Boxes are cut at the photo's edges in all forms but COCO's. What cannot be converted is
left out and named, and the exit code is then 3.")]
pub(crate) struct ConvertArgs {
    /// A run's folder, or annotations of any of these forms: a file, or the folder of a data set
    #[arg(value_name = "IN")]
    source: PathBuf,
    /// File for COCO, CVAT, Label Studio, Open Images and CSV, else a new or empty folder
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,
    /// Form to write; coco by default if OUT ends in .json
    #[arg(long, value_name = "FORM")]
    to: Option<FormArg>,
    /// Folder of the photos: their sizes are compared with the annotated ones, and they are added to a new folder (as hard
    /// links where possible)
    #[arg(short = 'i', long = "images", alias = "input", value_name = "FOLDER")]
    input: Option<PathBuf>,
    /// Part of the data set to convert: train, val or test of data.yaml, or a list in ImageSets/Main
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Score from which a run's detections are converted
    #[arg(long, value_name = "SCORE", default_value_t = 0.5, value_parser = super::probability)]
    score: f32,
    /// Use the photos' own sizes where the annotations differ, and leave the boxes unchanged
    #[arg(long, requires = "input")]
    photo_sizes: bool,
    /// Read VOC's pixels as counted from 0 and boxes as ending before their last one, as some tools write them
    #[arg(long)]
    from_zero: bool,
    /// Print one JSON document on standard output, and everything else on standard error: a summary
    #[arg(long)]
    json: bool,
}

/// Most lines about what is not in the result.
const MOST_LINES: usize = 50;

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum FormArg {
    /// one JSON file
    Coco,
    /// Pascal VOC: a folder with an XML file for each photo
    Voc,
    /// a folder with data.yaml and a text file for each photo
    Yolo,
    /// the same with outlines in place of boxes
    YoloSeg,
    /// a folder with a JSON file for each photo
    Labelme,
    /// one XML file, "CVAT for images"
    Cvat,
    /// one JSON file of tasks
    LabelStudio,
    /// one CSV file, boxes as shares of the photo
    OpenImages,
    /// one CSV file, boxes in pixels
    Csv,
}

/// What was converted.
#[derive(Serialize)]
struct ConvertReport<'a> {
    out: String,
    photos: usize,
    objects: usize,
    categories: usize,
    notes: &'a [String],
    failed: &'a [LabelFailure],
}

impl fmt::Display for ConvertReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConvertReport { out, photos, objects, categories, .. } = self;
        writeln!(f, "{objects} objects of {categories} categories in {photos} photos: `{out}`")
    }
}

/// Runs the command.
pub(crate) fn run(args: ConvertArgs) -> anyhow::Result<Exit> {
    let target = match args.to {
        Some(FormArg::Coco) => Target::Coco,
        Some(FormArg::Voc) => Target::Voc,
        Some(FormArg::Yolo) => Target::Yolo,
        Some(FormArg::YoloSeg) => Target::YoloSeg,
        Some(FormArg::Labelme) => Target::LabelMe,
        Some(FormArg::Cvat) => Target::Cvat,
        Some(FormArg::LabelStudio) => Target::LabelStudio,
        Some(FormArg::OpenImages) => Target::OpenImages,
        Some(FormArg::Csv) => Target::Csv,
        None if args.out.extension().is_some_and(|end| end.eq_ignore_ascii_case("json")) => Target::Coco,
        None => {
            return Err(Usage(
                "name the form: --to voc or --to yolo or another, or a .json file for COCO".into(),
            )
            .into());
        }
    };
    if let Some(folder) = args.input.as_ref().filter(|folder| !folder.is_dir()) {
        return Err(Usage(format!("-i names `{}`, which is no folder", folder.display())).into());
    }
    let same = |path: &PathBuf| std::fs::canonicalize(path).ok();
    if same(&args.out).is_some_and(|out| same(&args.source) == Some(out)) {
        let out = args.out.display();
        return Err(Usage(format!("`{out}` is what is converted: name another place for the result")).into());
    }
    let progress = Mutex::new(None);
    let options = ReadOptions {
        split: args.split,
        score: args.score,
        photos: args.input.clone(),
        keep: target == Target::Coco,
        outlines: target.has_outlines(),
        from_zero: args.from_zero,
    };
    let source = convert::read(&args.source, &options, &|done, total| {
        // A poisoned lock means that another thread failed and will say so itself.
        if let Ok(mut progress) = progress.lock() {
            let total = total as u64;
            progress.get_or_insert_with(|| ProgressLine::new("files", 0, total)).set(done as u64, total, 0);
        }
    });
    if let Ok(Some(progress)) = progress.lock().as_deref() {
        progress.end();
    }
    let sizes = if args.photo_sizes { SizePolicy::Photos } else { SizePolicy::Scale };
    let options = WriteOptions { photos: args.input, sizes };
    let written = convert::write(source?, target, &args.out, &options)?;
    let Written { warnings, failed, categories, .. } = &written;
    say(warnings);
    for LabelFailure { file, detail } in failed.iter().take(MOST_LINES) {
        tell!("`{}` {detail}", file.escape_debug());
    }
    if failed.len() > MOST_LINES {
        tell!("{} more are left out as well: --json names all", failed.len() - MOST_LINES);
    }
    let report = ConvertReport {
        out: args.out.display().to_string(),
        photos: written.photos,
        objects: written.objects,
        categories: *categories,
        notes: warnings,
        failed,
    };
    print_watched_report(&report, args.json)?;
    Ok(if failed.is_empty() { Exit::Done } else { Exit::PhotosFailed })
}
