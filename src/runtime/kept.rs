//! Optimised graphs kept between runs: what ONNX Runtime makes of a graph for this processor, so that the next start
//! need not make it again (half a second of a ResNet-50's second).
//!
//! A kept graph's name is a hash of everything it follows from, so that it is never out of date. Whatever goes wrong
//! with it costs time and nothing else.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use ort::session::builder::GraphOptimizationLevel;
use sha2::Sha256;

use super::session::load;
use super::{Device, Graph, Runtime, SessionOptions};
use crate::cache;
use crate::hash::{of_reader, sha256};

/// Bytes that all kept graphs may take together; the ones not used for longest go first.
const MOST_BYTES: u64 = 1 << 30;

/// Changes where what is kept changes.
const FORMAT: &str = "4";

impl Runtime {
    /// A session for the processor of a graph that was optimised in an earlier run, or is now, and kept. `None` where
    /// nothing can be kept.
    pub(super) fn kept(&self, graph: Graph<'_>, options: &SessionOptions) -> Option<ort::session::Session> {
        let folder = cache::root().ok()?.join("optimised");
        let path = folder.join(format!("{}.onnx", self.key(graph, options).ok()?));
        if path.is_file() {
            match self.load_kept(&path, options) {
                Ok(session) => return Some(session),
                Err(error) => {
                    tracing::debug!("`{}` is of no use: {error}", path.display());
                    fs::remove_file(&path).ok()?;
                }
            }
        }
        match self.keep(graph, options, &folder, &path) {
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
    fn key(&self, graph: Graph<'_>, options: &SessionOptions) -> io::Result<String> {
        let content = match graph {
            Graph::File(path) => of_reader::<Sha256>(File::open(path)?)?,
            Graph::Memory(_, bytes) => sha256(bytes),
        };
        let precision = options.precision.to_string();
        let parts = [FORMAT, &content, self.version(), std::env::consts::OS, processor(), &precision];
        Ok(sha256(parts.join("\n").as_bytes()))
    }

    fn load_kept(
        &self,
        path: &Path,
        options: &SessionOptions,
    ) -> Result<ort::session::Session, Box<dyn std::error::Error>> {
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
        graph: Graph<'_>,
        options: &SessionOptions,
        folder: &Path,
        path: &Path,
    ) -> Result<ort::session::Session, Box<dyn std::error::Error>> {
        fs::create_dir_all(folder)?;
        // A folder, as a temporary file could be read by its owner only, and caches may be shared.
        let home = tempfile::Builder::new().prefix(".fresh-").tempdir_in(folder)?;
        let fresh = home.path().join("graph.onnx");
        let builder = self.builder(options, Device::Cpu)?.with_optimized_model_path(&fresh)?;
        let session = load(builder, graph, Device::Cpu)?;
        File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, path)?;
        Ok(session)
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
