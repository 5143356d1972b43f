//! Optimised graphs kept between runs: what ONNX Runtime makes of a graph for this processor, so that the next start
//! need not make it again (half a second of a ResNet-50's second).
//!
//! A kept graph's name is a hash of everything it follows from, so that it is never out of date. Whatever goes wrong
//! with it costs time and nothing else.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ort::session::builder::GraphOptimizationLevel;
use sha2::Sha256;

use super::session::load;
use super::{Device, Graph, Runtime, SessionOptions};
use crate::cache;
use crate::hash::{of_reader, sha256};

/// Bytes that all kept graphs may take together; the ones not used for longest go first.
const MOST_BYTES: u64 = 1 << 30;

/// Changes where what is kept changes.
const FORMAT: &str = "3";

impl Runtime {
    /// A session for the processor of a graph that was optimised in an earlier run, or is now, and kept. `None` where
    /// nothing can be kept.
    pub(super) fn kept(&self, graph: Graph<'_>, options: &SessionOptions) -> Option<ort::session::Session> {
        let folder = cache::root().ok()?.join("optimised");
        let path = folder.join(format!("{}.onnx", self.key(graph).ok()?));
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
                prune(&folder, MOST_BYTES);
                Some(session)
            }
            Err(error) => {
                tracing::debug!("nothing is kept in `{}`: {error}", folder.display());
                None
            }
        }
    }

    /// Of the graph, the library and the processor.
    fn key(&self, graph: Graph<'_>) -> io::Result<String> {
        let content = match graph {
            Graph::File(path) => of_reader::<Sha256>(File::open(path)?)?,
            Graph::Memory(_, bytes) => sha256(bytes),
        };
        let parts = [FORMAT, &content, self.version(), std::env::consts::OS, processor()];
        Ok(sha256(parts.join("\n").as_bytes()))
    }

    fn load_kept(&self, path: &Path, options: &SessionOptions) -> ort::Result<ort::session::Session> {
        let builder = self.on_processor(options.thread_count())?;
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
        let fresh = tempfile::Builder::new().prefix(".fresh-").suffix(".onnx").tempfile_in(folder)?;
        let builder = self.on_processor(options.thread_count())?.with_optimized_model_path(fresh.path())?;
        let session = load(builder, graph, Device::Cpu)?;
        File::open(fresh.path())?.sync_all()?;
        fresh.persist(path)?;
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

/// Removes files, the oldest first, until the others take no more than `most` bytes. What cannot be looked at or
/// removed is left.
fn prune(folder: &Path, most: u64) {
    let files = |entry: io::Result<fs::DirEntry>| -> Option<(SystemTime, u64, PathBuf)> {
        let entry = entry.ok()?;
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        Some((metadata.modified().ok()?, metadata.len(), entry.path()))
    };
    let mut found: Vec<_> = fs::read_dir(folder).into_iter().flatten().filter_map(files).collect();
    found.sort();
    let mut total: u64 = found.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in found {
        if total <= most {
            break;
        }
        if fs::remove_file(&path).is_ok() {
            total -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        for (name, age) in [("old", 30), ("new", 10), ("middle", 20)] {
            let path = folder.path().join(name);
            fs::write(&path, [0; 100]).unwrap();
            let then = SystemTime::now() - Duration::from_secs(age);
            File::options().append(true).open(&path).unwrap().set_modified(then).unwrap();
        }
        let left = || {
            let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
            names.sort();
            names
        };
        prune(folder.path(), 300);
        assert_eq!(left(), ["middle", "new", "old"]);
        prune(folder.path(), 299);
        assert_eq!(left(), ["middle", "new"]);
        prune(folder.path(), 0);
        assert!(left().is_empty());
        prune(&folder.path().join("none"), 0);
    }
}
