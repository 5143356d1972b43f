//! The head's sessions: one, or two where what computes the trunk is slow at RoIAlign.
//!
//! Knows the head's graph by the names of its edges; knows nothing of boxes.

use std::sync::{Mutex, PoisonError};

use super::Error;
use crate::model::Model;
use crate::network::Architecture;
use crate::onnx;
use crate::runtime::{Device, Graph, Runtime, Session, SessionOptions, Value};

/// A head that is ready to run.
pub(super) struct Head {
    /// RoIAlign by itself, where it is apart.
    pool: Option<Mutex<Session>>,
    rest: Mutex<Session>,
    pooled: String,
}

impl Head {
    /// Loads a head for a trunk that runs on `device`, so that features need not move. OpenVINO's RoIAlign is slower
    /// than all that follows it: there, ONNX Runtime's own kernel does it, and OpenVINO the rest.
    pub(super) fn new(
        model: &Model,
        runtime: &Runtime,
        device: Device,
        options: &SessionOptions,
    ) -> Result<Head, Error> {
        let architecture = &model.manifest().network;
        let options = SessionOptions { device, ..*options };
        let pooled = pooled(architecture);
        let source = model.head();
        if device != Device::OpenVino {
            let rest = Mutex::new(runtime.session(source.as_graph(), &options)?);
            return Ok(Head { pool: None, rest, pooled });
        }
        let bytes = source.bytes().map_err(|cause| Error::Graph(cause.to_string()))?;
        let (channels, side) = (architecture.feature_channels(), architecture.head.resolution);
        let dims = ["boxes".into(), channels.into(), side.into(), side.into()];
        let (first, second) = onnx::cut(&bytes, &pooled, &dims)
            .map_err(|cause| Error::Graph(format!("head.onnx cannot be cut in two: {cause}")))?;
        let own = SessionOptions { device: Device::Cpu, ..options };
        let pool = runtime.session(Graph::Memory("head.onnx, RoIAlign", &first), &own)?;
        let rest = runtime.session(Graph::Memory("head.onnx, after RoIAlign", &second), &options)?;
        Ok(Head { pool: Some(Mutex::new(pool)), rest: Mutex::new(rest), pooled })
    }

    /// Runs it.
    pub(super) fn run(
        &self,
        inputs: &[(&str, &Value)],
        outputs: &[&str],
    ) -> Result<Vec<Value>, crate::runtime::Error> {
        let rest = || self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pool) = &self.pool else { return rest().run(inputs, outputs) };
        let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
        let pooled = pool.run(inputs, &[&self.pooled])?;
        drop(pool);
        let named: Vec<(&str, &Value)> = pooled.iter().map(|value| (self.pooled.as_str(), value)).collect();
        rest().run(&named, outputs)
    }
}

/// The edge that holds what RoIAlign gives.
fn pooled(architecture: &Architecture) -> String {
    match architecture.roi_strides().len() {
        1 => "head.roi_align.0".into(),
        _ => "head.pooled".into(),
    }
}
