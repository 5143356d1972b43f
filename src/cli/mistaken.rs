//! Arguments that are of another kind than their verb takes: results where annotations are wanted, photos where a model is.
//! A verb that failed is asked about them, as that is then the likeliest reason; one that does what it was told is not. Must
//! not know what any verb does.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command};

use crate::model::find_published;

use super::contents::Contents::{self, *};

/// What an argument may be, and a sentence for one that is something else.
type WantedArgument = (&'static [Contents], &'static str);

const MODEL: WantedArgument = (
    &[ModelFolder, Checkpoint, Text],
    "a model is wanted: its folder, a checkpoint file, or a name that `rcnn models` lists",
);
const COMPARED: WantedArgument = (
    &[ModelFolder, Checkpoint, Text, RunFolder, Results, Journal, Images],
    "a model or the results of one are wanted: a model's name, its folder, a checkpoint file, a run's folder or COCO results",
);
const CHECKPOINT: WantedArgument =
    (&[Checkpoint, Text], "a checkpoint is wanted: .pth, .pkl, .safetensors or .pdparams");
const ANNOTATIONS: WantedArgument =
    (&[Annotations, Images], "COCO annotations are wanted; `rcnn convert` makes them of other forms");
const RESULTS: WantedArgument = (
    &[Results, Journal, RunFolder, Images],
    "results are wanted: a run's folder, its detections.jsonl or COCO results",
);
const JUDGED: WantedArgument = (
    &[RunFolder, Evaluation],
    "a run's folder is wanted, or what `rcnn evaluate -a GT.json -r RESULTS --errors --json` prints",
);
const SHARD: WantedArgument =
    (&[RunFolder], "the folder of a shard is wanted, as `rcnn detect --shard 1/2` leaves it");
const CONFIG: WantedArgument = (
    &[ImportOptions, Text],
    "a config is wanted: the framework's own, or JSON as `rcnn import --template` writes it",
);
const NAMES: WantedArgument = (&[Text], "names of classes are wanted: a text with one on each line");
const SCORES: WantedArgument = (
    &[],
    "scores of classes are wanted, as `rcnn evaluate --errors --best-scores` writes them, or one score for all",
);
const SOURCE: WantedArgument = (
    &[FolderOfPhotos, Annotations, Images, RunFolder, Journal, Text, EmptyFolder, OtherFolder],
    "annotations are wanted: a file, a data set's folder or a run's folder",
);
/// Of photos, for files that cannot be or name any.
const PHOTOS: WantedArgument =
    (&[Photo, Text], "photos are wanted: pictures, folders of them, patterns, or .txt files of paths");

/// What a verb wants of an argument, by the argument's name in the code and its name in help.
fn wanted(verb: &str, argument: &str, shown: &str) -> Option<WantedArgument> {
    Some(match (verb, argument, shown) {
        ("compare", _, "MODEL") => COMPARED,
        ("import", "file", _) => CHECKPOINT,
        ("convert", _, "IN") => SOURCE,
        (_, _, "MODEL") => MODEL,
        (_, _, "GT.json") => ANNOTATIONS,
        (_, _, "RESULTS" | "DETECTIONS.json|RUN" | "OTHER.json") => RESULTS,
        (_, _, "RUN|EVALUATION") => JUDGED,
        (_, _, "SHARD") => SHARD,
        (_, "config", "FILE") => CONFIG,
        (_, "names", "FILE") => NAMES,
        (_, "score", "SCORE|FILE") => SCORES,
        _ => return None,
    })
}

/// The files and folders that a command line names, each with what is wanted there.
#[derive(Debug, Default)]
pub(super) struct NamedArguments(Vec<(PathBuf, WantedArgument)>);

impl NamedArguments {
    /// Those that clap has found.
    pub(super) fn of(program: &Command, found: &ArgMatches) -> NamedArguments {
        let Some((name, found)) = found.subcommand() else { return NamedArguments::default() };
        let Some(verb) = program.find_subcommand(name) else { return NamedArguments::default() };
        let mut named = Vec::new();
        for argument in verb.get_arguments().filter(|argument| argument.get_action().takes_values()) {
            let id = argument.get_id().as_str();
            let shown = argument
                .get_value_names()
                .and_then(<[_]>::first)
                .map_or_else(|| id.to_uppercase(), ToString::to_string);
            let Some(wanted) = wanted(name, id, &shown) else { continue };
            let values = found.try_get_raw(id).ok().flatten().into_iter().flatten();
            named.extend(values.map(|value| (PathBuf::from(value), wanted)));
        }
        NamedArguments(named)
    }

    /// A sentence about the first that is something else.
    pub(super) fn mistaken(&self) -> Option<String> {
        // A folder that is called as a published model is not what was meant.
        let is_name = |path: &Path| path.to_str().is_some_and(|name| find_published(name).is_some());
        let mut paths = self.0.iter().filter(|(path, _)| !is_name(path));
        paths.find_map(|(path, wanted)| other_than(path, wanted))
    }
}

/// A sentence about arguments in the place of photos, if none of them can be a photo or hold any.
pub(super) fn no_photos(arguments: &[impl AsRef<OsStr>]) -> Option<String> {
    // Any folder may hold photos, and may be too large to be looked through before each run.
    let mistaken = |path: &Path| if path.is_dir() { None } else { other_than(path, &PHOTOS) };
    let mut others = arguments.iter().map(|argument| mistaken(Path::new(argument)));
    let first = others.next()??;
    others.all(|other| other.is_some()).then_some(first)
}

fn other_than(path: &Path, (may_be, sentence): &WantedArgument) -> Option<String> {
    let contents = Contents::of(path).filter(|contents| !may_be.contains(contents))?;
    Some(format!("`{}` {}, and {sentence}", path.display(), contents.description()))
}
