//! `rcnn evaluate`: what is typed, a call into the library, the numbers on standard output.

use std::path::PathBuf;

use anyhow::bail;
use rcnn::evaluate::{self, AreaRange, COCO_NAMES, Input, LVIS_NAMES, Params, Protocol, Reading};
use serde_json::{Map, Value, json};

use super::Exit;

/// Judge detections against COCO annotations
///
/// Prints pycocotools' twelve numbers, the same to the last bit, and says what in the files makes them other than
/// they seem. For example:
///
///     rcnn evaluate -a annotations.json -r out/detections.json --per-class
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Annotations: a COCO data set (.json or .json.gz)
    #[arg(short, long, value_name = "GT.json")]
    annotations: PathBuf,
    /// Results: a COCO results list, a data set with scores, or detections.jsonl (.gz of each)
    #[arg(short, long, value_name = "DETECTIONS.json")]
    results: PathBuf,
    /// Print one JSON document instead of lines
    #[arg(long)]
    json: bool,
    /// Write precision.npy, recall.npy and scores.npy into this folder
    #[arg(long, value_name = "DIR")]
    arrays: Option<PathBuf>,
    /// Print AP, AP50, AP75, APs, APm, APl and AR of every category
    #[arg(long)]
    per_class: bool,
    /// Limits on detections per image and category [default: 1,10,100]
    #[arg(long, value_name = "N,N,N", value_delimiter = ',')]
    max_dets: Option<Vec<usize>>,
    /// IoU thresholds [default: 0.5 to 0.95 by 0.05]
    #[arg(long, value_name = "T,…", value_delimiter = ',', value_parser = number)]
    iou_thresholds: Option<Vec<f64>>,
    /// Recall thresholds [default: 0 to 1 by 0.01]
    #[arg(long, value_name = "T,…", value_delimiter = ',', value_parser = number)]
    recall_thresholds: Option<Vec<f64>>,
    /// Area ranges [default: all=0:1e10,small=0:1024,medium=1024:9216,large=9216:1e10]
    #[arg(long, value_name = "LABEL=LOW:HIGH,…", value_delimiter = ',', value_parser = area_range)]
    area_ranges: Option<Vec<AreaRange>>,
    /// Only these categories
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    category_ids: Option<Vec<String>>,
    /// Only these images
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    image_ids: Option<Vec<String>>,
    /// Take all categories for one (pycocotools' useCats = 0)
    #[arg(long)]
    class_agnostic: bool,
    /// Judge as LVIS does: federated categories, 300 detections an image
    #[arg(long)]
    lvis: bool,
    /// Read sanely what pycocotools reads oddly: id 0, shared ids, NaN, areas beyond 1e10
    #[arg(long)]
    corrected: bool,
    /// Match images by file name and categories by name, where the results have names
    #[arg(long)]
    map_by_name: bool,
    /// Threads to use [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

fn number(text: &str) -> Result<f64, String> {
    let value: f64 = text.trim().parse().map_err(|_| "a number expected".to_string())?;
    if value.is_nan() { Err("a number expected, not NaN".into()) } else { Ok(value) }
}

fn area_range(text: &str) -> Result<AreaRange, String> {
    let parts = text.split_once('=').and_then(|(label, ends)| Some((label, ends.split_once(':')?)));
    let (label, (low, high)) = parts.ok_or("a range such as `small=0:1024` expected")?;
    Ok(AreaRange { label: label.into(), low: number(low)?, high: number(high)? })
}

impl Args {
    fn params(&self) -> anyhow::Result<Params> {
        let mut params = if self.lvis { Params::lvis() } else { Params::default() };
        if self.lvis && self.max_dets.is_some() {
            bail!("`--lvis` has one limit, 300 detections an image: leave out `--max-dets`");
        }
        if let Some(limits) = &self.max_dets {
            params.max_dets = limits.clone();
        }
        if let Some(thresholds) = &self.iou_thresholds {
            params.iou_thresholds = thresholds.clone();
        }
        if let Some(thresholds) = &self.recall_thresholds {
            params.recall_thresholds = thresholds.clone();
        }
        if let Some(ranges) = &self.area_ranges {
            params.area_ranges = ranges.clone();
        }
        params.category_ids = self.category_ids.clone();
        params.image_ids = self.image_ids.clone();
        params.class_agnostic = self.class_agnostic;
        Ok(params)
    }
}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<Exit> {
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    let params = args.params()?;
    let input = Input::open(&args.annotations, &args.results, &params, args.map_by_name)?;
    let reading = if args.corrected { Reading::CORRECTED } else { Reading::default() };
    let full = args.arrays.is_some() || args.per_class;
    let evaluation = input.evaluate(reading, full)?;
    let warnings = input.warnings(&evaluation, reading)?;
    for warning in &warnings {
        eprintln!("warning: {}", warning.message);
    }
    if let Some(folder) = &args.arrays {
        evaluation.arrays.write(folder, params.protocol)?;
    }
    let mut document = Map::new();
    let names: &[&str] = if params.protocol == Protocol::Lvis { &LVIS_NAMES } else { &COCO_NAMES };
    document.insert("stats".into(), json!(evaluation.stats));
    document.insert("names".into(), json!(names));
    document.insert("warnings".into(), serde_json::to_value(&warnings)?);
    let mut text = evaluate::summary_lines(&evaluation.stats, &params);
    if args.per_class {
        per_class(&input, &evaluation, &params, &mut document, &mut text);
    }
    if args.json {
        text = vec![serde_json::to_string_pretty(&Value::Object(document))?];
    }
    super::print(&(text.join("\n") + "\n"))?;
    Ok(Exit::Done)
}

fn per_class(
    input: &Input,
    evaluation: &evaluate::Evaluation,
    params: &Params,
    document: &mut Map<String, Value>,
    text: &mut Vec<String>,
) {
    let rows = evaluate::per_class(input, evaluation, params);
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(8);
    text.push(String::new());
    text.push(format!(
        "{:<width$} {:>8} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7}",
        "category", "boxes", "AP", "AP50", "AP75", "APs", "APm", "APl", "AR"
    ));
    for row in &rows {
        let numbers: String = row.numbers.iter().map(|value| format!(" {value:>7.3}")).collect();
        text.push(format!("{:<width$} {:>8}{numbers}", row.name, row.boxes));
    }
    document.insert("per_class".into(), json!(rows));
}
