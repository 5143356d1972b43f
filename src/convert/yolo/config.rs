//! What a YOLO data set says of itself: Ultralytics' `data.yaml`, darknet's `obj.data`, and files of class names.
//!
//! Paths in these files never lead out of the data set's folder, nor out of the folder of photos that the user named.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::super::ConvertError;
use super::super::files::{contains, error_line, inside, read_whole, stays_inside};
use super::KeyPoints;

/// What `data.yaml` says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct YoloConfig {
    path: Option<String>,
    train: Option<OneOrMore>,
    #[serde(alias = "valid", alias = "validation")]
    val: Option<OneOrMore>,
    test: Option<OneOrMore>,
    names: Option<YoloNames>,
    kpt_shape: Option<Vec<usize>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Debug)]
enum YoloNames {
    List(Vec<String>),
    Table(BTreeMap<usize, String>),
}

/// Each name is read as a text, as it is written: YAML would take `y` and `no` for truths, and 1.10 for a number.
impl<'de> Deserialize<'de> for YoloNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<YoloNames, D::Error> {
        struct EitherForm;
        impl<'de> Visitor<'de> for EitherForm {
            type Value = YoloNames;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of names, or a mapping of numbers to names")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<YoloNames, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(YoloNames::List)
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<YoloNames, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(table)).map(YoloNames::Table)
            }
        }
        deserializer.deserialize_any(EitherForm)
    }
}

/// Files of class names, a line a class, from before there was `data.yaml`.
const NAME_FILES: [&str; 8] = [
    "classes.txt",
    "obj.names",
    "labels/classes.txt",
    "labels/obj.names",
    "images/classes.txt",
    "_darknet.labels",
    "train/_darknet.labels",
    "data/obj.names",
];

/// The file with which a data set describes itself.
pub(super) fn config_of(folder: &Path) -> Option<PathBuf> {
    let names = ["data.yaml", "dataset.yaml", "data.yml", "obj.data", "data/obj.data"];
    names.iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

impl YoloConfig {
    /// Reads `data.yaml` or darknet's form of it, lines of `key = value`.
    pub(super) fn read(path: &Path) -> Result<YoloConfig, ConvertError> {
        let text = read_whole(path)?;
        if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("data")) {
            return Ok(darknet(&text));
        }
        serde_saphyr::from_str(&text).map_err(|error| ConvertError::Shape {
            path: path.to_owned(),
            what: format!("is no data.yaml: {}", error_line(&error)),
        })
    }

    pub(super) fn key_points(&self) -> Option<KeyPoints> {
        match self.kpt_shape.as_deref() {
            Some(&[count, each]) if count < 10_000 && (2..=3).contains(&each) => Some((count, each)),
            _ => None,
        }
    }

    /// Folders and lists of photos, by the names of their parts; those of one part only where it is asked for.
    pub(super) fn parts(&self, path: &Path, split: Option<&str>) -> Result<Vec<&str>, ConvertError> {
        let parts = [("train", &self.train), ("val", &self.val), ("test", &self.test)];
        if let Some(split) = split
            && !parts.iter().any(|(name, part)| *name == split && part.is_some())
        {
            let known = parts.iter().filter(|(_, part)| part.is_some()).map(|(name, _)| format!("`{name}`"));
            return Err(ConvertError::NoSplit {
                path: path.to_owned(),
                split: split.to_owned(),
                known: known.collect(),
            });
        }
        let chosen = parts.into_iter().filter(|(name, _)| split.is_none_or(|split| split == *name));
        let named = chosen.filter_map(|(_, part)| part.as_ref()).flat_map(|part| match part {
            OneOrMore::One(one) => std::slice::from_ref(one),
            OneOrMore::More(more) => more.as_slice(),
        });
        Ok(named.map(String::as_str).collect())
    }

    /// The data set's folder: that of the file, or the one in it or among `allowed` that its `path` names.
    pub(super) fn root(
        &self,
        path: &Path,
        beside: &Path,
        allowed: &Allowed<'_>,
    ) -> Result<PathBuf, ConvertError> {
        // A path of the machine that trained, which is not here, is the same as none.
        let root = self.path.as_ref().map(|inner| allowed.place(path, beside, inner)).transpose()?.flatten();
        Ok(root.filter(|root| root.is_dir()).unwrap_or_else(|| beside.to_owned()))
    }
}

/// The folders that paths in files may lead to.
pub(super) struct Allowed<'a> {
    pub(super) own: &'a Path,
    /// The folder of photos that the user named.
    pub(super) photos: Option<&'a Path>,
}

impl Allowed<'_> {
    /// Where a path in the file `by` leads from a folder; `None` where there is nothing.
    pub(super) fn place(&self, by: &Path, base: &Path, named: &str) -> Result<Option<PathBuf>, ConvertError> {
        let direct = base.join(named.trim());
        let roots = || std::iter::once(self.own).chain(self.photos);
        if direct.exists() && (stays_inside(named.trim()) || roots().any(|root| contains(root, &direct))) {
            return Ok(Some(direct));
        }
        let near = std::iter::once(base).chain(roots()).find_map(|root| inside(root, named));
        match near {
            Some(near) => Ok(Some(near)),
            None if direct.exists() => {
                Err(ConvertError::Outside { path: by.to_owned(), named: named.trim().to_owned() })
            }
            None => Ok(None),
        }
    }
}

/// darknet's `obj.data`: names stand in another file.
fn darknet(text: &str) -> YoloConfig {
    let value = |key: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
    };
    let part = |key: &str| value(key).map(OneOrMore::One);
    YoloConfig { train: part("train"), val: part("valid"), test: part("test"), ..YoloConfig::default() }
}

/// Names of classes: those of the config, those of a file of names, or numbers.
pub(super) fn names(
    root: &Path,
    config: &mut YoloConfig,
    most: usize,
    warnings: &mut Vec<String>,
) -> Result<Vec<String>, ConvertError> {
    let mut names = match config.names.take() {
        Some(YoloNames::List(names)) => names,
        Some(YoloNames::Table(table)) => {
            let count = table.keys().max().map_or(0, |most| most.saturating_add(1));
            // A table of a few classes with one far out is a slip, not a reason to make a million.
            if count > table.len().saturating_mul(100).max(10_000) {
                let what = format!("names a class {}, and only {} in all", count - 1, table.len());
                return Err(ConvertError::Shape { path: root.to_owned(), what });
            }
            (0..count).map(|place| table.get(&place).cloned().unwrap_or_else(|| numbered(place))).collect()
        }
        None => match name_file(root) {
            Some(path) => {
                let text = read_whole(&path)?;
                let mut names: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
                // A class without a name has its place; blank lines at the end are none.
                while names.last().is_some_and(String::is_empty) {
                    names.pop();
                }
                let places = names.iter_mut().enumerate().filter(|(_, name)| name.is_empty());
                places.for_each(|(place, name)| *name = numbered(place));
                names
            }
            None => Vec::new(),
        },
    };
    if names.len() < most {
        warnings.push(format!(
            "{} classes have no name and are called by their numbers, counted from 1",
            most - names.len()
        ));
        names.extend((names.len()..most).map(numbered));
    }
    Ok(names)
}

/// A file of names by one of the usual names, or the only one that ends in `.names`.
fn name_file(root: &Path) -> Option<PathBuf> {
    let usual = NAME_FILES.iter().map(|name| root.join(name)).find(|path| path.is_file());
    usual.or_else(|| {
        let entries = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut named = entries.filter(|path| path.extension().is_some_and(|end| end == "names"));
        named.next().filter(|_| named.next().is_none())
    })
}

/// Whether a text file holds names of classes, and no rows.
pub(super) fn holds_names(name: &str) -> bool {
    NAME_FILES.iter().any(|file| file.rsplit('/').next() == Some(name))
}

fn numbered(place: usize) -> String {
    format!("class {}", place + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn darknets_file_names_the_same_parts() {
        let config =
            darknet("classes = 2\ntrain  = data/train.txt\nvalid=data/valid.txt\nnames = data/obj.names\n");
        assert_eq!(config.parts(Path::new("obj.data"), None).unwrap(), ["data/train.txt", "data/valid.txt"]);
        assert_eq!(config.parts(Path::new("obj.data"), Some("val")).unwrap(), ["data/valid.txt"]);
        assert!(config.parts(Path::new("obj.data"), Some("test")).is_err());
    }

    #[test]
    fn names_may_be_what_yaml_takes_for_numbers() {
        let mut config: YoloConfig = serde_saphyr::from_str("names: [1, bolt, 0.5]").unwrap();
        assert_eq!(names(Path::new(""), &mut config, 0, &mut Vec::new()).unwrap(), ["1", "bolt", "0.5"]);
        let mut config: YoloConfig = serde_saphyr::from_str("names: {0: 7, 1: nut}").unwrap();
        assert_eq!(names(Path::new(""), &mut config, 0, &mut Vec::new()).unwrap(), ["7", "nut"]);
    }

    #[test]
    fn names_are_as_they_are_written() {
        let list = "names: [x, y, n, yes, no, on, 'off', True, 1.10, 007, 0x10, 1e3, \"a, b\", 'c#d']";
        let written =
            ["x", "y", "n", "yes", "no", "on", "off", "True", "1.10", "007", "0x10", "1e3", "a, b", "c#d"];
        let table: String = written
            .iter()
            .enumerate()
            .map(|(k, name)| match *name {
                "off" | "c#d" | "a, b" => format!("  {k}: '{name}'\n"),
                name => format!("  {k}: {name}\n"),
            })
            .collect();
        for text in [list.to_owned(), format!("names:\n{table}")] {
            let mut config: YoloConfig = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(names(Path::new(""), &mut config, 0, &mut Vec::new()).unwrap(), written, "{text}");
        }
    }

    #[test]
    fn paths_lead_into_named_folders_only() {
        let folder = tempfile::tempdir().unwrap();
        let at = |inner: &str| folder.path().join(inner);
        for inner in ["set/images", "other/images", "photos"] {
            std::fs::create_dir_all(at(inner)).unwrap();
        }
        let by = at("set/data.yaml");
        let (own, photos) = (at("set"), at("photos"));
        let alone = Allowed { own: &own, photos: None };
        let place = |allowed: &Allowed<'_>, named: &str| allowed.place(&by, &own, named);
        assert_eq!(place(&alone, "images").unwrap(), Some(at("set/images")));
        assert_eq!(place(&alone, "../set/images").unwrap(), Some(own.join("../set/images")));
        assert_eq!(place(&alone, "none").unwrap(), None);
        assert!(matches!(place(&alone, "../photos"), Err(ConvertError::Outside { .. })));
        assert!(matches!(place(&alone, photos.to_str().unwrap()), Err(ConvertError::Outside { .. })));
        // What lies here under the same last part is what the tool meant, as Ultralytics minds.
        assert_eq!(place(&alone, "../other/images").unwrap(), Some(at("set/images")));
        let named = Allowed { own: &own, photos: Some(&photos) };
        assert_eq!(place(&named, "../photos").unwrap(), Some(own.join("../photos")));
    }
}
