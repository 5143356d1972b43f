//! Options of what a run is given as besides its own files.

use std::path::PathBuf;

use crate::{ExportFormat, ExportOptions};

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "More results")]
pub(crate) struct ExportArgs {
    /// Also write detections in these formats, into the folder for the results: detections.csv and detections.parquet
    /// with all of them, yolo/ and labelme/ with those that pictures show, as polygons where the model gives masks
    #[arg(long, value_name = "FORMAT", value_delimiter = ',')]
    format: Vec<ExportFormatArg>,
    /// Also cut out each object that pictures show, into crops/, in a folder for each class
    #[arg(long)]
    crops: bool,
    /// Also sort the photos by the class of their best box that pictures show: as links in folders in this one
    #[arg(long, value_name = "FOLDER")]
    sort_into: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ExportFormatArg {
    Csv,
    Parquet,
    Yolo,
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
