//! `rcnn doctor`: what this machine has, what truly works, and the cure for what does not.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use crate::cache;
use crate::memory;
use crate::model::{self, DEFAULT, Model};
use crate::runtime::{
    self, ComputeWay, Device, LibraryCandidate, LibraryPlace, PINNED_VERSION, Runtime, SessionOptions,
    TimedWay, Value, WayChoice,
};
use serde::Serialize;

use super::output::print_report;
use super::{Exit, fastest};

/// Check what works on this machine, and how to fix what does not
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rcnn doctor
  rcnn doctor --model models/mine --json")]
pub(crate) struct DoctorArgs {
    /// Model: a name, a folder or a checkpoint file
    #[arg(short, long, value_name = "MODEL", default_value = DEFAULT)]
    model: OsString,
    /// ONNX Runtime's library or its folder; searched for by default
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,
    /// Print one JSON document on standard output, and everything else on standard error
    #[arg(long)]
    json: bool,
}

/// All findings.
#[derive(Serialize)]
struct Findings {
    program: &'static str,
    system: String,
    cores: usize,
    memory: Option<MemoryState>,
    processor: Vec<&'static str>,
    libraries: Vec<FoundLibrary>,
    runtime: Option<Used>,
    packages: Vec<InstalledPackage>,
    devices: Vec<Provider>,
    cache: CacheState,
    model: ModelState,
    /// What `--precision fast` takes for the model on this machine, where it was measured.
    fast: Vec<FastState>,
    /// What to do, a sentence each; nothing if all is well.
    cures: Vec<String>,
}

#[derive(Serialize)]
struct FoundLibrary {
    place: String,
    path: String,
    version: Option<String>,
    refused: Option<String>,
}

/// What `rcnn runtime install` has put into the cache.
#[derive(Serialize)]
struct InstalledPackage {
    name: &'static str,
    version: String,
    refused: Option<String>,
}

#[derive(Serialize)]
struct Used {
    version: String,
    path: String,
}

#[derive(Serialize)]
struct Provider {
    device: &'static str,
    works: bool,
    /// Nodes of the model's trunk that each provider computed in a run on this device.
    nodes: BTreeMap<String, usize>,
    why_not: Option<String>,
}

#[derive(Serialize)]
struct CacheState {
    path: Option<String>,
    writable: bool,
    bytes: u64,
}

/// What a run may take without `--memory`, and what bounds it.
#[derive(Serialize)]
struct MemoryState {
    bytes: u64,
    bound: &'static str,
    bound_bytes: u64,
}

/// What was measured for the model with a number of threads.
#[derive(Serialize)]
struct FastState {
    threads: usize,
    /// What `--device auto` takes for many photos.
    chosen: Option<ComputeWay>,
    /// All ways, the most exact first.
    measured: Vec<TimedWay>,
}

#[derive(Serialize)]
struct ModelState {
    name: String,
    summary: Option<String>,
    refused: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: DoctorArgs) -> anyhow::Result<Exit> {
    let findings = Findings::collect(&args);
    let healthy = findings.runtime.is_some() && findings.model.refused.is_none() && findings.cache.writable;
    print_report(&findings, args.json)?;
    Ok(if healthy { Exit::Done } else { Exit::Failed })
}

impl Findings {
    fn collect(args: &DoctorArgs) -> Findings {
        let mut cures = Vec::new();
        let options = runtime::RuntimeOptions {
            library: args.runtime.clone(),
            offline: true,
            ..runtime::RuntimeOptions::default()
        };
        let candidates = runtime::search(&options);
        let runtime = open(&candidates, &mut cures);
        let model = Model::find(&args.model);
        let devices = runtime.as_ref().map_or_else(Vec::new, |runtime| devices(runtime, &model, &mut cures));
        Findings {
            program: concat!("rcnn ", env!("CARGO_PKG_VERSION")),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: memory::usual().map(|(bytes, limit)| MemoryState {
                bytes,
                bound: limit.bound.title(),
                bound_bytes: limit.bytes,
            }),
            processor: processor_features(),
            libraries: candidates.iter().map(library).collect(),
            packages: packages(&mut cures),
            devices,
            cache: cache_state(&mut cures),
            fast: runtime.as_ref().zip(model.as_ref().ok()).map_or_else(Vec::new, fast),
            model: model_state(&args.model, &model, &mut cures),
            runtime: runtime.map(|runtime| Used {
                version: runtime.version().into(),
                path: runtime.path().display().to_string(),
            }),
            cures,
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let features = self.processor.join(" ");
        writeln!(text, "{} on {}, {} cores, {features}", self.program, self.system, self.cores)?;
        if let Some(MemoryState { bytes, bound, bound_bytes }) = &self.memory {
            let (bytes, whole) = (*bytes as f64 / 1e9, *bound_bytes as f64 / 1e9);
            writeln!(
                text,
                "memory        a run takes up to {bytes:.1} GB, half of the {whole:.1} GB of {bound}"
            )?;
        }
        match &self.runtime {
            Some(used) => writeln!(text, "ONNX Runtime  {} at `{}`", used.version, used.path)?,
            None => writeln!(text, "ONNX Runtime  none that works")?,
        }
        for library in self.libraries.iter().filter(|library| library.refused.is_some()) {
            let why = library.refused.as_deref().unwrap_or_default();
            writeln!(text, "  passed over `{}` ({}): {why}", library.path, library.place)?;
        }
        for InstalledPackage { name, version, refused } in &self.packages {
            let why = refused.as_ref().map_or_else(String::new, |why| format!(", cannot be used: {why}"));
            writeln!(text, "  package {name} {version}{why}")?;
        }
        for device in &self.devices {
            writeln!(text, "  {:8}  {}", device.device, device.state())?;
        }
        let path = self.cache.path.as_deref().unwrap_or("nowhere");
        let writable = if self.cache.writable { "writable" } else { "not writable" };
        writeln!(text, "cache         `{path}`, {writable}, {:.1} MB", self.cache.bytes as f64 / 1e6)?;
        let model = self.model.summary.as_deref().unwrap_or("cannot be used");
        writeln!(text, "model         {}: {model}", self.model.name)?;
        for fast in &self.fast {
            writeln!(text, "fast          {fast}")?;
        }
        for cure in &self.cures {
            writeln!(text, "to do: {cure}")?;
        }
        if self.cures.is_empty() { writeln!(text, "all is well") } else { Ok(()) }
    }
}

/// What was measured for the model on this machine with these libraries, by threads.
fn fast((runtime, model): (&Runtime, &Model)) -> Vec<FastState> {
    let kept = runtime::stored_choices()
        .into_iter()
        .filter(|kept| kept.key == runtime.choice_key(model.name(), model.hash(), kept.key.threads));
    let mut found: Vec<FastState> = kept
        .map(|kept| {
            let choice = WayChoice::of(kept.ways.clone(), Device::Auto, usize::MAX);
            let measured = choice.as_ref().map_or(kept.ways, |choice| choice.measured.clone());
            FastState { threads: kept.key.threads, chosen: choice.map(|choice| choice.way), measured }
        })
        .collect();
    found.sort_by_key(|fast| fast.threads);
    found
}

impl fmt::Display for FastState {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = self.chosen.map_or_else(|| "as exact".to_owned(), |chosen| fastest::way(&chosen));
        let threads = if self.threads == 1 { "thread" } else { "threads" };
        write!(text, "{} {threads}: {chosen}; measured, ms a photo:", self.threads)?;
        for (place, TimedWay { way, microseconds }) in self.measured.iter().enumerate() {
            let comma = if place > 0 { ";" } else { "" };
            write!(text, "{comma} {} {:.1}", fastest::way(way), *microseconds as f64 / 1e3)?;
        }
        Ok(())
    }
}

fn open(candidates: &[LibraryCandidate], cures: &mut Vec<String>) -> Option<Runtime> {
    let Some(found) = candidates.iter().find(|candidate| candidate.is_usable()) else {
        if let [LibraryCandidate { place: LibraryPlace::Named, .. }] = candidates {
            cures.push("name another library with --runtime, or none, so that one is looked for".into());
            return None;
        }
        cures.push(format!(
            "ONNX Runtime is missing: the first `rcnn detect` installs {PINNED_VERSION} through pip or npm, \
             or run `pip install onnxruntime`, or name a library with --runtime"
        ));
        return None;
    };
    match Runtime::load(found) {
        Ok(runtime) => Some(runtime),
        Err(error) => {
            cures.push(format!("{error}: name another library with --runtime"));
            None
        }
    }
}

/// A run of the model's trunk on each device, as that alone shows what works.
fn devices(
    runtime: &Runtime,
    model: &Result<Model, model::ModelError>,
    cures: &mut Vec<String>,
) -> Vec<Provider> {
    let tried = [("cpu", Device::Cpu), ("openvino", Device::OpenVino), ("cuda", Device::Cuda(0))];
    let tried = tried.map(|(name, device)| {
        let outcome = match device {
            Device::OpenVino if !runtime.has_openvino() => {
                Err("not installed (rcnn runtime install openvino)".into())
            }
            _ => probe(runtime, model, device),
        };
        let (nodes, why_not) = match outcome {
            Ok(nodes) => (nodes, None),
            Err(why) => (BTreeMap::new(), Some(why)),
        };
        Provider { device: name, works: why_not.is_none(), nodes, why_not }
    });
    let graphics_card =
        cfg!(target_os = "linux") && std::path::Path::new("/proc/driver/nvidia/version").exists();
    let installed = runtime::installed().iter().any(|found| found.package == runtime::Package::Cuda);
    if graphics_card && !installed && !tried[2].works {
        cures.push("for CUDA, `rcnn runtime install cuda`".into());
    }
    tried.into()
}

/// What is installed; a package that cannot be used only takes room.
fn packages(cures: &mut Vec<String>) -> Vec<InstalledPackage> {
    let package = |found: runtime::Installed| {
        let (name, refused) = (found.package.name(), runtime::check(&found).err().map(|why| why.to_string()));
        if let Some(why) = &refused {
            cures.push(format!(
                "the package {name} {} cannot be used ({why}): mend that, or free its place by \
                 `rcnn runtime remove {name}`",
                found.version
            ));
        }
        InstalledPackage { name, refused, version: found.version }
    };
    runtime::installed().into_iter().map(package).collect()
}

/// Nodes by provider; a device that computes none of them does not work.
fn probe(
    runtime: &Runtime,
    model: &Result<Model, model::ModelError>,
    device: Device,
) -> Result<BTreeMap<String, usize>, String> {
    let model = model.as_ref().map_err(|_| "there is no model to try it with".to_owned())?;
    // Small, and a whole number of cells on every level.
    let (side, options) = (128, SessionOptions { device, threads: 1, ..SessionOptions::default() });
    let input = Value::from_f32(&[1, 3, side, side], vec![0.0; 3 * side * side]);
    let input = input.map_err(|error| error.to_string())?;
    let graph = model.trunk();
    let graph = graph.as_graph().map_err(|error| error.to_string())?;
    let nodes = runtime.nodes_by_provider(graph, &options, &[("input", input)]);
    let nodes = nodes.map_err(|error| error.to_string())?;
    if nodes.contains_key(device.provider()) {
        Ok(nodes)
    } else {
        Err("a session takes it, but computes nothing on it".into())
    }
}

impl Provider {
    fn state(&self) -> String {
        if let Some(why) = &self.why_not {
            return format!("does not work: {why}");
        }
        let nodes: Vec<String> =
            self.nodes.iter().map(|(name, count)| format!("{count} by {name}")).collect();
        format!("works: the trunk's nodes {}", nodes.join(", "))
    }
}

fn library(candidate: &LibraryCandidate) -> FoundLibrary {
    FoundLibrary {
        place: candidate.place.to_string(),
        path: candidate.path.display().to_string(),
        version: candidate.version.clone(),
        refused: candidate.unusable.as_ref().map(|why| super::plain(why.to_string())),
    }
}

fn cache_state(cures: &mut Vec<String>) -> CacheState {
    let root = match cache::root() {
        Ok(root) => root,
        Err(error) => {
            cures.push(error.to_string());
            return CacheState { path: None, writable: false, bytes: 0 };
        }
    };
    let trial = std::fs::create_dir_all(&root).and_then(|()| tempfile::tempfile_in(&root));
    if let Err(error) = &trial {
        cures.push(format!("the cache `{}` cannot be written ({error}): set RCNN_CACHE", root.display()));
    }
    let files = walkdir::WalkDir::new(&root).into_iter().filter_map(Result::ok);
    let bytes = files
        .filter_map(|file| file.metadata().ok())
        .filter(|data| data.is_file())
        .map(|data| data.len())
        .sum();
    CacheState { path: Some(root.display().to_string()), writable: trial.is_ok(), bytes }
}

fn model_state(
    name: &OsStr,
    found: &Result<Model, model::ModelError>,
    cures: &mut Vec<String>,
) -> ModelState {
    let name = name.to_string_lossy().escape_debug().to_string();
    match found {
        Ok(model) => {
            let manifest = model.manifest();
            let summary = format!(
                "{} of the family {}, {} classes",
                manifest.network.backbone.title(),
                manifest.family,
                manifest.classes.len()
            );
            ModelState { name, summary: Some(summary), refused: None }
        }
        Err(error) => {
            let why = super::plain(error.to_string());
            cures.push(why.clone());
            ModelState { name, summary: None, refused: Some(why) }
        }
    }
}

/// What decides the speed of networks.
#[cfg(target_arch = "x86_64")]
fn processor_features() -> Vec<&'static str> {
    let mut found = Vec::new();
    let known = [
        ("AVX2", is_x86_feature_detected!("avx2")),
        ("AVX-512", is_x86_feature_detected!("avx512f")),
        ("VNNI", is_x86_feature_detected!("avx512vnni")),
        ("AVX-512-BF16", is_x86_feature_detected!("avx512bf16")),
    ];
    found.extend(known.into_iter().filter(|(_, present)| *present).map(|(name, _)| name));
    // The standard library does not tell of AMX; Linux does.
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    for (flag, name) in [("amx_bf16", "AMX-BF16"), ("amx_int8", "AMX-INT8")] {
        if flags.split_whitespace().any(|word| word == flag) {
            found.push(name);
        }
    }
    found
}

#[cfg(not(target_arch = "x86_64"))]
fn processor_features() -> Vec<&'static str> {
    if cfg!(target_arch = "aarch64") { vec!["NEON"] } else { Vec::new() }
}
