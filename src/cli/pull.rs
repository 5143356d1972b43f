//! `rcnn pull`: a published checkpoint becomes a model in the cache.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::family::ImportOptions;
use crate::model::{
    BUNDLED, Brought, ClassifierModel, ExpectedDigest, Publication, PullError, Wanted, bring, find_published,
    no_such, read_config,
};
use anyhow::bail;

use super::Exit;
use super::output::{print_report, tell};
use super::progress::ProgressLine;

/// Download a published checkpoint and import it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn pull coco && rcnn detect photos -m coco -o out
  rcnn pull coco --from model_final_280758.pkl      loaded by other means
  rcnn pull https://example.org/mine.pth --name mine --sha256 8f3a…

Names are those of `rcnn models --all`. A broken download goes on where it stopped; a server that falls silent for 30
seconds counts as broken. HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY are honoured; RCNN_MIRROR has the address
of a mirror that takes the place of the publishers' hosts, or several with commas between them, which are asked in turn.")]
pub(crate) struct PullArgs {
    /// Name that `rcnn models --all` lists, or a URL
    name: String,
    /// Name for the model; by default that of the checkpoint or file
    #[arg(long = "name", value_name = "NAME")]
    called: Option<String>,
    /// SHA-256 of the file, or its first 8 digits or more, for a URL
    #[arg(long, value_name = "HEX", value_parser = ExpectedDigest::sha256)]
    sha256: Option<ExpectedDigest>,
    /// File to take instead of downloading it; its hash is checked as that of a download
    #[arg(long, value_name = "FILE", conflicts_with = "keep")]
    from: Option<PathBuf>,
    /// Config for what no tensor shows: for a URL, as for `rcnn import`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Download and import again even if the model exists
    #[arg(long)]
    again: bool,
    /// Keep the checkpoint as well, in the cache's downloads folder, and print where
    #[arg(long)]
    keep: bool,
    /// Print one JSON document on standard output, and everything else on standard error: what was brought
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: PullArgs) -> anyhow::Result<Exit> {
    let wanted = wanted(&args)?;
    let (name, folder) = (&wanted.name, wanted.folder()?);
    if folder.join("model.json").is_file() && !args.again {
        let command = if ClassifierModel::open(&folder).is_ok() { "classify" } else { "detect" };
        let report = PullReport { name, folder: &folder, command, before: true, checkpoint: None };
        print_report(&report, args.json)?;
        return Ok(Exit::Done);
    }
    let brought = load(&wanted, args.from.as_deref(), args.keep)?;
    if let Some(checkpoint) = &brought.checkpoint {
        tell!("{name}: the checkpoint is kept as `{}`", checkpoint.display());
    }
    let command = if brought.classifier { "classify" } else { "detect" };
    let checkpoint = brought.checkpoint.as_deref();
    print_report(&PullReport { name, folder: &folder, command, before: false, checkpoint }, args.json)?;
    Ok(Exit::Done)
}

/// What was brought.
#[derive(serde::Serialize)]
struct PullReport<'a> {
    name: &'a str,
    /// Where the model is.
    folder: &'a Path,
    /// The command that takes it.
    command: &'a str,
    /// It was there already.
    before: bool,
    /// Where the checkpoint is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<&'a Path>,
}

impl fmt::Display for PullReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PullReport { name, command, before, .. } = self;
        if *before {
            writeln!(
                f,
                "{name} is there already: `rcnn {command} -m {name}` takes it, and --again replaces it"
            )
        } else {
            writeln!(f, "{name} is there: `rcnn {command} -m {name}` takes it")
        }
    }
}

/// What the arguments ask for.
fn wanted(args: &PullArgs) -> anyhow::Result<Wanted> {
    let mut wanted = match find_published(&args.name) {
        Some(known) => Wanted::published(known),
        None if args.name.starts_with("https://") || args.name.starts_with("http://") => address(&args.name),
        None if BUNDLED.contains(&args.name.as_str()) => {
            bail!("`{0}` is in the program already: `rcnn detect -m {0}` takes it", args.name)
        }
        None => bail!("{}", no_such(&args.name)),
    };
    if let Some(called) = &args.called {
        wanted.name.clone_from(called);
    }
    if let Some(sha256) = &args.sha256 {
        wanted.expected = Some(sha256.clone());
    }
    if let Some(config) = &args.config {
        wanted.options = read_config(config)?;
    }
    let name = &wanted.name;
    if Path::new(name).components().count() != 1 || name.starts_with('.') {
        bail!("`{}` is no name for a model: give one with --name", name.escape_debug());
    }
    if BUNDLED.contains(&name.as_str()) {
        bail!(
            "`{name}` is the name of a model inside the program, which goes first: give another with --name"
        );
    }
    Ok(wanted)
}

/// A checkpoint of which nothing but its address is known; its model is called as the file.
fn address(url: &str) -> Wanted {
    let file = url.split(['?', '#']).next().unwrap_or(url).rsplit('/').next().unwrap_or_default();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    Wanted {
        name: stem.to_owned(),
        url: url.to_owned(),
        others: Vec::new(),
        expected: None,
        options: ImportOptions::default(),
        note: None,
        origin: Publication { url: Some(url.to_owned()), ..Publication::default() },
    }
}

/// The published checkpoint of a name that has no model here yet.
pub(super) fn absent(name: &OsStr) -> Option<Wanted> {
    Some(Wanted::published(find_published(name.to_str()?)?))
}

/// Brings a published checkpoint because a command was given its name.
pub(super) fn bring_named(wanted: &Wanted, offline: bool) -> anyhow::Result<()> {
    let name = &wanted.name;
    if offline {
        bail!(
            "no model `{name}` is on this machine, and --offline forbids to fetch it from {}: load that file by other \
             means, and `rcnn pull {name} --from FILE` takes it",
            wanted.url
        );
    }
    load(wanted, None, false)?;
    Ok(())
}

/// Downloads and imports, with words of what and a progress bar.
fn load(wanted: &Wanted, from: Option<&Path>, keep: bool) -> anyhow::Result<Brought> {
    let terms = wanted.origin.licence.as_deref().unwrap_or("not known");
    match from {
        Some(file) => tell!("{}: `{}`, licence {terms}", wanted.name, file.display()),
        None => tell!("{}: {}, licence {terms}", wanted.name, wanted.url),
    }
    if wanted.expected.is_none() {
        let by = if from.is_some() {
            "cannot be checked"
        } else {
            "can only be checked by what its server says of it"
        };
        tell!("{}: no hash is known, so that the file {by}", wanted.name);
    }
    if let Some(note) = &wanted.note {
        tell!("{}: {note}", wanted.name);
    }
    let mut line: Option<ProgressLine> = None;
    let mib = |bytes: u64| bytes >> 20;
    let brought = bring(wanted, from, keep, &mut |done, all| {
        let all = mib(all.unwrap_or(done));
        line.get_or_insert_with(|| ProgressLine::new("MiB", mib(done), all)).set(mib(done), all, 0);
    });
    if let Some(line) = line {
        line.end();
    }
    let brought = match brought {
        Err(error @ PullError::Network { .. }) => bail!(
            "{error}; HTTPS_PROXY may name a proxy, RCNN_MIRROR a mirror, and `rcnn pull {} --from FILE` takes the file \
             if it comes by other means",
            wanted.name
        ),
        brought => brought?,
    };
    super::say(&brought.warnings);
    Ok(brought)
}
