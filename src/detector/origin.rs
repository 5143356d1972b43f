//! What a detector tells of itself.

use std::path::PathBuf;

use super::Detector;
use crate::runtime::{Precision, WayChoice};

/// Of what a detector was made; runs keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// Name of the model.
    pub model: String,
    /// SHA-256 of its `model.json`.
    pub model_sha256: String,
    /// How exactly it computes; where [`Precision::Fast`] was asked for, what that chose.
    pub precision: Precision,
    /// Why, where [`Precision::Fast`] was asked for and something was measured.
    pub choice: Option<WayChoice>,
    /// ONNX Runtime's version.
    pub runtime: String,
    /// ONNX Runtime's library.
    pub runtime_path: PathBuf,
}

impl Detector {
    /// Has it tell, in its [`Origin`], why it computes as it does.
    #[doc(hidden)]
    pub fn set_choice(&mut self, choice: Option<WayChoice>) {
        self.origin.choice = choice;
    }
}
