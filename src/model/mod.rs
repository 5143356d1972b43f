//! Models: `model.json`, the bundled ones, the cache, importing checkpoints.

#[cfg(feature = "fetch")]
mod bring;
mod bundled;
mod classifier;
mod find;
mod format1;
mod import;
mod manifest;
#[cfg(feature = "fetch")]
mod pull;
mod store;
mod zoo;

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use crate::family::Class;
#[cfg(feature = "fetch")]
pub use bring::{Brought, Wanted, bring};
pub use bundled::{BUNDLED, DEFAULT};
pub use classifier::{ClassifierManifest, ClassifierModel};
pub(crate) use find::{CHECKPOINT_ENDINGS, is_model_folder};
pub use find::{Listed, ModelPlace, list};
pub use import::{Imported, config_beside, read_config, read_options};
pub use manifest::{FileHash, Files, Manifest, Provenance, Publication, Quantization};
use manifest::{MASK, TRUNK, head_file};
#[cfg(feature = "fetch")]
pub use pull::{DigestError, ExpectedDigest, PullError, download};
pub use store::GraphFile;
pub use zoo::{Published, RECOMMENDED, Recommended, find_published, no_such, published};

use crate::hash::sha256;
use crate::runtime::GraphBytes;
use crate::{cache, checkpoint, family, onnx};
use coco_eval::text;

/// A model: `model.json` and two graphs, from a folder or from memory.
#[derive(Debug)]
pub struct Model {
    manifest: Manifest,
    graphs: Graphs,
    hash: String,
    warnings: Vec<String>,
}

/// One thing of each graph of a model: trunk, box heads in their order, and mask heads where there are any.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfGraphs<T> {
    pub(crate) trunk: T,
    pub(crate) heads: Vec<T>,
    pub(crate) mask: Option<T>,
}

impl<T> OfGraphs<T> {
    /// The same of each, made with the name of its file.
    fn try_map<U, E>(&self, make: impl Fn(&str, &T) -> Result<U, E>) -> Result<OfGraphs<U>, E> {
        let head = |(index, head)| make(&head_file(index), head);
        Ok(OfGraphs {
            trunk: make(TRUNK, &self.trunk)?,
            heads: self.heads.iter().enumerate().map(head).collect::<Result<Vec<U>, E>>()?,
            mask: self.mask.as_ref().map(|mask| make(MASK, mask)).transpose()?,
        })
    }
}

/// Where the graphs are.
#[derive(Debug)]
enum Graphs {
    Files(OfGraphs<GraphFile>),
    Memory(OfGraphs<Vec<u8>>),
}

impl Graphs {
    /// Those that were just written into a folder.
    fn written(folder: &Path, files: &Files) -> Graphs {
        let file = |name: &str, hash: &FileHash| Ok::<_, Infallible>(GraphFile::new(folder.join(name), hash));
        match files.of_graphs().try_map(file) {
            Ok(files) => Graphs::Files(files),
            Err(never) => match never {},
        }
    }
}

/// What a model does. In a `model.json` it stands for classifiers alone; detectors have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelKind {
    /// Finds objects.
    #[serde(skip)]
    Detector,
    /// Names whole photos.
    Classifier,
    /// A checkpoint that is no bare ResNet, where one is wanted.
    #[serde(skip)]
    OtherLayers,
}

impl fmt::Display for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ModelKind::Detector => "detector",
            ModelKind::Classifier => "classifier",
            ModelKind::OtherLayers => "checkpoint without a bare ResNet's layers (`conv1`, `layer1` …, `fc`)",
        })
    }
}

/// What is wrong with a `model.json` or with an import's options.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidModelFile {
    /// It is no JSON of that kind; said with line and column.
    #[error("{}", text::sentence(&.0.to_string()))]
    Json(#[from] serde_json::Error),
    /// It is no config of a framework that can be taken.
    #[error("{}", text::sentence(&.0.to_string()))]
    Config(#[from] family::ConfigError),
    /// A value is impossible or beyond its limit.
    #[error("{0}")]
    Value(String),
}

/// Why a model could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Nothing has that name.
    #[error("no model `{name}`: {cure}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What would do.
        cure: String,
    },
    /// A file of the model cannot be read or written.
    #[error("cannot {doing} `{}`: {cause}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        cause: std::io::Error,
    },
    /// A folder is no model's.
    #[error("`{}` is no model's folder: it has no `model.json`", .0.display())]
    NoModel(PathBuf),
    /// `model.json` is not what it should be.
    #[error("`{}` is no model.json of this version: {cause}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        cause: InvalidModelFile,
    },
    /// The import options are not what they should be.
    #[error("`{}` cannot be used as an import configuration: {cause}", path.display())]
    Options {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        cause: InvalidModelFile,
    },
    /// The checkpoint file cannot be read.
    #[error("cannot import `{}`: {cause}", path.display())]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// Why.
        #[source]
        cause: checkpoint::CheckpointError,
    },
    /// The checkpoint does not make a network.
    #[error("cannot import `{}`: {cause}", path.display())]
    Family {
        /// The checkpoint.
        path: PathBuf,
        /// Why.
        #[source]
        cause: family::FamilyError,
    },
    /// A classifier stands where a detector is wanted, or the other way round.
    #[error("`{}` is a {found}, and a {wanted} is wanted{hint}", path.display())]
    WrongKind {
        /// The model or checkpoint.
        path: PathBuf,
        /// What it is.
        found: ModelKind,
        /// What it should be.
        wanted: ModelKind,
        /// What to do, after a colon.
        hint: &'static str,
    },
    /// The graphs cannot be written.
    #[error("cannot write the model: {0}")]
    Graph(#[from] onnx::GraphError),
    /// The folder to write to holds something else.
    #[error("`{}` holds other files: give a new folder or one that an import made", .0.display())]
    NotOurs(PathBuf),
    /// A file of the model is not the one that was written.
    #[error(
        "`{}` has {found} bytes, and its model.json says {expected}: copy the model's folder again, or import its \
         checkpoint again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Bytes that it has.
        found: u64,
        /// Bytes that it should have.
        expected: u64,
    },
    /// A file of the model has the size of the one that was written, and other bytes.
    #[error(
        "`{}` is not the file that its model.json names: its SHA-256 is {found}, and {expected} is expected: copy the \
         model's folder again, or import its checkpoint again",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// SHA-256 that it has.
        found: String,
        /// SHA-256 that it should have.
        expected: checkpoint::EscapedText,
    },
    /// There is nowhere to keep imported models.
    #[error(transparent)]
    NoCache(#[from] cache::NoCache),
}

impl ModelError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ModelError + use<> {
        let path = path.to_owned();
        move |cause| ModelError::Io { doing, path, cause }
    }
}

impl Model {
    /// A model of these graphs in memory; the files of the manifest are set anew.
    ///
    /// # Errors
    /// When a graph is beyond what ONNX can hold.
    pub(crate) fn in_memory(
        mut manifest: Manifest,
        graphs: OfGraphs<onnx::Graph>,
    ) -> Result<Model, ModelError> {
        let OfGraphs { trunk, heads, mask } = graphs;
        // Each graph goes when its bytes are there.
        let bytes = |graph: onnx::Graph| graph.to_bytes();
        let graphs = OfGraphs {
            trunk: bytes(trunk)?,
            heads: heads.into_iter().map(bytes).collect::<Result<Vec<Vec<u8>>, _>>()?,
            mask: mask.map(bytes).transpose()?,
        };
        let hash = |bytes: &Vec<u8>| FileHash { bytes: bytes.len() as u64, sha256: sha256(bytes) };
        manifest.format = Manifest::FORMAT;
        manifest.files = Files {
            trunk: hash(&graphs.trunk),
            heads: graphs.heads.iter().map(hash).collect(),
            mask: graphs.mask.as_ref().map(hash),
        };
        let hash = sha256(manifest.to_text().as_bytes());
        Ok(Model { manifest, graphs: Graphs::Memory(graphs), hash, warnings: Vec::new() })
    }

    /// Whether a model can be written into a folder: it is missing, empty or holds one already.
    ///
    /// # Errors
    /// When it holds something else.
    #[doc(hidden)]
    pub fn check_folder(folder: &Path) -> Result<(), ModelError> {
        if store::is_for_us(folder) { Ok(()) } else { Err(ModelError::NotOurs(folder.into())) }
    }

    /// Writes a model into a folder; an earlier model there is replaced. The files of the manifest are set anew.
    ///
    /// # Errors
    /// When the folder holds something else, or cannot be written.
    pub(crate) fn write(
        manifest: Manifest,
        graphs: &OfGraphs<onnx::Graph>,
        folder: &Path,
    ) -> Result<Model, ModelError> {
        Model::write_noted(manifest, graphs, folder, Vec::new())
    }

    /// The same with warnings that whoever opens the folder shall hear of.
    fn write_noted(
        mut manifest: Manifest,
        graphs: &OfGraphs<onnx::Graph>,
        folder: &Path,
        warnings: Vec<String>,
    ) -> Result<Model, ModelError> {
        let text = store::write(folder, |fresh| {
            let write = |name: &str, graph: &onnx::Graph| store::write_graph(graph, &fresh.join(name));
            let OfGraphs { trunk, heads, mask } = graphs.try_map(write)?;
            manifest.format = Manifest::FORMAT;
            manifest.files = Files { trunk, heads, mask };
            store::write_notes(&warnings, fresh)?;
            Ok(manifest.to_text())
        })?;
        let hash = sha256(text.as_bytes());
        let graphs = Graphs::written(folder, &manifest.files);
        Ok(Model { manifest, graphs, hash, warnings })
    }

    /// What `model.json` says.
    #[doc(hidden)]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its name, as the user can give it to `--model`.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// SHA-256, in hexadecimal, of `model.json`, which holds those of the graphs: everything that decides results.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What a person should know of its import, a sentence each; nothing for a model folder, whose import has told it.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The trunk's graph.
    #[doc(hidden)]
    pub fn trunk(&self) -> GraphSource<'_> {
        match &self.graphs {
            Graphs::Files(files) => GraphSource::File(&files.trunk),
            Graphs::Memory(graphs) => GraphSource::Memory(TRUNK.into(), &graphs.trunk),
        }
    }

    /// The mask heads' graph, where there are any.
    #[doc(hidden)]
    pub fn mask(&self) -> Option<GraphSource<'_>> {
        match &self.graphs {
            Graphs::Files(files) => files.mask.as_ref().map(GraphSource::File),
            Graphs::Memory(graphs) => {
                graphs.mask.as_deref().map(|mask| GraphSource::Memory(MASK.into(), mask))
            }
        }
    }

    /// All graphs.
    pub(crate) fn graphs(&self) -> impl Iterator<Item = GraphSource<'_>> {
        std::iter::once(self.trunk()).chain(self.heads()).chain(self.mask())
    }

    /// The box heads' graphs, one for each of the network's.
    #[doc(hidden)]
    pub fn heads(&self) -> Vec<GraphSource<'_>> {
        match &self.graphs {
            Graphs::Files(files) => files.heads.iter().map(GraphSource::File).collect(),
            Graphs::Memory(graphs) => {
                let named = |(index, head)| GraphSource::Memory(head_file(index), head);
                graphs.heads.iter().map(Vec::as_slice).enumerate().map(named).collect()
            }
        }
    }
}

/// Where one graph's bytes are.
#[derive(Clone, Debug)]
pub enum GraphSource<'a> {
    /// In a file.
    File(&'a GraphFile),
    /// In memory, with a name for errors.
    Memory(String, &'a [u8]),
}

impl<'a> GraphSource<'a> {
    /// The name of its file.
    pub fn file_name(&self) -> String {
        match self {
            GraphSource::File(file) => file.file_name(),
            GraphSource::Memory(name, _) => name.clone(),
        }
    }

    /// The graph's bytes.
    ///
    /// # Errors
    /// When its file cannot be read, or is not the one that `model.json` names.
    pub fn bytes(&self) -> Result<Cow<'a, [u8]>, ModelError> {
        match self {
            GraphSource::File(file) => Ok(file.read()?.into()),
            GraphSource::Memory(_, bytes) => Ok((*bytes).into()),
        }
    }

    /// As the runtime takes it.
    ///
    /// # Errors
    /// As [`GraphSource::bytes`].
    pub fn as_graph(&self) -> Result<GraphBytes<'_>, ModelError> {
        match self {
            GraphSource::File(file) => {
                let (path, sha256) = file.checked()?;
                Ok(GraphBytes::File { path, sha256 })
            }
            GraphSource::Memory(name, bytes) => Ok(GraphBytes::Memory(name, bytes)),
        }
    }
}
