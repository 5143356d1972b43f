//! Maps of features on their way from the trunk to the head.

use super::roi_align::channels_first;
use super::{DetectorError, unexpected};
use crate::runtime::{self, Value};

/// The maps of a batch, finest first; perhaps on a device.
pub(super) struct Features {
    /// (pictures, channels, height, width), or with the channels last.
    pub(super) maps: Vec<Value>,
    /// Whether the channels of a pixel lie together.
    pub(super) channels_last: bool,
}

impl Features {
    /// A level's pictures, channels, height and width.
    ///
    /// # Errors
    /// When the map has not four dimensions.
    pub(super) fn shape(&self, level: usize) -> Result<[usize; 4], DetectorError> {
        let shape = self.maps.get(level).map(Value::shape).unwrap_or_default();
        let mut shape: [usize; 4] =
            shape.try_into().map_err(|shape: Vec<usize>| unexpected("features", &shape))?;
        if self.channels_last {
            shape[1..].rotate_right(1);
        }
        Ok(shape)
    }

    /// The maps as (pictures, channels, height, width).
    ///
    /// # Errors
    /// When one is no float32 tensor on the host.
    pub(super) fn channels_first(self) -> Result<Vec<Value>, runtime::RuntimeError> {
        if !self.channels_last {
            return Ok(self.maps);
        }
        self.maps.iter().map(channels_first).collect()
    }
}
