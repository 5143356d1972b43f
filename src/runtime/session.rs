//! Sessions and the tensors that go in and out of them.

use std::path::Path;

use super::{Error, Runtime};

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// CUDA where it truly loads, the processor otherwise.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A CUDA device by its number.
    Cuda(u32),
}

/// Where a graph's bytes are.
#[derive(Clone, Copy, Debug)]
pub enum Graph<'a> {
    /// An ONNX file.
    File(&'a Path),
    /// An ONNX file's bytes.
    Memory(&'a [u8]),
}

/// How a session computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// Device.
    pub device: Device,
    /// Threads inside an operator; 0: as many as there are cores.
    pub threads: usize,
}

/// A tensor of ONNX Runtime's, on the host or on a device.
pub struct Value {}

impl Value {
    /// A float32 tensor that owns `data` (no copy).
    ///
    /// # Errors
    /// When the shape does not hold `data.len()` values.
    pub fn from_f32(shape: &[usize], data: Vec<f32>) -> Result<Value, Error> {
        let _ = (shape, data);
        Err(not_built())
    }

    /// An int64 tensor that owns `data`.
    ///
    /// # Errors
    /// When the shape does not hold `data.len()` values.
    pub fn from_i64(shape: &[usize], data: Vec<i64>) -> Result<Value, Error> {
        let _ = (shape, data);
        Err(not_built())
    }

    /// Its dimensions.
    pub fn shape(&self) -> Vec<usize> {
        Vec::new()
    }

    /// Its values, row-major, without a copy.
    ///
    /// # Errors
    /// When it is not a float32 tensor on the host.
    pub fn as_f32(&self) -> Result<&[f32], Error> {
        Err(not_built())
    }
}

/// A graph made ready to run.
pub struct Session {}

impl Session {
    /// Runs the graph; gives the outputs named, in that order, without copying them.
    ///
    /// # Errors
    /// What ONNX Runtime reports, with the graph's name.
    pub fn run(&mut self, inputs: &[(&str, &Value)], outputs: &[&str]) -> Result<Vec<Value>, Error> {
        let _ = (inputs, outputs);
        Err(not_built())
    }
}

impl Runtime {
    /// Prepares a graph on a device. Fails, rather than falling back in silence, when the device was
    /// asked for by name and cannot be used.
    ///
    /// # Errors
    /// What ONNX Runtime reports.
    pub fn session(&self, graph: Graph<'_>, options: &SessionOptions) -> Result<Session, Error> {
        let _ = (graph, options);
        Err(not_built())
    }
}

fn not_built() -> Error {
    Error::Ort { what: "running a session".into(), cause: "not built yet".into() }
}
