//! Arguments of every command that runs a network.

use std::path::PathBuf;

use rcnn::runtime::{self, Device, Runtime, SessionOptions};

/// On what networks run.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Machine")]
pub(crate) struct RuntimeArgs {
    /// What computes: auto takes CUDA where it truly works [auto, cpu, cuda, cuda:N]
    #[arg(long, default_value = "auto", value_parser = device, value_name = "DEVICE")]
    pub(crate) device: Device,
    /// Threads of the network, of decoding and of drawing; all cores by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// ONNX Runtime's library or its folder, instead of looking for one
    #[arg(long, value_name = "FILE")]
    runtime: Option<PathBuf>,
    /// Never reach for the network
    #[arg(long)]
    offline: bool,
}

fn device(text: &str) -> Result<Device, String> {
    match text.split_once(':') {
        None if text == "auto" => Ok(Device::Auto),
        None if text == "cpu" => Ok(Device::Cpu),
        None if text == "cuda" => Ok(Device::Cuda(0)),
        Some(("cuda", number)) => {
            number.parse().map(Device::Cuda).map_err(|_| format!("`{number}` is no number of a device"))
        }
        _ => Err("known are auto, cpu, cuda and cuda:N".into()),
    }
}

impl RuntimeArgs {
    /// Where ONNX Runtime may come from.
    pub(crate) fn options(&self) -> runtime::Options {
        runtime::Options { library: self.runtime.clone(), offline: self.offline }
    }

    /// Finds or installs ONNX Runtime.
    pub(crate) fn open(&self) -> Result<Runtime, runtime::Error> {
        Runtime::open(&self.options(), &mut |line| eprintln!("{line}"))
    }

    /// How sessions compute.
    pub(crate) fn session(&self) -> SessionOptions {
        SessionOptions { device: self.device, threads: self.threads() }
    }

    /// Threads of each stage.
    pub(crate) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(cores, usize::from)
    }
}
