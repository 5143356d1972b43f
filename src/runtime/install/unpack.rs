//! Taking the libraries, and nothing else, out of a wheel, an npm package or a release archive.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::sources::Content;

/// The largest library is NVIDIA's cuBLAS with 552 MB; what is larger than this is something else.
const MOST_BYTES: u64 = 1 << 31;

/// A file that holds libraries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Archive {
    pub(super) path: PathBuf,
    /// What is wanted of it.
    pub(super) content: Content,
    /// Where an archive holds the libraries of several systems: the folder of ours.
    pub(super) only_under: Option<String>,
}

/// Writes the archive's libraries into `folder`, flat.
pub(super) fn libraries(archive: &Archive, folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let mut file = BufReader::new(File::open(&archive.path).map_err(|error| error.to_string())?);
    let mut start = [0u8; 2];
    let unreadable = |error: &dyn std::fmt::Display| format!("it cannot be unpacked: {error}");
    file.read_exact(&mut start).and_then(|()| file.rewind()).map_err(|error| unreadable(&error))?;
    if &start == b"PK" {
        from_zip(file, archive, folder).map_err(|error| unreadable(&error))
    } else {
        from_tar(file, archive, folder).map_err(|error| unreadable(&error))
    }
}

fn from_zip(file: BufReader<File>, archive: &Archive, folder: &Path) -> io::Result<()> {
    let mut zip = zip::ZipArchive::new(file).map_err(io::Error::other)?;
    for i in 0..zip.len() {
        let mut member = zip.by_index(i).map_err(io::Error::other)?;
        let name = member.name().map_err(io::Error::other)?.into_owned();
        if let Some(target) = target(&name, archive, folder).filter(|_| member.is_file()) {
            write(&mut member, &target)?;
        }
    }
    Ok(())
}

fn from_tar(file: BufReader<File>, archive: &Archive, folder: &Path) -> io::Result<()> {
    let mut tar = tar::Archive::new(GzDecoder::new(file));
    for member in tar.entries()? {
        let mut member = member?;
        let name = member.path()?.to_string_lossy().into_owned();
        // Links (libonnxruntime.so to the versioned name) are left out: the file itself is found as well.
        if let Some(target) =
            target(&name, archive, folder).filter(|_| member.header().entry_type().is_file())
        {
            write(&mut member, &target)?;
        }
    }
    Ok(())
}

/// Where a member goes, if it is wanted; its folders are dropped, so that none leads elsewhere.
fn target(name: &str, archive: &Archive, folder: &Path) -> Option<PathBuf> {
    let (parent, file) = name.rsplit_once('/').unwrap_or(("", name));
    let ours = archive.only_under.as_ref().is_none_or(|under| parent.ends_with(under.as_str()));
    let plain = |file: &str| !file.contains(['\\', ':']);
    let wanted = !parent.ends_with(".dSYM")
        && match archive.content {
            Content::Runtime => is_runtime(file),
            Content::OpenVino => is_openvino(file),
            Content::Cuda => is_cuda(file),
        };
    let file = if wanted { Some(file.to_owned()) } else { licence(parent, file, archive.content) };
    file.filter(|file| ours && plain(file)).map(|file| folder.join(file))
}

/// The Python binding is no library to link.
fn is_runtime(file: &str) -> bool {
    bare(file).starts_with("onnxruntime") && is_library(file) && !file.contains("pybind")
}

/// All but what serves other devices than the processor, which is half of the whole; and the copies of the plugin
/// under names with versions, which nothing asks for.
fn is_openvino(file: &str) -> bool {
    let other_devices = ["_gpu_", "_npu_"].iter().any(|device| file.contains(device));
    let plugin_copy = file.contains("openvino_plugin.so.");
    let licences = file == "third-party-programs.txt";
    licences || (is_library(file) && !other_devices && !plugin_copy)
}

/// Of ONNX Runtime what [`is_runtime`] takes but TensorRT's provider; of NVIDIA's wheels all but the stand-ins for
/// other libraries' interfaces.
fn is_cuda(file: &str) -> bool {
    let needless = ["pybind", "tensorrt", "nvblas"].iter().any(|part| file.contains(part));
    is_library(file) && !needless
}

/// NVIDIA's licence of a wheel, under the wheel's name, as each has a file of the same name.
fn licence(parent: &str, file: &str, content: Content) -> Option<String> {
    let wheel = parent.strip_suffix("/licenses")?.strip_suffix(".dist-info")?;
    let wanted =
        content == Content::Cuda && file.to_lowercase().starts_with("license") && !wheel.contains('/');
    wanted.then(|| format!("{wheel}.{file}"))
}

fn bare(file: &str) -> &str {
    file.strip_prefix("lib").unwrap_or(file)
}

fn is_library(file: &str) -> bool {
    [".so", ".dylib", ".dll"].iter().any(|kind| file.contains(kind))
}

fn write(member: &mut impl Read, target: &Path) -> io::Result<()> {
    let mut out = File::create(target)?;
    let written = io::copy(&mut member.take(MOST_BYTES), &mut out)?;
    if written == MOST_BYTES {
        return Err(io::Error::other("a library in it is larger than any of ONNX Runtime"));
    }
    out.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(name: &str, under: Option<&str>) -> Option<String> {
        let (path, only_under) = (PathBuf::new(), under.map(str::to_owned));
        let archive = Archive { path, content: Content::Runtime, only_under };
        target(name, &archive, Path::new("out")).map(|path| path.to_string_lossy().replace('\\', "/"))
    }

    #[test]
    fn only_libraries_of_this_system_are_taken() {
        let wheel = "onnxruntime/capi/";
        assert_eq!(
            kept(&format!("{wheel}libonnxruntime.so.1.31.1"), None).unwrap(),
            "out/libonnxruntime.so.1.31.1"
        );
        assert_eq!(kept(&format!("{wheel}onnxruntime.dll"), None).unwrap(), "out/onnxruntime.dll");
        assert!(kept(&format!("{wheel}libonnxruntime_providers_shared.so"), None).is_some());
        assert!(
            kept(&format!("{wheel}onnxruntime_pybind11_state.cpython-311-x86_64-linux-gnu.so"), None)
                .is_none()
        );
        assert!(kept("onnxruntime/__init__.py", None).is_none());
        let npm = |system: &str| {
            kept(&format!("package/bin/napi-v6/{system}/libonnxruntime.so.1"), Some("linux/x64"))
        };
        assert!(npm("linux/x64").is_some() && npm("linux/arm64").is_none());
    }

    #[test]
    fn of_openvino_only_what_the_processor_needs_is_taken() {
        let archive = Archive { path: PathBuf::new(), content: Content::OpenVino, only_under: None };
        let kept =
            |name: &str| target(&format!("onnxruntime_ep_openvino/{name}"), &archive, Path::new("out"));
        for name in ["libonnxruntime_providers_openvino_plugin.so", "libtbb.so.12", "openvino.dll"] {
            assert_eq!(kept(name), Some(Path::new("out").join(name)));
        }
        assert!(kept("third-party-programs.txt").is_some());
        for name in ["libonnxruntime_providers_openvino_plugin.so.1.8.1", "libopenvino_intel_gpu_plugin.so"] {
            assert_eq!(kept(name), None, "{name}");
        }
        assert!(kept("cache.json").is_none() && kept("__init__.py").is_none());
    }

    #[test]
    fn of_wheels_for_cuda_the_libraries_and_licences_are_taken() {
        let archive = Archive { path: PathBuf::new(), content: Content::Cuda, only_under: None };
        let kept = |name: &str| target(name, &archive, Path::new("out"));
        for (name, file) in [
            ("onnxruntime/capi/libonnxruntime.so.1.31.1", "libonnxruntime.so.1.31.1"),
            ("onnxruntime/capi/libonnxruntime_providers_cuda.so", "libonnxruntime_providers_cuda.so"),
            ("nvidia/cu13/lib/libcublasLt.so.13", "libcublasLt.so.13"),
            ("nvidia/cudnn/bin/cudnn_ops64_9.dll", "cudnn_ops64_9.dll"),
            ("nvidia_cublas-13.1.dist-info/licenses/License.txt", "nvidia_cublas-13.1.License.txt"),
            ("nvidia_cudnn_cu13-9.2.dist-info/licenses/LICENSE", "nvidia_cudnn_cu13-9.2.LICENSE"),
        ] {
            assert_eq!(kept(name), Some(Path::new("out").join(file)));
        }
        for name in [
            "onnxruntime/capi/libonnxruntime_providers_tensorrt.so",
            "onnxruntime/capi/onnxruntime_pybind11_state.cpython-311-x86_64-linux-gnu.so",
            "nvidia/cu13/lib/libnvblas.so.13",
            "nvidia/cu13/lib/libcudart_static.a",
            "nvidia/cu13/include/cublas_v2.h",
            "../licenses/License.txt",
            "a/../x.dist-info/licenses/License.txt",
            "a:b.dist-info/licenses/License.txt",
        ] {
            assert_eq!(kept(name), None, "{name}");
        }
    }

    #[test]
    fn no_member_leads_out_of_the_folder() {
        assert_eq!(kept("../../libonnxruntime.so", None).unwrap(), "out/libonnxruntime.so");
        assert!(kept("..\\libonnxruntime.so", None).is_none());
    }
}
