//! The classes of a model, and COCO's own list.

use serde::{Deserialize, Serialize};

/// One class that a model can find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Its category id in results.
    pub id: u64,
    /// Its name.
    pub name: String,
}

impl Class {
    /// Whether a user's name means it: in any case of its letters.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.trim())
    }
}

/// COCO's 80 categories in their order, each with its id; ids run from 1 to 90 with ten gaps (2014 and 2017 files).
#[rustfmt::skip]
const COCO: [(u64, &str); 80] = [
    (1, "person"), (2, "bicycle"), (3, "car"), (4, "motorcycle"), (5, "airplane"), (6, "bus"), (7, "train"),
    (8, "truck"), (9, "boat"), (10, "traffic light"), (11, "fire hydrant"), (13, "stop sign"),
    (14, "parking meter"), (15, "bench"), (16, "bird"), (17, "cat"), (18, "dog"), (19, "horse"), (20, "sheep"),
    (21, "cow"), (22, "elephant"), (23, "bear"), (24, "zebra"), (25, "giraffe"), (27, "backpack"),
    (28, "umbrella"), (31, "handbag"), (32, "tie"), (33, "suitcase"), (34, "frisbee"), (35, "skis"),
    (36, "snowboard"), (37, "sports ball"), (38, "kite"), (39, "baseball bat"), (40, "baseball glove"),
    (41, "skateboard"), (42, "surfboard"), (43, "tennis racket"), (44, "bottle"), (46, "wine glass"), (47, "cup"),
    (48, "fork"), (49, "knife"), (50, "spoon"), (51, "bowl"), (52, "banana"), (53, "apple"), (54, "sandwich"),
    (55, "orange"), (56, "broccoli"), (57, "carrot"), (58, "hot dog"), (59, "pizza"), (60, "donut"), (61, "cake"),
    (62, "chair"), (63, "couch"), (64, "potted plant"), (65, "bed"), (67, "dining table"), (70, "toilet"),
    (72, "tv"), (73, "laptop"), (74, "mouse"), (75, "remote"), (76, "keyboard"), (77, "cell phone"),
    (78, "microwave"), (79, "oven"), (80, "toaster"), (81, "sink"), (82, "refrigerator"), (84, "book"),
    (85, "clock"), (86, "vase"), (87, "scissors"), (88, "teddy bear"), (89, "hair drier"), (90, "toothbrush"),
];

/// COCO's 80 classes, or with 90 slots torchvision's, where the place is the id and ten places are empty.
pub fn coco_classes(count: usize) -> Option<Vec<Class>> {
    match count {
        80 => Some(COCO.iter().map(|&(id, name)| Class { id, name: name.into() }).collect()),
        _ => coco_slots(count),
    }
}

/// COCO's 80 names in their order.
pub(super) fn coco_names() -> impl Iterator<Item = &'static str> {
    COCO.iter().map(|class| class.1)
}

/// torchvision's 90 foreground slots.
pub(super) fn coco_slots(count: usize) -> Option<Vec<Class>> {
    let name = |id: u64| COCO.iter().find(|class| class.0 == id).map(|class| class.1.to_owned());
    (count == 90)
        .then(|| (1..=90).map(|id| Class { id, name: name(id).unwrap_or_else(|| unnamed(id)) }).collect())
}

/// Classes that nobody has named: ids from 1.
pub(super) fn unnamed_classes(count: usize) -> Vec<Class> {
    (1..=count as u64).map(|id| Class { id, name: unnamed(id) }).collect()
}

fn unnamed(id: u64) -> String {
    format!("class {id}")
}

/// Names of the classes of layoutparser's models, by their data sets. Those that begin with a background have it as a
/// class of the network.
const LAYOUTS: [(&str, &[&str]); 6] = [
    ("publaynet", &["Text", "Title", "List", "Table", "Figure"]),
    (
        "primalayout",
        &[
            "background",
            "TextRegion",
            "ImageRegion",
            "TableRegion",
            "MathsRegion",
            "SeparatorRegion",
            "OtherRegion",
        ],
    ),
    (
        "newspapernavigator",
        &[
            "Photograph",
            "Illustration",
            "Map",
            "Comics/Cartoon",
            "Editorial Cartoon",
            "Headline",
            "Advertisement",
        ],
    ),
    ("tablebank", &["Table"]),
    (
        "hjdataset",
        &["background", "Page Frame", "Row", "Title Region", "Text Region", "Title", "Subtitle", "Other"],
    ),
    ("mfd", &["background", "Equation"]),
];

/// The classes of a well-known list of document layouts, with ids that count from 1 behind a background's 0.
pub(super) fn layout_classes(list: &str) -> Option<Vec<Class>> {
    let (_, names) = LAYOUTS.iter().find(|(name, _)| *name == list)?;
    let first = u64::from(names.first() != Some(&"background"));
    Some(names.iter().zip(first..).map(|(&name, id)| Class { id, name: name.into() }).collect())
}

/// Names of all well-known lists.
pub(super) fn known_lists() -> String {
    let layouts = LAYOUTS.iter().map(|(name, _)| *name);
    std::iter::once("coco").chain(layouts).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coco_ids_have_ten_gaps() {
        let classes = coco_classes(80).unwrap();
        let gaps: Vec<u64> = (1..=90).filter(|id| classes.iter().all(|class| class.id != *id)).collect();
        assert_eq!(gaps, [12, 26, 29, 30, 45, 66, 68, 69, 71, 83]);
    }

    /// As layoutparser's catalogue maps the numbers that its models give.
    #[test]
    fn layouts_have_the_numbers_of_their_data_sets() {
        let prima = layout_classes("primalayout").unwrap();
        assert_eq!((prima[1].id, prima[1].name.as_str()), (1, "TextRegion"));
        let publaynet = layout_classes("publaynet").unwrap();
        assert_eq!((publaynet[0].id, publaynet[4].id, publaynet[4].name.as_str()), (1, 5, "Figure"));
        assert_eq!(layout_classes("coco"), None);
    }

    #[test]
    fn slots_are_ids() {
        let classes = coco_classes(90).unwrap();
        assert_eq!((classes[89].id, classes[89].name.as_str()), (90, "toothbrush"));
        assert_eq!((classes[11].id, classes[11].name.as_str()), (12, "class 12"));
        assert_eq!(coco_classes(31), None);
    }
}
