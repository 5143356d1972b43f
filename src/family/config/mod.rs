//! Configs as the frameworks write them, read as data into import options: detectron2's and Detectron's YAML,
//! maskrcnn-benchmark's and PaddleDetection's YAML, mmdetection's Python, and our own JSON. Nothing in them is evaluated.

mod detectron;
mod detectron2;
mod maskrcnn_benchmark;
mod mmdet;
mod paddledet;
mod python;
mod tree;

use std::path::Path;

use super::ImportOptions;
use coco_eval::text;

use crate::files;

pub(super) use detectron::options as detectron;
pub(super) use mmdet::{options as mmdet, version as mmdet_version};

/// Why a config could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is no config of that kind.
    #[error("{0}")]
    Unreadable(String),
    /// It is one, and asks for another computation than ours.
    #[error("`{key}` asks for {what}, which is not supported")]
    Unsupported {
        /// Where in the config.
        key: String,
        /// What it asks for.
        what: String,
    },
}

/// What to do about a config of no known kind.
const KINDS: &str = "a config is JSON as `rcnn import --template` writes it, or the framework's own, YAML in .yaml or Python in .py";

/// No config of a model is longer.
const LONGEST: u64 = 16 << 20;

/// Reads a config file; its kind is told by its name's end: `.yaml` and `.yml` are detectron2's or, where their keys
/// are, Detectron's, maskrcnn-benchmark's or PaddleDetection's, `.py` is mmdetection's, anything else is a JSON of [`ImportOptions`].
///
/// # Errors
/// When the file cannot be read, is no such config, or asks for what is not supported.
pub fn read(path: &Path) -> Result<ImportOptions, ConfigError> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    read_as(&read_text(path)?, extension.as_deref().unwrap_or_default(), path)
}

/// Reads the text of a config whose kind is told by the end that its name would have. Its `_BASE_` can only be one of
/// detectron2's own.
///
/// # Errors
/// As [`read`].
pub fn read_config_text(text: &str, extension: &str) -> Result<ImportOptions, ConfigError> {
    read_as(text, extension, Path::new(""))
}

fn read_as(text: &str, extension: &str, path: &Path) -> Result<ImportOptions, ConfigError> {
    match extension {
        "yaml" | "yml" => {
            let tree = tree::yaml(text)?;
            if detectron::wrote(&tree) {
                detectron::read(&tree)
            } else if maskrcnn_benchmark::wrote(&tree) {
                maskrcnn_benchmark::options(&tree)
            } else if paddledet::wrote(&tree) {
                paddledet::options(tree, path)
            } else {
                detectron2::options(tree, path)
            }
        }
        "py" => mmdet::from_file(text),
        _ => serde_json::from_str(text).map_err(|error| {
            let no_json = error.is_syntax() || error.is_eof();
            ConfigError::Unreadable(match no_json {
                true => format!("it is no JSON (line {}, column {}); {KINDS}", error.line(), error.column()),
                false => text::sentence(&error.to_string()),
            })
        }),
    }
}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    let wrong = |error: std::io::Error| ConfigError::Unreadable(error.to_string());
    text::decode(files::read(path, LONGEST).map_err(wrong)?).map_err(wrong)
}

fn unsupported(key: &str, what: &str) -> ConfigError {
    ConfigError::Unsupported { key: key.into(), what: what.into() }
}
