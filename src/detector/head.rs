//! The session of a box head, or of mask heads, with RoIAlign inside it, or apart where the features are on the host.
//!
//! Knows the head's graph by the names of its edges; knows nothing of boxes.

use std::sync::{Mutex, PoisonError};

use super::DetectorError;
use super::features::Features;
use super::layout::{GraphLayout, changed};
use super::roi_align::{RoiAlign, RoiAlignRule, TurnedMaps};
use super::rois::Rois;
use crate::family::RoiRule;
use crate::model::{GraphSource, Manifest};
use crate::network::Architecture;
use crate::onnx;
use crate::runtime::{self, GraphBytes, Runtime, Session, SessionOptions, Value};

/// A box head, or mask heads, ready to run.
pub(super) enum Head {
    /// The whole graph, on the device where the features are.
    Whole {
        session: Mutex<Session>,
        /// Names of each map, of the boxes on it and of their pictures.
        inputs: Vec<[String; 3]>,
    },
    /// RoIAlign of our own, which is several times quicker on the host than ONNX Runtime's and many times quicker than
    /// OpenVINO's, and the graph behind it.
    Split {
        roi_align: RoiAlign,
        session: Mutex<Session>,
        /// Name of what RoIAlign gives.
        pooled: String,
    },
}

impl Head {
    /// Loads the graph of box or mask heads (`kind`: `head` or `mask`), which see so many bins a side, for a trunk on the same
    /// device, so that features need not move.
    pub(super) fn new(
        kind: &str,
        bins: usize,
        source: &GraphSource<'_>,
        manifest: &Manifest,
        runtime: &Runtime,
        options: &SessionOptions,
        layout: GraphLayout,
    ) -> Result<Head, DetectorError> {
        let (architecture, file) = (&manifest.network, source.file_name());
        // There is nothing in it that could be optimised.
        let options = SessionOptions { keep: false, ..*options };
        let bytes = layout.bytes(source)?;
        if layout.on_device() {
            let names = |level| ["features", "rois", "images"].map(|what| format!("{what}.{level}"));
            let inputs = (0..architecture.roi_strides().len()).map(names).collect();
            let session = Mutex::new(runtime.session(GraphBytes::Memory(&file, &bytes), &options)?);
            return Ok(Head::Whole { session, inputs });
        }
        let pooled = pooled(architecture, kind);
        let channels = architecture.feature_channels();
        let dims = ["boxes".into(), channels.into(), bins.into(), bins.into()];
        let after = onnx::after(&bytes, &pooled, &dims)
            .map_err(|cause| DetectorError::Graph(format!("{file} cannot be cut in two: {cause}")))?;
        drop(bytes);
        let (after, channels_last) = changed(after, &file, |graph| graph.channels_last(&pooled))?;
        let name = format!("{file}, after RoIAlign");
        let session = Mutex::new(runtime.session(GraphBytes::Memory(&name, &after), &options)?);
        let RoiRule { sampling_ratio: samples, aligned, .. } = manifest.conventions.roi;
        let rule = RoiAlignRule { bins, samples, aligned, channels_last };
        Ok(Head::Split { roi_align: RoiAlign::new(rule, options.thread_count()), session, pooled })
    }

    /// The same with memory for turned maps that other heads of its stream use too.
    pub(super) fn sharing(mut self, turned: &TurnedMaps) -> Head {
        if let Head::Split { roi_align, .. } = &mut self {
            roi_align.share(turned);
        }
        self
    }

    /// Runs it on maps of features, finest first, and on the boxes of `rois`, which it takes.
    pub(super) fn run(
        &self,
        features: &Features,
        rois: &mut Rois,
        outputs: &[&str],
    ) -> Result<Vec<Value>, runtime::RuntimeError> {
        match self {
            Head::Whole { session, inputs } => {
                let mut placed = Vec::new();
                for (boxes, images) in rois.boxes.drain(..).zip(rois.images.drain(..)) {
                    let count = images.len();
                    placed.push((Value::from_f32(&[count, 4], boxes)?, Value::from_i64(&[count], images)?));
                }
                let mut named: Vec<(&str, &Value)> = Vec::new();
                for (([map_name, boxes_name, images_name], map), (boxes, images)) in
                    inputs.iter().zip(&features.maps).zip(&placed)
                {
                    named.extend([
                        (map_name.as_str(), map),
                        (boxes_name.as_str(), boxes),
                        (images_name.as_str(), images),
                    ]);
                }
                locked(session).run(&named, outputs)
            }
            Head::Split { roi_align, session, pooled } => {
                let crops = roi_align.run(features, rois)?;
                let others: Vec<&str> = outputs.iter().copied().filter(|name| name != pooled).collect();
                let mut found = locked(session).run(&[(pooled, &crops)], &others)?;
                match outputs.iter().position(|name| name == pooled) {
                    Some(place) => found.insert(place, roi_align.channels_first(crops)?),
                    None => roi_align.take_back(crops),
                }
                Ok(found)
            }
        }
    }
}

fn locked(session: &Mutex<Session>) -> std::sync::MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The edge that holds what RoIAlign gives.
fn pooled(architecture: &Architecture, kind: &str) -> String {
    match architecture.roi_strides().len() {
        1 => format!("{kind}.roi_align.0"),
        _ => format!("{kind}.pooled"),
    }
}
