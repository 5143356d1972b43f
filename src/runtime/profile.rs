//! Which provider computes which nodes of a graph, shown by running it once under ONNX Runtime's own profiler.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::session::load;
use super::{Device, GraphBytes, Runtime, RuntimeError, SessionOptions, Value};

/// One entry of the profile, as far as it matters.
#[derive(Deserialize)]
struct ProfileEvent {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    args: EventArguments,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EventArguments {
    provider: String,
}

impl Runtime {
    /// Runs a graph once on the device that `options` name ([`Device::Auto`] stands for the processor), and counts
    /// the nodes that each provider computed. A provider that compiles parts of a graph counts one node a part.
    ///
    /// # Errors
    /// What ONNX Runtime reports, or that its profile cannot be read.
    pub fn nodes_by_provider(
        &self,
        graph: GraphBytes<'_>,
        options: &SessionOptions,
        inputs: &[(&str, Value)],
    ) -> Result<BTreeMap<String, usize>, RuntimeError> {
        const WHAT: &str = "profiling a graph";
        let failed = |error: ort::Error| RuntimeError::ort(WHAT, error);
        let folder = tempfile::tempdir().map_err(RuntimeError::io("write in", &std::env::temp_dir()))?;
        let builder = self.builder(options, options.device)?;
        let builder =
            builder.with_profiling(folder.path().join("profile")).map_err(|error| failed(error.into()))?;
        let mut session = load(builder, graph, options.device).map_err(failed)?;
        let inputs: Vec<_> = inputs.iter().map(|(name, value)| (*name, &value.0)).collect();
        session.run(inputs).map_err(failed)?;
        let path = session.end_profiling().map_err(failed)?;
        let path = std::path::PathBuf::from(path);
        let text = std::fs::read_to_string(&path).map_err(RuntimeError::io("read", &path))?;
        count(&text).map_err(|error| RuntimeError::ort(WHAT, error))
    }
}

fn count(profile: &str) -> serde_json::Result<BTreeMap<String, usize>> {
    let events: Vec<ProfileEvent> = serde_json::from_str(profile)?;
    let mut nodes = BTreeMap::new();
    for event in events {
        if event.cat == "Node" && event.name.ends_with("_kernel_time") {
            *nodes.entry(event.args.provider).or_default() += 1;
        }
    }
    Ok(nodes)
}

impl Device {
    /// How ONNX Runtime calls the provider.
    pub fn provider(self) -> &'static str {
        match self {
            Device::Auto | Device::Cpu => "CPUExecutionProvider",
            Device::OpenVino => "OpenVINOExecutionProvider",
            Device::Cuda(_) => "CUDAExecutionProvider",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kernels_count() {
        let profile = r#"[
            {"cat": "Session", "name": "model_run", "args": {}},
            {"cat": "Node", "name": "a_fence_before", "args": {"op_name": "Conv"}},
            {"cat": "Node", "name": "a_kernel_time", "args": {"provider": "CPUExecutionProvider", "op": 1}},
            {"cat": "Node", "name": "b_kernel_time", "args": {"provider": "CPUExecutionProvider"}},
            {"cat": "Node", "name": "c_kernel_time", "args": {"provider": "OpenVINOExecutionProvider"}}
        ]"#;
        let nodes = count(profile).unwrap();
        assert_eq!(nodes[Device::Cpu.provider()], 2);
        assert_eq!(nodes[Device::OpenVino.provider()], 1);
    }
}
