//! Ids in results: counted, or those of a data set's annotations, matched by names.

use std::collections::HashSet;

use super::Task;
use crate::coco::{ClassNames, FileNames};
use crate::family::Class;
use crate::photo::Entry;

/// Photos numbered from 1 in input order.
pub fn count(entries: Vec<Entry>) -> Vec<Task> {
    entries.into_iter().zip(1..).map(|(entry, image_id)| Task { entry, image_id }).collect()
}

/// Photos with the ids of annotated images (id and file name): of equal name, or else of a name whose last part
/// is equal and occurs once among the images. Of several such photos the first takes the image that no photo has by its
/// whole name. The others are left out; the sentences say so.
pub fn match_photos(entries: Vec<Entry>, images: &[(u64, &str)]) -> (Vec<Task>, Vec<String>) {
    let names = FileNames::new(images.iter().copied());
    let total = entries.len();
    let mut taken = HashSet::new();
    let exact: Vec<Option<u64>> =
        entries.iter().map(|entry| names.whole(&entry.name).filter(|id| taken.insert(*id))).collect();
    let (mut tasks, mut unknown, mut rivals) = (Vec::new(), Vec::new(), Vec::new());
    for (entry, exact) in entries.into_iter().zip(exact) {
        if let Some(image_id) = exact {
            tasks.push(Task { entry, image_id });
            continue;
        }
        match names.last_part(&entry.name) {
            Some(image_id) if taken.insert(image_id) => tasks.push(Task { entry, image_id }),
            Some(_) => rivals.push(entry.name),
            None => unknown.push(entry.name),
        }
    }
    let mut notes = Vec::new();
    for (left_out, why) in [
        (&unknown, "are not among the annotated images and are left out"),
        (&rivals, "are left out, as other photos have the images of their file names"),
    ] {
        if let Some(first) = left_out.first() {
            let (count, first) = (left_out.len(), first.escape_debug());
            notes.push(format!("{count} of {total} photos {why} (such as `{first}`)"));
        }
    }
    if taken.len() < images.len() {
        let missing = images.len() - taken.len();
        notes.push(format!("{missing} of {} annotated images have no photo here", images.len()));
    }
    (tasks, notes)
}

/// Classes with the ids of annotated categories (id and name) of the same name, in any case. Classes without one
/// get ids above all others, so that they are never taken for another category.
pub fn match_classes(classes: &[Class], categories: &[(u64, &str)]) -> (Vec<Class>, Vec<String>) {
    let names = ClassNames::new(categories.iter().copied());
    let mut free = categories.iter().map(|&(id, _)| id).max().unwrap_or(0).saturating_add(1);
    let mut unmatched = Vec::new();
    let mut matched = Vec::new();
    for class in classes {
        let name = class.name.as_str();
        let id = names.get(name).unwrap_or_else(|| {
            unmatched.push(name);
            free += 1;
            free - 1
        });
        matched.push(Class { id, name: class.name.clone() });
    }
    let mut notes = Vec::new();
    if !unmatched.is_empty() {
        let shown: Vec<String> =
            unmatched.iter().take(5).map(|name| format!("`{}`", name.escape_debug())).collect();
        notes.push(format!(
            "{} of {} classes of the model have no category of their name in the annotations: {}{}",
            unmatched.len(),
            classes.len(),
            shown.join(", "),
            if unmatched.len() > shown.len() { ", …" } else { "" }
        ));
    }
    (matched, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(names: &[&str]) -> Vec<Entry> {
        names.iter().map(|name| Entry { path: name.into(), name: (*name).into() }).collect()
    }

    #[test]
    fn photos_take_the_ids_of_their_images() {
        let images = [(10, "val/1.jpg"), (20, "val/2.jpg"), (30, "a/x.jpg"), (40, "b/x.jpg")];
        let (tasks, notes) = match_photos(entries(&["1.jpg", "val/2.jpg", "x.jpg", "3.jpg"]), &images);
        assert_eq!(tasks.iter().map(|task| task.image_id).collect::<Vec<_>>(), [10, 20]);
        assert_eq!(
            notes,
            [
                "2 of 4 photos are not among the annotated images and are left out (such as `x.jpg`)",
                "2 of 4 annotated images have no photo here"
            ]
        );
    }

    #[test]
    fn a_whole_name_goes_before_a_last_part_wherever_it_stands() {
        let images = [(77, "IMG_1.jpg"), (78, "IMG_2.jpg")];
        let names = ["Backup/IMG_1.jpg", "IMG_1.jpg", "a/IMG_2.jpg", "b/IMG_2.jpg"];
        let (tasks, notes) = match_photos(entries(&names), &images);
        let found: Vec<_> = tasks.iter().map(|task| (task.entry.name.as_str(), task.image_id)).collect();
        assert_eq!(found, [("IMG_1.jpg", 77), ("a/IMG_2.jpg", 78)]);
        assert_eq!(
            notes,
            ["2 of 4 photos are left out, as other photos have the images of their file names (such as \
              `Backup/IMG_1.jpg`)"]
        );
    }

    #[test]
    fn classes_take_the_ids_of_their_categories() {
        let class = |id, name: &str| Class { id, name: name.into() };
        let classes = [class(1, "bolt"), class(2, "Nut"), class(3, "pen")];
        let (matched, notes) = match_classes(&classes, &[(7, "nut"), (3, "bolt"), (9, "cat")]);
        assert_eq!(matched, [class(3, "bolt"), class(7, "Nut"), class(10, "pen")]);
        assert_eq!(
            notes,
            ["1 of 3 classes of the model have no category of their name in the annotations: `pen`"]
        );
    }
}
