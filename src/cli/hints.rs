//! What to use here for options and verbs that other detectors' programs have, and for the likeliest slips. Must not know
//! what any verb does.

use std::path::Path;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Options of Ultralytics, mmdetection, detectron2 and torchvision's scripts, and the options that do the same here.
const OPTIONS: [(&[&str], &str); 21] = [
    (
        &["--conf", "--conf-thres", "--confidence", "--confidence-threshold", "--score-thr", "--threshold"],
        "--score",
    ),
    (&["--iou", "--iou-thres", "--nms-thres", "--nms-threshold"], "--nms"),
    (&["--source", "--input", "--data-path"], "--images"),
    (&["--project", "--output", "--output-dir", "--out-dir", "--save-dir"], "--out"),
    (&["--max-det", "--topk"], "--max-detections"),
    (&["--half", "--amp", "--fp16"], "--precision fast"),
    (&["--workers", "--num-workers"], "--threads"),
    (&["--batch-size"], "--batch"),
    (&["--gpu", "--gpus", "--cuda"], "--device cuda"),
    (&["--agnostic-nms", "--agnostic"], "--class-agnostic"),
    (&["--nosave", "--no-save"], "--no-draw"),
    (&["--sahi", "--slice", "--tiles"], "--tile"),
    (&["--tta", "--test-time-augmentation"], "--augment"),
    (&["--save-crop"], "--crops"),
    (&["--line-thickness"], "--line-width"),
    (&["--hide-labels"], "--label none"),
    (&["--hide-conf"], "--label name"),
    (&["--name"], "--out"),
    (&["--exist-ok"], "--overwrite"),
    (&["--gt", "--ground-truth", "--ann", "--ann-file"], "--annotations"),
    (&["--dt", "--det", "--preds", "--predictions"], "--results"),
];

/// The same for what is no option here, with the verbs of which it is true.
const SENTENCES: [(&[&str], &[&str], &str); 18] = [
    (
        &["--source", "--input", "--images", "-i", "--data-path"],
        &["detect", "classify"],
        "name photos and folders without an option",
    ),
    (
        &["--source", "--input", "--images", "-i", "--data-path"],
        &["synth"],
        "scenes are rendered, and no photos go in: -o names the folder for them",
    ),
    (
        &["--weights", "--checkpoint", "--config-file"],
        &["detect", "classify", "doctor"],
        "-m takes a checkpoint file, a model folder or a name",
    ),
    (
        &["--model", "-m"],
        &["inspect", "bench", "quantize", "compare", "reproduce", "pull"],
        "name the model without an option",
    ),
    (
        &["--imgsz", "--img-size", "--img", "--min-size"],
        &["detect", "compare", "bench"],
        "the size is the model's own: `min_size` of `rcnn import --config`",
    ),
    (
        &["--save-txt", "--save-conf"],
        &["detect"],
        "`--format yolo` writes YOLO's files as well, and detections.jsonl has all scores",
    ),
    (&["--show", "--view-img"], &["detect"], "no window is opened: pictures with boxes go into annotated/"),
    (
        &["--vid-stride"],
        &["detect"],
        "no videos are read: `ffmpeg -i film.mp4 film-%05d.jpg` takes pictures out of one",
    ),
    (
        &["--opts"],
        &["detect", "import"],
        "`rcnn import --template` writes a config with the values to change",
    ),
    (&["--recursive"], &["detect", "classify"], "folders are read with all folders in them"),
    (&["--device", "--fix"], &["doctor"], "all devices are tried, and what to do is said in the end"),
    (&["-a", "--list", "--remote", "--available"], &["models"], "`--all` lists all that can be pulled"),
    (&["-m", "--model"], &["models"], "`rcnn inspect NAME` shows one model"),
    (&["--shell"], &["completions"], "name the shell without an option"),
    (&["--offline"], &["pull"], "--from FILE takes a file that came by other means"),
    (&["-o", "--out"], &["completions"], "the script goes to standard output: `> FILE` keeps it"),
    (&["--page", "--section"], &["man"], "`-o FOLDER` writes a page for each verb"),
    (&["--version"], &["install"], "the version is the one that this program was made with"),
];

/// What is meant by a word where a verb takes none.
const WORDS: [(&str, &[&str], &str); 11] = [
    ("models", &["list", "ls", "all"], "`rcnn models --all` lists all that can be pulled"),
    ("models", &["pull", "add", "download", "install"], "`rcnn pull NAME` brings a model"),
    (
        "models",
        &["remove", "rm", "delete", "uninstall"],
        "a model is a folder in the cache, whose place `rcnn doctor` tells: delete it there",
    ),
    ("models", &[], "`rcnn inspect NAME` shows one model, and `rcnn pull NAME` brings one"),
    ("doctor", &[], "`-m NAME` names the model to look at"),
    ("man", &[], "`rcnn help VERB` has the help of one verb"),
    ("bench", &[], "photos go with -i, as in `rcnn bench MODEL -i PHOTOS`"),
    ("quantize", &[], "photos go with -i, as in `rcnn quantize MODEL -i PHOTOS -o FOLDER`"),
    ("completions", &[], "one shell at a time"),
    ("list", &[], "all packages are listed"),
    ("install", &[], "one package at a time"),
];

/// Verbs of other programs below one of ours, and what does the same here.
const VERBS: [(&str, &[&str], &str); 9] = [
    ("rcnn", &["predict", "infer", "inference", "test", "demo", "run"], "here it is `detect`"),
    ("rcnn", &["val", "validate", "eval", "map"], "here it is `evaluate`"),
    ("rcnn", &["train", "fit", "finetune"], "models are trained elsewhere: `import` takes their checkpoints"),
    ("rcnn", &["list", "ls"], "here it is `models`"),
    ("rcnn", &["export"], "`import` writes a checkpoint as ONNX graphs"),
    ("rcnn", &["version"], "here it is `--version`"),
    ("runtime", &["update", "upgrade"], "`install` brings the versions that this program was made with"),
    ("runtime", &["uninstall", "delete", "rm"], "here it is `remove`"),
    ("runtime", &["ls", "show", "status"], "here it is `list`"),
];

/// The same error, with what to use instead of another program's option or verb; `verb` is the one that refused it.
pub(super) fn with_hint(error: clap::Error, verb: &Command) -> clap::Error {
    match error.kind() {
        ErrorKind::UnknownArgument => with_option(error, verb),
        ErrorKind::InvalidSubcommand => with_verb(error, verb),
        _ => error,
    }
}

/// The verb that a command line names, or the program itself.
pub(super) fn verb_of(program: &Command, line: impl Iterator<Item = std::ffi::OsString>) -> &Command {
    line.skip(1).fold(program, |verb, word| verb.find_subcommand(word).unwrap_or(verb))
}

fn with_verb(error: clap::Error, verb: &Command) -> clap::Error {
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidSubcommand) else { return error };
    let here = verb.get_name();
    let elsewhere = VERBS.iter().find(|(of, names, _)| *of == here && names.contains(&unknown.as_str()));
    let hint = match elsewhere {
        Some((_, _, hint)) => (*hint).to_owned(),
        None if here == "rcnn" && Path::new(unknown).exists() => {
            format!("`rcnn detect {unknown}` finds what is in photos")
        }
        None => return error,
    };
    suggest(error, ContextKind::SuggestedSubcommand, hint)
}

/// The error with a hint in place of a suggestion.
fn suggest(mut error: clap::Error, instead_of: ContextKind, hint: String) -> clap::Error {
    error.remove(instead_of);
    // It has what clap takes for meant.
    error.remove(ContextKind::Usage);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    error
}

fn with_option(error: clap::Error, verb: &Command) -> clap::Error {
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else { return error };
    let name = unknown.split('=').next().unwrap_or(unknown);
    match instead(name, verb) {
        Some(hint) => suggest(error, ContextKind::SuggestedArg, hint),
        None => {
            let mut error = error;
            // That it may be a value is never what was meant.
            error.remove(ContextKind::Suggested);
            error
        }
    }
}

/// What to do about what stands in the place of photos and is not there.
pub(super) fn instead_of_photo(name: &str) -> Option<&'static str> {
    if name.contains("://") {
        return Some(
            "photos are files on this machine: download it first; of a stream, `ffmpeg -i ADDRESS film-%05d.jpg` makes pictures",
        );
    }
    if name.split_once('=').is_some_and(|(word, _)| word.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    {
        return Some("options begin with `--`; `rcnn help detect` lists them");
    }
    None
}

/// What to use in the place of an option or a word that a verb does not know.
fn instead(name: &str, verb: &Command) -> Option<String> {
    let here = verb.get_name();
    if !name.starts_with('-') {
        let meant = |(of, words, _): &&(&str, &[&str], &str)| {
            *of == here && (words.is_empty() || words.contains(&name))
        };
        return WORDS.iter().find(meant).map(|(_, _, hint)| (*hint).to_owned());
    }
    let known =
        |(names, verbs, _): &&(&[&str], &[&str], &str)| names.contains(&name) && verbs.contains(&here);
    if let Some((_, _, sentence)) = SENTENCES.iter().find(known) {
        return Some((*sentence).to_owned());
    }
    let (_, option) = OPTIONS.iter().find(|(names, _)| names.contains(&name))?;
    let long = option.trim_start_matches('-').split(' ').next()?;
    let has = verb.get_arguments().any(|other| other.get_long() == Some(long));
    has.then(|| format!("here it is `{option}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(line: &str) -> String {
        let words = || line.split(' ').map(std::ffi::OsString::from);
        let program = crate::cli::help::arranged(<crate::cli::Cli as clap::CommandFactory>::command());
        let verb = verb_of(&program, words()).clone();
        with_hint(program.try_get_matches_from(words()).unwrap_err(), &verb).to_string()
    }

    #[test]
    fn options_of_other_programs_are_answered() {
        assert!(answer("rcnn detect a --conf 0.3").contains("here it is `--score`"));
        assert!(answer("rcnn detect a --conf=0.3").contains("here it is `--score`"));
        assert!(answer("rcnn detect --source photos").contains("without an option"));
        assert!(answer("rcnn quantize m --source photos").contains("here it is `--images`"));
        assert!(answer("rcnn detect a --scoer 1").contains("'--score'"));
        assert!(answer("rcnn detect a --save-dir x").contains("here it is `--out`"));
    }

    #[test]
    fn what_stands_where_photos_belong_is_answered() {
        assert!(instead_of_photo("https://a.org/bus.jpg").is_some_and(|hint| hint.contains("download")));
        assert!(instead_of_photo("conf=0.3").is_some_and(|hint| hint.contains("`--`")));
        assert_eq!(instead_of_photo("IMG_1=2.jpg"), None);
        assert!(!answer("rcnn detect a --nonsense").contains("as a value"));
    }

    #[test]
    fn no_verb_is_told_of_an_option_that_it_lacks() {
        assert!(!answer("rcnn synth -o s --conf 1").contains("--score"));
        let answer = answer("rcnn synth -o s --images photos");
        assert!(answer.contains("no photos go in") && !answer.contains("name photos"), "{answer}");
    }

    #[test]
    fn a_word_where_none_belongs_is_answered() {
        assert!(answer("rcnn models coco").contains("`rcnn inspect NAME`"));
        assert!(answer("rcnn doctor fod-r18").contains("`-m NAME`"));
        assert!(answer("rcnn runtime update").contains("`install`"));
    }
}
