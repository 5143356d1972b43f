//! Photo in, detections out: preprocessing, anchors, proposals, head and postprocessing.

use crate::geometry::BBox;
use crate::model::{Class, Model};
use crate::photo::Photo;
use crate::runtime::{Runtime, SessionOptions};

/// One found object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// Index into the model's classes, foreground only, counted from 0.
    pub class: usize,
    /// Probability that the head gives the class, 0 to 1.
    pub score: f32,
    /// Where, in the photo's own pixels.
    pub bbox: BBox,
}

/// Why a photo could not be processed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The resize rule leaves no pixel of one side.
    #[error("a photo of {width}x{height} pixels would be resized to nothing: a side comes out as 0")]
    TooThin {
        /// Width of the photo.
        width: u32,
        /// Height of the photo.
        height: u32,
    },
    /// The session failed.
    #[error(transparent)]
    Runtime(#[from] crate::runtime::Error),
}

/// A photo made ready for the trunk: resized, normalised, padded.
pub struct Input {
    /// Height and width after padding; only inputs of one padded size share a batch.
    pub padded: (usize, usize),
}

/// Seconds spent, summed over the photos of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// In the trunk's session.
    pub trunk: f64,
    /// Between the sessions: top-k, decoding, NMS.
    pub proposals: f64,
    /// In the head's session.
    pub head: f64,
    /// After them: softmax, decoding, NMS.
    pub postprocess: f64,
}

/// A model ready to detect. All methods take `&self`; sessions are used by one caller at a time.
pub struct Detector {}

impl Detector {
    /// Loads a model's two graphs.
    ///
    /// # Errors
    /// When the runtime cannot use them.
    pub fn new(model: &Model, runtime: &Runtime, options: &SessionOptions) -> Result<Detector, Error> {
        let _ = (model, runtime, options);
        Ok(Detector {})
    }

    /// The classes, in the order of [`Detection::class`].
    pub fn classes(&self) -> &[Class] {
        &[]
    }

    /// The score threshold of the model itself: no detection is at or below it.
    pub fn score_threshold(&self) -> f32 {
        0.05
    }

    /// Resizes, normalises and pads; may run on any thread, beside [`Detector::infer`].
    ///
    /// # Errors
    /// When the resize rule leaves nothing of the photo.
    pub fn prepare(&self, photo: &Photo) -> Result<Input, Error> {
        Err(Error::TooThin { width: photo.width, height: photo.height })
    }

    /// Runs the network on inputs of one padded size; detections in the order of the inputs, each
    /// list by falling score.
    ///
    /// # Errors
    /// When a session fails.
    pub fn infer(&self, inputs: &[Input]) -> Result<(Vec<Vec<Detection>>, Times), Error> {
        Ok((inputs.iter().map(|_| Vec::new()).collect(), Times::default()))
    }

    /// One photo from pixels to detections.
    ///
    /// # Errors
    /// As [`Detector::prepare`] and [`Detector::infer`].
    pub fn detect(&self, photo: &Photo) -> Result<Vec<Detection>, Error> {
        let (mut found, _) = self.infer(&[self.prepare(photo)?])?;
        Ok(found.pop().unwrap_or_default())
    }
}
