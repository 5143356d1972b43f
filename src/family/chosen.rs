//! The classes that a checkpoint's options choose, or its family's own. Knows no tensors.

use super::classes::{known_lists, layout_classes, unnamed_classes};
use super::load::FamilyError;
use super::options::{ClassOption, ClassesOption, ImportOptions};
use super::{Class, Family, coco_classes};
use crate::checkpoint::EscapedText;

/// As many classes as the checkpoint has, by the options or else as the family numbers them.
pub(super) fn classes(
    options: &ImportOptions,
    count: usize,
    family: &Family,
    warnings: &mut Vec<String>,
) -> Result<Vec<Class>, FamilyError> {
    let wrong = |named: usize| {
        Err(FamilyError::Options(format!("the options name {named} classes, but the checkpoint has {count}")))
    };
    match &options.classes {
        None => Ok((family.classes)(count).unwrap_or_else(|| unnamed_classes(count))),
        Some(ClassesOption::Known(name)) if name == "coco" => {
            coco_classes(count).map_or_else(|| wrong(80), Ok)
        }
        Some(ClassesOption::Known(name)) => {
            let Some(known) = layout_classes(name) else {
                let (name, known) = (EscapedText::new(name), known_lists());
                return Err(FamilyError::Options(format!(
                    "the class list `{name}` is unknown: one of {known} or a list of names expected"
                )));
            };
            // A network without the background's class has the others.
            let background = usize::from(known.first().is_some_and(|class| class.name == "background"));
            match known.len() {
                all if all == count => Ok(known),
                all if all - background == count => Ok(known[background..].to_vec()),
                all => wrong(all),
            }
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
