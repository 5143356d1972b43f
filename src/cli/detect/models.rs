//! The models of a run: one, or several whose detections are merged.

use std::ffi::OsStr;
use std::path::Path;

use crate::cli::fastest::Computing;
use crate::cli::{Usage, find_model, read_lines, say};
use crate::detector::{Detector, united};
use crate::family::Class;
use crate::model::{DEFAULT, Model};
use crate::runtime::Runtime;

use super::DetectArgs;

/// The models that are named, each with its weight, or the default one.
pub(super) struct Models(Vec<(Model, f64)>);

impl Models {
    pub(super) fn find(args: &DetectArgs) -> anyhow::Result<Models> {
        if args.config.is_some() || args.names.is_some() {
            let [name] = &args.model[..] else {
                return Err(Usage("--config and --names go with one checkpoint file: -m FILE".into()).into());
            };
            return Ok(Models(vec![(checkpoint(name, args)?, 1.0)]));
        }
        let weights = weights(args)?;
        let offline = args.machine.offline();
        if args.model.is_empty() {
            return Ok(Models(vec![(find_model(DEFAULT.as_ref(), offline)?, 1.0)]));
        }
        let both = args.model.iter().zip(weights);
        Ok(Models(
            both.map(|(name, weight)| Ok((find_model(name, offline)?, weight)))
                .collect::<anyhow::Result<_>>()?,
        ))
    }

    /// The classes of all of them.
    pub(super) fn classes(&self) -> Vec<Class> {
        united(self.0.iter().map(|(model, _)| model.manifest().classes.as_slice()))
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<&Model> {
        self.0.iter().map(|(model, _)| model).collect()
    }

    /// All of them, each at so many times its own size.
    pub(super) fn networks(&self, scale: f64) -> Vec<(&Model, f64)> {
        self.0.iter().map(|(model, _)| (model, scale)).collect()
    }

    /// Loads all of them as one detector.
    pub(super) fn load(&self, runtime: &Runtime, computing: &Computing) -> anyhow::Result<Detector> {
        computing.load_all(self.0.iter().map(|(model, weight)| (model, *weight)), runtime)
    }
}

/// What each model counts.
fn weights(args: &DetectArgs) -> Result<Vec<f64>, Usage> {
    match &args.weights {
        None => Ok(vec![1.0; args.model.len()]),
        Some(weights) if weights.len() == args.model.len() => Ok(weights.clone()),
        Some(weights) => Err(Usage(format!(
            "--weights has {} numbers for {} models: give one for each -m, in their order",
            weights.len(),
            args.model.len()
        ))),
    }
}

/// The model of a checkpoint file with what the user says of it.
fn checkpoint(name: &OsStr, args: &DetectArgs) -> anyhow::Result<Model> {
    let path = Path::new(name);
    if !path.is_file() {
        return Err(Usage("--config and --names go with a checkpoint file: -m FILE".into()).into());
    }
    let names = args.names.as_deref().map(read_lines).transpose()?;
    let model = Model::find_checkpoint(path, args.config.as_deref(), names)?;
    say(model.warnings());
    Ok(model)
}
