//! Bare classifiers: photo in, probabilities out, by one crop, ten crops or several scales.
//!
//! Knows nothing of boxes.

mod input;

use std::sync::{Mutex, PoisonError};

use crate::family::{Class, ClassifierInput};
use crate::model::ClassifierModel;
use crate::photo::Photo;
use crate::runtime::{Runtime, Session, SessionOptions, Value};

/// The parts of a photo that a classifier sees, and whose probabilities are averaged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Crops {
    /// The centre.
    #[default]
    Centre,
    /// The four corners and the centre, and all five mirrored.
    TenCrops,
    /// The whole photo at each of these shorter sides.
    Scales(Vec<u32>),
}

impl Crops {
    /// The five shorter sides of the paper's fully convolutional form.
    pub const PAPER: [u32; 5] = [224, 256, 384, 480, 640];
}

/// Why a photo could not be classified.
#[derive(Debug, thiserror::Error)]
pub enum ClassifyError {
    /// The crop does not fit.
    #[error(
        "a crop of {crop} does not fit into a photo resized to {width}x{height}: give a smaller --crop or a larger --resize"
    )]
    CropTooLarge {
        /// Side of the crop.
        crop: u32,
        /// Width after resizing.
        width: usize,
        /// Height after resizing.
        height: usize,
    },
    /// The photo would grow beyond bounds.
    #[error(
        "a photo of {}x{} pixels would be resized to {}x{}, more than the limit of {most} pixels: leave it out, or \
         resize to a smaller side",
        from.0, from.1, to.0, to.1
    )]
    TooThin {
        /// Width and height.
        from: (u32, u32),
        /// Width and height after resizing.
        to: (usize, usize),
        /// Most pixels.
        most: usize,
    },
    /// The session failed.
    #[error(transparent)]
    Runtime(#[from] crate::runtime::RuntimeError),
    /// The model's graph cannot be read.
    #[error(transparent)]
    Model(#[from] crate::model::ModelError),
}

/// What a classifier says of a photo.
#[derive(Clone, Debug, PartialEq)]
pub struct Classification {
    /// Mean of the logits over the views, a class.
    pub logits: Vec<f32>,
    /// Mean of the probabilities over the views, a class; they sum to 1.
    pub probabilities: Vec<f32>,
}

impl Classification {
    /// The best classes, best first; of equal ones the first.
    pub fn top(&self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.probabilities.len()).collect();
        order.sort_by(|&a, &b| self.probabilities[b].total_cmp(&self.probabilities[a]));
        order.truncate(count);
        order
    }
}

/// A classifier ready to run.
pub struct Classifier {
    session: Mutex<Session>,
    input: ClassifierInput,
    classes: Vec<Class>,
}

impl Classifier {
    /// Loads a model's graph.
    ///
    /// # Errors
    /// When the runtime cannot use it.
    pub fn new(
        model: &ClassifierModel,
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> Result<Classifier, ClassifyError> {
        let session = runtime.session(model.graph().as_graph()?, options)?;
        let manifest = model.manifest();
        Ok(Classifier {
            session: Mutex::new(session),
            input: manifest.input.clone(),
            classes: manifest.classes.clone(),
        })
    }

    /// The same with photos prepared otherwise.
    #[must_use]
    pub fn with_input(mut self, input: ClassifierInput) -> Classifier {
        self.input = input;
        self
    }

    /// How photos are prepared.
    pub fn input(&self) -> &ClassifierInput {
        &self.input
    }

    /// The classes, in the order of the logits.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// Classifies one photo.
    ///
    /// # Errors
    /// When the photo is too thin, the crop does not fit, or the session fails.
    pub fn classify(&self, photo: &Photo, views: &Crops) -> Result<Classification, ClassifyError> {
        let inputs = match views {
            Crops::Centre => vec![input::centre(&self.input, photo)?],
            Crops::TenCrops => vec![input::ten_crops(&self.input, photo)?],
            Crops::Scales(sides) => {
                let whole = |&side| input::whole(&self.input, photo, side);
                sides.iter().map(whole).collect::<Result<_, _>>()?
            }
        };
        let classes = self.classes.len();
        let mut verdict = Classification { logits: vec![0.0; classes], probabilities: vec![0.0; classes] };
        let mut views = 0usize;
        for input in inputs {
            for logits in self.run(input)?.chunks_exact(classes.max(1)) {
                views += 1;
                verdict.logits.iter_mut().zip(logits).for_each(|(sum, logit)| *sum += logit);
                let probabilities = softmax(logits);
                verdict.probabilities.iter_mut().zip(probabilities).for_each(|(sum, value)| *sum += value);
            }
        }
        let count = views.max(1) as f32;
        verdict.logits.iter_mut().chain(&mut verdict.probabilities).for_each(|value| *value /= count);
        Ok(verdict)
    }

    fn run(&self, input: input::Batch) -> Result<Vec<f32>, ClassifyError> {
        let value = Value::from_f32(&input.shape, input.values)?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let found = session.run(&[("input", &value)], &["logits"])?;
        Ok(found.first().map(Value::as_f32).transpose()?.unwrap_or_default().to_vec())
    }
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut values: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= sum);
    values
}
