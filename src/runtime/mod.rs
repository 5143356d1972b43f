//! ONNX Runtime: finding and installing the library, providers, sessions.
//!
//! The only module that sees `ort`. Knows nothing of detection.

mod api;
mod choices;
mod convolution;
mod cuda;
mod device;
mod find;
mod graph_cache;
mod install;
mod library;
mod loader;
mod plugin;
mod probe;
mod profile;
mod session;
mod subprocess;
mod way;

use std::path::{Path, PathBuf};

pub use crate::loader::{NotLoaded, relative_folders};
pub use choices::{ChoiceKey, StoredTimes, UnusableTimes, stored_choices};
pub use cuda::NoCuda;
pub use device::{Device, Precision, UnknownDevice, UnknownPrecision};
pub use find::{LibraryCandidate, LibraryPlace, bring_runtime, search};
pub use install::{Installed, Package, UnknownPackage};
pub use probe::{OLDEST_MINOR, Unusable};

/// The release that is installed where none is found.
pub const PINNED_VERSION: &str = install::PINNED;
pub use session::{GraphBytes, Session, SessionOptions, Value};
pub use way::{ComputeWay, TimedWay, WayChoice, pays, together};

/// Why ONNX Runtime could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// Anything that ONNX Runtime itself reports.
    #[error("{what}: {}", one_line(cause))]
    Ort {
        /// What was being done.
        what: String,
        /// ONNX Runtime's own error.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A graph does not give what it should.
    #[error("the graph `{graph}` has no output `{output}`")]
    NoOutput {
        /// The graph.
        graph: String,
        /// The output that is missing.
        output: String,
    },
    /// A tensor is made before there is anything to make it with.
    #[error("ONNX Runtime is not open yet: open a Runtime first")]
    NotOpen,
    /// The library that the user named will not do.
    #[error("cannot use `{}` as ONNX Runtime: {why}", path.display())]
    Named {
        /// The library.
        path: PathBuf,
        /// Why.
        #[source]
        why: Unusable,
    },
    /// No library was found anywhere, and none could be installed.
    #[error("no ONNX Runtime library was found: {0}")]
    NotFound(String),
    /// A package cannot be installed.
    #[error("{what} cannot be installed: {reason}")]
    Install {
        /// The package.
        what: String,
        /// Why.
        #[source]
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A package is asked for that is not there.
    #[error("{0} is not installed: run `rcnn runtime install {0}`, or take --device cpu")]
    NotInstalled(&'static str),
    /// CUDA cannot be used.
    #[error(transparent)]
    Cuda(#[from] NoCuda),
    /// A precision is asked for that a device has no kernels for.
    #[error(
        "{device} has no kernels for {precision} here: take --precision exact, or fast for what measures fastest, or \
         --device openvino after `rcnn runtime install openvino`"
    )]
    NoSuchPrecision {
        /// The device.
        device: Device,
        /// What was asked for.
        precision: Precision,
    },
    /// OpenVINO's plugin works, and not with this processor.
    #[error(
        "OpenVINO's plugin serves no processor of this maker ({0}), only Intel's: take --device cpu (OpenVINO itself \
         would, but up to now its plugin for ONNX Runtime asks who made it)"
    )]
    ForeignProcessor(String),
    /// The library is too old for plugins, though it does for the processor.
    #[error(
        "plugins need ONNX Runtime {needed} or newer, and this one is {found}: run `rcnn runtime install` and name \
         what it installs with --runtime, or take --device cpu"
    )]
    PluginNeedsNewer {
        /// The library's version.
        found: String,
        /// The oldest that will do.
        needed: String,
    },
    /// There is nowhere to install it.
    #[error("ONNX Runtime cannot be installed: {0}")]
    NoCache(#[from] crate::cache::NoCache),
    /// The cache cannot be used.
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
}

impl RuntimeError {
    fn ort(what: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> RuntimeError {
        RuntimeError::Ort { what: what.into(), cause: cause.into() }
    }

    fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RuntimeError + use<> {
        let path = path.to_owned();
        move |cause| RuntimeError::Io { doing, path, cause }
    }
}

/// An error's words on one line.
pub(crate) fn one_line(error: &dyn std::fmt::Display) -> String {
    error.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Where the library may come from.
#[derive(Clone, Debug, Default)]
pub struct RuntimeOptions {
    /// The library the user names (`--runtime`); `ORT_DYLIB_PATH` otherwise.
    pub library: Option<PathBuf>,
    /// What sessions will compute on: the package for CUDA is taken for CUDA by name, and for [`Device::Auto`] where
    /// there is a driver for it. Everything else computes with the plain library.
    pub device: Device,
    /// Never reach for the network.
    pub offline: bool,
}

/// A loaded ONNX Runtime. Cheap to clone; a process has at most one.
#[derive(Clone)]
pub struct Runtime {
    environment: ort::environment::Environment,
    found: LibraryCandidate,
}

impl Runtime {
    /// Finds, installs where needed, and loads ONNX Runtime. `notice` receives the one line that an
    /// installation is worth.
    ///
    /// # Errors
    /// When no usable library is found or it cannot be loaded.
    pub fn open(options: &RuntimeOptions, notice: &mut dyn FnMut(&str)) -> Result<Runtime, RuntimeError> {
        Runtime::opened_or(|| {
            if let Device::Cuda(_) = options.device {
                // Before anything is looked for or installed that would be of no use.
                cuda::driver()?;
            }
            find::find(options, notice)
        })
    }

    /// Loads a library that [`search`] found.
    ///
    /// # Errors
    /// When it cannot be loaded.
    pub fn load(found: &LibraryCandidate) -> Result<Runtime, RuntimeError> {
        Runtime::opened_or(|| Ok(found.clone()))
    }

    /// The runtime that is loaded already, or the one that is found now.
    fn opened_or(
        find: impl FnOnce() -> Result<LibraryCandidate, RuntimeError>,
    ) -> Result<Runtime, RuntimeError> {
        static OPENED: std::sync::Mutex<Option<Runtime>> = std::sync::Mutex::new(None);
        let mut opened = OPENED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(runtime) = opened.as_ref() {
            return Ok(runtime.clone());
        }
        let found = find()?;
        let loading = format!("loading `{}`", found.path.display());
        api::load(&found.path, minor(&found)).map_err(|error| RuntimeError::ort(&loading, error))?;
        let builder = ort::init().with_name("rcnn").with_telemetry(false);
        let environment = builder.build().map_err(|error| RuntimeError::ort(&loading, error))?;
        // Its own messages would break progress lines; what fails comes back as an error anyway.
        environment.set_log_level(ort::logging::LogLevel::Fatal);
        let runtime = Runtime { environment, found };
        *opened = Some(runtime.clone());
        Ok(runtime)
    }

    /// The library's version, e.g. `1.31.1`.
    pub fn version(&self) -> &str {
        self.found.version.as_deref().unwrap_or_default()
    }

    /// The second number of the library's version.
    fn minor(&self) -> u32 {
        minor(&self.found)
    }

    /// The library's file.
    pub fn path(&self) -> &Path {
        &self.found.path
    }

    /// Where it was found.
    pub fn place(&self) -> LibraryPlace {
        self.found.place
    }
}

/// The second number of a usable library's version.
fn minor(found: &LibraryCandidate) -> u32 {
    let parts = found.version.as_deref().and_then(|version| version.split('.').nth(1));
    parts.and_then(|part| part.parse().ok()).unwrap_or(OLDEST_MINOR)
}

/// Packages in the cache, by name and version.
pub fn installed() -> Vec<Installed> {
    install::list()
}

/// Why a package in the cache cannot be used, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PackageError(String);

/// Whether a package in the cache can be used on this machine.
///
/// # Errors
/// When something of it is missing or does not load.
pub fn check(installed: &Installed) -> Result<(), PackageError> {
    let library = install::whole(installed.package, &installed.folder).map_err(PackageError)?;
    if installed.package == Package::Cuda {
        cuda::ready(&library).map_err(|why| PackageError(why.to_string()))?;
    }
    Ok(())
}

/// Installs a package into the cache, unless it is there in the pinned version. `notice` receives the lines that
/// say what is done.
///
/// # Errors
/// When it cannot be fetched, is not what it should be, or cannot be written.
pub fn install(
    package: Package,
    options: &RuntimeOptions,
    notice: &mut dyn FnMut(&str),
) -> Result<Installed, RuntimeError> {
    install::install_package(package, options, notice)
}

/// Removes a package from the cache in all its versions; gives what was removed.
///
/// # Errors
/// When its files cannot be removed.
pub fn remove(package: Package) -> Result<Vec<Installed>, RuntimeError> {
    install::remove(package)
}
