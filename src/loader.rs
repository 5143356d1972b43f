//! Loading libraries: by absolute paths alone, and never where the system's loader would look into the current folder.
//!
//! Knows nothing of what the libraries are for.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use libloading::Library;

/// Variables by which the system's loader is told folders.
const VARIABLES: &[&str] = if cfg!(windows) {
    &[]
} else if cfg!(target_os = "macos") {
    &[
        "DYLD_LIBRARY_PATH",
        "DYLD_FALLBACK_LIBRARY_PATH",
        "DYLD_FRAMEWORK_PATH",
        "DYLD_FALLBACK_FRAMEWORK_PATH",
    ]
} else {
    &["LD_LIBRARY_PATH"]
};

/// The system's loader's variables that name the current folder, by an entry that is empty or relative, and each
/// without these entries; nothing is left of some.
///
/// The loader reads them when a program starts, and never again: whoever wants them changed starts the program anew.
pub fn relative_folders() -> Vec<(&'static str, Option<OsString>)> {
    let cleaned = |name: &&'static str| {
        let value = env::var_os(name).filter(|value| !value.is_empty())?;
        let (kept, all) = absolute(&value);
        let left = (!kept.is_empty()).then(|| kept.join(OsStr::new(":")));
        (kept.len() < all).then_some((*name, left))
    };
    VARIABLES.iter().filter_map(cleaned).collect()
}

/// A variable's absolute entries, and how many it has in all.
fn absolute(value: &OsStr) -> (Vec<OsString>, usize) {
    // glibc takes both; what is no text has no entries that can be told apart.
    let text = value.to_string_lossy();
    let entries: Vec<&str> = text.split([':', ';']).collect();
    // The loader replaces the word by the program's own folder.
    let placed = |entry: &str| {
        ["/", "$ORIGIN", "${ORIGIN}", "@executable_path/"].iter().any(|start| entry.starts_with(start))
    };
    (entries.iter().filter(|entry| placed(entry)).map(OsString::from).collect(), entries.len())
}

/// Why a library is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotLoaded {
    /// The current folder would decide which library it is.
    #[error("its path is relative")]
    Relative,
    /// The system's loader would look for what it needs in the current folder.
    #[error("{0} has an empty or relative entry, which stands for the current folder: remove it")]
    CurrentFolder(&'static str),
    /// The loader's own words, on one line.
    #[error("{0}")]
    Loader(String),
}

impl NotLoaded {
    fn of(error: &libloading::Error) -> NotLoaded {
        use std::error::Error as _;
        let text = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        NotLoaded::Loader(text.lines().next().unwrap_or_default().to_owned())
    }
}

/// Why a library may not be loaded.
fn refusal(path: &Path) -> Option<NotLoaded> {
    if !path.is_absolute() {
        return Some(NotLoaded::Relative);
    }
    let (name, _) = relative_folders().into_iter().next()?;
    Some(NotLoaded::CurrentFolder(name))
}

/// Loads a library, and what it needs in turn from its own folder and the system's. Never unload it: others may hold
/// pointers into it.
///
/// # Errors
/// What the loader says; or why it is not asked.
///
/// # Safety
/// The library's initialisers run, and must be such as may run in this process.
#[allow(unsafe_code)]
pub(crate) unsafe fn open(path: &Path) -> Result<Library, NotLoaded> {
    if let Some(why) = refusal(path) {
        return Err(why);
    }
    // SAFETY: the caller's.
    let opened = unsafe {
        #[cfg(unix)]
        {
            use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
            // Local: names are looked for through what a library says that it needs, and nobody else shall see these.
            Library::open(Some(path), RTLD_NOW | RTLD_LOCAL)
        }
        #[cfg(windows)]
        {
            use libloading::os::windows as os;
            // Without the current folder and without PATH; which it does only for a path with backslashes alone.
            let path = std::path::absolute(path).map_err(|error| NotLoaded::Loader(error.to_string()))?;
            let flags = os::LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | os::LOAD_LIBRARY_SEARCH_DEFAULT_DIRS;
            os::Library::load_with_flags(path, flags)
        }
    };
    opened.map(Library::from).map_err(|error| NotLoaded::of(&error))
}

/// Loads a driver's library, which the system's own loader alone knows where to find.
///
/// # Errors
/// What the loader says; or why it is not asked.
///
/// # Safety
/// As for [`open`].
#[allow(unsafe_code)]
pub(crate) unsafe fn open_driver(name: &str) -> Result<Library, NotLoaded> {
    if let Some(why) = refusal(Path::new("/")) {
        return Err(why);
    }
    // SAFETY: the caller's.
    let opened = unsafe {
        #[cfg(unix)]
        {
            Library::new(name)
        }
        #[cfg(windows)]
        {
            use libloading::os::windows as os;
            os::Library::load_with_flags(name, os::LOAD_LIBRARY_SEARCH_SYSTEM32).map(Library::from)
        }
    };
    opened.map_err(|error| NotLoaded::of(&error))
}

/// The folders in which this system looks for libraries that are asked for by name, the current folder and other
/// relative ones left out.
pub(crate) fn system_folders() -> Vec<PathBuf> {
    let list =
        |name: &str| env::var_os(name).map_or_else(Vec::new, |value| env::split_paths(&value).collect());
    let named = VARIABLES.iter().flat_map(|name| list(name));
    let usual: Vec<PathBuf> = if cfg!(windows) {
        let system = env::var_os("SystemRoot").map(|root| PathBuf::from(root).join("System32"));
        system.into_iter().chain(list("PATH")).collect()
    } else if cfg!(target_os = "macos") {
        ["/usr/local/lib", "/usr/lib"].map(PathBuf::from).into()
    } else {
        let usual = ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"].map(PathBuf::from);
        configured(Path::new("/etc/ld.so.conf")).into_iter().chain(usual).collect()
    };
    named.chain(usual).filter(|folder| folder.is_absolute()).collect()
}

/// The folders in the configuration of Linux's loader, and in the files that it includes.
fn configured(file: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let mut folders = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let Some(files) = line.strip_prefix("include").filter(|rest| rest.starts_with(char::is_whitespace))
        else {
            folders.push(PathBuf::from(line));
            continue;
        };
        // Its `*.conf`; a file that is included includes none in turn on any system that is known.
        let folder = file.parent().unwrap_or(Path::new("/")).join(files.trim());
        let entries = folder.parent().and_then(|folder| fs::read_dir(folder).ok());
        let mut included: Vec<PathBuf> =
            entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
        included.retain(|path| path.extension().is_some_and(|end| end == "conf") && path != file);
        included.sort();
        for path in included {
            let text = fs::read_to_string(path).unwrap_or_default();
            let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
            folders.extend(lines.filter(|line| line.starts_with('/')).map(PathBuf::from));
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_entries_of_the_loaders_variables_are_kept() {
        let kept = |value: &str| {
            let (kept, all) = absolute(OsStr::new(value));
            (kept.join(OsStr::new(":")).into_string().unwrap(), kept.len() < all)
        };
        assert_eq!(kept("/a:/b"), ("/a:/b".into(), false));
        assert_eq!(kept("/a:"), ("/a".into(), true));
        assert_eq!(kept(":/a::/b;lib:."), ("/a:/b".into(), true));
        assert_eq!(kept("$ORIGIN/lib:$LIB"), ("$ORIGIN/lib".into(), true));
        assert_eq!(kept("."), (String::new(), true));
    }

    #[test]
    fn a_relative_path_is_not_loaded() {
        #[allow(unsafe_code)]
        // SAFETY: nothing is loaded.
        let refused = unsafe { open(Path::new("libonnxruntime.so")) }.unwrap_err();
        assert_eq!(refused, NotLoaded::Relative);
    }

    #[test]
    fn folders_of_the_loaders_configuration_are_read_with_the_files_that_it_includes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ld.so.conf");
        fs::create_dir(folder.path().join("more")).unwrap();
        fs::write(&file, "# usual\ninclude more/*.conf\n/one # and only\n\n").unwrap();
        fs::write(folder.path().join("more/b.conf"), "/three\nrelative\n").unwrap();
        fs::write(folder.path().join("more/a.conf"), "/two\n").unwrap();
        fs::write(folder.path().join("more/c.txt"), "/four\n").unwrap();
        assert_eq!(configured(&file), ["/two", "/three", "/one"].map(PathBuf::from));
    }
}
