//! How the pictures of a run look, where the user says it. Knows nothing of drawing.

use serde::{Deserialize, Serialize};

/// Lines and labels of pictures. What is not set follows each picture's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PictureStyle {
    /// What labels say.
    #[serde(default)]
    pub label: LabelText,
    /// Width of boxes' lines in pixels, at least 1.
    #[serde(default)]
    pub line_width: Option<u16>,
    /// Height of a label's line of text in pixels.
    #[serde(default)]
    pub text_size: Option<u16>,
}

impl PictureStyle {
    /// Whether nothing is set.
    pub(super) fn is_default(&self) -> bool {
        *self == PictureStyle::default()
    }
}

/// What the label of a box says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LabelText {
    /// The class's name and the score.
    #[default]
    Full,
    /// The class's name.
    Name,
    /// The score.
    Score,
    /// Nothing: boxes alone.
    None,
}

impl LabelText {
    /// The label of a detection.
    pub(super) fn of(self, name: &str, score: f32) -> String {
        match self {
            LabelText::Full => format!("{name} {score:.2}"),
            LabelText::Name => name.to_owned(),
            LabelText::Score => format!("{score:.2}"),
            LabelText::None => String::new(),
        }
    }

    /// A label that says more about a detection, or of an object that was missed, which has no score.
    pub(super) fn with(self, prefix: &str, label: &str) -> String {
        if self == LabelText::None { String::new() } else { format!("{prefix}: {label}") }
    }
}
