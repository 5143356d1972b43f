//! Looking at a library before it is used: whether it is ONNX Runtime, and which version.

use std::ffi::CStr;
use std::path::Path;

/// Why a library will not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The loader refuses it.
    #[error("it cannot be loaded ({0})")]
    Load(String),
    /// It loads, but is something else.
    #[error("it is not ONNX Runtime")]
    Foreign,
    /// Older than what we call.
    #[error("it is version {found}, and at least {needed} is needed")]
    TooOld {
        /// What it says of itself.
        found: String,
        /// What we need.
        needed: String,
    },
}

/// The oldest minor version of 1.x that has everything we call on the processor and on CUDA.
pub const OLDEST_MINOR: u32 = 17;

/// The version of an ONNX Runtime library.
///
/// # Errors
/// When it is none, or too old.
pub(super) fn version(path: &Path) -> Result<String, Unusable> {
    let found = version_string(path)?;
    let mut parts = found.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let newer = match (parts.next(), parts.next()) {
        (Some(1), Some(minor)) => minor >= OLDEST_MINOR,
        (Some(major), _) => major > 1,
        (None, _) => false,
    };
    let needed = || format!("1.{OLDEST_MINOR}");
    if newer { Ok(found) } else { Err(Unusable::TooOld { found, needed: needed() }) }
}

#[allow(unsafe_code)]
fn version_string(path: &Path) -> Result<String, Unusable> {
    type Base = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: a library's initialisers run as in any program that links it; the path is one that the user, the
    // cache or the system named for this purpose. The symbol is ONNX Runtime's documented entry point, of this
    // type since version 1.0; what it returns is checked before use, and the version is a static string.
    unsafe {
        let library = libloading::Library::new(path).map_err(|error| Unusable::Load(one_line(&error)))?;
        let base = library.get::<Base>(b"OrtGetApiBase").map_err(|_| Unusable::Foreign)?;
        let base = base().as_ref().ok_or(Unusable::Foreign)?;
        let version = (base.GetVersionString)();
        if version.is_null() {
            return Err(Unusable::Foreign);
        }
        let version = CStr::from_ptr(version).to_string_lossy().into_owned();
        // Unloading a runtime that may be loaded again at once is slower than keeping it.
        std::mem::forget(library);
        Ok(version)
    }
}

fn one_line(error: &libloading::Error) -> String {
    use std::error::Error as _;
    let text = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    text.lines().next().unwrap_or_default().to_owned()
}
