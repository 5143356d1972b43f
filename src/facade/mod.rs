//! The front of the library: a detector by its model's name, and detections with their labels. Everything here is a
//! short way to the rooms behind it, and decides nothing of its own.

mod builder;
mod input;
mod pipeline;
mod run;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

pub use builder::DetectorBuilder;
pub use input::PhotoInput;
pub use pipeline::{Pending, PhotoDetections, PhotoSource, Pipeline};
pub use run::{Run, RunBuilder};

use crate::detector::{self, Detector, Prediction};
use crate::geometry::BBox;
use crate::photo::{self, DecodeOptions};
use crate::{model, run as runs, runtime};
use coco_eval::Rle;

/// One found object.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Detection {
    /// Name of its class.
    pub label: Arc<str>,
    /// Id of its class, as results carry it.
    pub category_id: u64,
    /// Index of its class in [`Detector::classes`].
    pub class: usize,
    /// Probability that the head gives the class, 0 to 1.
    pub score: f32,
    /// Where, in the photo's own pixels.
    pub bbox: BBox,
    /// Its pixels in a mask of the photo's height and width, of a model with masks: COCO's run lengths, of which
    /// [`Rle::array`] makes an array.
    pub mask: Option<Rle>,
}

/// Why a detector could not be loaded, or a photo or a run not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model could not be had.
    #[error(transparent)]
    Model(#[from] model::ModelError),
    /// ONNX Runtime could not be had.
    #[error(transparent)]
    Runtime(#[from] runtime::RuntimeError),
    /// A photo given as bytes could not be decoded.
    #[error(transparent)]
    Photo(#[from] photo::DecodeError),
    /// A photo's file could not be read or decoded.
    #[error("`{}`: {source}", path.display())]
    PhotoFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: photo::DecodeError,
    },
    /// The network failed.
    #[error(transparent)]
    Detector(#[from] detector::DetectorError),
    /// The photos of a run could not be listed.
    #[error(transparent)]
    List(#[from] photo::ListError),
    /// The annotations give no ids.
    #[error(transparent)]
    Annotations(#[from] runs::AnnotatedError),
    /// The run could not begin or go on.
    #[error(transparent)]
    Run(#[from] runs::RunError),
    /// A finished run could not be exported.
    #[cfg(feature = "convert")]
    #[error(transparent)]
    Export(#[from] crate::export::ExportError),
    /// The system gives no threads.
    #[error("cannot start a thread: {0}: allow this process more threads or memory")]
    Threads(#[source] std::io::Error),
    /// A thread that had the photo is gone.
    #[error("a mistake in rcnn itself ended the thread that had the photo: please report it")]
    Worker,
}

impl Detector {
    /// Loads a model by its name, its folder, or a checkpoint file, and ONNX Runtime with it, which is found or
    /// installed on first use; on CUDA where it works, and the processor otherwise.
    ///
    /// # Errors
    /// When there is no such model, or no ONNX Runtime that can compute it.
    pub fn load(model: impl AsRef<OsStr>) -> Result<Detector, Error> {
        Detector::builder(model).load()
    }

    /// As [`Detector::load`], with choices.
    pub fn builder(model: impl AsRef<OsStr>) -> DetectorBuilder {
        DetectorBuilder::new(model.as_ref())
    }

    /// Objects in one photo, by falling score: those above the model's own threshold, or the builder's.
    ///
    /// The photo is a path, a picture file's bytes, or a decoded [`Photo`](photo::Photo).
    ///
    /// # Errors
    /// When the photo cannot be decoded, or the network fails.
    pub fn detect<'a>(&self, photo: impl Into<PhotoInput<'a>>) -> Result<Vec<Detection>, Error> {
        Ok(self.detect_in(photo)?.detections)
    }

    /// As [`Detector::detect`], with the size of the upright photo.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn detect_in<'a>(&self, photo: impl Into<PhotoInput<'a>>) -> Result<PhotoDetections, Error> {
        let photo = photo.into().decode(&self.reading(&DecodeOptions::default()))?;
        let size = (photo.width, photo.height);
        let detections = self.predict(&photo)?.into_iter().map(|prediction| self.labelled(prediction, size));
        Ok(PhotoDetections { width: photo.width, height: photo.height, detections: detections.collect() })
    }

    /// A detection in a photo of a width and height.
    fn labelled(&self, Prediction { class, score, bbox, mask }: Prediction, size: (u32, u32)) -> Detection {
        let (label, category_id) = self.label(class);
        Detection { label, category_id, class, score, bbox, mask: mask.map(|mask| mask.paste(size)) }
    }
}
