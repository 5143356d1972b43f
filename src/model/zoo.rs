//! Checkpoints that others publish: where they are, what is known of them, and what no tensor of theirs shows.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::find::nearest;
use crate::family::ImportOptions;

/// One published checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// What `rcnn pull` calls it.
    pub name: String,
    /// Its family, or `classifier`.
    pub family: String,
    /// Where it is.
    pub url: String,
    /// Its size in units of 2^20 bytes, where its publisher prints it.
    pub size_mb: Option<f64>,
    /// Its publisher's box AP on `dataset`, in percent.
    pub box_ap: Option<f64>,
    /// Its publisher's mask AP on `dataset`, in percent, of models with masks.
    pub mask_ap: Option<f64>,
    /// Others of the twelve numbers that its publisher states, in percent, by the names `AP50`, `APs` …
    #[serde(default)]
    pub box_stats: BTreeMap<String, f64>,
    /// Its publisher's top-1 accuracy on `dataset`, in percent.
    pub acc1: Option<f64>,
    /// What it was judged on.
    pub dataset: String,
    /// Terms.
    pub licence: String,
    /// First digits of its SHA-256, from its file name.
    pub sha256_prefix: Option<String>,
    /// First digits of its MD5, from its file name.
    pub md5_prefix: Option<String>,
    /// What its publisher calls it.
    pub config: Option<String>,
    /// What whoever pulls it should know, a sentence.
    pub note: Option<String>,
    /// What no tensor of it shows.
    #[serde(default, skip_serializing)]
    pub options: ImportOptions,
}

impl Published {
    /// The name of its file.
    pub fn file(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or(&self.url)
    }

    /// One of the twelve numbers of COCO's evaluation that its publisher states, in percent.
    pub fn stated(&self, name: &str) -> Option<f64> {
        if name == "AP" { self.box_ap } else { self.box_stats.get(name).copied() }
    }
}

/// A short name for a published checkpoint that suits most people who want everyday objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Recommended {
    /// What it is called.
    pub name: &'static str,
    /// The checkpoint's own name.
    pub of: &'static str,
    /// Shorter and longest side to which photos are resized, where these are not its publisher's.
    #[serde(skip)]
    pub sides: Option<(u32, u32)>,
    /// Megabytes to download, about.
    pub megabytes: u32,
    /// Why this one.
    pub why: &'static str,
}

/// The everyday model first.
///
/// Costs are GFLOPS of torchvision's documentation for models of the same architecture: 134 for ResNet-50-FPN, 280 with the
/// second version's heads.
pub const RECOMMENDED: [Recommended; 3] = [
    Recommended {
        name: "coco",
        of: "d2-r50-fpn-3x",
        sides: None,
        megabytes: 167,
        why: "AP 40.2, the most among those of its cost (ResNet-50-FPN), with stated terms",
    },
    Recommended {
        name: "coco-fast",
        of: "d2-r50-fpn-3x",
        sides: Some((480, 800)),
        megabytes: 167,
        why: "the same weights on photos of 480 pixels: 0.4 of the time; no AP is published for that size",
    },
    Recommended {
        name: "coco-best",
        of: "tv-r50-fpn-v2",
        sides: None,
        megabytes: 175,
        why: "AP 46.7, the highest known here, at twice the time",
    },
];

/// The list, which is part of the program; a test reads it.
static ALL: LazyLock<Vec<Published>> =
    LazyLock::new(|| serde_json::from_str(include_str!("zoo.json")).unwrap_or_default());

/// Recommended checkpoints with settings of their own, as models of their own names.
static DERIVED: LazyLock<Vec<Published>> = LazyLock::new(|| {
    let derive = |recommended: &Recommended| {
        let ((min_size, max_size), mut published) = (recommended.sides?, one(recommended.of)?.clone());
        published.name = recommended.name.to_owned();
        (published.options.min_size, published.options.max_size) = (Some(min_size), Some(max_size));
        (published.box_ap, published.mask_ap) = (None, None);
        published.box_stats.clear();
        Some(published)
    };
    RECOMMENDED.iter().filter_map(derive).collect()
});

/// All that are known.
pub fn published() -> &'static [Published] {
    &ALL
}

/// Their names, and those of the recommended ones.
pub(super) fn published_names<'a>() -> impl Iterator<Item = &'a str> {
    ALL.iter().map(|known| known.name.as_str()).chain(RECOMMENDED.iter().map(|known| known.name))
}

/// One by its name, by a recommended one's, or without its schedule (`pd-r34-fpn` for `pd-r34-fpn-1x`) where there is but one.
pub fn find_published(name: &str) -> Option<&'static Published> {
    let name = full_name(name);
    one(name).or_else(|| DERIVED.iter().find(|published| published.name == name))
}

fn one(name: &str) -> Option<&'static Published> {
    ALL.iter().find(|published| published.name == name)
}

/// What the model of a name is called in the cache: a recommended checkpoint that is taken as published has its
/// publisher's.
pub(super) fn full_name(name: &str) -> &str {
    let recommended =
        RECOMMENDED.iter().find(|recommended| recommended.name == name && recommended.sides.is_none());
    if let Some(recommended) = recommended {
        return recommended.of;
    }
    let mut scheduled = SCHEDULES.iter().filter_map(|schedule| one(&format!("{name}{schedule}")));
    match (scheduled.next(), scheduled.next()) {
        (Some(only), None) => &only.name,
        _ => name,
    }
}

/// What stands in the names of detectron2's published checkpoints that are not read, and what they have.
const NOT_READ: [(&str, &str); 3] = [
    ("-regnet", "a RegNet as backbone, and only ResNets are read"),
    ("-dconv", "deformable convolutions, which are not supported"),
    ("-gn", "group norms, which are not supported"),
];

/// What keeps a published checkpoint of a name from being read, where that is why it is not in the list.
pub(super) fn not_read(name: &str) -> Option<&'static str> {
    let found = |part: &str| name.starts_with("d2-") && find_published(name).is_none() && name.contains(part);
    NOT_READ.iter().find(|(part, _)| found(part)).map(|&(_, what)| what)
}

/// What is said of a name that no published checkpoint has, and which may be meant.
pub fn no_such(name: &str) -> String {
    let shown = name.escape_debug();
    if let Some(what) = not_read(name) {
        return format!("`{shown}` has {what}: `rcnn models --all` lists those that can be pulled");
    }
    let near = nearest(name, published_names());
    let near = near.map_or_else(String::new, |near| format!("the nearest name is `{near}`, and "));
    format!("no published checkpoint is called `{shown}`: {near}`rcnn models --all` lists them")
}

/// What ends names that differ in nothing but the length of the training.
const SCHEDULES: [&str; 3] = ["-1x", "-2x", "-3x"];

/// One by its file's SHA-256.
pub(super) fn by_hash(sha256: &str) -> Option<&'static Published> {
    ALL.iter().find(|known| known.sha256_prefix.as_ref().is_some_and(|prefix| sha256.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole() {
        let list: Vec<Published> = serde_json::from_str(include_str!("zoo.json")).unwrap();
        assert!(list.len() > 130);
        for (i, known) in list.iter().enumerate() {
            assert!(known.url.starts_with("https://"), "{known:?}");
            assert!(list[..i].iter().all(|other| other.name != known.name), "{} stands twice", known.name);
            // Every publisher but these puts a hash into the file's name.
            let prefixes = [&known.sha256_prefix, &known.md5_prefix];
            let hashes: Vec<&String> = prefixes.into_iter().flatten().collect();
            let without = ["detectron", "paddledet", "maskrcnn_benchmark"].contains(&known.family.as_str())
                || known.name.starts_with("lp-");
            assert!(without || hashes.len() == 1, "{known:?}");
            // Where no published file was ever seen, that is said.
            assert!(known.family == "detectron" || !without || known.note.is_some(), "{known:?}");
            assert!(hashes.iter().all(|hash| known.file().contains(hash.as_str())), "{known:?}");
        }
    }

    /// The only schedule may be left out; `d2-r50-fpn` could be two.
    #[test]
    fn the_only_schedule_of_a_name_may_be_left_out() {
        assert_eq!(find_published("pd-r34-fpn").unwrap().name, "pd-r34-fpn-1x");
        assert_eq!(find_published("pd-r101-fpn").unwrap().name, "pd-r101-fpn-2x");
        assert_eq!(find_published("mrb-r50-c4").unwrap().box_ap, Some(34.8));
        assert_eq!(find_published("d2-r50-fpn"), None);
        // Its AP is of a test at several sizes.
        assert_eq!(find_published("pd-r34-fpn-mstest").unwrap().box_ap, None);
    }

    /// Names as in detectron2's model zoo.
    #[test]
    fn published_checkpoints_that_are_not_read_are_refused_with_the_reason() {
        for (name, what) in [
            ("d2-mask-regnety-4gf-dds-fpn-100ep-lsj", "a RegNet"),
            ("d2-mask-r50-fpn-3x-dconv-c3-c5", "deformable convolutions"),
            ("d2-scratch-mask-r50-fpn-9x-gn", "group norms"),
        ] {
            assert!(no_such(name).contains(what), "{}", no_such(name));
        }
        assert!(no_such("d2-mask-r50-fpn-3").contains("the nearest name is `d2-mask-r50-fpn-3x`"));
        assert_eq!(not_read("d2-mask-r50-fpn-3x"), None);
    }

    #[test]
    fn recommended_names_lead_to_published_checkpoints() {
        let coco = find_published("coco").unwrap();
        assert_eq!((coco.name.as_str(), coco.box_ap), ("d2-r50-fpn-3x", Some(40.2)));
        assert_eq!(find_published("coco-best").unwrap().box_ap, Some(46.7));
        let fast = find_published("coco-fast").unwrap();
        assert_eq!((fast.name.as_str(), &fast.url, fast.box_ap), ("coco-fast", &coco.url, None));
        assert_eq!((fast.options.min_size, fast.options.max_size), (Some(480), Some(800)));
    }

    /// torchvision overwrites eps after loading exactly this file.
    #[test]
    fn the_eps_of_torchvisions_published_detector_is_0() {
        let known = by_hash("258fb6c6aaaa").unwrap();
        assert_eq!((known.name.as_str(), known.options.norm_eps), ("tv-r50-fpn", Some(0.0)));
        assert_eq!(find_published("tv-r50-fpn-v2").unwrap().options.norm_eps, Some(1e-5));
    }
}
