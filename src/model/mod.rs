//! Models: `model.json`, the bundled ones, the cache, importing checkpoints.

use serde::{Deserialize, Serialize};

/// One class a model can find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Its category id in results.
    pub id: u64,
    /// Its name.
    pub name: String,
}

/// A model: `model.json` and two graphs, from a folder or from memory.
pub struct Model {
    /// Its name, as the user can give it to `--model`.
    pub name: String,
    /// What it can find.
    pub classes: Vec<Class>,
    /// SHA-256 of everything that decides its results, in hexadecimal.
    pub hash: String,
}

/// Why a model could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing has that name.
    #[error(
        "no model `{0}`: give the name of a bundled or imported model, a model folder or a checkpoint file"
    )]
    Unknown(String),
}

/// The model that is used where none is named.
pub const DEFAULT: &str = "fod-r18";

impl Model {
    /// Finds a model by name, folder or checkpoint file; a checkpoint is imported into the cache on
    /// first use.
    ///
    /// # Errors
    /// When there is no such model, or it cannot be read.
    pub fn find(name: &str) -> Result<Model, Error> {
        Err(Error::Unknown(name.into()))
    }
}
