//! Arguments of every command that runs a network.

use std::path::PathBuf;

use crate::runtime::{self, Device, Precision, Runtime, SessionOptions};

use super::output::tell;

/// On what networks run.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Machine")]
pub(crate) struct RuntimeArgs {
    /// Execution provider: auto takes CUDA where it works (rcnn runtime install cuda) and the CPU otherwise, and with
    /// --precision fast what measured fastest, of OpenVINO too (rcnn runtime install openvino) [auto, cpu, openvino, cuda,
    /// cuda:N]
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub(crate) device: Device,
    /// Precision of the network: exact is float32 everywhere; bfloat16 and float16 differ slightly, where a device has
    /// them; fast takes what measured fastest of these for the model on this machine: it is measured where a run is long
    /// enough, kept, measured anew by rcnn bench --tune, and exact until then [exact, fast, bfloat16, float16]
    #[arg(long, default_value = "exact", value_name = "PRECISION")]
    pub(crate) precision: Precision,
    /// Threads of the network, of decoding and of drawing; all cores by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// ONNX Runtime's library or its folder, instead of searching for one
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,
    /// Never access the network
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
