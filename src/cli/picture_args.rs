//! Options of the commands that draw: fonts, lines and labels.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::run::{LabelText, PictureStyle};

/// How pictures look.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Pictures")]
pub(crate) struct PictureArgs {
    /// A TrueType or OpenType font for letters of class names that the embedded one lacks (it has Latin, Greek and
    /// Cyrillic); by default one of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) font: Option<PathBuf>,
    /// Text of labels in pictures
    #[arg(long, value_enum, default_value = "full", value_name = "TEXT")]
    label: LabelArg,
    /// Width of boxes' lines in pictures; by default it follows each picture's size
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=100), value_name = "PIXELS")]
    line_width: Option<u16>,
    /// Height of labels' text in pictures; by default it follows each picture's size
    #[arg(long, value_parser = clap::value_parser!(u16).range(9..=400), value_name = "PIXELS")]
    text_size: Option<u16>,
}

/// What `--label` takes.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LabelArg {
    /// Class and score
    Full,
    /// The class
    Name,
    /// The score
    Score,
    /// No labels
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
