//! Ids in results: counted, or those of a data set's annotations, matched by names.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::Task;
use crate::family::Class;
use crate::photo::PhotoEntry;
use coco_eval::{ClassNames, FileMatch, FileNames, Parts, ResultId, Seeker};

/// A class as results have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultCategory {
    /// Its id.
    pub id: ResultId,
    /// Its name.
    pub name: String,
}

/// A model's classes with their own ids.
pub fn categories(classes: &[Class]) -> Vec<ResultCategory> {
    classes.iter().map(|class| ResultCategory { id: class.id.into(), name: class.name.clone() }).collect()
}

/// Photos numbered from 1 in input order.
pub fn count(entries: Vec<PhotoEntry>) -> Vec<Task> {
    entries.into_iter().zip(1u64..).map(|(entry, id)| Task { entry, image_id: id.into() }).collect()
}

/// Photos with the ids of annotated images (id and file name) whose paths have the longest common end with theirs, and no
/// image for two photos. The others are left out; the sentences say so.
pub fn match_photos(entries: Vec<PhotoEntry>, images: &[(ResultId, &str)]) -> (Vec<Task>, Vec<String>) {
    let (tasks, left_out, total) = matched(entries, images);
    let mut warnings = left_out.sentences(total, "the annotated images", "the annotations");
    if tasks.len() < images.len() {
        let missing = images.len() - tasks.len();
        warnings.push(format!("{missing} of {} annotated images have no photo here", images.len()));
    }
    (tasks, warnings)
}

/// As [`match_photos`], with the photos that a run has seen in place of annotated images.
pub(crate) fn match_seen(entries: Vec<PhotoEntry>, seen: &[(ResultId, &str)]) -> (Vec<Task>, Vec<String>) {
    let (tasks, left_out, total) = matched(entries, seen);
    let mut warnings = left_out.sentences(total, "the run's photos", "the run");
    if tasks.len() < seen.len() {
        let missing = seen.len() - tasks.len();
        warnings.push(format!("{missing} of the run's {} photos are not among those given", seen.len()));
    }
    (tasks, warnings)
}

/// Photos with the ids of their images, what is said of the others, and how many photos there are.
fn matched(entries: Vec<PhotoEntry>, images: &[(ResultId, &str)]) -> (Vec<Task>, LeftOut, usize) {
    let names = FileNames::new(images.iter().enumerate().map(|(place, (_, name))| (place, *name)));
    let seekers: Vec<Seeker> = entries.iter().map(seeker).collect();
    let total = entries.len();
    let mut tasks = Vec::new();
    let mut left_out = LeftOut::default();
    for (entry, found) in entries.into_iter().zip(names.match_all(&seekers)) {
        left_out.note(&entry.name, found, images);
        if let Some(place) = found.entry() {
            tasks.push(Task { entry, image_id: images[place].0.clone() });
        }
    }
    (tasks, left_out, total)
}

/// A photo's whole path; what the user named counts, the folders above are where it is kept.
fn seeker(entry: &PhotoEntry) -> Seeker {
    let path = std::path::absolute(&entry.path).unwrap_or_else(|_| entry.path.clone());
    let path = Parts::of(&path.to_string_lossy());
    Seeker { certain: entry.depth.min(path.len()), path }
}

/// Photos without an image, and photos whose image is another's perhaps: how many, and the first of each kind.
#[derive(Default)]
struct LeftOut {
    kinds: [(usize, String); 5],
}

impl LeftOut {
    fn note(&mut self, name: &str, found: FileMatch<usize>, images: &[(ResultId, &str)]) {
        let quoted = |name: &str| format!("`{}`", name.escape_debug());
        let both = |place: usize| format!("{} and {}", quoted(name), quoted(images[place].1));
        let (kind, example) = match found {
            FileMatch::One(_) => return,
            FileMatch::Nothing => (0, quoted(name)),
            FileMatch::OtherFolder(place) => (1, both(place)),
            FileMatch::Taken => (2, quoted(name)),
            FileMatch::Ambiguous => (3, quoted(name)),
            FileMatch::ByFileNameAlone(place) => (4, both(place)),
        };
        let (count, first) = &mut self.kinds[kind];
        if *count == 0 {
            *first = example;
        }
        *count += 1;
    }

    /// `images` are what photos are matched with, and `place` is where their names stand.
    fn sentences(&self, total: usize, images: &str, place: &str) -> Vec<String> {
        let words = [
            format!("are not among {images} and are left out"),
            format!("are left out, as {images} of their file names lie in other folders"),
            "are left out, as other photos are closer to the images of their file names".into(),
            "are left out, as their paths do not tell which of several images or photos is meant".into(),
            format!("are matched by their file names alone, as the folders have other names in {place}"),
        ];
        let kinds = self.kinds.iter().zip(words).filter(|((count, _), _)| *count > 0);
        kinds
            .map(|((count, first), words)| format!("{count} of {total} photos {words} (such as {first})"))
            .collect()
    }
}

/// Classes with the ids of annotated categories (id and name) of the same name, in any case. Classes without one
/// get ids that no category has, so that they are never taken for another.
pub fn match_classes(
    classes: &[Class],
    categories: &[(ResultId, &str)],
) -> (Vec<ResultCategory>, Vec<String>) {
    let names = ClassNames::new(categories.iter().enumerate().map(|(place, (_, name))| (place, *name)));
    let mut free = free_ids(categories);
    let mut unmatched = Vec::new();
    let mut matched = Vec::new();
    for class in classes {
        let name = class.name.as_str();
        let id = names.get(name).map_or_else(
            || {
                unmatched.push(name);
                free.next()
            },
            |place| Some(categories[place].0.clone()),
        );
        // There are more whole numbers than classes.
        let Some(id) = id else { continue };
        matched.push(ResultCategory { id, name: class.name.clone() });
    }
    let mut warnings = Vec::new();
    if !unmatched.is_empty() {
        let first: Vec<String> =
            unmatched.iter().take(5).map(|name| format!("`{}`", name.escape_debug())).collect();
        warnings.push(format!(
            "{} of {} classes of the model have no category of their name in the annotations: {}{}",
            unmatched.len(),
            classes.len(),
            first.join(", "),
            if unmatched.len() > first.len() { ", …" } else { "" }
        ));
    }
    (matched, warnings)
}

/// Ids that no category has, whether written as a number or as a string; strings where all categories have strings.
fn free_ids(categories: &[(ResultId, &str)]) -> impl Iterator<Item = ResultId> + use<> {
    let number = |id: &ResultId| match id {
        ResultId::Number(id) => Some(*id),
        ResultId::Text(id) => id.trim().parse().ok(),
    };
    let taken: HashSet<i64> = categories.iter().filter_map(|(id, _)| number(id)).collect();
    let texts = !categories.is_empty() && categories.iter().all(|(id, _)| id.number().is_none());
    let above = taken.iter().max().map_or(1, |most| most.saturating_add(1).max(1));
    let free = (above..=i64::MAX).chain(1..above).filter(move |id| !taken.contains(id));
    free.map(move |id| if texts { ResultId::Text(id.to_string().into()) } else { ResultId::Number(id) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id((id, name): (u64, &str)) -> (ResultId, &str) {
        (id.into(), name)
    }

    fn ids(tasks: &[Task]) -> Vec<ResultId> {
        tasks.iter().map(|task| task.image_id.clone()).collect()
    }

    fn entries(names: &[&str]) -> Vec<PhotoEntry> {
        names
            .iter()
            .map(|name| PhotoEntry {
                path: name.into(),
                name: (*name).into(),
                depth: name.split('/').count(),
            })
            .collect()
    }

    #[test]
    fn photos_take_the_ids_of_their_images() {
        let images = [(10, "val/1.jpg"), (20, "val/2.jpg"), (30, "a/x.jpg"), (40, "b/x.jpg")].map(id);
        let (tasks, warnings) = match_photos(entries(&["1.jpg", "val/2.jpg", "x.jpg", "3.jpg"]), &images);
        assert_eq!(ids(&tasks), [10.into(), 20.into()]);
        assert_eq!(
            warnings,
            [
                "1 of 4 photos are not among the annotated images and are left out (such as `3.jpg`)",
                "1 of 4 photos are left out, as their paths do not tell which of several images or photos is meant (such as `x.jpg`)",
                "1 of 4 photos are matched by their file names alone, as the folders have other names in the annotations (such as `1.jpg` and `val/1.jpg`)",
                "2 of 4 annotated images have no photo here"
            ]
        );
    }

    #[test]
    fn a_photo_whose_whole_path_is_the_images_goes_before_others() {
        let images = [(77, "IMG_1.jpg"), (78, "IMG_2.jpg")].map(id);
        let names = ["Backup/IMG_1.jpg", "IMG_1.jpg", "a/IMG_2.jpg", "b/IMG_2.jpg"];
        let (tasks, warnings) = match_photos(entries(&names), &images);
        let found: Vec<_> =
            tasks.iter().map(|task| (task.entry.name.as_str(), task.image_id.clone())).collect();
        assert_eq!(found, [("IMG_1.jpg", 77.into())]);
        assert_eq!(
            warnings,
            [
                "1 of 4 photos are left out, as other photos are closer to the images of their file names (such as `Backup/IMG_1.jpg`)",
                "2 of 4 photos are left out, as their paths do not tell which of several images or photos is meant (such as `a/IMG_2.jpg`)",
                "1 of 2 annotated images have no photo here"
            ]
        );
    }

    #[test]
    fn classes_take_the_ids_of_their_categories() {
        let class = |id, name: &str| Class { id, name: name.into() };
        let classes = [class(1, "bolt"), class(2, "Nut"), class(3, "pen")];
        let (matched, warnings) = match_classes(&classes, &[(7, "nut"), (3, "bolt"), (9, "cat")].map(id));
        assert_eq!(matched, categories(&[class(3, "bolt"), class(7, "Nut"), class(10, "pen")]));
        assert_eq!(
            warnings,
            ["1 of 3 classes of the model have no category of their name in the annotations: `pen`"]
        );
    }

    #[test]
    fn classes_without_a_category_get_ids_that_no_category_has() {
        let class = |id, name: &str| Class { id, name: name.into() };
        let classes = [class(1, "bolt"), class(2, "pen"), class(3, "cup")];
        let text = |id: &str| ResultId::Text(id.into());
        let ids = |categories: &[(ResultId, &str)]| -> Vec<ResultId> {
            match_classes(&classes, categories).0.into_iter().map(|category| category.id).collect()
        };
        assert_eq!(ids(&[(text("b"), "bolt")]), [text("b"), text("1"), text("2")]);
        assert_eq!(ids(&[(text("2"), "bolt"), (text("1"), "nut")]), [text("2"), text("3"), text("4")]);
        // 5 must not be taken for "5" by those who take strings for numbers.
        assert_eq!(ids(&[(4.into(), "bolt"), (text("5"), "nut")]), [4.into(), 6.into(), 7.into()]);
        let last = i64::MAX as u64;
        assert_eq!(ids(&[(last.into(), "bolt"), (1.into(), "nut")]), [last.into(), 2.into(), 3.into()]);
    }
}
