//! The models inside the program.

use std::path::PathBuf;

use super::{Imported, Model, ModelError};
use crate::checkpoint::Checkpoint;

/// The model that is used where none is named.
pub const DEFAULT: &str = "fod-r18";

/// Names of the models inside the program.
pub const BUNDLED: [&str; 1] = [DEFAULT];

/// Weights in float16 and import options, as in `models/`.
const FOD_R18: (&[u8], &str) = (
    include_bytes!("../../models/fod-r18/model.safetensors"),
    include_str!("../../models/fod-r18/import.json"),
);

/// A bundled model by its name. Its graphs are made anew each time, which takes milliseconds.
pub(super) fn bundled(name: &str) -> Option<Result<Model, ModelError>> {
    let (weights, options) = match name {
        "fod-r18" => FOD_R18,
        _ => return None,
    };
    Some(open(name, weights, options))
}

fn open(name: &str, weights: &'static [u8], options: &str) -> Result<Model, ModelError> {
    let path = || PathBuf::from(format!("the bundled model {name}"));
    let options = serde_json::from_str(options)
        .map_err(|error| ModelError::Options { path: path(), cause: error.into() })?;
    let checkpoint =
        Checkpoint::from_static(weights).map_err(|cause| ModelError::Checkpoint { path: path(), cause })?;
    let imported = Imported::new(&checkpoint, &options, name, "model.safetensors");
    imported.map_err(|cause| ModelError::Family { path: path(), cause })?.into_memory()
}
