//! Options about which boxes become detections, the same for every command that runs a detector.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::detector::{Detector, Postprocess};
use crate::family::Class;

use super::output::tell;
use super::values::whole;
use super::{Usage, probability, read_text};

/// Which boxes become detections.
#[derive(Debug, clap::Args)]
pub(crate) struct PostprocessArgs {
    /// Score above which detections are kept, or a JSON file with that of each class, as `rcnn evaluate --errors
    /// --best-scores` writes it; the model's own threshold by default
    #[arg(long, value_parser = score, value_name = "SCORE|FILE")]
    score: Option<ScoreArg>,
    /// IoU with a better detection above which NMS drops a detection; the model's own threshold by default
    #[arg(long, value_parser = super::share, value_name = "IOU")]
    nms: Option<f64>,
    /// Apply NMS among the detections of all classes instead of within each class
    #[arg(long)]
    class_agnostic: bool,
    /// Use Gaussian soft-NMS instead of NMS: what overlaps a better detection loses score instead of being dropped
    #[arg(long, conflicts_with = "nms")]
    soft_nms: bool,
    /// Most detections of a photo, those of the best scores; the model's own limit by default
    #[arg(long, value_parser = whole::<u32>(1..), value_name = "N")]
    max_detections: Option<u32>,
}

/// What `--score` takes.
#[derive(Clone, Debug)]
enum ScoreArg {
    /// One for all classes.
    All(f32),
    /// A file with one for each class.
    File(PathBuf),
}

fn score(text: &str) -> Result<ScoreArg, String> {
    match probability(text) {
        Ok(score) => Ok(ScoreArg::All(score)),
        Err(_) if text.parse::<f32>().is_err() && Path::new(text).is_file() => {
            Ok(ScoreArg::File(text.into()))
        }
        Err(wanted) => Err(format!("{wanted}, or a JSON file with a score for each class")),
    }
}

impl PostprocessArgs {
    /// Has a detector choose as the options say.
    pub(crate) fn apply(&self, detector: &mut Detector) -> anyhow::Result<()> {
        let mut class_scores = BTreeMap::new();
        match &self.score {
            Some(ScoreArg::All(score)) => detector.set_score_threshold(*score),
            Some(ScoreArg::File(path)) => class_scores = by_class(path, detector.classes())?,
            None => {}
        }
        let rule = &detector.conventions().detections;
        let most = self.max_detections.map(|most| most as usize);
        let wanted = Postprocess {
            class_scores,
            nms: self.nms.filter(|&nms| nms != rule.nms_threshold),
            class_agnostic: self.class_agnostic,
            soft_nms: self.soft_nms,
            max_detections: most.filter(|&most| most != rule.per_image),
        };
        Ok(detector.set_postprocess(wanted)?)
    }
}

/// The scores of a file for a model's classes; names that the model does not have are told.
fn by_class(path: &Path, classes: &[Class]) -> anyhow::Result<BTreeMap<String, f32>> {
    let unread = |error: serde_json::Error| {
        let place = if error.is_data() { String::new() } else { format!(" (line {})", error.line()) };
        anyhow::anyhow!(
            "`{}` is no JSON object of class names and scores, as `rcnn evaluate --errors --best-scores` writes it{place}",
            path.display()
        )
    };
    let scores: BTreeMap<String, f32> = serde_json::from_str(&read_text(path)?).map_err(unread)?;
    if let Some((name, _)) = scores.iter().find(|(_, score)| !(0.0..=1.0).contains(*score)) {
        let name = name.escape_debug();
        return Err(Usage(format!("`{}`: the score of `{name}` is not from 0 to 1", path.display())).into());
    }
    let (known, unknown): (BTreeMap<_, _>, BTreeMap<_, _>) =
        scores.into_iter().partition(|(name, _)| classes.iter().any(|class| class.is_called(name)));
    if known.is_empty() {
        return Err(Usage(format!("`{}` names no class of the model", path.display())).into());
    }
    if !unknown.is_empty() {
        let names: Vec<String> = unknown.keys().map(|name| name.escape_debug().to_string()).collect();
        tell!(
            "note: `{}` has scores for classes that the model does not have: {}",
            path.display(),
            names.join(", ")
        );
    }
    Ok(known)
}
