//! Sessions and the tensors that go in and out of them.

use std::borrow::Cow;
use std::path::Path;

use ndarray::{ArrayViewD, IxDyn};
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::SessionInputValue;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::{DynValue, Tensor};

use super::{Device, Precision, Runtime, RuntimeError, api, convolution};
use crate::onnx;

/// Where a graph's bytes are.
#[derive(Clone, Copy, Debug)]
pub enum GraphBytes<'a> {
    /// An ONNX file.
    File {
        /// Where it is.
        path: &'a Path,
        /// Its SHA-256 in hexadecimal.
        sha256: &'a str,
    },
    /// An ONNX file's bytes, with a name for errors.
    Memory(&'a str, &'a [u8]),
}

impl GraphBytes<'_> {
    fn name(&self) -> String {
        match self {
            GraphBytes::File { path, .. } => path.display().to_string(),
            GraphBytes::Memory(name, _) => (*name).to_owned(),
        }
    }
}

/// How a session computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// Device.
    pub device: Device,
    /// How exactly it computes.
    pub precision: Precision,
    /// Threads inside an operator; 0: as many as there are cores.
    pub threads: usize,
    /// Whether to keep the graph, optimised for the processor, in the cache, and to take it from there. Results are
    /// the same; the next session is ready sooner.
    pub keep: bool,
}

impl SessionOptions {
    /// The number of threads that [`SessionOptions::threads`] means.
    pub(crate) fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}

/// A tensor of ONNX Runtime's, on the host or on a device.
pub struct Value(pub(super) DynValue);

impl Value {
    /// A float32 tensor that owns `data` (no copy).
    ///
    /// # Errors
    /// When the shape does not hold `data.len()` values, or no runtime is open.
    pub fn from_f32(shape: &[usize], data: Vec<f32>) -> Result<Value, RuntimeError> {
        api::ready()?;
        let tensor = Tensor::from_array((shape.to_vec(), data));
        tensor
            .map(|tensor| Value(tensor.into_dyn()))
            .map_err(|error| RuntimeError::ort("making a tensor", error))
    }

    /// An int64 tensor that owns `data`.
    ///
    /// # Errors
    /// When the shape does not hold `data.len()` values, or no runtime is open.
    pub fn from_i64(shape: &[usize], data: Vec<i64>) -> Result<Value, RuntimeError> {
        api::ready()?;
        let tensor = Tensor::from_array((shape.to_vec(), data));
        tensor
            .map(|tensor| Value(tensor.into_dyn()))
            .map_err(|error| RuntimeError::ort("making a tensor", error))
    }

    /// Its dimensions.
    pub fn shape(&self) -> Vec<usize> {
        let shape = self.0.dtype().tensor_shape();
        shape.map_or_else(Vec::new, |shape| {
            shape.iter().map(|&dim| usize::try_from(dim).unwrap_or(0)).collect()
        })
    }

    /// Its values, row-major, without a copy.
    ///
    /// # Errors
    /// When it is not an int64 tensor on the host.
    pub fn as_i64(&self) -> Result<&[i64], RuntimeError> {
        let extracted = self.0.try_extract_tensor::<i64>();
        extracted.map(|(_, values)| values).map_err(|error| RuntimeError::ort("reading a tensor", error))
    }

    /// Its values, row-major, without a copy.
    ///
    /// # Errors
    /// When it is not a float32 tensor on the host.
    pub fn as_f32(&self) -> Result<&[f32], RuntimeError> {
        let extracted = self.0.try_extract_tensor::<f32>();
        extracted.map(|(_, values)| values).map_err(|error| RuntimeError::ort("reading a tensor", error))
    }

    /// Its dimensions and values, without a copy.
    ///
    /// # Errors
    /// When it is not a float32 tensor on the host.
    pub fn view(&self) -> Result<ArrayViewD<'_, f32>, RuntimeError> {
        let shape = self.shape();
        ArrayViewD::from_shape(IxDyn(&shape), self.as_f32()?)
            .map_err(|error| RuntimeError::ort("reading a tensor", error))
    }

    /// Its values, row-major, to be changed.
    ///
    /// # Errors
    /// When it is not a float32 tensor on the host.
    pub(crate) fn as_f32_mut(&mut self) -> Result<&mut [f32], RuntimeError> {
        let extracted = self.0.try_extract_tensor_mut::<f32>();
        extracted.map(|(_, values)| values).map_err(|error| RuntimeError::ort("reading a tensor", error))
    }
}

/// A graph made ready to run.
pub struct Session {
    session: ort::session::Session,
    name: String,
    device: Device,
}

impl Session {
    /// Runs the graph; gives the outputs named, in that order, without copying them.
    ///
    /// # Errors
    /// What ONNX Runtime reports, with the graph's name.
    pub fn run(&mut self, inputs: &[(&str, &Value)], outputs: &[&str]) -> Result<Vec<Value>, RuntimeError> {
        let doing = format!("running the graph `{}`", self.name);
        let inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> =
            inputs.iter().map(|(name, value)| (Cow::Borrowed(*name), (&value.0).into())).collect();
        let mut found = self.session.run(inputs).map_err(|error| RuntimeError::ort(&doing, error))?;
        outputs
            .iter()
            .map(|name| found.remove(name).map(Value).ok_or_else(|| no_output(&self.name, name)))
            .collect()
    }

    /// Runs the graph, and leaves outputs on its device where the second of a pair says so; the others come to the
    /// host.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub(crate) fn run_bound(
        &mut self,
        inputs: &[(&str, &Value)],
        outputs: &[(&str, bool)],
    ) -> Result<Vec<Value>, RuntimeError> {
        let failed =
            |error: ort::Error| RuntimeError::ort(&format!("running the graph `{}`", self.name), error);
        let host = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::CPUOutput);
        let (host, own) = (host.map_err(failed)?, memory(self.device).map_err(failed)?);
        let mut binding = self.session.create_binding().map_err(failed)?;
        for (name, value) in inputs {
            binding.bind_input(*name, &value.0).map_err(failed)?;
        }
        for (name, stays) in outputs {
            binding.bind_output_to_device(*name, if *stays { &own } else { &host }).map_err(failed)?;
        }
        let mut found = self.session.run_binding(&binding).map_err(failed)?;
        let values: Result<Vec<Value>, &str> =
            outputs.iter().map(|(name, _)| found.remove(name).map(Value).ok_or(*name)).collect();
        drop(found);
        values.map_err(|name| no_output(&self.name, name))
    }

    /// What it computes on; never [`Device::Auto`].
    pub fn device(&self) -> Device {
        self.device
    }
}

fn no_output(graph: &str, output: &str) -> RuntimeError {
    RuntimeError::NoOutput { graph: graph.to_owned(), output: output.to_owned() }
}

/// Where the outputs of a device are, that stay there.
fn memory(device: Device) -> ort::Result<MemoryInfo<'static>> {
    let (kind, number) = match device {
        Device::Cuda(number) => (AllocationDevice::CUDA, number),
        Device::Auto | Device::Cpu | Device::OpenVino => (AllocationDevice::CPU, 0),
    };
    let number = i32::try_from(number).unwrap_or(i32::MAX);
    MemoryInfo::new(kind, number, AllocatorType::Device, MemoryType::Default)
}

/// Makes a session of a graph; on the processor, of the graph with what is computed here instead of there.
pub(super) fn load(
    mut builder: SessionBuilder,
    graph: GraphBytes<'_>,
    device: Device,
) -> ort::Result<ort::session::Session> {
    let failed = |error: &dyn std::fmt::Display| ort::Error::new(error.to_string());
    let bytes: Cow<'_, [u8]> = match graph {
        GraphBytes::File { path, .. } => std::fs::read(path).map_err(|error| failed(&error))?.into(),
        GraphBytes::Memory(_, bytes) => bytes.into(),
    };
    // Whatever a library of any age would do with it.
    onnx::refuse_external(&bytes).map_err(|error| failed(&error))?;
    let on_processor = matches!(device, Device::Auto | Device::Cpu);
    match on_processor.then(|| convolution::rewritten(&bytes)).flatten() {
        Some(rewritten) => builder.commit_from_memory(&rewritten),
        None => builder.commit_from_memory(&bytes),
    }
}

impl Runtime {
    /// Prepares a graph on a device. Fails, rather than falling back in silence, when the device was
    /// asked for by name and cannot be used.
    ///
    /// # Errors
    /// What ONNX Runtime reports.
    pub fn session(&self, graph: GraphBytes<'_>, options: &SessionOptions) -> Result<Session, RuntimeError> {
        self.on_first(options, |options| self.commit(graph, options, options.device))
    }

    /// What `make` makes on the device that options ask for, or on the first that can of those that they leave open.
    /// OpenVINO's float32 differs from the processor's own kernels' in the last bits, and exact results shall not
    /// depend on what happens to be installed; so it is for those who ask for speed, or for it by name.
    pub(crate) fn on_first<T, E: std::fmt::Display>(
        &self,
        options: &SessionOptions,
        make: impl Fn(&SessionOptions) -> Result<T, E>,
    ) -> Result<T, E> {
        if options.device != Device::Auto {
            return make(options);
        }
        let openvino = options.precision != Precision::Exact && self.has_openvino();
        for device in [Device::Cuda(0)].into_iter().chain(openvino.then_some(Device::OpenVino)) {
            match make(&SessionOptions { device, ..*options }) {
                Ok(made) => return Ok(made),
                Err(error) => tracing::debug!("not on {device}: {error}"),
            }
        }
        make(&SessionOptions { device: Device::Cpu, ..*options })
    }

    fn commit(
        &self,
        graph: GraphBytes<'_>,
        options: &SessionOptions,
        device: Device,
    ) -> Result<Session, RuntimeError> {
        let name = graph.name();
        if options.keep
            && device == Device::Cpu
            && let Some(session) = self.cached_session(graph, options)
        {
            return Ok(Session { session, name, device });
        }
        let session = load(self.builder(options, device)?, graph, device)
            .map_err(|cause| RuntimeError::ort(&format!("loading the graph `{name}`"), cause))?;
        Ok(Session { session, name: name.clone(), device })
    }

    pub(super) fn builder(
        &self,
        options: &SessionOptions,
        device: Device,
    ) -> Result<SessionBuilder, RuntimeError> {
        let threads = options.thread_count();
        let failed = |error: ort::Error| RuntimeError::ort("preparing a session", error);
        match device {
            // OpenVINO has threads of its own.
            Device::OpenVino => {
                self.with_openvino(self.plain(1).map_err(failed)?, options.precision, threads)
            }
            Device::Cuda(_) if !device.computes(options.precision) => {
                Err(RuntimeError::NoSuchPrecision { device, precision: options.precision })
            }
            Device::Cuda(number) => {
                self.with_cuda(self.plain(threads).map_err(failed)?, number, options.precision)
            }
            Device::Auto | Device::Cpu => {
                let builder = self.on_processor(threads).map_err(failed)?;
                if !device.computes(options.precision) {
                    return Err(RuntimeError::NoSuchPrecision { device, precision: options.precision });
                }
                if options.precision == Precision::Exact || !cfg!(target_arch = "aarch64") {
                    return Ok(builder);
                }
                let key = "mlas.enable_gemm_fastmath_arm64_bfloat16";
                builder.with_config_entry(key, "1").map_err(|error| failed(error.into()))
            }
        }
    }

    /// With what is computed here instead of there.
    pub(super) fn on_processor(&self, threads: usize) -> ort::Result<SessionBuilder> {
        convolution::announce(|| self.plain(1))?;
        Ok(self.plain(threads)?.with_operators(convolution::domain(threads)?)?)
    }

    pub(super) fn plain(&self, threads: usize) -> ort::Result<SessionBuilder> {
        Ok(ort::session::Session::builder(&self.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(threads)?
            .with_inter_threads(1)?
            // A pattern is planned for each new shape and kept: with photos of many shapes, memory would grow.
            .with_memory_pattern(false)?
            // Spinning threads take the cores from the decoders.
            .with_intra_op_spinning(false)?)
    }
}
