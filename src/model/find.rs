//! From what the user gives to `--model` to a model.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use super::bundled::{BUNDLED, bundled};
use super::classifier::{ClassifierModel, says_classifier};
use super::zoo::{find_published, full_name, not_read, published_names};
use super::{
    FileHash, GraphFile, GraphSource, Graphs, Imported, Manifest, Model, ModelError, ModelKind,
    config_beside, read_config, store,
};
use crate::cache;
use crate::family::{ClassOption, ClassesOption, FamilyError, ImportOptions};
use crate::hash::sha256;

/// To be raised whenever an import makes other graphs or another `model.json` of the same checkpoint than before, so
/// that the cache's older imports are made again.
const IMPORTS: u32 = 5;

/// Bytes that imports in the cache may take together, but for those used within [`IN_USE`].
const MOST_BYTES: u64 = 4 << 30;

/// How long an import is certainly left in the cache after its last use: a run may hold many.
const IN_USE: Duration = Duration::from_hours(24);

impl Model {
    /// Finds a model by name, folder or checkpoint file; a checkpoint is imported into the cache on
    /// first use, with the config beside it ([`config_beside`]).
    ///
    /// A name is looked for in the program, in the cache, in `./models` and in `models` beside the program. A folder that
    /// holds no model, such as one of photos, does not stand in the way of a known name.
    ///
    /// # Errors
    /// When there is no such model, or it cannot be read.
    pub fn find(name: impl AsRef<OsStr>) -> Result<Model, ModelError> {
        let name = name.as_ref();
        let path = Path::new(name);
        if is_place(name) {
            // What is no regular file is named as such when it is opened.
            return if path.is_dir() { Model::open(path) } else { import_once(path, None, None) };
        }
        if let Some(model) = name.to_str().and_then(bundled) {
            return model;
        }
        Model::open(&named(name)?)
    }

    /// As [`Model::find`] for a checkpoint file, with a config in place of the one beside it, and with names for its
    /// classes, in the model's order.
    ///
    /// # Errors
    /// When the checkpoint or the config cannot be read, or there are more or fewer names than classes.
    pub fn find_checkpoint(
        path: &Path,
        config: Option<&Path>,
        names: Option<Vec<String>>,
    ) -> Result<Model, ModelError> {
        import_once(path, config, names)
    }

    /// Opens a model folder: `model.json` with its graphs, or `model.safetensors` with `import.json`, of which the
    /// graphs are made in memory.
    ///
    /// # Errors
    /// When its `model.json` cannot be read, a graph is missing, or the checkpoint makes no network.
    pub fn open(folder: &Path) -> Result<Model, ModelError> {
        let json = folder.join("model.json");
        if !json.exists() && is_checkpoint(folder) {
            let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy();
            let options = read_config(&folder.join(CHECKPOINT[1]))?;
            return Imported::from_file(&folder.join(CHECKPOINT[0]), &options)?.named(&name).into_memory();
        }
        store::refuse_no_model(folder)?;
        let text = store::read_text(&json)?;
        if says_classifier(&text) {
            return Err(ModelError::WrongKind {
                path: folder.into(),
                found: ModelKind::Classifier,
                wanted: ModelKind::Detector,
                hint: ": `rcnn classify` takes it",
            });
        }
        let manifest = Manifest::from_text(&text, &json)?;
        let open = |name: &str, hash: &FileHash| GraphFile::open(folder.join(name), hash);
        let graphs = Graphs::Files(manifest.files.of_graphs().try_map(open)?);
        let (hash, warnings) = (sha256(text.as_bytes()), store::read_notes(folder));
        Ok(Model { manifest, graphs, hash, warnings })
    }
}

/// Whether what is meant is what is at that place: photos in a folder called `coco` do not hide the model of that name.
pub(super) fn is_place(name: &OsStr) -> bool {
    let path = Path::new(name);
    let known =
        || name.to_str().is_some_and(|name| BUNDLED.contains(&name) || find_published(name).is_some());
    path.exists() && !(path.is_dir() && !is_model_folder(path) && (known() || named(name).is_ok()))
}

/// The folder of the model that has this name.
pub(super) fn named(name: &OsStr) -> Result<PathBuf, ModelError> {
    // A model of one's own may be called as a published one is for short.
    let full = name.to_str().map_or(name, |name| full_name(name).as_ref());
    let of = |name: &OsStr| {
        homes().into_iter().map(|(_, home)| home.join(name)).find(|folder| is_model_folder(folder))
    };
    let folder = if is_plain(name) { of(name).or_else(|| of(full)) } else { None };
    folder.ok_or_else(|| missing(name))
}

/// What checkpoint files end in.
pub(crate) const CHECKPOINT_ENDINGS: [&str; 6] = ["pth", "pt", "pkl", "ckpt", "safetensors", "pdparams"];

/// What other files of models end in.
const OTHER_ENDINGS: [&str; 2] = ["onnx", "json"];

/// Why there is no model of a name, or at a path.
fn missing(name: &OsStr) -> ModelError {
    let path = Path::new(name);
    // A point elsewhere belongs to a name, as in `run-0.1`.
    let mut endings = CHECKPOINT_ENDINGS.iter().chain(&OTHER_ENDINGS);
    let ends_as_file =
        path.extension().is_some_and(|end| endings.any(|known| end.eq_ignore_ascii_case(known)));
    if path.exists() && !path.is_dir() {
        let cause = "it is a pipe or a device, and a model is a folder or a file";
        return ModelError::io("read", path)(io::Error::other(cause));
    }
    if ends_as_file || !is_plain(name) {
        return ModelError::io("find", path)(io::Error::new(
            io::ErrorKind::NotFound,
            if is_plain(name) {
                "no such file here; `rcnn models` lists the names of models"
            } else {
                "no such file or folder"
            },
        ));
    }
    let (name, known) = (name.to_string_lossy(), known());
    let pull = |name: &str| format!("`rcnn pull {name}` brings it");
    let near = nearest(&name, known.iter().map(String::as_str).chain(published_names()));
    let cure = match near {
        _ if let Some(what) = not_read(&name) => format!("it has {what}"),
        Some(near) if near == name => pull(near),
        Some(near) if known.iter().any(|known| known == near) => format!("the nearest name is `{near}`"),
        Some(near) => format!("the nearest name is `{near}`: {}", pull(near)),
        None => format!(
            "give a model folder, a checkpoint file, or one of {} (`rcnn models --all` lists those that can be pulled)",
            known.join(", ")
        ),
    };
    ModelError::Unknown { name: name.escape_debug().to_string(), cure }
}

/// The name that is most like another, if one is so much like it that it may be meant.
pub(super) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (name.chars().count() / 4).max(1);
    let distances = names.map(|other| (strsim::damerau_levenshtein(name, other), other));
    distances.filter(|(distance, _)| *distance <= most).min().map(|(_, other)| other)
}

/// A name is one part of a path, nothing that leads elsewhere.
fn is_plain(name: &OsStr) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(_)), None))
}

pub(crate) fn is_model_folder(folder: &Path) -> bool {
    folder.join("model.json").is_file() || is_checkpoint(folder)
}

/// A small model may be kept as its weights, in float16, and what an import needs to know.
const CHECKPOINT: [&str; 2] = ["model.safetensors", "import.json"];

fn is_checkpoint(folder: &Path) -> bool {
    CHECKPOINT.iter().all(|file| folder.join(file).is_file())
}

/// Where a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelPlace {
    /// In the program.
    Program,
    /// In the cache: pulled.
    Cache,
    /// In `./models` or in `models` beside the program.
    Folder,
}

/// A model that is here.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub place: ModelPlace,
    /// Its folder, where it has one.
    #[serde(serialize_with = "serialize_folder")]
    pub folder: Option<PathBuf>,
    /// Its family, or `classifier`.
    pub family: String,
    /// Its backbone: `ResNet-50`.
    pub network: String,
    /// How many classes it knows.
    pub classes: usize,
    /// Bytes of its files.
    pub bytes: u64,
    /// Its publisher's AP, in percent.
    pub published_ap: Option<f64>,
    /// Its terms.
    pub licence: Option<String>,
}

/// A folder as text, whatever its bytes are.
fn serialize_folder<S: Serializer>(folder: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    folder.as_ref().map(|folder| folder.display().to_string()).serialize(to)
}

/// All models that have a name here. Folders that cannot be read are left out.
pub fn list() -> Vec<Listed> {
    let mut all = Vec::new();
    for name in BUNDLED {
        if let Some(Ok(model)) = bundled(name) {
            all.push(listed(name, ModelPlace::Program, None, model.manifest()));
        }
    }
    for (place, home) in homes() {
        let mut folders: Vec<PathBuf> =
            fs::read_dir(home).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
        folders.retain(|folder| is_model_folder(folder));
        folders.sort();
        for folder in folders {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().escape_debug().to_string();
            if all.iter().any(|other: &Listed| other.name == name) {
                continue;
            }
            if let Ok(model) = Model::open(&folder) {
                all.push(listed(&name, place, Some(folder), model.manifest()));
            } else if let Ok(model) = ClassifierModel::open(&folder) {
                let network = model.manifest().network.backbone.title();
                let family = "classifier".to_owned();
                let (classes, bytes) = (model.manifest().classes.len(), model.manifest().file.bytes);
                let (folder, published_ap, licence) = (Some(folder), None, None);
                all.push(Listed {
                    name,
                    place,
                    folder,
                    family,
                    network,
                    classes,
                    bytes,
                    published_ap,
                    licence,
                });
            }
        }
    }
    all
}

fn listed(name: &str, place: ModelPlace, folder: Option<PathBuf>, manifest: &Manifest) -> Listed {
    let origin = &manifest.provenance.origin;
    Listed {
        name: name.into(),
        place,
        folder,
        family: manifest.family.escape_debug().to_string(),
        network: manifest.network.backbone.title(),
        classes: manifest.classes.len(),
        bytes: manifest.files.bytes(),
        published_ap: origin.published_ap,
        licence: origin.licence.clone(),
    }
}

/// Folders whose folders are models.
fn homes() -> Vec<(ModelPlace, PathBuf)> {
    let cached = cache::root().map(|root| (ModelPlace::Cache, root.join("models"))).ok();
    let program = std::env::current_exe().ok();
    let beside = program.and_then(|program| Some((ModelPlace::Folder, program.parent()?.join("models"))));
    [cached, Some((ModelPlace::Folder, PathBuf::from("models"))), beside].into_iter().flatten().collect()
}

/// Names that [`Model::find`] knows.
fn known() -> Vec<String> {
    let mut names: Vec<String> = BUNDLED.map(str::to_owned).to_vec();
    for (_, home) in homes() {
        let entries = fs::read_dir(home).into_iter().flatten().filter_map(Result::ok);
        let models = entries.filter(|entry| is_model_folder(&entry.path()));
        names.extend(models.map(|entry| entry.file_name().to_string_lossy().escape_debug().to_string()));
    }
    names.sort();
    names.dedup();
    names
}

/// Imports a checkpoint into the cache, or finds it there. A config that is given replaces the one beside it, and names
/// those that any config gives to the classes.
fn import_once(path: &Path, config: Option<&Path>, names: Option<Vec<String>>) -> Result<Model, ModelError> {
    let beside = if config.is_some() { None } else { config_beside(path) };
    let mut options = config.or(beside.as_deref()).map(read_config).transpose()?.unwrap_or_default();
    if let Some(names) = names {
        options.classes = Some(ClassesOption::List(names.into_iter().map(ClassOption::Name).collect()));
    }
    let beside = beside.as_deref();
    let imported = match import_into_cache(path, &options, beside) {
        Err(cause @ (ModelError::Io { .. } | ModelError::NoCache(_))) if path.is_file() => {
            Imported::from_file(path, &options)
                .and_then(|imported| imported.into_memory_noted(beside, &cause))
        }
        outcome => outcome,
    };
    imported.map_err(|error| with_config(error, config.or(beside)))
}

/// The error, with the config that the options are from where it is about these.
fn with_config(error: ModelError, config: Option<&Path>) -> ModelError {
    match (error, config) {
        (ModelError::Family { path, cause: FamilyError::Options(what) }, Some(config)) => {
            let what = format!("{what}; the options are those of `{}`", config.display());
            ModelError::Family { path, cause: FamilyError::Options(what) }
        }
        (error, _) => error,
    }
}

fn import_into_cache(
    path: &Path,
    options: &ImportOptions,
    beside: Option<&Path>,
) -> Result<Model, ModelError> {
    let home = cache::root()?.join("imported");
    let folder = home.join(key(path, options)?);
    if let Some(model) = cached(&folder) {
        return Ok(model);
    }
    let _lock = lock(&home)?;
    // Whoever waited for another process may find its work done.
    if let Some(model) = cached(&folder) {
        return Ok(model);
    }
    // What cannot be opened is of no use, if it is there at all.
    let _ = fs::remove_dir_all(&folder);
    let imported = Imported::from_file(path, options)?;
    let model = match imported.write_noted(&folder, beside) {
        Ok(model) => model,
        // Where files cannot be locked, the other process may have come first.
        Err(error) => cached(&folder).ok_or(error)?,
    };
    cache::prune(&home, MOST_BYTES, IN_USE);
    Ok(model)
}

/// The name of a checkpoint's import: of the file's path, size and time and of the options, so that a start need not
/// read the whole checkpoint.
fn key(path: &Path, options: &ImportOptions) -> Result<String, ModelError> {
    let metadata = fs::metadata(path).map_err(ModelError::io("read", path))?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let full = fs::canonicalize(path).map_err(ModelError::io("read", path))?;
    let (full, bytes, version) = (full.display(), metadata.len(), env!("CARGO_PKG_VERSION"));
    let key = format!("{full}\n{bytes}\n{modified:?}\n{options:?}\n{version}\n{IMPORTS}");
    Ok(sha256(key.as_bytes())[..32].to_owned())
}

/// An import that is in the cache, marked as used now; one whose files are not those that were written is of no use.
fn cached(folder: &Path) -> Option<Model> {
    let model = Model::open(folder).ok()?;
    let checked = |graph: GraphSource<'_>| graph.as_graph().map(|_| ());
    if let Err(error) = model.graphs().try_for_each(checked) {
        tracing::debug!("the checkpoint is imported again: {error}");
        return None;
    }
    let json = File::options().append(true).open(folder.join("model.json"));
    // Where the file may not be changed, it goes a little earlier.
    let _ = json.and_then(|json| json.set_modified(SystemTime::now()));
    Some(model)
}

/// Waits until no other process imports; the lock ends with the file.
fn lock(home: &Path) -> Result<File, ModelError> {
    fs::create_dir_all(home).map_err(ModelError::io("create the folder", home))?;
    let path = home.join(".lock");
    let file = File::create(&path).map_err(ModelError::io("create", &path))?;
    if let Err(error) = file.lock() {
        tracing::debug!("`{}` cannot be locked: {error}", path.display());
    }
    Ok(file)
}
