//! The command line: one file a command, each with its arguments and a call into the library. A program calls
//! [`main`] and ends with what it gives.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Model;
use crate::photo::{self, ListError, Listing};
use anyhow::Context;
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use mistaken::NamedArguments;
use output::{print_json, show, tell};

mod arguments;
mod bench;
mod classify;
mod clean_start;
mod compare;
mod completions;
mod contents;
mod convert;
mod detect;
mod doctor;
mod ensemble;
mod evaluate;
mod export_args;
mod fastest;
mod help;
mod hints;
mod import;
mod inspect;
mod interval_args;
mod iou_type;
mod json_lines;
mod memory;
mod merge;
mod mistaken;
mod model_and_photos;
mod models;
mod output;
mod picture_args;
mod postprocess_args;
mod progress;
mod pull;
mod quantize;
mod report;
mod reproduce;
mod runtime;
mod runtime_args;
mod signals;
mod streams;
mod summary;
mod synth;
mod tune;
mod values;
mod view_args;

/// What `rcnn` ends with; the numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// Nothing usable was done.
    Failed = 1,
    /// The arguments do not make a command: what clap refuses, and the like of it ([`Usage`]).
    WrongUsage = 2,
    /// Done, but some photos failed.
    PhotosFailed = 3,
    /// The terminal has gone away (SIGHUP); what is written is valid.
    HungUp = 129,
    /// Stopped by the user (SIGINT); what is written is valid.
    Interrupted = 130,
    /// Stopped by the system or another program (SIGTERM); what is written is valid.
    Terminated = 143,
}

/// The arguments cannot be what was meant: exit code 2, as for those that clap refuses; so are photos of which nothing is
/// there. A model or checkpoint that is missing, and whatever cannot be read, is a failure, exit code 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Object detection with Faster R-CNN on ONNX Runtime, and COCO mAP exactly as pycocotools computes it
#[derive(Debug, Parser)]
#[command(name = "rcnn", version, arg_required_else_help = true)]
#[command(disable_help_flag = true, disable_version_flag = true)]
#[command(after_help = "Example:
  rcnn detect photos/ -o out

RCNN_CACHE moves the cache folder; RCNN_LOG=debug turns on logging.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done, but some photos failed or a folder could not be read,
101 a bug in rcnn itself, 129, 130 and 143 stopped by SIGHUP, SIGINT or SIGTERM.")]
struct Cli {
    /// Say nothing but errors and what was asked for: no notes, no progress, no summary of a run
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = help::GENERAL, display_order = 2)]
    quiet: bool,
    /// Say what the program looks for and decides; twice for all its parts. RCNN_LOG chooses more finely
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = help::GENERAL, display_order = 3)]
    verbose: u8,
    /// Print this help
    #[arg(short, long, global = true, action = clap::ArgAction::Help, help_heading = help::GENERAL, display_order = 1)]
    help: Option<bool>,
    /// Print the version
    #[arg(short = 'V', long, action = clap::ArgAction::Version, help_heading = help::GENERAL, display_order = 4)]
    version: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Detect(detect::DetectArgs),
    Merge(merge::MergeArgs),
    Ensemble(ensemble::EnsembleArgs),
    Classify(classify::ClassifyArgs),
    Compare(compare::CompareArgs),
    Evaluate(evaluate::EvaluateArgs),
    Report(report::ReportArgs),
    Convert(convert::ConvertArgs),
    Import(import::ImportArgs),
    Inspect(inspect::InspectArgs),
    Quantize(quantize::QuantizeArgs),
    Pull(pull::PullArgs),
    Reproduce(reproduce::ReproduceArgs),
    Models(models::ModelsArgs),
    Synth(synth::SynthArgs),
    Bench(bench::BenchArgs),
    Doctor(doctor::DoctorArgs),
    Runtime(runtime::RuntimeCommandArgs),
    Completions(completions::CompletionsArgs),
    Man(completions::ManArgs),
}

/// Where the system's loader would look for libraries in the current folder, replaces the process by one in which it does
/// not. For programs of which this library is the whole; in others, libraries are refused later, with a sentence.
pub fn start_clean() {
    clean_start::without_current_folder();
}

/// Parses the command line, the program's name first, runs the command and gives the process's exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    output::speak_plainly_on_panic();
    signals::outlive_limits_of_files();
    run(arguments.into_iter().collect())
}

/// What came of a command that was called within another program.
#[derive(Debug)]
#[non_exhaustive]
pub struct Called {
    /// What the program would end with.
    pub exit: u8,
    /// What it would write on standard output.
    pub output: String,
    /// What it would write on standard error.
    pub messages: String,
}

/// Runs a command within another program, whose signals and streams are left alone; one at a time. Setting `stop` ends it in
/// order, as the first Ctrl-C does in the program.
pub fn call(arguments: impl IntoIterator<Item = OsString>, stop: &Arc<AtomicBool>) -> Called {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    signals::stop_by(Some(Arc::clone(stop)));
    output::keep();
    let exit = run(arguments.into_iter().collect());
    signals::stop_by(None);
    let captured = output::take_captured();
    Called {
        exit,
        output: String::from_utf8_lossy(&captured.output).into_owned(),
        messages: captured.messages,
    }
}

fn run(arguments: Vec<OsString>) -> u8 {
    arguments::give(arguments);
    output::set_quiet(false);
    let (cli, named) = match parse() {
        Ok(parsed) => parsed,
        Err(error) => {
            let exit = output::usage(&error);
            if exit != Exit::Done as u8 {
                // The sentence without the usage and the advice below it.
                let text = error.to_string();
                let sentence = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
                print_failure(sentence, exit);
            }
            return exit;
        }
    };
    output::set_quiet(cli.quiet);
    output::init_tracing(cli.verbose);
    let outcome = match cli.command {
        Command::Detect(args) => detect::run(args),
        Command::Merge(args) => merge::run(args),
        Command::Ensemble(args) => ensemble::run(&args),
        Command::Classify(args) => classify::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Report(args) => report::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Import(args) => import::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Quantize(args) => quantize::run(args),
        Command::Pull(args) => pull::run(args),
        Command::Reproduce(args) => reproduce::run(args),
        Command::Models(args) => models::run(args),
        Command::Synth(args) => synth::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Runtime(args) => runtime::run(args),
        Command::Completions(args) => completions::run(&args, help::arranged(Cli::command())),
        Command::Man(args) => completions::man(&args, help::arranged(Cli::command())),
    };
    match outcome {
        Ok(exit) => exit as u8,
        Err(error) => {
            let failed = if error.is::<Usage>() { Exit::WrongUsage } else { Exit::Failed };
            let (stopped, sentence) = (signals::received(), sentence(&error));
            let mistaken = || if stopped.is_none() { named.mistaken() } else { None };
            let sentence = mistaken().unwrap_or(sentence);
            output::failure(&sentence);
            let exit = stopped.unwrap_or(failed) as u8;
            print_failure(&sentence, exit);
            exit
        }
    }
}

/// With `--json`, programs that read standard output hear of a failure there as well.
fn print_failure(sentence: &str, exit: u8) {
    if arguments::all().any(|argument| argument == "--json") {
        // Who does not take it is not told either.
        let _ = print_json(&serde_json::json!({"error": sentence, "exit": exit}));
    }
}

/// Reads the command line, and which files and folders it names. A value may be a negative number, which is then refused as
/// a value.
fn parse() -> Result<(Cli, NamedArguments), clap::Error> {
    let negative = |option: clap::Arg| {
        let takes = !option.is_positional() && option.get_action().takes_values();
        if takes { option.allow_negative_numbers(true) } else { option }
    };
    let mut command = help::arranged(Cli::command()).mut_subcommands(|verb| verb.mut_args(negative));
    let found = command.try_get_matches_from_mut(arguments::all());
    let found = found.map_err(|error| hints::with_hint(error, hints::verb_of(&command, arguments::all())))?;
    let named = NamedArguments::of(&command, &found);
    Cli::from_arg_matches(&found).map(|cli| (cli, named)).map_err(|error| error.format(&mut command))
}

/// The error and its causes on one line; most of ours say their cause themselves.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // ONNX Runtime's own words have several lines.
        let cause = crate::runtime::one_line(&cause);
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    plain(text)
}

/// The system's words for what happens every day, in plain ones.
pub(crate) fn plain(mut text: String) -> String {
    for (system, plain) in [
        ("No such file or directory (os error 2)", "no such file or folder"),
        ("Permission denied (os error 13)", "permission denied"),
        ("File exists (os error 17)", "something else has that name"),
        ("Not a directory (os error 20)", "a part of its path is no folder"),
        ("Is a directory (os error 21)", "it is a folder"),
        ("No space left on device (os error 28)", "the disk is full"),
        ("io: Connection refused (os error 111)", "the connection is refused"),
    ] {
        text = text.replace(system, plain);
    }
    text
}

/// An option that is a score.
fn probability(text: &str) -> Result<f32, String> {
    let value: f32 = text.parse().map_err(|_| "a number from 0 to 1 is needed".to_owned())?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err("a number from 0 to 1 is needed".into()) }
}

/// An option that is an overlap.
fn share(text: &str) -> Result<f64, String> {
    let value: Option<f64> = text.parse().ok().filter(|value| (0.0..=1.0).contains(value));
    value.ok_or_else(|| "a number from 0 to 1 is needed".into())
}

/// An option that is a weight.
fn weight(text: &str) -> Result<f64, String> {
    let value: Option<f64> =
        text.trim().parse().ok().filter(|weight: &f64| *weight > 0.0 && weight.is_finite());
    value.ok_or_else(|| "a number above 0 is needed; a file of weights goes with -m".into())
}

/// Finds a detector by name, folder or checkpoint file, and says what a person should know of its import. A published
/// one that is not here is brought, unless `offline`.
pub(crate) fn find_model(name: &OsStr, offline: bool) -> anyhow::Result<Model> {
    let model = match Model::find(name) {
        Err(crate::model::ModelError::Unknown { .. }) if let Some(wanted) = pull::absent(name) => {
            pull::bring_named(&wanted, offline)?;
            Model::find(&wanted.name)?
        }
        found => found?,
    };
    say(model.warnings());
    Ok(model)
}

/// The results that are meant: of a run's folder its journal, which has the names of all photos.
pub(crate) fn results_of(path: &Path) -> Result<PathBuf, Usage> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let files = ["detections.jsonl", "detections.json"].map(|name| path.join(name));
    files.into_iter().find(|file| file.is_file()).ok_or_else(|| {
        Usage(format!("`{}` holds no detections.jsonl: it is no run's folder", path.display()))
    })
}

/// A text file in any encoding that people's programs write.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    coco_eval::text::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// The lines of a text file that hold something.
pub(crate) fn read_lines(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = read_text(path)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(str::to_owned).collect())
}

/// An option that is a file, of which a pipe may take the place; it is read here, whoever opens it how often.
pub(crate) fn file_or_pipe() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| crate::once::keep(&path).map(|()| path))
}

/// What a model in this folder is called; `.` is called as the folder that it is.
pub(crate) fn model_name(folder: &Path) -> String {
    let full = if folder.file_name().is_none() { folder.canonicalize().ok() } else { None };
    let folder = full.as_deref().unwrap_or(folder);
    folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned()
}

/// Lists the photos that the user names, and says what was passed over.
pub(crate) fn list_photos(inputs: &[OsString], skip: Option<&Path>) -> anyhow::Result<Listing> {
    if let Some(mistaken) = mistaken::no_photos(inputs) {
        return Err(Usage(mistaken).into());
    }
    let listing = photo::list(inputs, skip).map_err(|error| match error {
        ListError::Missing(ref path) => match hints::instead_of_photo(&path.to_string_lossy()) {
            Some(hint) => Usage(format!("no photos at `{}`: {hint}", path.display())).into(),
            None => Usage(error.to_string()).into(),
        },
        ListError::Pattern { .. } => Usage(error.to_string()).into(),
        error => anyhow::Error::from(error),
    })?;
    say(&listing.warnings);
    Ok(listing)
}

/// The command line as text, for records.
pub(crate) fn command_line() -> Vec<String> {
    arguments::all().map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// Sentences that a person should know, on standard error.
pub(crate) fn say(warnings: &[String]) {
    for note in warnings {
        tell!("note: {note}");
    }
}
