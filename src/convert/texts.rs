//! Readers of one text each, for whoever has no file: the fuzz targets.

use std::collections::HashMap;

use super::error::TextError;
use super::{LabelSource, ReadPhoto, VocText, csv, cvat, label_studio, labelme, open_images, voc};

/// As a CSV file.
///
/// # Errors
/// When the text makes no sense.
pub fn read_csv_text(text: &str) -> Result<LabelSource, TextError> {
    csv::read_text(text).map_err(TextError)
}

/// As CVAT's XML.
///
/// # Errors
/// When the text makes no sense.
pub fn read_cvat_text(text: &str) -> Result<LabelSource, TextError> {
    cvat::read_text(text).map_err(TextError)
}

/// As Label Studio's JSON.
///
/// # Errors
/// When the text makes no sense.
pub fn read_label_studio_text(text: &str) -> Result<LabelSource, TextError> {
    label_studio::read_text(text).map_err(TextError)
}

/// As LabelMe's JSON.
///
/// # Errors
/// When the text makes no sense.
pub fn read_labelme_text(text: &str) -> Result<ReadPhoto, TextError> {
    labelme::read_text(text).map_err(TextError)
}

/// As Open Images' CSV, with names of its classes.
///
/// # Errors
/// When the text makes no sense.
pub fn read_open_images_text(text: &str, names: &HashMap<String, String>) -> Result<LabelSource, TextError> {
    open_images::read_text(text, names).map_err(TextError)
}

/// As Pascal VOC's XML.
///
/// # Errors
/// When the text makes no sense.
pub fn read_voc_text(text: &str) -> Result<VocText, TextError> {
    voc::read_text(text).map_err(TextError)
}
