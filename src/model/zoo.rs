//! Checkpoints that others publish: where they are, what is known of them, and what no tensor of theirs shows.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::family::Options;

/// One published checkpoint.
#[derive(Clone, Debug, PartialEq, Deserialize)]
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
    /// What no tensor of it shows.
    #[serde(default)]
    pub options: Options,
}

impl Published {
    /// The name of its file.
    pub fn file(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or(&self.url)
    }
}

/// The list, which is part of the program; a test reads it.
static ALL: LazyLock<Vec<Published>> =
    LazyLock::new(|| serde_json::from_str(include_str!("zoo.json")).unwrap_or_default());

/// All that are known.
pub fn published() -> &'static [Published] {
    &ALL
}

/// One by its name.
pub fn find_published(name: &str) -> Option<&'static Published> {
    ALL.iter().find(|published| published.name == name)
}

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
        assert!(list.len() > 50);
        for (i, known) in list.iter().enumerate() {
            assert!(known.url.starts_with("https://"), "{known:?}");
            assert!(list[..i].iter().all(|other| other.name != known.name), "{} stands twice", known.name);
            // Every publisher but Detectron puts a hash into the file's name.
            let prefixes = [&known.sha256_prefix, &known.md5_prefix];
            let hashes: Vec<&String> = prefixes.into_iter().flatten().collect();
            assert!(known.family == "detectron" || hashes.len() == 1, "{known:?}");
            assert!(hashes.iter().all(|hash| known.file().contains(hash.as_str())), "{known:?}");
        }
    }

    /// torchvision overwrites eps after loading exactly this file.
    #[test]
    fn the_eps_of_torchvisions_published_detector_is_0() {
        let known = by_hash("258fb6c6aaaa").unwrap();
        assert_eq!((known.name.as_str(), known.options.norm_eps), ("tv-r50-fpn", Some(0.0)));
        assert_eq!(find_published("tv-r50-fpn-v2").unwrap().options.norm_eps, Some(1e-5));
    }
}
