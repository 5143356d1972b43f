//! Options of what a run is given as besides its own files.

use std::path::PathBuf;

use crate::{ExportFormat, ExportOptions};

use super::values::folder;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Formats to write as well into the folder for the results
    #[arg(long, value_name = "FORMAT", value_delimiter = ',')]
    format: Vec<ExportFormatArg>,
    /// Cut out each object that pictures show as well, into crops/, in a folder for each class
    #[arg(long)]
    crops: bool,
    /// Folder in which photos are sorted as well, as links, by the class of their best box that pictures show
    #[arg(long, value_name = "FOLDER", value_parser = folder())]
    sort_into: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ExportFormatArg {
    /// detections.csv, with all detections
    Csv,
    /// detections.parquet, with all detections
    Parquet,
    /// yolo/, with the boxes or masks that pictures show
    Yolo,
    /// labelme/, with the boxes or masks that pictures show
    Labelme,
}

impl ExportArgs {
    pub(crate) fn options(&self) -> ExportOptions {
        let format = |format: &ExportFormatArg| match format {
            ExportFormatArg::Csv => ExportFormat::Csv,
            ExportFormatArg::Parquet => ExportFormat::Parquet,
            ExportFormatArg::Yolo => ExportFormat::Yolo,
            ExportFormatArg::Labelme => ExportFormat::LabelMe,
        };
        ExportOptions {
            formats: self.format.iter().map(format).collect(),
            crops: self.crops,
            sort_into: self.sort_into.clone(),
        }
    }
}
