//! Providers that come as plugin libraries: registering them once, and asking sessions for them.
//!
//! Knows where plugins are installed; knows nothing of how they come there.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use ort::session::builder::SessionBuilder;

use super::device::Precision;
use super::{Runtime, RuntimeError, install};

/// The name under which OpenVINO's plugin presents its devices.
const OPENVINO: &str = "OpenVINOExecutionProvider";

/// The oldest minor version of 1.x with which OpenVINO's plugin works, by its makers' word.
const PLUGIN_MINOR: u32 = 23;

/// The library of OpenVINO's plugin, where one is installed.
pub(super) fn openvino() -> Option<PathBuf> {
    install::plugin(install::Package::OpenVino)
}

impl Runtime {
    /// Whether OpenVINO's plugin is installed; that it works, only a session shows.
    pub fn has_openvino(&self) -> bool {
        openvino().is_some()
    }

    /// Adds OpenVINO to a session, on the processor.
    pub(super) fn with_openvino(
        &self,
        builder: SessionBuilder,
        precision: Precision,
        threads: usize,
    ) -> Result<SessionBuilder, RuntimeError> {
        self.register_openvino()?;
        let processors = || {
            let devices = self.environment.devices();
            devices.filter(|device| device.hardware_device().ty() == ort::memory::DeviceType::CPU)
        };
        // Several names may stand for the processor; the first is the plain one.
        let Some(device) = processors().find(|device| device.ep().is_ok_and(|name| name == OPENVINO)) else {
            let maker = processors().find_map(|device| device.hardware_device().vendor().ok());
            return Err(RuntimeError::ForeignProcessor(maker.unwrap_or("unknown").to_owned()));
        };
        let options = [(format!("{OPENVINO}.load_config"), load_config(precision, threads))];
        let builder = builder.with_devices([device], Some(&options));
        builder.map_err(|error| RuntimeError::ort("using OpenVINO", ort::Error::<()>::from(error)))
    }

    /// Loads the plugin into the process; once.
    fn register_openvino(&self) -> Result<(), RuntimeError> {
        static REGISTERED: Mutex<bool> = Mutex::new(false);
        let mut registered = REGISTERED.lock().unwrap_or_else(PoisonError::into_inner);
        if *registered {
            return Ok(());
        }
        // Before anything of the plugin's functions is called: an older library has none.
        if self.minor() < PLUGIN_MINOR {
            return Err(RuntimeError::PluginNeedsNewer {
                found: self.version().to_owned(),
                needed: format!("1.{PLUGIN_MINOR}"),
            });
        }
        let library = openvino().ok_or(RuntimeError::NotInstalled("openvino"))?;
        let doing = format!("loading `{}`", library.display());
        let outcome = self.environment.register_ep_library("openvino", &library);
        outcome.map_err(|error| RuntimeError::ort(&doing, error))?;
        *registered = true;
        Ok(())
    }
}

/// Kernels that OpenVINO keeps prepared for shapes it has seen, a few for each node. With its default of 5,000 the
/// slim model's memory grew to 695 MiB over 500 shapes; with this many to 316, for a tenth more time.
const KEPT_KERNELS: u32 = 200;

/// OpenVINO's own settings, as its plugin reads them: one request at a time with all threads, which is what a photo
/// after another wants, and the precision said outright, as it takes bfloat16 by itself where the processor has it.
fn load_config(precision: Precision, threads: usize) -> String {
    let mut processor = serde_json::json!({
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": threads.to_string(),
        "CPU_RUNTIME_CACHE_CAPACITY": KEPT_KERNELS.to_string(),
    });
    let (mode, hint) = match precision {
        Precision::Exact => ("ACCURACY", Some("f32")),
        // Without a hint it takes what it holds for the fastest that the processor has.
        Precision::Fast => ("PERFORMANCE", None),
        Precision::Bfloat16 => ("PERFORMANCE", Some("bf16")),
        Precision::Float16 => ("PERFORMANCE", Some("f16")),
    };
    processor["EXECUTION_MODE_HINT"] = mode.into();
    if let Some(hint) = hint {
        processor["INFERENCE_PRECISION_HINT"] = hint.into();
    }
    serde_json::json!({ "CPU": processor }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_precision_is_asked_for_and_fast_leaves_it_open() {
        let options = |precision| -> serde_json::Value {
            serde_json::from_str(&load_config(precision, 3)).unwrap_or_default()
        };
        let named = [(Precision::Exact, "f32"), (Precision::Bfloat16, "bf16"), (Precision::Float16, "f16")];
        for (precision, hint) in named {
            assert_eq!(options(precision)["CPU"]["INFERENCE_PRECISION_HINT"], hint);
        }
        assert_eq!(options(Precision::Exact)["CPU"]["INFERENCE_NUM_THREADS"], "3");
        assert!(!load_config(Precision::Fast, 1).contains("PRECISION"));
    }
}
