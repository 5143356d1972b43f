//! What to use here for options and verbs that other detectors' programs have, and help that suits any width. Must not know
//! any command.

use std::path::Path;

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

/// Verbs of other programs, and what does the same here.
const VERBS_ELSEWHERE: [(&[&str], &str); 3] = [
    (&["predict", "infer", "inference", "test", "demo", "run"], "here it is `detect`"),
    (&["val", "validate", "eval", "map"], "here it is `evaluate`"),
    (&["train", "fit", "finetune"], "models are trained elsewhere: `import` takes their checkpoints"),
];

/// The same error, with what to use instead of another program's option or verb.
pub(super) fn with_hint(error: clap::Error) -> clap::Error {
    match error.kind() {
        ErrorKind::UnknownArgument => with_option(error),
        ErrorKind::InvalidSubcommand => with_verb(error),
        _ => error,
    }
}

fn with_verb(error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidSubcommand) else { return error };
    let elsewhere = VERBS_ELSEWHERE.iter().find(|(names, _)| names.contains(&unknown.as_str()));
    let hint = match elsewhere {
        Some((_, here)) => (*here).to_owned(),
        None if Path::new(unknown).exists() => format!("`rcnn detect {unknown}` finds what is in photos"),
        None => return error,
    };
    told(error, ContextKind::SuggestedSubcommand, hint)
}

/// The error with a hint in place of a suggestion.
fn told(mut error: clap::Error, instead_of: ContextKind, hint: String) -> clap::Error {
    error.remove(instead_of);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    error
}

fn with_option(error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else { return error };
    let name = unknown.split('=').next().unwrap_or(unknown);
    let Some((_, here)) = ELSEWHERE.iter().find(|(names, _)| names.contains(&name)) else { return error };
    let hint = if here.starts_with("--") || *here == "-o" {
        format!("here it is `{here}`")
    } else {
        (*here).to_owned()
    };
    told(error, ContextKind::SuggestedArg, hint)
}

/// The command with a paragraph a line in what follows its options, so that it is wrapped once, at the terminal's width.
/// Lines that begin with a blank stay as they are.
pub(super) fn flowed(command: clap::Command) -> clap::Command {
    let Some(text) = command.get_after_help().map(ToString::to_string) else { return command };
    command.after_help(paragraphs(&text))
}

fn paragraphs(text: &str) -> String {
    let mut flowed = String::new();
    let goes_on = |line: &str| !line.is_empty() && !line.starts_with(' ') && !line.ends_with(':');
    let mut open = false;
    for line in text.lines() {
        if open && goes_on(line) {
            flowed.push(' ');
        } else if !flowed.is_empty() || line.is_empty() {
            flowed.push('\n');
        }
        flowed.push_str(line);
        open = goes_on(line);
    }
    flowed
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;

    fn answer(line: &[&str]) -> String {
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
        assert!(answer(&["rcnn", "--conf", "0.3"]).contains("here it is `--score`"));
        assert!(answer(&["rcnn", "--conf=0.3"]).contains("here it is `--score`"));
        assert!(answer(&["rcnn", "--source", "photos"]).contains("without an option"));
        assert!(answer(&["rcnn", "--scoer", "1"]).contains("--score"));
    }

    #[test]
    fn paragraphs_are_lines() {
        let text = "Examples:\n  rcnn a\n  rcnn b\n\nOne\nline.\n\nAnother\none.";
        assert_eq!(paragraphs(text), "Examples:\n  rcnn a\n  rcnn b\n\nOne line.\n\nAnother one.");
    }
}
