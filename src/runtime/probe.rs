//! Looking at a library before it is used: whether it is ONNX Runtime, and which version.

use std::ffi::CStr;
use std::path::Path;

use super::{LibraryPlace, NotLoaded, library, loader};

/// Why a library will not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Its file is none that the loader would take.
    #[error("it cannot be loaded ({0})")]
    Load(String),
    /// The loader refuses it.
    #[error("it cannot be loaded ({0})")]
    Refused(#[source] NotLoaded),
    /// It loads, but is something else.
    #[error("it is not ONNX Runtime")]
    Foreign,
    /// Neither the file nor its name says of which version it is, and it is not loaded to ask.
    #[error("neither the file nor its name tells a version: name it with --runtime, if it is the right one")]
    Untold,
    /// A variable names it relative to the current folder.
    #[error(
        "a variable must give an absolute path, as nothing is loaded from the current folder because of a variable; \
         --runtime takes any path"
    )]
    Relative,
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

/// The version of an ONNX Runtime library that is about to be used: by its file, and only if that will do, by itself.
///
/// # Errors
/// When it is none, or too old.
pub(super) fn version(place: LibraryPlace, path: &Path) -> Result<String, Unusable> {
    match library::version(path)? {
        Some(version) => new_enough(version)?,
        // Whoever names a library has chosen it.
        None if place == LibraryPlace::Named => String::new(),
        None => return Err(Unusable::Untold),
    };
    new_enough(loaded_version(path)?)
}

/// What its file says of a library that nobody is about to use.
pub(super) fn told_version(path: &Path) -> Result<String, Unusable> {
    new_enough(library::version(path)?.ok_or(Unusable::Untold)?)
}

fn new_enough(found: String) -> Result<String, Unusable> {
    let newer = library::parts(&found).is_some_and(|version| version >= (1, OLDEST_MINOR));
    let needed = || format!("1.{OLDEST_MINOR}");
    if newer { Ok(found) } else { Err(Unusable::TooOld { found, needed: needed() }) }
}

#[allow(unsafe_code)]
fn loaded_version(path: &Path) -> Result<String, Unusable> {
    // SAFETY: the path is that of the library that is going to be used, and its file has ONNX Runtime's entry, so that
    // its initialisers run as in any program that links it. [`loader::base`] says why the entry may be called and what
    // is checked of its table; the version is a static text that ends with a zero.
    unsafe {
        let library = loader::open(path).map_err(Unusable::Refused)?;
        let base = loader::base(&library).ok_or(Unusable::Foreign)?;
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
