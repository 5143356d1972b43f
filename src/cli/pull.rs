//! `rcnn pull`: a published checkpoint becomes a model in the cache.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rcnn::cache;
use rcnn::family::Options;
use rcnn::model::{
    BUNDLED, ClassifierModel, Expected, Imported, Origin, Published, download, find_published, nearest,
    published, read_config,
};

use super::Exit;
use super::output::tell;
use super::progress::Progress;

/// Download a published checkpoint and import it
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn pull tv-r50-fpn-v2 && rcnn detect photos -m tv-r50-fpn-v2 -o out
  rcnn pull https://example.org/mine.pth --name mine --sha256 8f3a…

Names are those of `rcnn models`. A broken download goes on where it stopped; a server that falls silent for 30
seconds counts as broken. HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY are honoured.")]
pub(crate) struct Args {
    /// A name that `rcnn models` lists, or a URL
    name: String,
    /// Name of the model; by default that of the checkpoint or file
    #[arg(long = "name", value_name = "NAME")]
    called: Option<String>,
    /// The file's SHA-256, or its first 8 digits or more, for an address
    #[arg(long, value_name = "HEX", value_parser = Expected::sha256)]
    sha256: Option<Expected>,
    /// What no tensor shows, for an address: as for `rcnn import`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Download and import again even if the model exists
    #[arg(long)]
    again: bool,
    /// Also keep the checkpoint, in the cache's downloads folder, and print where
    #[arg(long)]
    keep: bool,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> anyhow::Result<Exit> {
    let known = find_published(&args.name);
    let url = match known {
        Some(known) => known.url.as_str(),
        None if args.name.starts_with("https://") || args.name.starts_with("http://") => &args.name,
        None => {
            let near = nearest(&args.name, published().iter().map(|known| known.name.as_str()));
            let near = near.map_or_else(String::new, |near| format!("the nearest name is `{near}`, and "));
            bail!(
                "no published checkpoint is called `{}`: {near}`rcnn models` lists them",
                args.name.escape_debug()
            )
        }
    };
    let name =
        args.called.clone().unwrap_or_else(|| known.map_or_else(|| stem(url), |known| known.name.clone()));
    if Path::new(&name).components().count() != 1 || name.starts_with('.') {
        bail!("`{}` is no name for a model: give one with --name", name.escape_debug());
    }
    if BUNDLED.contains(&name.as_str()) {
        bail!(
            "`{name}` is the name of a model inside the program, which goes first: give another with --name"
        );
    }
    let folder = cache::root()?.join("models").join(&name);
    if folder.join("model.json").is_file() && !args.again {
        let command = if ClassifierModel::open(&folder).is_ok() { "classify" } else { "detect" };
        super::show(&format!(
            "{name} is there already: `rcnn {command} -m {name}` takes it, and --again replaces it\n"
        ))?;
        return Ok(Exit::Done);
    }
    let expected = args.sha256.clone().or_else(|| known.and_then(Published::expected));
    if let Some(known) = known {
        tell!("{name}: {url}, licence {}", known.licence);
    }
    if expected.is_none() {
        tell!("{name}: no hash is known, so that the file cannot be checked");
    }
    let checkpoint = load(url, expected.as_ref())?;
    let options = match (&args.config, known) {
        (Some(path), _) => read_config(path)?,
        (None, Some(known)) => known.options.clone(),
        (None, None) => Options::default(),
    };
    let command = import(&checkpoint, &options, &name, &folder, url, known)?;
    if args.keep {
        tell!("{name}: the checkpoint is kept as `{}`", checkpoint.display());
    } else {
        drop(std::fs::remove_file(&checkpoint));
        // Its folder goes too, unless there is something else in it.
        let _ = checkpoint.parent().map(std::fs::remove_dir);
    }
    super::show(&format!("{name} is there: `rcnn {command} -m {name}` takes it\n"))?;
    Ok(Exit::Done)
}

fn stem(url: &str) -> String {
    let file = url.split(['?', '#']).next().unwrap_or(url).rsplit('/').next().unwrap_or_default();
    file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_owned()
}

fn load(url: &str, expected: Option<&Expected>) -> anyhow::Result<PathBuf> {
    let mut shown: Option<Progress> = None;
    let mib = |bytes: u64| bytes >> 20;
    let path = download(url, expected, &mut |done, all| {
        let all = mib(all.unwrap_or(done));
        shown.get_or_insert_with(|| Progress::new("MiB", mib(done), all)).set(mib(done), all, 0);
    })?;
    if let Some(shown) = shown {
        shown.end();
    }
    Ok(path)
}

/// Makes the model, and tells which command takes it.
fn import(
    checkpoint: &Path,
    options: &Options,
    name: &str,
    folder: &Path,
    url: &str,
    known: Option<&Published>,
) -> anyhow::Result<&'static str> {
    let origin = Origin {
        url: Some(url.into()),
        licence: known.map(|known| known.licence.clone()),
        published_ap: known.and_then(|known| known.box_ap),
    };
    let (command, remarks) = match Imported::from_file(checkpoint, options) {
        Ok(imported) => {
            let remarks = imported.remarks().to_vec();
            imported.named(name).from(origin).write(folder)?;
            ("detect", remarks)
        }
        Err(rcnn::model::Error::WrongKind { found: "classifier", .. }) => {
            let model = ClassifierModel::import(checkpoint, options)?;
            let remarks = model.remarks().to_vec();
            model.write(folder, name).with_context(|| format!("cannot import `{name}`"))?;
            ("classify", remarks)
        }
        Err(error) => return Err(error.into()),
    };
    super::say(&remarks);
    Ok(command)
}
