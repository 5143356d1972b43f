//! Sessions and the tensors that go in and out of them.

use std::borrow::Cow;
use std::path::Path;

use ort::session::SessionInputValue;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::{DynValue, Tensor};

use super::{Device, Error, Precision, Runtime};

/// Where a graph's bytes are.
#[derive(Clone, Copy, Debug)]
pub enum Graph<'a> {
    /// An ONNX file.
    File(&'a Path),
    /// An ONNX file's bytes, with a name for errors.
    Memory(&'a str, &'a [u8]),
}

impl Graph<'_> {
    fn name(&self) -> String {
        match self {
            Graph::File(path) => path.display().to_string(),
            Graph::Memory(name, _) => (*name).to_owned(),
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
    /// When the shape does not hold `data.len()` values.
    pub fn from_f32(shape: &[usize], data: Vec<f32>) -> Result<Value, Error> {
        let tensor = Tensor::from_array((shape.to_vec(), data));
        tensor.map(|tensor| Value(tensor.into_dyn())).map_err(|error| Error::ort("making a tensor", &error))
    }

    /// An int64 tensor that owns `data`.
    ///
    /// # Errors
    /// When the shape does not hold `data.len()` values.
    pub fn from_i64(shape: &[usize], data: Vec<i64>) -> Result<Value, Error> {
        let tensor = Tensor::from_array((shape.to_vec(), data));
        tensor.map(|tensor| Value(tensor.into_dyn())).map_err(|error| Error::ort("making a tensor", &error))
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
    /// When it is not a float32 tensor on the host.
    pub fn as_f32(&self) -> Result<&[f32], Error> {
        let extracted = self.0.try_extract_tensor::<f32>();
        extracted.map(|(_, values)| values).map_err(|error| Error::ort("reading a tensor", &error))
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
    pub fn run(&mut self, inputs: &[(&str, &Value)], outputs: &[&str]) -> Result<Vec<Value>, Error> {
        let doing = || format!("running the graph `{}`", self.name);
        let inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> =
            inputs.iter().map(|(name, value)| (Cow::Borrowed(*name), (&value.0).into())).collect();
        let mut found = self.session.run(inputs).map_err(|error| Error::ort(&doing(), &error))?;
        let missing = |name: &str| Error::Ort { what: doing(), cause: format!("it has no output `{name}`") };
        outputs.iter().map(|name| found.remove(name).map(Value).ok_or_else(|| missing(name))).collect()
    }

    /// What it computes on; never [`Device::Auto`].
    pub fn device(&self) -> Device {
        self.device
    }
}

impl Runtime {
    /// Prepares a graph on a device. Fails, rather than falling back in silence, when the device was
    /// asked for by name and cannot be used.
    ///
    /// # Errors
    /// What ONNX Runtime reports.
    pub fn session(&self, graph: Graph<'_>, options: &SessionOptions) -> Result<Session, Error> {
        let name = graph.name();
        if options.device != Device::Auto {
            return self.commit(graph, options, options.device);
        }
        for device in self.preferred(options.precision) {
            match self.commit(graph, options, device) {
                Ok(session) => return Ok(session),
                Err(error) => tracing::debug!("{name}: not on {device}: {error}"),
            }
        }
        self.commit(graph, options, Device::Cpu)
    }

    /// What `auto` tries before the processor's own kernels. OpenVINO's float32 differs from theirs in the last
    /// bits, and exact results shall not depend on what happens to be installed; so it is for those who ask for
    /// speed, or for it by name.
    fn preferred(&self, precision: Precision) -> impl Iterator<Item = Device> + use<> {
        let openvino = precision == Precision::Fast && self.has_openvino();
        [Device::Cuda(0)].into_iter().chain(openvino.then_some(Device::OpenVino))
    }

    fn commit(&self, graph: Graph<'_>, options: &SessionOptions, device: Device) -> Result<Session, Error> {
        let name = graph.name();
        let error = |error: &dyn std::fmt::Display| Error::ort(&format!("loading the graph `{name}`"), error);
        let mut builder = self.builder(options, device)?;
        let session = match graph {
            Graph::File(path) => builder.commit_from_file(path),
            Graph::Memory(_, bytes) => builder.commit_from_memory(bytes),
        };
        Ok(Session { session: session.map_err(|cause| error(&cause))?, name: name.clone(), device })
    }

    pub(super) fn builder(&self, options: &SessionOptions, device: Device) -> Result<SessionBuilder, Error> {
        let threads = options.thread_count();
        let failed = |error: ort::Error| Error::ort("preparing a session", &error);
        match device {
            // OpenVINO has threads of its own.
            Device::OpenVino => {
                self.with_openvino(self.plain(1).map_err(failed)?, options.precision, threads)
            }
            Device::Cuda(number) => {
                self.with_cuda(self.plain(threads).map_err(failed)?, number, options.precision)
            }
            Device::Auto | Device::Cpu => {
                let builder = self.plain(threads).map_err(failed)?;
                if options.precision == Precision::Exact || !cfg!(target_arch = "aarch64") {
                    return Ok(builder);
                }
                // On x86-64 ONNX Runtime's own kernels know float32 only.
                let key = "mlas.enable_gemm_fastmath_arm64_bfloat16";
                builder.with_config_entry(key, "1").map_err(|error| failed(error.into()))
            }
        }
    }

    fn plain(&self, threads: usize) -> ort::Result<SessionBuilder> {
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
