//! What a row of the table is: a model, several whose detections are merged, or either in several views.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::detector::Augment;

/// Models and how they look.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ComparedSetup {
    /// Names, folders or checkpoints.
    pub(super) models: Vec<OsString>,
    /// The views of each photo.
    pub(super) augment: Augment,
    /// Whether heads see their own boxes once more.
    pub(super) refine: bool,
}

impl ComparedSetup {
    /// Reads `A`, `A+B`, `A+flip`.
    pub(super) fn read(text: &OsStr) -> ComparedSetup {
        let mut row = ComparedSetup::default();
        for part in ComparedSetup::parts(text) {
            match part.to_str() {
                Some("flip") if !row.models.is_empty() => row.augment = Augment::flip(),
                Some("full") if !row.models.is_empty() => row.augment = Augment::full(),
                Some("refine") if !row.models.is_empty() => row.refine = true,
                _ => row.models.push(part),
            }
        }
        row
    }

    /// What stands between the plus signs; a file or folder may have some in its name.
    pub(super) fn parts(text: &OsStr) -> Vec<OsString> {
        match text.to_str() {
            Some(words) if words.contains('+') && !Path::new(text).exists() => {
                words.split('+').map(str::trim).filter(|part| !part.is_empty()).map(Into::into).collect()
            }
            _ => vec![text.to_owned()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_models_and_what_is_done_with_them() {
        let read = |text: &str| ComparedSetup::read(text.as_ref());
        let models = |names: &[&str]| names.iter().map(Into::into).collect::<Vec<OsString>>();
        assert_eq!(read("a"), ComparedSetup { models: models(&["a"]), ..ComparedSetup::default() });
        assert_eq!(read("a + b"), ComparedSetup { models: models(&["a", "b"]), ..ComparedSetup::default() });
        assert_eq!(
            read("a+b+flip"),
            ComparedSetup { models: models(&["a", "b"]), augment: Augment::flip(), refine: false }
        );
        assert_eq!(
            read("a+full"),
            ComparedSetup { models: models(&["a"]), augment: Augment::full(), refine: false }
        );
        assert!(read("a+refine").refine && read("a + flip + refine").augment == Augment::flip());
        assert_eq!(read("flip").models, models(&["flip"]), "a model may be called so");
    }

    #[test]
    fn a_file_with_a_plus_in_its_name_is_one_model() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a+b.pth");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(ComparedSetup::read(path.as_os_str()).models, [path.into_os_string()]);
    }
}
