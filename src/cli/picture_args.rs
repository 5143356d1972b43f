//! Options of the commands that draw: fonts, lines and labels.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::run::{LabelText, PictureStyle};

use super::values::whole;

/// How pictures look.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PictureArgs {
    /// Font for letters of class names that the embedded one lacks (it has Latin, Greek and Cyrillic): a TrueType or
    /// OpenType file; by default one of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) font: Option<PathBuf>,
    /// Text of labels
    #[arg(long, value_enum, default_value = "full", value_name = "TEXT")]
    label: LabelArg,
    /// Width of boxes' lines; by default it follows each picture's size
    #[arg(long, value_parser = whole::<u16>(1..=100), value_name = "N")]
    line_width: Option<u16>,
    /// Height of labels' text; by default it follows each picture's size
    #[arg(long, value_parser = whole::<u16>(9..=400), value_name = "N")]
    text_size: Option<u16>,
}

/// What `--label` takes.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LabelArg {
    /// class and score
    Full,
    /// the class
    Name,
    /// the score
    Score,
    /// no labels
    None,
}

impl PictureArgs {
    /// Lines and labels as they were asked for.
    pub(crate) fn style(&self) -> PictureStyle {
        let label = match self.label {
            LabelArg::Full => LabelText::Full,
            LabelArg::Name => LabelText::Name,
            LabelArg::Score => LabelText::Score,
            LabelArg::None => LabelText::None,
        };
        PictureStyle { label, line_width: self.line_width, text_size: self.text_size }
    }
}
