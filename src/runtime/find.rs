//! Where ONNX Runtime is looked for, in order.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use super::probe::{self, Unusable};
use super::subprocess;
use super::{Device, RuntimeError, RuntimeOptions, cuda, install};

/// The places, in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LibraryPlace {
    /// `--runtime` or `ORT_DYLIB_PATH`.
    Named,
    /// What the program around this library brings.
    Host,
    /// Beside the program.
    Executable,
    /// The cache folder.
    Cache,
    /// An `onnxruntime` Python package.
    Python,
    /// The folders of the system's loader.
    System,
}

impl fmt::Display for LibraryPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LibraryPlace::Named => "--runtime or ORT_DYLIB_PATH",
            LibraryPlace::Host => "the program around rcnn",
            LibraryPlace::Executable => "beside the program",
            LibraryPlace::Cache => "the cache",
            LibraryPlace::Python => "a Python package",
            LibraryPlace::System => "the system",
        })
    }
}

static HOST: OnceLock<PathBuf> = OnceLock::new();

/// Takes the library in this folder before others that are found, though not before one that the user names: for
/// programs that bring one, as Python brings the library of its package `onnxruntime`. The first folder stays.
pub fn bring_runtime(folder: impl Into<PathBuf>) {
    // Whoever comes second is in a process that has its library.
    let _ = HOST.set(folder.into());
}

/// A library that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryCandidate {
    /// Where it stands in the order.
    pub place: LibraryPlace,
    /// Its file.
    pub path: PathBuf,
    /// Its version, if it will do.
    pub version: Option<String>,
    /// Why it will not.
    pub unusable: Option<Unusable>,
}

impl LibraryCandidate {
    /// Whether it will do.
    pub fn is_usable(&self) -> bool {
        self.version.is_some()
    }
}

/// Looks at every place up to the first library that will do, which is the last of the list.
pub fn search(options: &RuntimeOptions) -> Vec<LibraryCandidate> {
    let mut seen: Vec<LibraryCandidate> = Vec::new();
    if let Some(named) = named(options) {
        return vec![named];
    }
    if let Some(path) = for_cuda(options.device) {
        let candidate = look(LibraryPlace::Cache, path);
        let done = candidate.is_usable();
        seen.push(candidate);
        if done {
            return seen;
        }
    }
    for place in [
        LibraryPlace::Host,
        LibraryPlace::Executable,
        LibraryPlace::Cache,
        LibraryPlace::Python,
        LibraryPlace::System,
    ] {
        for path in paths(place) {
            if seen.iter().any(|candidate| candidate.path == path) {
                continue;
            }
            let candidate = look(place, path);
            let done = candidate.is_usable();
            seen.push(candidate);
            if done {
                return seen;
            }
        }
    }
    seen
}

/// The library that the user names: as any path in the command, as an absolute one in the variable.
fn named(options: &RuntimeOptions) -> Option<LibraryCandidate> {
    let look = |path: PathBuf| look(LibraryPlace::Named, inside(&path).unwrap_or(path));
    if let Some(path) = &options.library {
        // Without an absolute path the loader would look elsewhere.
        return Some(look(std::path::absolute(path).unwrap_or_else(|_| path.clone())));
    }
    let path = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from)?;
    if path.is_absolute() {
        return Some(look(path));
    }
    Some(LibraryCandidate {
        place: LibraryPlace::Named,
        path,
        version: None,
        unusable: Some(Unusable::Relative),
    })
}

/// The library of the package for CUDA, if it is installed and shall be taken before all others.
fn for_cuda(device: Device) -> Option<PathBuf> {
    let by_name = match device {
        Device::Cuda(_) => true,
        Device::Auto => false,
        Device::Cpu | Device::OpenVino => return None,
    };
    let library = install::cuda()?;
    match cuda::ready(&library) {
        Err(why) if !by_name => {
            tracing::debug!("passed over `{}`: {why}", library.display());
            None
        }
        // By name it is taken as it is: the session will say what is wrong.
        _ => Some(library),
    }
}

/// Libraries at a place; looked for only when it is the place's turn, as Python takes a while to ask.
fn paths(place: LibraryPlace) -> Vec<PathBuf> {
    match place {
        LibraryPlace::Named => Vec::new(),
        LibraryPlace::Host => HOST.get().and_then(|path| inside(path)).into_iter().collect(),
        LibraryPlace::Executable => beside_executable(),
        // The package for CUDA computes on the processor too, if there is no other.
        LibraryPlace::Cache => install::installed().into_iter().chain(install::cuda()).collect(),
        LibraryPlace::Python => in_python(),
        LibraryPlace::System => by_system(),
    }
}

/// The first library that will do, installed where there is none.
pub(super) fn find(
    options: &RuntimeOptions,
    notice: &mut dyn FnMut(&str),
) -> Result<LibraryCandidate, RuntimeError> {
    let mut seen = search(options);
    match seen.pop() {
        Some(candidate) if candidate.is_usable() => Ok(candidate),
        Some(LibraryCandidate { place: LibraryPlace::Named, path, unusable: Some(why), .. }) => {
            Err(RuntimeError::Named { path, why })
        }
        // ONNX Runtime for processors would be no use.
        _ if matches!(options.device, Device::Cuda(_)) => Err(RuntimeError::NotInstalled("cuda")),
        last => {
            seen.extend(last);
            install::install(options, &seen, notice)
        }
    }
}

/// Looks at a library's file, and loads it if it will do: whoever calls this takes the first such.
pub(super) fn look(place: LibraryPlace, path: PathBuf) -> LibraryCandidate {
    match probe::version(place, &path) {
        Ok(version) => LibraryCandidate { place, path, version: Some(version), unusable: None },
        Err(why) => LibraryCandidate { place, path, version: None, unusable: Some(why) },
    }
}

/// The library inside a folder, the one of the highest version if there are several; nothing for a file.
pub(super) fn inside(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.path()));
    names.filter(|path| is_library(path)).max_by_key(|path| version_in(path))
}

/// The numbers in a file's or folder's name, in their order: versions are not ordered as texts are.
pub(super) fn version_in(path: &Path) -> Vec<u64> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

/// `libonnxruntime.so`, `libonnxruntime.so.1.31.1`, `libonnxruntime.1.31.1.dylib`, `onnxruntime.dll`.
fn is_library(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if cfg!(windows) {
        name.eq_ignore_ascii_case("onnxruntime.dll")
    } else if cfg!(target_os = "macos") {
        name.starts_with("libonnxruntime.") && name.ends_with(".dylib")
    } else {
        name == "libonnxruntime.so" || name.starts_with("libonnxruntime.so.")
    }
}

fn beside_executable() -> Vec<PathBuf> {
    let folder = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned()));
    let folders = folder.into_iter().flat_map(|folder| [folder.join("lib"), folder.join("../lib"), folder]);
    folders.filter_map(|folder| inside(&folder)).collect()
}

/// Packages of the active environments first; Python itself is asked last, as starting it takes a while.
fn in_python() -> Vec<PathBuf> {
    let environments =
        ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    let environments = environments.filter(|root| root.is_absolute());
    let found: Vec<PathBuf> = environments.filter_map(|root| in_environment(&root)).collect();
    if !found.is_empty() {
        return found;
    }
    ["python3", "python"].into_iter().find_map(ask_python).into_iter().collect()
}

fn in_environment(root: &Path) -> Option<PathBuf> {
    let versions = std::fs::read_dir(root.join("lib")).ok();
    let unix = versions.into_iter().flatten().filter_map(Result::ok);
    let unix = unix.map(|version| version.path().join("site-packages"));
    unix.chain([root.join("Lib/site-packages")]).find_map(|packages| in_packages(&packages))
}

/// The library of an onnxruntime package among a Python's packages.
fn in_packages(packages: &Path) -> Option<PathBuf> {
    inside(&packages.join("onnxruntime/capi"))
}

/// Asks a Python where its packages are, without importing any; five seconds at most. It is isolated (`-I`): neither
/// the current folder nor variables add to where it looks for modules itself.
fn ask_python(program: &str) -> Option<PathBuf> {
    let script = "import site, sys, sysconfig
folders = [site.getusersitepackages()] if sys.prefix == sys.base_prefix else []
folders += site.getsitepackages() + [sysconfig.get_path('purelib'), sysconfig.get_path('platlib')]
print('\\n'.join(folders))";
    let mut command = subprocess::program(program)?;
    let answer =
        subprocess::output(command.args(["-I", "-X", "utf8", "-c", script]), Duration::from_secs(5)).ok()?;
    answer.lines().map(Path::new).filter(|folder| folder.is_absolute()).find_map(in_packages)
}

fn by_system() -> Vec<PathBuf> {
    crate::loader::system_folders().iter().filter_map(|folder| inside(folder)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_highest_version_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["libonnxruntime.so", "libonnxruntime.so.1.31.1", "libonnxruntime.so.1.9.0", "libother.so.2"]
        {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(inside(folder.path()), Some(folder.path().join("libonnxruntime.so.1.31.1")));
    }
}
