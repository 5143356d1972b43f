//! The classes that a checkpoint's options choose, or its family's own. Knows no tensors.

use super::classes::unnamed_classes;
use super::load::Error;
use super::options::{ClassOption, ClassesOption, ImportOptions};
use super::{Class, Family, coco_classes};
use crate::checkpoint::EscapedText;

/// As many classes as the checkpoint has, by the options or else as the family numbers them.
pub(super) fn classes(
    options: &ImportOptions,
    count: usize,
    family: &Family,
    warnings: &mut Vec<String>,
) -> Result<Vec<Class>, Error> {
    let wrong = |said: usize| {
        Err(Error::Options(format!("the options name {said} classes, but the checkpoint has {count}")))
    };
    match &options.classes {
        None => Ok((family.classes)(count).unwrap_or_else(|| unnamed_classes(count))),
        Some(ClassesOption::Known(name)) if name == "coco" => {
            coco_classes(count).map_or_else(|| wrong(80), Ok)
        }
        Some(ClassesOption::Known(name)) => {
            let name = EscapedText::new(name);
            Err(Error::Options(format!(
                "the class list `{name}` is unknown: `coco` or a list of names expected"
            )))
        }
        Some(ClassesOption::List(list)) => match list.as_slice() {
            list if list.len() == count => Ok(list.iter().zip(1..).map(named).collect()),
            // torchvision's own lists begin so, and so do those that people write for its checkpoints.
            [first, list @ ..] if list.len() == count && is_background(first) => {
                let name = EscapedText::new(first.name());
                warnings
                    .push(format!("`{name}`, the first of the names of classes, is no class of the model"));
                Ok(list.iter().zip(1..).map(named).collect())
            }
            list => wrong(list.len()),
        },
    }
}

/// Whether a name stands for what is no object.
fn is_background(class: &ClassOption) -> bool {
    class.name().trim_matches('_').eq_ignore_ascii_case("background")
}

pub(super) fn named((class, place): (&ClassOption, u64)) -> Class {
    match class {
        ClassOption::Name(name) => Class { id: place, name: name.clone() },
        ClassOption::WithId { id, name } => Class { id: *id, name: name.clone() },
    }
}
