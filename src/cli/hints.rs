//! What to use here for options that other detectors' programs have. Must not know any command.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Options of Ultralytics, mmdetection, detectron2 and torchvision's scripts, and what does the same here.
const ELSEWHERE: [(&[&str], &str); 17] = [
    (
        &["--conf", "--conf-thres", "--confidence", "--confidence-threshold", "--score-thr", "--threshold"],
        "--score",
    ),
    (&["--iou", "--iou-thres", "--nms-thres", "--nms-threshold"], "--nms"),
    (&["--source", "--input", "--images", "--data-path"], "name photos and folders without an option"),
    (&["--weights", "--checkpoint", "--config-file"], "-m takes a checkpoint file, a model folder or a name"),
    (
        &["--imgsz", "--img-size", "--img", "--min-size"],
        "the size is the model's own: `min_size` of `rcnn import --config`",
    ),
    (&["--project", "--output", "--output-dir", "--out-dir", "--save-dir"], "-o"),
    (&["--max-det", "--topk"], "--max-detections"),
    (&["--half", "--amp", "--fp16"], "--precision fast"),
    (&["--workers", "--num-workers"], "--threads"),
    (&["--batch-size"], "--batch"),
    (&["--gpu", "--gpus", "--cuda"], "--device cuda"),
    (&["--agnostic-nms", "--agnostic"], "--class-agnostic"),
    (&["--save-txt"], "`rcnn convert` makes YOLO's files of a run's folder"),
    (&["--nosave", "--no-save"], "--no-draw"),
    (&["--recursive"], "folders are read with all folders in them"),
    (&["--sahi", "--slice", "--tiles"], "--tile"),
    (&["--tta", "--test-time-augmentation"], "--augment"),
];

/// The same error, with what to use instead of another program's option.
pub(super) fn with_hint(mut error: clap::Error) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else { return error };
    let name = unknown.split('=').next().unwrap_or(unknown);
    let Some((_, here)) = ELSEWHERE.iter().find(|(names, _)| names.contains(&name)) else { return error };
    let hint = if here.starts_with("--") || *here == "-o" {
        format!("here it is `{here}`")
    } else {
        (*here).to_owned()
    };
    error.remove(ContextKind::SuggestedArg);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    error
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;

    fn told(line: &[&str]) -> String {
        let command =
            Command::new("rcnn").arg(Arg::new("config").long("config")).arg(Arg::new("score").long("score"));
        with_hint(command.try_get_matches_from(line).unwrap_err()).to_string()
    }

    #[test]
    fn every_option_that_a_hint_names_is_one_of_detect() {
        let detect = <crate::cli::detect::DetectArgs as clap::Args>::augment_args(Command::new("detect"));
        let known = |name: &str| detect.get_arguments().any(|option| option.get_long() == Some(name));
        let words = ELSEWHERE.iter().flat_map(|(_, here)| here.split([' ', '`', ':', ',']));
        let options: Vec<&str> = words.filter_map(|word| word.strip_prefix("--")).collect();
        assert!(options.len() >= 10, "{options:?}");
        for option in options {
            assert!(known(option), "a hint names --{option}, which detect does not have");
        }
    }

    #[test]
    fn options_of_other_programs_are_answered() {
        assert!(told(&["rcnn", "--conf", "0.3"]).contains("here it is `--score`"));
        assert!(told(&["rcnn", "--conf=0.3"]).contains("here it is `--score`"));
        assert!(told(&["rcnn", "--source", "photos"]).contains("without an option"));
        assert!(told(&["rcnn", "--scoer", "1"]).contains("--score"));
    }
}
