//! From a checkpoint to a model: the graphs and what surrounds them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::manifest::{Files, Manifest, Provenance, Publication};
use super::{Model, ModelError, ModelKind, OfGraphs, store, zoo};
use crate::checkpoint::Checkpoint;
use crate::family::{self, ImportOptions, Loaded};
use crate::hash::sha256;
use crate::network;
use crate::onnx::Graph;

/// A checkpoint made into a model, not written yet.
#[derive(Debug)]
pub struct Imported {
    manifest: Manifest,
    graphs: OfGraphs<Graph>,
    warnings: Vec<String>,
    assumed: Vec<(String, String)>,
}

/// Reads the options of an import from a JSON file.
///
/// # Errors
/// When the file cannot be read, or holds an unknown key or a value of the wrong kind.
pub fn read_options(path: &Path) -> Result<ImportOptions, ModelError> {
    let text = store::read_text(path)?;
    serde_json::from_str(&text)
        .map_err(|error| ModelError::Options { path: path.into(), cause: error.into() })
}

/// The config beside a checkpoint file, which tells what its tensors cannot: `import.json`, or, for detectron2's and
/// Detectron's files, a YAML of the file's name or `config.yaml`.
pub fn config_beside(checkpoint: &Path) -> Option<PathBuf> {
    let here = |path: PathBuf| Some(path).filter(|path| path.is_file());
    if let Some(json) = here(checkpoint.with_file_name("import.json")) {
        return Some(json);
    }
    let names = [
        checkpoint.with_extension("yaml"),
        checkpoint.with_extension("yml"),
        checkpoint.with_file_name("config.yaml"),
        checkpoint.with_file_name("config.yml"),
    ];
    let yaml = names.into_iter().find_map(here)?;
    let checkpoint = Checkpoint::open(checkpoint).ok()?;
    family::goes_with_yaml(&checkpoint).then_some(yaml)
}

/// Reads the options of an import from any config that a family's models come with: detectron2's YAML (`.yaml`),
/// mmdetection's Python (`.py`), or a JSON of options.
///
/// # Errors
/// As [`read_options`], and when the config asks for what is not supported.
pub fn read_config(path: &Path) -> Result<ImportOptions, ModelError> {
    family::read_config(path).map_err(|error| ModelError::Options { path: path.into(), cause: error.into() })
}

impl Imported {
    /// Reads a checkpoint file of any known family.
    ///
    /// # Errors
    /// When the file cannot be read, or does not make a network.
    pub fn from_file(path: &Path, options: &ImportOptions) -> Result<Imported, ModelError> {
        let checkpoint = Checkpoint::open_at(path, options.key.as_deref(), options.prefix.as_deref())
            .map_err(|cause| ModelError::Checkpoint { path: path.into(), cause })?;
        if family::is_classifier(&checkpoint) {
            return Err(ModelError::WrongKind {
                path: path.into(),
                found: ModelKind::Classifier,
                wanted: ModelKind::Detector,
                hint: ": `rcnn classify` takes it",
            });
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
        Imported::new(&checkpoint, options, &stem, &name)
            .map_err(|cause| ModelError::Family { path: path.into(), cause })
    }

    /// Makes a model called `name` of the checkpoint file `file`.
    pub(super) fn new(
        checkpoint: &Checkpoint,
        options: &ImportOptions,
        name: &str,
        file: &str,
    ) -> Result<Imported, family::FamilyError> {
        let hash = sha256(checkpoint.bytes());
        // Of a published file more is known than its tensors show; what the user says goes before it.
        let published = zoo::by_hash(&hash);
        let options = &published.map_or_else(|| options.clone(), |known| options.over(&known.options));
        let loaded = family::load(checkpoint, options)?;
        let mut warnings = warnings(checkpoint, &loaded);
        warnings.extend(published.map(|known| format!("it is the published checkpoint `{}`", known.name)));
        let Loaded { family, architecture, mut weights, conventions, classes, assumed, parameters, .. } =
            loaded;
        let strides = architecture.roi_strides();
        let pad_to = conventions.input.pad_to as usize;
        // A dilated stage keeps the size of the one before it.
        let doubling = pad_to > 0
            && pad_to.is_multiple_of(strides.last().copied().unwrap_or(1))
            && strides.windows(2).all(|pair| pair[1] == 2 * pair[0]);
        let trunk = network::trunk(&architecture, &mut weights, doubling);
        let roi = &conventions.roi;
        let mask = architecture
            .mask
            .as_ref()
            .map(|mask| network::mask(&architecture, mask, &mut weights, roi.sampling_ratio, roi.aligned));
        let head = |place| network::head(&architecture, place, &mut weights, roi.sampling_ratio, roi.aligned);
        // The mask heads share layers with the box head, whose weights move: they come first.
        let heads = (0..architecture.heads.len()).map(head).collect();
        let graphs = OfGraphs { trunk, heads, mask };
        let manifest = Manifest {
            format: Manifest::FORMAT,
            name: name.into(),
            family: family.into(),
            provenance: Provenance {
                checkpoint: file.into(),
                sha256: hash,
                imported_by: concat!("rcnn ", env!("CARGO_PKG_VERSION")).into(),
                origin: Publication::default(),
                quantization: None,
            },
            network: architecture,
            parameters,
            classes,
            conventions,
            files: Files::default(),
        };
        Ok(Imported { manifest, graphs, warnings, assumed })
    }

    /// What the model is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What a person should know of the import, a sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What no tensor shows and the options do not say: option and the value taken, as JSON.
    pub fn assumed(&self) -> &[(String, String)] {
        &self.assumed
    }

    /// The options that make this import again whatever the family's defaults are: those that were given, and the family,
    /// the classes and all that was assumed.
    pub fn template(&self, given: &ImportOptions) -> String {
        let mut all = match serde_json::to_value(given) {
            Ok(Value::Object(given)) => given,
            _ => serde_json::Map::new(),
        };
        all.retain(|_, value| !value.is_null());
        let assumed = self
            .assumed
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), serde_json::from_str(value).ok()?)));
        all.extend(assumed);
        let classes = self.manifest.classes.iter().map(|class| json!({"id": class.id, "name": class.name}));
        all.insert("family".into(), self.manifest.family.clone().into());
        all.insert("classes".into(), classes.collect());
        format!("{:#}\n", Value::Object(all))
    }

    /// The same under another name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Imported {
        self.manifest.name = name.into();
        self
    }

    /// The same with its publisher named.
    #[must_use]
    pub fn from(mut self, origin: Publication) -> Imported {
        self.manifest.provenance.origin = origin;
        self
    }

    /// The model, kept in memory.
    ///
    /// # Errors
    /// When a graph is beyond what ONNX can hold.
    pub fn into_memory(self) -> Result<Model, ModelError> {
        let model = Model::in_memory(self.manifest, self.graphs)?;
        Ok(Model { warnings: self.warnings, ..model })
    }

    /// Writes the model into a folder; an earlier model there is replaced, other files stay.
    ///
    /// # Errors
    /// When the folder holds something else, or cannot be written.
    pub fn write(self, folder: &Path) -> Result<Model, ModelError> {
        Model::write(self.manifest, &self.graphs, folder)
    }

    /// The same for an import that nobody asked for by name: warnings, and a word on what was assumed, are kept in the
    /// folder, so that whoever opens it hears of them. `config` was read beside the checkpoint.
    pub(super) fn write_noted(mut self, folder: &Path, config: Option<&Path>) -> Result<Model, ModelError> {
        let warnings = self.noted(config);
        Model::write_noted(self.manifest, &self.graphs, folder, warnings)
    }

    /// The same in memory, where the cache cannot be written.
    pub(super) fn into_memory_noted(
        mut self,
        config: Option<&Path>,
        why: &ModelError,
    ) -> Result<Model, ModelError> {
        let mut warnings = self.noted(config);
        warnings
            .push(format!("the checkpoint is imported anew every time, as the cache cannot be used: {why}"));
        let model = self.into_memory()?;
        Ok(Model { warnings, ..model })
    }

    fn noted(&mut self, config: Option<&Path>) -> Vec<String> {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.extend(config.map(|path| format!("`{}` beside the checkpoint is read", path.display())));
        if !self.assumed.is_empty() {
            warnings.push(taken(&self.manifest.family, &self.assumed));
        }
        warnings
    }
}

/// What was taken because nothing says it: the values that matter most, and how many others.
fn taken(family: &str, assumed: &[(String, String)]) -> String {
    const FIRST: [&str; 4] = ["min_size", "max_size", "anchor_sizes", "norm_eps"];
    let value = |key: &str| Some(assumed.iter().find(|(other, _)| other == key)?.1.as_str());
    let first: Vec<String> = FIRST
        .iter()
        .filter_map(|&key| match key {
            "anchor_sizes" => Some(format!("anchors {}", range(value(key)?)?)),
            _ => Some(format!("{key} {}", value(key)?)),
        })
        .collect();
    let more = match assumed.len() - first.len() {
        0 => String::new(),
        more if first.is_empty() => format!("{more} values"),
        more => format!(" and {more} others"),
    };
    format!(
        "taken as {family}'s defaults, as no tensor and no config says it: {}{more}; --config gives others, and `rcnn \
         import --template` writes all",
        first.join(", ")
    )
}

/// The smallest and the largest of a list of lists of numbers.
fn range(sizes: &str) -> Option<String> {
    let sizes: Vec<Vec<f32>> = serde_json::from_str(sizes).ok()?;
    let all = || sizes.iter().flatten().copied();
    let (least, most) = (all().reduce(f32::min)?, all().reduce(f32::max)?);
    Some(if least == most { least.to_string() } else { format!("{least} to {most}") })
}

fn warnings(checkpoint: &Checkpoint, loaded: &Loaded) -> Vec<String> {
    let mut warnings = checkpoint.warnings().to_vec();
    warnings.extend(loaded.warnings.iter().cloned());
    if !loaded.surplus.is_empty() {
        let first: Vec<_> =
            loaded.surplus.iter().take(8).map(|name| format!("`{}`", name.escape_debug())).collect();
        let more = match loaded.surplus.len().saturating_sub(8) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        warnings.push(format!("tensors that nothing uses: {}{more}", first.join(", ")));
    }
    warnings
}
