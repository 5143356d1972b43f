//! `rcnn evaluate`: what is typed, a call into the library, the numbers on standard output.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::ValueEnum;
use coco_eval::{
    AreaRange, Closed, Clusters, EvaluateError, Evaluation, Evaluator, Interval, IouType, Params, Reading,
    Resampling, Sides, TideThresholds, area_lines, per_class, stat_names, summary_lines,
};

use super::interval_args::IntervalArgs;
use super::output::{self, tell};
use super::values::{folder, new_file, whole};
use super::{Exit, Usage};

mod best_scores;
mod options;
mod report;
mod text;

use options::{area_range, iou, share, sigma};
use report::{BootstrapReport, ClustersReport, ErrorsReport, EvaluateReport, VersusReport, VocReport};

const EXAMPLES: &str = "\
Examples:
  rcnn evaluate -a annotations.json -r out/detections.json --per-class
  rcnn evaluate -a annotations.json -r out/detections.jsonl --bootstrap 1000
  rcnn evaluate -a annotations.json -r out --bootstrap 1000 --cluster video_id
  rcnn evaluate -a annotations.json -r ours.json --versus theirs.json
  rcnn evaluate -a annotations.json -r ours.json --tide --errors
  rcnn evaluate -a annotations.json -r masks.json --iou-type segm
  rcnn evaluate -a annotations.json -r ours.json --metric voc
  rcnn evaluate -a annotations.json -r ours.json --max-dets 1,10,300

The numbers are pycocotools' to the last bit, its oddities included; warnings on standard error say which of them the
files trigger and by how much they change AP. `--corrected` reads those files as they were meant.";

/// What to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Metric {
    /// COCO's twelve numbers, or the ten of key points
    #[default]
    Coco,
    /// PASCAL VOC's AP, of 11 points (2007) and of all (2010)
    Voc,
    /// recall, all categories as one: AR@100, AR@300, AR@1000
    Proposals,
}

/// Which end of its range belongs to a bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum BinEdges {
    /// the upper one, as in the paper (Guo et al. 2017)
    #[default]
    Upper,
    /// the lower one, as in netcal; 1 is in the last bin
    Lower,
}

impl From<BinEdges> for Closed {
    fn from(edges: BinEdges) -> Closed {
        match edges {
            BinEdges::Upper => Closed::Above,
            BinEdges::Lower => Closed::Below,
        }
    }
}

/// What of an object is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Compared {
    /// boxes
    #[default]
    Bbox,
    /// masks, by `segmentation` of annotations and results
    Segm,
    /// key points, by object key point similarity
    Keypoints,
}

impl From<Compared> for IouType {
    fn from(compared: Compared) -> IouType {
        match compared {
            Compared::Bbox => IouType::Bbox,
            Compared::Segm => IouType::Segm,
            Compared::Keypoints => IouType::Keypoints,
        }
    }
}

/// Evaluate detections against COCO annotations
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EvaluateArgs {
    /// COCO annotations: a data set (.json or .json.gz)
    #[arg(short, long, value_name = "GT.json", value_parser = super::file_or_pipe())]
    annotations: PathBuf,
    /// Results: a run's folder, a COCO results list, a data set with scores, or detections.jsonl (.gz of each)
    #[arg(short, long, value_name = "DETECTIONS.json|RUN", value_parser = super::file_or_pipe())]
    results: PathBuf,
    /// What of an object is compared
    #[arg(long, value_enum, value_name = "TYPE", default_value_t)]
    iou_type: Compared,
    /// Sigmas of the key points, how far another person would put each from there, as a share of the object's size; COCO's
    /// 17 by default
    #[arg(long, value_name = "S,…", value_delimiter = ',', value_parser = sigma)]
    sigmas: Option<Vec<f64>>,
    /// Print one JSON document on standard output, and everything else on standard error
    #[arg(long)]
    json: bool,
    /// Folder for precision.npy, recall.npy and scores.npy
    #[arg(long, value_name = "FOLDER", value_parser = folder())]
    arrays: Option<PathBuf>,
    /// Print AP, AP50, AP75, APs, APm, APl and AR of every category
    #[arg(long)]
    per_class: bool,
    /// Limits on detections per image and category; 1,10,100 by default
    #[arg(long, value_name = "N,N,N", value_delimiter = ',')]
    max_dets: Option<Vec<usize>>,
    /// IoU thresholds; 0.5 to 0.95 by 0.05 by default
    #[arg(long, value_name = "T,…", value_delimiter = ',', value_parser = iou)]
    iou_thresholds: Option<Vec<f64>>,
    /// Recall thresholds; 0 to 1 by 0.01 by default
    #[arg(long, value_name = "T,…", value_delimiter = ',', value_parser = share)]
    recall_thresholds: Option<Vec<f64>>,
    /// Area ranges; all=0:1e10,small=0:1024,medium=1024:9216,large=9216:1e10 by default
    #[arg(long, value_name = "LABEL=LOW:HIGH,…", value_delimiter = ',', value_parser = area_range)]
    area_ranges: Option<Vec<AreaRange>>,
    /// Categories to judge, by id or name; all by default
    #[arg(long, value_name = "ID|NAME,…", value_delimiter = ',')]
    category_ids: Option<Vec<String>>,
    /// Judge only images that the run processed, according to its files, or else those with results
    #[arg(long)]
    seen_only: bool,
    /// Images to judge; all by default
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    image_ids: Option<Vec<String>>,
    /// Treat all categories as one (pycocotools' useCats = 0)
    #[arg(long)]
    class_agnostic: bool,
    /// Evaluate as LVIS does: federated categories, 300 detections per image
    #[arg(long)]
    lvis: bool,
    /// Read as intended what pycocotools reads otherwise: id 0, shared ids, NaN, areas beyond 1e10
    #[arg(long)]
    corrected: bool,
    /// Match images by file name and categories by name, where the results have names
    #[arg(long)]
    map_by_name: bool,
    /// What is computed
    #[arg(long, value_enum, value_name = "METRIC", default_value_t)]
    metric: Metric,
    /// Draws of the images for 95 % intervals
    #[arg(long, value_name = "N", value_parser = whole::<u32>(2..))]
    bootstrap: Option<u32>,
    /// Seed of what is drawn by chance, by `--bootstrap` and `--versus`; 0 by default
    #[arg(long, value_name = "N", value_parser = whole::<u64>(..))]
    seed: Option<u64>,
    #[command(flatten)]
    intervals: IntervalArgs,
    /// Results to compare with, on the same annotations: differences, their intervals, what changed most
    #[arg(long, value_name = "OTHER.json", value_parser = super::file_or_pipe())]
    versus: Option<PathBuf>,
    /// Classify errors into TIDE's six types and compute the cost of each, with tidecv's numbers
    #[arg(long)]
    tide: bool,
    /// IoU from which a detection is right, for TIDE
    #[arg(long, value_name = "T", default_value_t = 0.5, value_parser = iou, requires = "tide")]
    tide_positive: f64,
    /// IoU up to which a detection is background, for TIDE
    #[arg(long, value_name = "T", default_value_t = 0.1, value_parser = iou, requires = "tide")]
    tide_background: f64,
    /// Print best-F1 scores, calibration, missed objects and the confusion matrix, at `--iou`
    #[arg(long)]
    errors: bool,
    /// File for the best-F1 score of each category, for `rcnn detect --score FILE`
    #[arg(long, value_name = "FILE", value_parser = new_file(), requires = "errors", conflicts_with = "class_agnostic")]
    best_scores: Option<PathBuf>,
    /// IoU threshold of `--errors` and `--metric voc`; 0.5 by default
    #[arg(long, value_name = "T", value_parser = iou)]
    iou: Option<f64>,
    /// Read widths as the last pixel less the first, as some converters leave them, so that 1 is missing, with `--metric
    /// voc`
    #[arg(long)]
    plus_one: bool,
    /// End of a calibration bin that is inclusive
    #[arg(long, value_enum, value_name = "EDGE", default_value_t, requires = "errors")]
    bin_edges: BinEdges,
    /// Threads to use; all cores by default
    #[arg(long, value_name = "N", value_parser = whole::<u16>(1..))]
    threads: Option<u16>,
}

/// EvaluateDraws of a comparison if nothing else is asked for.
const COMPARISON_DRAWS: u32 = 1000;

/// IoU threshold of errors and VOC if nothing else is asked for.
const IOU: f64 = 0.5;

/// Opens results; parameters that make no sense are wrong usage.
fn open(args: &EvaluateArgs, results: &Path, params: &Params) -> anyhow::Result<Evaluator> {
    let results = super::results_of(results)?;
    Evaluator::open(&args.annotations, &results, params, args.map_by_name).map_err(wrong_usage)
}

fn wrong_usage(error: EvaluateError) -> anyhow::Error {
    match error {
        error @ (EvaluateError::Params(_) | EvaluateError::NoCategory(_)) => Usage(error.to_string()).into(),
        other => other.into(),
    }
}

/// The results, and those that they are compared with.
fn inputs(args: &EvaluateArgs, params: &Params) -> anyhow::Result<(Evaluator, Option<Evaluator>)> {
    let input = open(args, &args.results, params)?;
    let other = args.versus.as_ref().map(|path| open(args, path, params)).transpose()?;
    if !args.seen_only {
        return Ok((input, other));
    }
    let mut images = input.seen().images;
    if let Some(other) = &other {
        let others: HashSet<_> = other.seen().images.into_iter().collect();
        images.retain(|id| others.contains(id));
    }
    if images.is_empty() {
        bail!("no image was looked at: there is nothing to judge with `--seen-only`");
    }
    Ok((input.restricted(&images), other.map(|other| other.restricted(&images))))
}

/// Runs the command.
pub(crate) fn run(args: EvaluateArgs) -> anyhow::Result<Exit> {
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global()?;
    }
    let params = args.params()?;
    let (input, other) = inputs(&args, &params)?;
    let reading = if args.corrected { Reading::CORRECTED } else { Reading::default() };
    let params = input.params(reading);
    let full = args.arrays.is_some() || args.per_class;
    let evaluation = input.evaluate_as(reading, full)?;
    let clusters =
        args.intervals.cluster.as_ref().map(|key| input.clusters(key)).transpose().map_err(wrong_usage)?;
    let mut warnings = input.warnings(&evaluation, reading);
    if clusters.is_none() && (args.bootstrap.is_some() || args.versus.is_some()) {
        warnings.extend(input.about_clusters());
    }
    for warning in &warnings {
        tell!("warning: {}", warning.message);
    }
    if let Some(folder) = &args.arrays {
        evaluation.arrays.write(folder, params.protocol)?;
    }
    // Proposals have recalls only.
    let skip = if args.metric == Metric::Proposals { 6 } else { 0 };
    let mut lines = summary_lines(&evaluation.stats, &params).split_off(skip);
    let own = area_lines(&evaluation.areas, &params).into_iter().enumerate();
    lines.extend(own.filter(|(place, _)| skip == 0 || place % 2 == 1).map(|(_, line)| line));
    let names = stat_names(&params);
    let mut report = EvaluateReport {
        stats: evaluation.stats.clone(),
        names: names.clone(),
        iou_type: params.iou_type.name(),
        warnings,
        areas: evaluation.areas.clone(),
        lines,
        ..EvaluateReport::default()
    };
    let judged = Judged { args: &args, input: &input, reading, params: &params, evaluation: &evaluation };
    judged.by_class(&mut report)?;
    let draws = EvaluateDraws { judged: &judged, clusters: clusters.as_ref(), names, skip };
    if args.bootstrap.is_some() {
        draws.bootstrap(&mut report)?;
    }
    if let Some((path, other)) = args.versus.as_ref().zip(other) {
        draws.versus(path, &other, &mut report)?;
    }
    judged.tide(&mut report)?;
    judged.errors(&mut report)?;
    output::print_report(&report, args.json)?;
    Ok(Exit::Done)
}

/// Results that have been judged, and what was asked for of them.
struct Judged<'a> {
    args: &'a EvaluateArgs,
    input: &'a Evaluator,
    reading: Reading,
    params: &'a Params,
    evaluation: &'a Evaluation,
}

impl Judged<'_> {
    /// VOC's numbers, or those of each class.
    fn by_class(&self, report: &mut EvaluateReport) -> anyhow::Result<()> {
        let Judged { args, input, .. } = self;
        if args.metric == Metric::Voc {
            let sides = if args.plus_one { Sides::LastLessFirst } else { Sides::Pixels };
            let (iou, names) = (args.iou.unwrap_or(IOU), input.category_names());
            let voc = input.voc(self.reading, iou, sides)?;
            report.lines = text::voc(&voc, &names, iou, args.plus_one, args.per_class);
            report.voc = Some(VocReport { voc, names });
        } else if args.per_class {
            let rows = per_class(input, self.evaluation, self.params);
            report.lines.extend(text::per_class(&rows));
            report.per_class = Some(rows);
        }
        Ok(())
    }

    fn tide(&self, report: &mut EvaluateReport) -> anyhow::Result<()> {
        let args = self.args;
        if !args.tide {
            return Ok(());
        }
        let thresholds = TideThresholds { positive: args.tide_positive, background: args.tide_background };
        let Some(tide) = self.input.tide(thresholds)? else {
            bail!("TIDE needs at least one class with a box")
        };
        report.lines.extend(text::tide(&tide));
        report.tide = Some(tide);
        Ok(())
    }

    fn errors(&self, report: &mut EvaluateReport) -> anyhow::Result<()> {
        let args = self.args;
        if !args.errors {
            return Ok(());
        }
        let categories = self.input.category_names();
        let errors = self.input.errors(self.reading, args.iou.unwrap_or(IOU), args.bin_edges.into())?;
        report.lines.extend(text::errors(&errors, &categories));
        if let Some(path) = &args.best_scores {
            best_scores::write(path, &errors, &categories)?;
        }
        report.errors = Some(ErrorsReport { errors, categories });
        Ok(())
    }
}

/// What is drawn again for intervals.
struct EvaluateDraws<'a> {
    judged: &'a Judged<'a>,
    clusters: Option<&'a Clusters>,
    names: Vec<String>,
    skip: usize,
}

impl EvaluateDraws<'_> {
    fn resampling<'c>(&self, clusters: Option<&'c Clusters>) -> Resampling<'c> {
        let args = self.judged.args;
        let count = args.bootstrap.unwrap_or(COMPARISON_DRAWS) as usize;
        Resampling { count, seed: args.seed.unwrap_or(0), method: args.intervals.method(), clusters }
    }

    fn lines(&self) -> text::DrawnLines<'_> {
        text::DrawnLines { resampling: self.resampling(self.clusters), names: &self.names, skip: self.skip }
    }

    /// Intervals of draws of images, and of whole groups where these are known.
    fn both<T>(
        &self,
        of: impl Fn(&Resampling<'_>) -> Result<T, EvaluateError>,
    ) -> Result<(T, Option<T>), EvaluateError> {
        let by_image = of(&self.resampling(None))?;
        let by_cluster = self.clusters.map(|some| of(&self.resampling(Some(some)))).transpose()?;
        Ok((by_image, by_cluster))
    }

    fn of_clusters(&self, intervals: Option<Vec<Interval>>) -> Option<ClustersReport> {
        let (clusters, intervals) = self.clusters.zip(intervals)?;
        let Clusters { key, count, alone, .. } = clusters;
        Some(ClustersReport { key: key.clone(), count: *count, images_alone: *alone, intervals })
    }

    fn bootstrap(&self, report: &mut EvaluateReport) -> anyhow::Result<()> {
        let Judged { input, reading, .. } = *self.judged;
        let (intervals, by_cluster) = self.both(|how| input.intervals(reading, how))?;
        let lines = text::intervals(&self.lines(), &report.stats, &intervals, by_cluster.as_deref());
        report.lines.extend(lines);
        let Resampling { count, seed, method, .. } = self.resampling(None);
        let clusters = self.of_clusters(by_cluster);
        report.bootstrap = Some(BootstrapReport { resamples: count, seed, method, intervals, clusters });
        Ok(())
    }

    fn versus(&self, path: &Path, other: &Evaluator, report: &mut EvaluateReport) -> anyhow::Result<()> {
        let Judged { input, reading, .. } = *self.judged;
        let warnings = other.warnings(&other.evaluate_as(reading, false)?, reading);
        for warning in &warnings {
            tell!("warning: {}: {}", path.display(), warning.message);
        }
        let comparison = input.compare(other, reading)?;
        let (intervals, by_cluster) =
            self.both(|how| Ok(other.draws(reading, how)?.less(&input.draws(reading, how)?).intervals()))?;
        report.lines.extend(text::comparison(
            &self.lines(),
            &report.stats,
            &comparison,
            &intervals,
            by_cluster.as_deref(),
        ));
        let (method, clusters) = (self.resampling(None).method, self.of_clusters(by_cluster));
        report.versus = Some(VersusReport { comparison, warnings, intervals, clusters, method });
        Ok(())
    }
}
