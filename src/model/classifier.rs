//! Classifiers as models: a folder of `model.json` and `classifier.onnx`, or a checkpoint.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::manifest::{FileHash, Provenance, Publication, check_texts};
use super::{
    BUNDLED, GraphFile, GraphSource, InvalidModelFile, ModelError, ModelKind, config_beside, find,
    read_config, store,
};
use crate::checkpoint::Checkpoint;
use crate::family::{self, Class, ClassifierInput, ImportOptions, LoadedClassifier, Parameters};
use crate::hash::sha256;
use crate::network::{self, ClassifierNetwork};

const GRAPH: &str = "classifier.onnx";

/// The version of a classifier's `model.json` that this program writes and reads.
const FORMAT: u32 = 1;

/// What a classifier's `model.json` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierManifest {
    /// Version of this format.
    pub format: u32,
    /// Always `classifier`.
    pub kind: ModelKind,
    /// Name of the model.
    pub name: String,
    /// Origin.
    pub provenance: Provenance,
    /// Architecture.
    pub network: ClassifierNetwork,
    /// How many numbers were learned, before norms were folded.
    pub parameters: Parameters,
    /// Classes in the order of the logits.
    pub classes: Vec<Class>,
    /// How photos are prepared.
    pub input: ClassifierInput,
    /// The graph.
    pub file: FileHash,
}

impl ClassifierManifest {
    /// Reads the text of a `model.json`; `path` is for errors. What it asks for is within limits then.
    ///
    /// # Errors
    /// When it is no `model.json` of a classifier, or one of its values is impossible or beyond its limit.
    pub fn from_text(text: &str, path: &Path) -> Result<ClassifierManifest, ModelError> {
        let wrong = |cause| ModelError::Manifest { path: path.into(), cause };
        let value = |what| wrong(InvalidModelFile::Value(what));
        let manifest: ClassifierManifest = serde_json::from_str(text).map_err(|error| wrong(error.into()))?;
        if manifest.format != FORMAT {
            return Err(value(format!("its format is {}, and {FORMAT} is known", manifest.format)));
        }
        manifest.check().map_err(value)?;
        Ok(manifest)
    }

    /// When a value is beyond what real models have.
    fn check(&self) -> Result<(), String> {
        self.network.check().map_err(|limit| limit.to_string())?;
        family::check_classifier(&self.input, &self.classes, self.network.classes)?;
        check_texts([&self.name])?;
        self.provenance.check()
    }
}

/// A classifier: what it is, and its graph.
#[derive(Debug)]
pub struct ClassifierModel {
    manifest: ClassifierManifest,
    graph: ClassifierGraph,
    warnings: Vec<String>,
}

#[derive(Debug)]
enum ClassifierGraph {
    File(GraphFile),
    Memory(Vec<u8>),
}

impl ClassifierModel {
    /// Opens a folder or the model of a name, as [`Model::find`](super::Model::find) does, or imports a checkpoint file
    /// into memory; with the config beside it, where the options say nothing.
    ///
    /// # Errors
    /// When it is none of these, or a detector.
    pub fn find(path: &Path, options: &ImportOptions) -> Result<ClassifierModel, ModelError> {
        let is_place = find::is_place(path.as_os_str());
        if is_place && path.is_dir() {
            return ClassifierModel::open(path);
        }
        if !is_place {
            let name = path.to_string_lossy();
            if BUNDLED.contains(&name.as_ref()) {
                return Err(detector(path));
            }
            return ClassifierModel::open(&find::named(path.as_os_str())?);
        }
        let beside = if *options == ImportOptions::default() { config_beside(path) } else { None };
        let Some(beside) = beside else { return ClassifierModel::import(path, options) };
        let mut model = ClassifierModel::import(path, &read_config(&beside)?)?;
        model.warnings.push(format!("`{}` beside the checkpoint is read", beside.display()));
        Ok(model)
    }

    /// Opens a model folder.
    ///
    /// # Errors
    /// When its `model.json` cannot be read or is a detector's, or the graph is missing.
    pub fn open(folder: &Path) -> Result<ClassifierModel, ModelError> {
        store::refuse_no_model(folder)?;
        let json = folder.join("model.json");
        let text = store::read_text(&json)?;
        if !says_classifier(&text) {
            return Err(detector(folder));
        }
        let manifest = ClassifierManifest::from_text(&text, &json)?;
        let graph = ClassifierGraph::File(GraphFile::open(folder.join(GRAPH), &manifest.file)?);
        Ok(ClassifierModel { manifest, graph, warnings: Vec::new() })
    }

    /// Makes a classifier of a checkpoint file, in memory.
    ///
    /// # Errors
    /// When the file cannot be read, or does not make a classifier.
    pub fn import(path: &Path, options: &ImportOptions) -> Result<ClassifierModel, ModelError> {
        let checkpoint = Checkpoint::open_at(path, options.key.as_deref(), options.prefix.as_deref())
            .map_err(|cause| ModelError::Checkpoint { path: path.into(), cause })?;
        if !family::is_classifier(&checkpoint) {
            return Err(ModelError::WrongKind {
                path: path.into(),
                found: ModelKind::OtherLayers,
                wanted: ModelKind::Classifier,
                hint: "",
            });
        }
        let loaded = family::load_classifier(&checkpoint, options);
        let loaded = loaded.map_err(|cause| ModelError::Family { path: path.into(), cause })?;
        let LoadedClassifier { architecture, mut weights, classes, input, parameters, surplus } = loaded;
        let mut warnings = checkpoint.warnings().to_vec();
        if !surplus.is_empty() {
            let names: Vec<_> =
                surplus.iter().take(8).map(|name| format!("`{}`", name.escape_debug())).collect();
            warnings.push(format!("{} tensors that nothing uses: {}", surplus.len(), names.join(", ")));
        }
        let graph = network::classifier(&architecture, &mut weights).to_bytes()?;
        let text =
            |name: Option<&std::ffi::OsStr>| name.unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let manifest = ClassifierManifest {
            format: FORMAT,
            kind: ModelKind::Classifier,
            name: text(path.file_stem()),
            provenance: Provenance {
                checkpoint: text(path.file_name()),
                sha256: sha256(checkpoint.bytes()),
                imported_by: concat!("rcnn ", env!("CARGO_PKG_VERSION")).into(),
                origin: Publication::default(),
                quantization: None,
            },
            network: architecture,
            parameters,
            classes,
            input,
            file: FileHash { bytes: graph.len() as u64, sha256: sha256(&graph) },
        };
        Ok(ClassifierModel { manifest, graph: ClassifierGraph::Memory(graph), warnings })
    }

    /// Writes the model into a folder; an earlier model there is replaced, other files stay.
    ///
    /// # Errors
    /// When the folder holds something else, or cannot be written.
    pub fn write(mut self, folder: &Path, name: &str) -> Result<ClassifierModel, ModelError> {
        self.manifest.name = name.into();
        let bytes = self.graph().bytes()?.into_owned();
        store::write(folder, |fresh| {
            let graph = fresh.join(GRAPH);
            fs::write(&graph, &bytes).map_err(ModelError::io("write", &graph))?;
            // Plain data with text keys and finite numbers: it always has a text.
            Ok(serde_json::to_string_pretty(&self.manifest).unwrap_or_default() + "\n")
        })?;
        let graph = ClassifierGraph::File(GraphFile::new(folder.join(GRAPH), &self.manifest.file));
        Ok(ClassifierModel { graph, ..self })
    }

    /// What it is.
    pub fn manifest(&self) -> &ClassifierManifest {
        &self.manifest
    }

    /// What a person should know of the import, a sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Its graph.
    pub fn graph(&self) -> GraphSource<'_> {
        match &self.graph {
            ClassifierGraph::File(file) => GraphSource::File(file),
            ClassifierGraph::Memory(bytes) => GraphSource::Memory(GRAPH.into(), bytes),
        }
    }
}

/// That a detector stands where a classifier is wanted.
fn detector(path: &Path) -> ModelError {
    let hint = ": `rcnn detect` takes it";
    ModelError::WrongKind {
        path: path.into(),
        found: ModelKind::Detector,
        wanted: ModelKind::Classifier,
        hint,
    }
}

/// Whether the text of a `model.json` is a classifier's.
pub(super) fn says_classifier(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Peek {
        kind: Option<String>,
    }
    serde_json::from_str::<Peek>(text).is_ok_and(|peek| peek.kind.as_deref() == Some("classifier"))
}
