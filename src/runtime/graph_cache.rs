//! Optimised graphs kept between runs: what ONNX Runtime makes of a graph for this processor, so that the next start
//! need not make it again (half a second of a ResNet-50's second).
//!
//! A kept graph's name is a hash of everything it follows from, so that it is never out of date, and a digest of its own
//! bytes, so that a damaged one is made anew. Whatever goes wrong with it costs time and nothing else.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ort::session::builder::GraphOptimizationLevel;
use xxhash_rust::xxh3::Xxh3;

use super::session::load;
use super::{Device, GraphBytes, Runtime, SessionOptions};
use crate::cache;
use crate::hash::sha256;

/// Bytes that all kept graphs may take together; the ones not used for longest go first.
const MOST_BYTES: u64 = 1 << 30;

/// Changes where what is kept changes.
const FORMAT: &str = "6";

impl Runtime {
    /// A session for the processor of a graph that was optimised in an earlier run, or is now, and kept. `None` where
    /// nothing can be kept.
    pub(super) fn cached_session(
        &self,
        graph: GraphBytes<'_>,
        options: &SessionOptions,
    ) -> Option<ort::session::Session> {
        let folder = cache::root().ok()?.join("optimised");
        let key = self.key(graph, options);
        for (path, digest) in kept_as(&folder, &key) {
            match self.load_kept(&path, &digest, options) {
                Ok(session) => return Some(session),
                Err(error) => {
                    tracing::debug!("`{}` is of no use and made anew: {error}", path.display());
                    fs::remove_file(&path).ok()?;
                }
            }
        }
        match self.keep(graph, options, &folder, &key) {
            Ok(session) => {
                cache::prune(&folder, MOST_BYTES, Duration::ZERO);
                Some(session)
            }
            Err(error) => {
                tracing::debug!("nothing is kept in `{}`: {error}", folder.display());
                None
            }
        }
    }

    /// Of the graph, the library, the processor and how exactly it computes.
    fn key(&self, graph: GraphBytes<'_>, options: &SessionOptions) -> String {
        let content = match graph {
            GraphBytes::File { sha256, .. } => sha256.to_owned(),
            GraphBytes::Memory(_, bytes) => sha256(bytes),
        };
        let precision = options.precision.to_string();
        let parts = [FORMAT, &content, self.version(), std::env::consts::OS, processor(), &precision];
        sha256(parts.join("\n").as_bytes())
    }

    fn load_kept(
        &self,
        path: &Path,
        digest: &str,
        options: &SessionOptions,
    ) -> Result<ort::session::Session, Box<dyn std::error::Error>> {
        if digest_of(path)? != digest {
            return Err("its bytes are not those that were kept".into());
        }
        let builder = self.builder(options, Device::Cpu)?;
        let session =
            builder.with_optimization_level(GraphOptimizationLevel::Disable)?.commit_from_file(path)?;
        let used =
            File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
        // It may go a little earlier, where the file may not be changed.
        used.unwrap_or_default();
        Ok(session)
    }

    fn keep(
        &self,
        graph: GraphBytes<'_>,
        options: &SessionOptions,
        folder: &Path,
        key: &str,
    ) -> Result<ort::session::Session, Box<dyn std::error::Error>> {
        fs::create_dir_all(folder)?;
        // A folder, as a temporary file could be read by its owner only, and caches may be shared.
        let home = tempfile::Builder::new().prefix(".fresh-").tempdir_in(folder)?;
        let fresh = home.path().join("graph.onnx");
        let builder = self.builder(options, Device::Cpu)?.with_optimized_model_path(&fresh)?;
        let session = load(builder, graph, Device::Cpu)?;
        File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, folder.join(format!("{key}.{}.onnx", digest_of(&fresh)?)))?;
        Ok(session)
    }
}

/// The files of a key, each with the digest that its name promises.
fn kept_as(folder: &Path, key: &str) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let promised = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let digest = name.to_str()?.strip_prefix(key)?.strip_prefix('.')?.strip_suffix(".onnx")?.to_owned();
        entry.path().is_file().then(|| (entry.path(), digest))
    };
    entries.filter_map(promised).collect()
}

/// A digest against damage, not against people: whoever may write here may name a file as they like. It takes a tenth of
/// the time of SHA-256.
fn digest_of(path: &Path) -> io::Result<String> {
    let mut digest = Xxh3::new();
    let mut file = File::open(path)?;
    let mut block = vec![0; 1 << 18];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(format!("{:032x}", digest.digest128())),
            count => digest.update(&block[..count]),
        }
    }
}

/// What the processor has that optimised graphs depend on: the blocks in which convolutions take their channels.
fn processor() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    return if is_x86_feature_detected!("avx512f") {
        "x86-64, AVX-512"
    } else if is_x86_feature_detected!("avx2") {
        "x86-64, AVX2"
    } else {
        "x86-64"
    };
    #[cfg(not(target_arch = "x86_64"))]
    std::env::consts::ARCH
}
