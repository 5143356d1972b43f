//! CUDA: NVIDIA's driver, the libraries that ONNX Runtime's provider needs, and asking sessions for it.
//!
//! Knows where packages are installed; knows nothing of how they come there.

use std::ffi::{c_int, c_uint};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::Library;
use ort::session::builder::SessionBuilder;

use super::device::Precision;
use super::{LibraryPlace, NotLoaded, Runtime, RuntimeError, install, loader};

/// Why CUDA cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCuda {
    /// The driver's library does not load.
    #[error("CUDA needs NVIDIA's driver, and this machine has none: install it, or take --device cpu")]
    NoDriver,
    /// The driver's library loads, but does not work.
    #[error(
        "NVIDIA's driver does not start (CUDA error {0}): see what `nvidia-smi` says, or take --device cpu"
    )]
    Dead(i32),
    /// The driver works, but has nothing to drive.
    #[error("NVIDIA's driver finds no device: see what `nvidia-smi` says, or take --device cpu")]
    NoDevice,
    /// Another number is asked for than there are devices.
    #[error("there is no device cuda:{number}: the last is cuda:{last}")]
    NoSuchDevice {
        /// What was asked for.
        number: u32,
        /// The highest number there is.
        last: u32,
    },
    /// The driver is older than the installed libraries.
    #[error(
        "NVIDIA's driver is made for CUDA {found}, and the installed libraries need {needed}: update it, or take \
         --device cpu"
    )]
    OldDriver {
        /// The newest CUDA that the driver serves.
        found: String,
        /// What the libraries are of.
        needed: String,
    },
    /// A library of the package does not load.
    #[error("cannot load `{}`: {why}", path.display())]
    Library {
        /// The library.
        path: PathBuf,
        /// What the loader says.
        #[source]
        why: NotLoaded,
    },
    /// The library of ONNX Runtime that is used is for processors only.
    #[error(
        "ONNX Runtime at `{}` is built without CUDA: name one with CUDA with --runtime, or none after `rcnn runtime \
         install cuda`",
        .0.display()
    )]
    NotBuilt(PathBuf),
}

/// The CUDA that the installed libraries are of, in the driver's way of counting: 1000 times the first number and
/// ten times the second. Within a first number, every driver serves every library.
const NEEDED: i32 = 13_000;

/// What NVIDIA's driver says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Driver {
    /// The newest CUDA that it serves, counted as [`NEEDED`].
    cuda: i32,
    devices: u32,
}

impl Driver {
    fn device(self, number: u32) -> Result<(), NoCuda> {
        let last = self.devices.saturating_sub(1);
        if number <= last { Ok(()) } else { Err(NoCuda::NoSuchDevice { number, last }) }
    }

    fn serves(self, needed: i32) -> Result<(), NoCuda> {
        let text = |version: i32| format!("{}.{}", version / 1000, version % 1000 / 10);
        if self.cuda >= needed {
            return Ok(());
        }
        Err(NoCuda::OldDriver { found: text(self.cuda), needed: text(needed) })
    }
}

/// The driver, asked once; without one this is a failed look for a file.
pub(super) fn driver() -> Result<Driver, NoCuda> {
    static ASKED: OnceLock<Result<Driver, NoCuda>> = OnceLock::new();
    ASKED.get_or_init(|| ask(if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" })).clone()
}

#[allow(unsafe_code)]
fn ask(library: &str) -> Result<Driver, NoCuda> {
    /// The driver's answer where it has started, but has no device.
    const NO_DEVICE: c_int = 100;
    let missing = |error: &dyn std::fmt::Display| {
        tracing::debug!("NVIDIA's driver: {error}");
        NoCuda::NoDriver
    };
    let done = |status: c_int| match status {
        0 => Ok(()),
        NO_DEVICE => Err(NoCuda::NoDevice),
        status => Err(NoCuda::Dead(status)),
    };
    let (mut cuda, mut devices): (c_int, c_int) = (0, 0);
    // SAFETY: the name is that of the driver's library, which the system's loader finds as for any program that
    // uses CUDA. The three functions are of these types since the driver's first version; two write one int to a
    // pointer that is valid during the call. The library is never unloaded.
    unsafe {
        let library = crate::loader::open_driver(library).map_err(|error| missing(&error))?;
        let library: &'static Library = Box::leak(Box::new(library));
        let init = library
            .get::<unsafe extern "system" fn(c_uint) -> c_int>(b"cuInit")
            .map_err(|error| missing(&error))?;
        type Count = unsafe extern "system" fn(*mut c_int) -> c_int;
        let version = library.get::<Count>(b"cuDriverGetVersion").map_err(|error| missing(&error))?;
        let count = library.get::<Count>(b"cuDeviceGetCount").map_err(|error| missing(&error))?;
        done(init(0))?;
        done(version(&raw mut cuda))?;
        done(count(&raw mut devices))?;
    }
    match u32::try_from(devices) {
        Ok(devices) if devices > 0 => Ok(Driver { cuda, devices }),
        _ => Err(NoCuda::NoDevice),
    }
}

/// Makes sure that the CUDA provider of a library of ONNX Runtime will find what it needs: the driver, and where
/// NVIDIA's libraries lie beside it, these, which the loader would not look for there.
pub(super) fn ready(runtime: &Path) -> Result<(), NoCuda> {
    let driver = driver()?;
    let beside = runtime.parent().map_or_else(Vec::new, beside);
    if beside.is_empty() {
        // Another's build, perhaps for another CUDA; its libraries are the loader's business.
        return Ok(());
    }
    driver.serves(NEEDED)?;
    beside.into_iter().try_for_each(|path| load(&path).map_err(|why| NoCuda::Library { path, why }))
}

/// NVIDIA's libraries in a folder, in the order in which they are to be loaded.
fn beside(folder: &Path) -> Vec<PathBuf> {
    let names = install::cuda_libraries(std::env::consts::OS);
    names.iter().map(|name| folder.join(name)).filter(|path| path.is_file()).collect()
}

/// Loads a library for the rest of the process, so that whoever asks for its bare name gets this one.
#[allow(unsafe_code)]
fn load(path: &Path) -> Result<(), NotLoaded> {
    // SAFETY: the file comes from a wheel whose hash is known, or was put by the user beside the ONNX Runtime that
    // they name; its initialisers run as in any program that uses CUDA. It is never unloaded.
    unsafe { loader::open(path) }.map(std::mem::forget)
}

impl Runtime {
    /// Whether the library was built with CUDA; that it works, only a session shows.
    pub fn has_cuda(&self) -> bool {
        use ort::ep::ExecutionProvider as _;
        ort::ep::CUDA::is_available().unwrap_or(false)
    }

    /// Whether NVIDIA's driver works and the library was built with CUDA.
    pub(super) fn may_use_cuda(&self) -> bool {
        driver().is_ok() && self.has_cuda()
    }

    /// Adds CUDA to a session, without a search of algorithms for each new shape, and with TF32 only where speed is
    /// asked for: it is on by default.
    pub(super) fn with_cuda(
        &self,
        builder: SessionBuilder,
        number: u32,
        precision: Precision,
    ) -> Result<SessionBuilder, RuntimeError> {
        driver()?.device(number)?;
        if !self.has_cuda() {
            return Err(self.without_cuda());
        }
        ready(self.path())?;
        let provider = ort::ep::CUDA::default()
            .with_device_id(i32::try_from(number).unwrap_or(i32::MAX))
            .with_tf32(precision != Precision::Exact)
            .with_conv_algorithm_search(ort::ep::cuda::ConvAlgorithmSearch::Heuristic)
            .build()
            .error_on_failure();
        let builder = builder.with_execution_providers([provider]);
        builder.map_err(|error| RuntimeError::ort("using CUDA", ort::Error::<()>::from(error)))
    }

    /// Why a library without CUDA is used.
    fn without_cuda(&self) -> RuntimeError {
        let not_built = || NoCuda::NotBuilt(self.path().to_owned());
        match install::cuda() {
            _ if self.place() == LibraryPlace::Named => not_built().into(),
            None => RuntimeError::NotInstalled("cuda"),
            // It was passed over, which has a reason; or a session for the processor opened the library.
            Some(library) => ready(&library).err().unwrap_or_else(not_built).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_driver_is_told_so() {
        assert_eq!(ask("rcnn-no-such-driver"), Err(NoCuda::NoDriver));
        assert!(NoCuda::NoDriver.to_string().ends_with("take --device cpu"));
    }

    #[test]
    fn a_driver_serves_its_own_devices_and_libraries_up_to_its_own_version() {
        let driver = Driver { cuda: 12_040, devices: 2 };
        assert_eq!(driver.device(1), Ok(()));
        assert_eq!(driver.device(2), Err(NoCuda::NoSuchDevice { number: 2, last: 1 }));
        assert_eq!(driver.serves(12_000), Ok(()));
        let old = driver.serves(NEEDED).unwrap_err();
        assert!(
            old.to_string().contains("made for CUDA 12.4, and the installed libraries need 13.0"),
            "{old}"
        );
        assert_eq!(Driver { cuda: 13_000, devices: 1 }.serves(NEEDED), Ok(()));
    }

    #[test]
    fn libraries_beside_the_runtime_are_taken_in_the_order_of_their_needs() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(beside(folder.path()), Vec::<PathBuf>::new());
        let mut names = install::cuda_libraries(std::env::consts::OS).to_vec();
        for name in names.iter().rev().chain(&["libother.so"]) {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = beside(folder.path());
        assert_eq!(found, names.iter().map(|name| folder.path().join(name)).collect::<Vec<_>>());
        if let Some(first) = names.first() {
            std::fs::remove_file(folder.path().join(first)).unwrap();
            names.remove(0);
            assert_eq!(beside(folder.path()).len(), names.len());
        }
    }

    #[test]
    fn what_is_no_library_does_not_load() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libcudart.so.13");
        std::fs::write(&path, "no library").unwrap();
        assert!(load(&path).is_err());
    }
}
