//! The head's session, with RoIAlign inside it, or apart where the features are on the host.
//!
//! Knows the head's graph by the names of its edges; knows nothing of boxes.

use std::sync::{Mutex, PoisonError};

use super::Error;
use super::features::Features;
use super::form::{Form, changed};
use super::roi_align::{RoiAlign, Rule};
use super::rois::Rois;
use crate::family::Roi;
use crate::model::Model;
use crate::network::Architecture;
use crate::onnx;
use crate::runtime::{self, Graph, Runtime, Session, SessionOptions, Value};

/// A head that is ready to run.
pub(super) struct Head {
    /// RoIAlign by itself, where it is apart.
    pool: Option<RoiAlign>,
    rest: Mutex<Session>,
    pooled: String,
    /// Of each map, of the boxes on it and of their pictures.
    names: Vec<[String; 3]>,
}

impl Head {
    /// Loads a head for a trunk on the same device, so that features need not move. Where they are on the host, our own
    /// RoIAlign is several times quicker than ONNX Runtime's, and many times quicker than OpenVINO's.
    pub(super) fn new(
        model: &Model,
        runtime: &Runtime,
        options: &SessionOptions,
        form: Form,
    ) -> Result<Head, Error> {
        let manifest = model.manifest();
        let architecture = &manifest.network;
        // There is nothing in it that could be optimised.
        let options = SessionOptions { keep: false, ..*options };
        let pooled = pooled(architecture);
        let levels = 0..architecture.roi_strides().len();
        let names = levels
            .map(|level| ["features", "rois", "images"].map(|what| format!("{what}.{level}")))
            .collect();
        let Some(source) = model.heads().pop() else { return Err(Error::Graph("it has no head".into())) };
        let bytes = form.bytes(&source)?;
        if form.resident {
            let rest = Mutex::new(runtime.session(Graph::Memory("head.onnx", &bytes), &options)?);
            return Ok(Head { pool: None, rest, pooled, names });
        }
        let (channels, bins) = (architecture.feature_channels(), architecture.box_head().resolution);
        let dims = ["boxes".into(), channels.into(), bins.into(), bins.into()];
        let after = onnx::after(&bytes, &pooled, &dims)
            .map_err(|cause| Error::Graph(format!("head.onnx cannot be cut in two: {cause}")))?;
        drop(bytes);
        let (after, channels_last) = changed(after, "head.onnx", |graph| graph.channels_last(&pooled))?;
        let rest = runtime.session(Graph::Memory("head.onnx, after RoIAlign", &after), &options)?;
        let Roi { sampling_ratio: samples, aligned, .. } = manifest.conventions.roi;
        let rule = Rule { bins, samples, aligned, channels_last };
        let pool = Some(RoiAlign::new(rule, options.thread_count()));
        Ok(Head { pool, rest: Mutex::new(rest), pooled, names })
    }

    /// Runs it on maps of features, finest first, and on the boxes of `rois`, which it takes.
    pub(super) fn run(
        &self,
        features: &Features,
        rois: &mut Rois,
        outputs: &[&str],
    ) -> Result<Vec<Value>, runtime::Error> {
        let rest = || self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = &self.pool {
            let pooled = pool.run(features, rois)?;
            let others: Vec<&str> = outputs.iter().copied().filter(|name| *name != self.pooled).collect();
            let mut found = rest().run(&[(&self.pooled, &pooled)], &others)?;
            match outputs.iter().position(|name| *name == self.pooled) {
                Some(place) => found.insert(place, pool.channels_first(pooled)?),
                None => pool.take_back(pooled),
            }
            return Ok(found);
        }
        let mut placed = Vec::new();
        for (boxes, images) in rois.boxes.drain(..).zip(rois.images.drain(..)) {
            let count = images.len();
            placed.push((Value::from_f32(&[count, 4], boxes)?, Value::from_i64(&[count], images)?));
        }
        let mut named: Vec<(&str, &Value)> = Vec::new();
        for ((names, map), (boxes, images)) in self.names.iter().zip(&features.maps).zip(&placed) {
            named.extend([(names[0].as_str(), map), (names[1].as_str(), boxes), (names[2].as_str(), images)]);
        }
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
