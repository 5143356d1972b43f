//! What ways to compute took on this machine, kept in the cache for each model: `choices/`, a small file each.
//!
//! A file's name is a hash of all that times follow from, so that another processor, library or model finds nothing. Whatever
//! is wrong with a file costs a new measurement and nothing else.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::way::{ComputeWay, TimedWay};
use super::{Device, Package, Precision, Runtime, RuntimeError, installed};
use crate::hash::sha256;
use crate::{atomic, cache};

/// Bytes that all files may take together; the ones not changed for longest go first.
const MOST_BYTES: u64 = 1 << 20;

/// Bytes and ways that one file may have.
const MOST_IN_ONE: u64 = 1 << 14;
const MOST_WAYS: usize = 64;

/// What times follow from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceKey {
    /// The program and its version.
    pub program: String,
    /// Name of the model.
    pub model: String,
    /// SHA-256 of its `model.json`.
    pub model_sha256: String,
    /// The processor: what it calls itself, and a digest of what it can do.
    pub processor: String,
    /// Threads of the network.
    pub threads: usize,
    /// ONNX Runtime's version.
    pub runtime: String,
    /// Versions of the packages for other devices.
    pub packages: Vec<String>,
}

/// The times of a model's ways on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTimes {
    /// What they follow from.
    #[serde(flatten)]
    pub key: ChoiceKey,
    /// The times.
    pub ways: Vec<TimedWay>,
}

/// A file of times that is of no use.
#[derive(Debug, thiserror::Error)]
#[error("what was measured in `{}` cannot be used: {why}", path.display())]
pub struct UnusableTimes {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

impl Runtime {
    /// What the times of a model follow from on this machine, with so many threads.
    pub fn choice_key(&self, model: &str, model_sha256: &str, threads: usize) -> ChoiceKey {
        let others = installed().into_iter().filter(|found| found.package != Package::Runtime);
        ChoiceKey {
            program: concat!("rcnn ", env!("CARGO_PKG_VERSION")).into(),
            model: model.into(),
            model_sha256: model_sha256.into(),
            processor: processor(),
            threads,
            runtime: self.version().into(),
            packages: others.map(|found| format!("{} {}", found.package.name(), found.version)).collect(),
        }
    }

    /// The ways there are to compute for who asks for a device, with at most so many photos in the network at once. That
    /// they work, only a session shows.
    pub fn ways(&self, requested: Device, streams: usize) -> Vec<ComputeWay> {
        let one = |device, precision| ComputeWay { device, precision, streams: 1 };
        let cuda = |number| {
            let device = Device::Cuda(number);
            [one(device, Precision::Exact), one(device, Precision::Float16)]
        };
        if let Device::Cuda(number) = requested {
            return cuda(number).into();
        }
        let mut ways = Vec::new();
        if requested == Device::Auto && self.may_use_cuda() {
            ways.extend(cuda(0));
        }
        let exact = one(Device::Cpu, Precision::Exact);
        ways.extend((streams > 1).then_some(ComputeWay { streams, ..exact }));
        ways.push(exact);
        if Device::Cpu.computes(Precision::Bfloat16) {
            let bfloat16 = one(Device::Cpu, Precision::Bfloat16);
            ways.extend((streams > 1).then_some(ComputeWay { streams, ..bfloat16 }));
            ways.push(bfloat16);
        }
        if self.has_openvino() {
            let precisions = [Precision::Exact, Precision::Bfloat16, Precision::Float16];
            ways.extend(precisions.map(|precision| one(Device::OpenVino, precision)));
        }
        ways
    }
}

impl ChoiceKey {
    /// The file of these times, in a folder.
    fn file(&self, folder: &Path) -> PathBuf {
        let text = serde_json::to_string(self).unwrap_or_default();
        folder.join(format!("{}.json", &sha256(text.as_bytes())[..32]))
    }

    /// The times that were kept, if there are any.
    ///
    /// # Errors
    /// When there is a file and it is of no use.
    pub fn stored(&self) -> Result<Option<Vec<TimedWay>>, UnusableTimes> {
        match folder() {
            Ok(folder) => self.stored_in(&folder),
            Err(_) => Ok(None),
        }
    }

    fn stored_in(&self, folder: &Path) -> Result<Option<Vec<TimedWay>>, UnusableTimes> {
        let path = self.file(folder);
        let unusable = |why: String| UnusableTimes { path: path.clone(), why };
        match read(&path) {
            Ok(stored) if stored.key == *self => Ok(Some(stored.ways)),
            Ok(_) => Err(unusable("it is of another machine or model".into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unusable(error.to_string())),
        }
    }

    /// Keeps times, beside those of other ways that were kept before.
    ///
    /// # Errors
    /// When the cache cannot be written.
    pub fn keep(&self, ways: &[TimedWay]) -> Result<(), RuntimeError> {
        self.keep_in(&folder()?, ways)
    }

    fn keep_in(&self, folder: &Path, ways: &[TimedWay]) -> Result<(), RuntimeError> {
        fs::create_dir_all(folder).map_err(RuntimeError::io("create the folder", folder))?;
        let path = self.file(folder);
        let mut all = ways.to_vec();
        let before = self.stored_in(folder).ok().flatten().unwrap_or_default();
        all.extend(before.into_iter().filter(|old| ways.iter().all(|new| new.way != old.way)));
        all.truncate(MOST_WAYS);
        let stored = StoredTimes { key: self.clone(), ways: all };
        let content = |file: &mut io::BufWriter<File>| {
            serde_json::to_writer_pretty(&mut *file, &stored)?;
            file.write_all(b"\n")
        };
        atomic::write(&path, content).map_err(RuntimeError::io("write", &path))?;
        cache::prune(folder, MOST_BYTES, Duration::ZERO);
        Ok(())
    }
}

/// All times that are kept in the cache and can be used, of whatever model and machine.
pub fn stored_choices() -> Vec<StoredTimes> {
    let entries = folder().ok().and_then(|folder| fs::read_dir(folder).ok());
    let mut paths: Vec<PathBuf> =
        entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.into_iter().filter_map(|path| read(&path).ok()).collect()
}

fn folder() -> Result<PathBuf, cache::NoCache> {
    Ok(cache::root()?.join("choices"))
}

/// The times of a file, which may be anything.
fn read(path: &Path) -> io::Result<StoredTimes> {
    let mut text = String::new();
    File::open(path)?.take(MOST_IN_ONE).read_to_string(&mut text)?;
    let stored: StoredTimes = serde_json::from_str(&text)?;
    let sound = |timed: &TimedWay| {
        let ComputeWay { device, precision, streams } = timed.way;
        device != Device::Auto && precision != Precision::Fast && streams > 0 && timed.microseconds > 0
    };
    if stored.ways.is_empty() || stored.ways.len() > MOST_WAYS || !stored.ways.iter().all(sound) {
        return Err(io::Error::other("it has times that nobody measured"));
    }
    Ok(stored)
}

/// What the processor calls itself, and a digest of what it says that it can do. Virtual machines often hide the former,
/// and some of the latter.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // The first processor's lines; those that change from one moment to the next say nothing of it.
    let first = text.split("\n\n").next().unwrap_or_default();
    let fields = first.lines().filter_map(|line| line.split_once(':'));
    let fields = || fields.clone().map(|(name, value)| (name.trim(), value.trim()));
    let name = fields().find(|(name, _)| ["model name", "Hardware", "Processor"].contains(name));
    let name = name.map_or(std::env::consts::ARCH, |(_, name)| name);
    let kinds = [
        "vendor_id",
        "cpu family",
        "model",
        "stepping",
        "flags",
        "CPU implementer",
        "CPU architecture",
        "CPU part",
        "Features",
    ];
    let facts: Vec<&str> =
        fields().filter(|(name, _)| kinds.contains(name)).map(|(_, value)| value).collect();
    let windows = std::env::var("PROCESSOR_IDENTIFIER").unwrap_or_default();
    format!("{name} ({})", &sha256(format!("{}\n{windows}", facts.join("\n")).as_bytes())[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ChoiceKey {
        ChoiceKey {
            program: "rcnn 0".into(),
            model: "m".into(),
            model_sha256: "00".into(),
            processor: processor(),
            threads: 2,
            runtime: "1.31.1".into(),
            packages: vec!["openvino 1.8.1".into()],
        }
    }

    fn timed(device: Device, microseconds: u64) -> TimedWay {
        TimedWay { way: ComputeWay { device, precision: Precision::Exact, streams: 1 }, microseconds }
    }

    #[test]
    fn what_is_kept_is_found_by_the_same_machine_and_model_only() {
        let folder = tempfile::tempdir().unwrap();
        let folder = &folder.path().join("not/yet");
        assert_eq!(key().stored_in(folder).unwrap(), None);
        let ways = [timed(Device::Cpu, 1000), timed(Device::OpenVino, 700)];
        key().keep_in(folder, &ways).unwrap();
        assert_eq!(key().stored_in(folder).unwrap(), Some(ways.to_vec()));
        let others = [
            ChoiceKey { processor: "another".into(), ..key() },
            ChoiceKey { model_sha256: "01".into(), ..key() },
            ChoiceKey { packages: Vec::new(), ..key() },
            ChoiceKey { runtime: "1.32.0".into(), ..key() },
            ChoiceKey { threads: 1, ..key() },
        ];
        for other in others {
            assert_eq!(other.stored_in(folder).unwrap(), None, "{other:?}");
        }
    }

    #[test]
    fn what_is_measured_again_replaces_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        key().keep_in(folder.path(), &[timed(Device::Cpu, 1000), timed(Device::OpenVino, 700)]).unwrap();
        key().keep_in(folder.path(), &[timed(Device::Cpu, 500)]).unwrap();
        let stored = key().stored_in(folder.path()).unwrap().unwrap();
        assert_eq!(stored, [timed(Device::Cpu, 500), timed(Device::OpenVino, 700)]);
    }

    #[test]
    fn a_damaged_file_is_told_of_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let ways = [timed(Device::Cpu, 1000)];
        key().keep_in(folder.path(), &ways).unwrap();
        let path = key().file(folder.path());
        let whole = fs::read_to_string(&path).unwrap();
        let damaged = [
            String::new(),
            "{".into(),
            whole[..whole.len() / 2].into(),
            whole.replace("1000", "0"),
            whole.replace("1000", "-3"),
            whole.replace("cpu", "auto"),
            whole.replace("exact", "fast"),
            whole.replace("\"exact\"", "\"half\""),
            whole.replace("rcnn 0", "rcnn 1"),
            whole.replace("\"rcnn 0\"", &format!("\"{}\"", "x".repeat(1 << 20))),
        ];
        for text in damaged {
            fs::write(&path, &text).unwrap();
            let error = key().stored_in(folder.path()).unwrap_err();
            assert!(error.to_string().contains("cannot be used: "), "{error}");
        }
        fs::write(&path, [0xff; 10]).unwrap();
        assert!(key().stored_in(folder.path()).is_err());
        key().keep_in(folder.path(), &ways).unwrap();
        assert_eq!(key().stored_in(folder.path()).unwrap(), Some(ways.to_vec()));
    }

    #[test]
    fn nothing_is_kept_where_nothing_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let error = key().keep_in(&folder.path().join("file"), &[timed(Device::Cpu, 1)]).unwrap_err();
        assert!(error.to_string().contains("`"), "{error}");
    }
}
