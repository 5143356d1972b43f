//! ONNX Runtime: finding and installing the library, providers, sessions.
//!
//! The only module that sees `ort`. A leaf: knows nothing of detection.

mod session;

pub use session::{Device, Graph, Session, SessionOptions, Value};

use std::path::PathBuf;

/// Why ONNX Runtime could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Anything that ONNX Runtime itself reports.
    #[error("{what}: {cause}")]
    Ort {
        /// What was being done.
        what: String,
        /// ONNX Runtime's own words.
        cause: String,
    },
}

/// Where the library may come from.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The library the user names (`--runtime`); `ORT_DYLIB_PATH` otherwise.
    pub library: Option<PathBuf>,
    /// Never reach for the network.
    pub offline: bool,
}

/// A loaded ONNX Runtime.
#[derive(Clone)]
pub struct Runtime {}

impl Runtime {
    /// Finds, installs where needed, and loads ONNX Runtime. `notice` receives the one line that an
    /// installation is worth.
    ///
    /// # Errors
    /// When no usable library is found or it cannot be loaded.
    pub fn open(options: &Options, notice: &mut dyn FnMut(&str)) -> Result<Runtime, Error> {
        let _ = (options, notice);
        Err(Error::Ort { what: "loading ONNX Runtime".into(), cause: "not built yet".into() })
    }
}
