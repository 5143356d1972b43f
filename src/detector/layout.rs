//! How a model's graphs are changed for the device that they run on.

use std::borrow::Cow;

use super::DetectorError;
use crate::model::{GraphSource, Model};
use crate::onnx;
use crate::runtime::{Device, Precision, SessionOptions};

/// Where a model's graphs leave what passes between them, in which order and precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum GraphLayout {
    /// The graphs are as they were imported: features and the RPN's maps come to the host, where RoIAlign is computed.
    #[default]
    Host,
    /// As on the host, and features come with the channels of a pixel together, as RoIAlign on the host takes them.
    HostChannelsLast,
    /// Features stay on the device, where the head takes them from and RoIAlign is computed; of the RPN's maps only the
    /// best positions come to the host.
    Device,
    /// As on the device, with layers in float16.
    DeviceHalf,
}

impl GraphLayout {
    pub(super) fn of(model: &Model, options: &SessionOptions) -> GraphLayout {
        // ONNX Runtime's int8 layers have the channels together already; for OpenVINO it would be work.
        let int8 = model.manifest().provenance.quantization.is_some();
        match (options.device, options.precision) {
            (Device::Cuda(_), Precision::Exact) => GraphLayout::Device,
            (Device::Cuda(_), _) => GraphLayout::DeviceHalf,
            (Device::Cpu, _) if int8 => GraphLayout::HostChannelsLast,
            _ => GraphLayout::Host,
        }
    }

    /// Whether features stay on the device.
    pub(super) fn on_device(self) -> bool {
        matches!(self, GraphLayout::Device | GraphLayout::DeviceHalf)
    }

    /// A graph's bytes, in float16 where that is wanted and can be.
    pub(super) fn bytes<'a>(self, source: &'a GraphSource<'a>) -> Result<Cow<'a, [u8]>, DetectorError> {
        let bytes = source.bytes()?;
        if self != GraphLayout::DeviceHalf {
            return Ok(bytes);
        }
        match onnx::Graph::from_bytes(&bytes).map(|graph| graph.to_half()) {
            Ok(Some(half)) => {
                Ok(half.to_bytes().map_err(|cause| DetectorError::Graph(cause.to_string()))?.into())
            }
            Ok(None) => Ok(bytes),
            Err(cause) => {
                tracing::debug!("not in float16: {cause}");
                Ok(bytes)
            }
        }
    }
}

/// A graph's bytes after a change, which tells whether it did anything; and whether it did.
pub(super) fn changed(
    bytes: Vec<u8>,
    file: &str,
    change: impl FnOnce(&mut onnx::Graph) -> bool,
) -> Result<(Vec<u8>, bool), DetectorError> {
    let unreadable =
        |cause: &dyn std::fmt::Display| DetectorError::Graph(format!("{file} cannot be read: {cause}"));
    let mut graph = onnx::Graph::from_bytes(&bytes).map_err(|cause| unreadable(&cause))?;
    if !change(&mut graph) {
        return Ok((bytes, false));
    }
    Ok((graph.to_bytes().map_err(|cause| unreadable(&cause))?, true))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::path::Path;

    use super::*;
    use crate::detector::{Detector, Prediction};
    use crate::model::DEFAULT;
    use crate::photo::{DecodeOptions, decode};
    use crate::runtime::{Runtime, RuntimeOptions};

    /// Detections above a half in the rendered scenes, by the bundled model on the processor.
    fn found(layout: GraphLayout) -> Vec<Vec<Prediction>> {
        let runtime = Runtime::open(&RuntimeOptions::default(), &mut |_| {}).unwrap();
        let options = SessionOptions { device: Device::Cpu, ..SessionOptions::default() };
        let mut detector = Detector::in_layout(
            &Model::find(DEFAULT).unwrap(),
            &runtime,
            &options,
            NonZeroUsize::MIN,
            layout,
        )
        .unwrap();
        detector.set_score_threshold(0.5);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/debris/images");
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let photos = paths.iter().take(8).map(|path| decode(path, &DecodeOptions::default()).unwrap());
        photos.map(|photo| detector.predict(&photo).unwrap()).collect()
    }

    #[test]
    fn what_stays_on_the_device_finds_the_same() {
        let plain = found(GraphLayout::Host);
        assert!(plain.iter().flatten().count() >= 8);
        let on_device = found(GraphLayout::Device);
        // RoIAlign is ONNX Runtime's there, whose sums are ours; those of the layer behind it have another order.
        for (plain, on_device) in plain.iter().zip(&on_device) {
            assert_eq!(plain.len(), on_device.len());
            for (one, other) in plain.iter().zip(on_device) {
                assert!(
                    one.class == other.class && (one.score - other.score).abs() < 1e-5,
                    "{one:?} {other:?}"
                );
                let corners = |found: &Prediction| {
                    let b = found.bbox;
                    [b.x1, b.y1, b.x2, b.y2]
                };
                let apart = corners(one).into_iter().zip(corners(other)).map(|(a, b)| (a - b).abs());
                assert!(apart.fold(0.0, f32::max) < 0.002, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn float16_is_near() {
        let plain = found(GraphLayout::Host);
        let half = found(GraphLayout::DeviceHalf);
        for (plain, half) in plain.iter().zip(&half) {
            // One that is near the threshold may come or go.
            for one in plain.iter().filter(|one| one.score > 0.52) {
                let other = half.iter().filter(|other| other.class == one.class);
                let other = other.max_by(|a, b| a.bbox.iou(&one.bbox).total_cmp(&b.bbox.iou(&one.bbox)));
                let other = other.expect("it is found in float16 too");
                assert!((other.score - one.score).abs() < 0.02, "{one:?} {other:?}");
                assert!(other.bbox.iou(&one.bbox) > 0.97, "{one:?} {other:?}");
            }
        }
        assert_ne!(plain, half, "float16 changes something");
    }
}
