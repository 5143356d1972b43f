//! Arguments of every command that runs a network.

use std::path::PathBuf;

use crate::runtime::{self, Device, Precision, Runtime, SessionOptions};

use super::output::tell;
use super::values::{whole, words};

const DEVICES: &[(&str, &str)] = &[
    ("auto", "cuda where it works, or cpu; with fast what measured fastest"),
    ("cpu", "this machine's processor"),
    ("openvino", "Intel's kernels, of `rcnn runtime install openvino`"),
    ("cuda", "an NVIDIA GPU, cuda:1 the second; `rcnn runtime install cuda`"),
];

const PRECISIONS: &[(&str, &str)] = &[
    ("exact", "float32 everywhere"),
    ("fast", "what measured fastest here, and exact until then"),
    ("bfloat16", "where the device has it, float32 elsewhere"),
    ("float16", "the same of float16; on CUDA TF32 elsewhere"),
];

/// On what networks run.
#[derive(Debug, clap::Args)]
pub(crate) struct RuntimeArgs {
    /// Device that computes the network
    #[arg(long, default_value = "auto", value_name = "DEVICE", value_parser = words::<Device>(DEVICES))]
    pub(crate) device: Device,
    /// Precision of the network
    #[arg(long, default_value = "exact", value_name = "PRECISION", value_parser = words::<Precision>(PRECISIONS))]
    pub(crate) precision: Precision,
    /// Threads to use; all cores by default
    #[arg(long, value_name = "N", value_parser = whole::<u16>(1..))]
    threads: Option<u16>,
    /// ONNX Runtime's library or its folder; searched for by default
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,
    /// Never access the network, not even to install ONNX Runtime
    #[arg(long)]
    offline: bool,
}

impl RuntimeArgs {
    /// Where ONNX Runtime may come from.
    pub(crate) fn options(&self) -> runtime::RuntimeOptions {
        runtime::RuntimeOptions { library: self.runtime.clone(), device: self.device, offline: self.offline }
    }

    /// Whether nothing may be fetched.
    pub(crate) fn offline(&self) -> bool {
        self.offline
    }

    /// Finds or installs ONNX Runtime.
    pub(crate) fn open(&self) -> Result<Runtime, runtime::RuntimeError> {
        Runtime::open(&self.options(), &mut |line| tell!("{line}"))
    }

    /// How sessions compute.
    pub(crate) fn session(&self) -> SessionOptions {
        let (device, precision, threads) = (self.device, self.precision, self.threads());
        SessionOptions { device, precision, threads, keep: true }
    }

    /// Threads of each stage.
    pub(crate) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(cores, usize::from)
    }
}
