//! Images that belong together: frames of one video, photos of one camera, flight or patient. They are not independent, and
//! intervals that take them for such are too narrow.

use std::collections::HashMap;
use std::path::Path;

use regex_lite::Regex;

use super::error::EvaluateError;
use super::{Evaluator, Warning};
use crate::coco::{Image, escaped, quoted};

/// Groups of the evaluated images.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    /// What was asked for.
    pub key: String,
    /// How many groups there are, with those of one image that belongs to none.
    pub count: usize,
    /// Images that belong to no group, and count as one each.
    pub alone: usize,
    /// The group of each evaluated image.
    pub(super) of: Vec<u32>,
}

/// Most bytes of a table of groups.
const MOST_TABLE: u64 = 1 << 28;
/// Images of a group, on average, from which on a likely field is worth a warning.
const MANY: usize = 4;
/// Names of fields that say what belongs together.
const LIKELY: [&str; 14] = [
    "video", "sequence", "camera", "site", "scene", "clip", "track", "flight", "patient", "session",
    "location", "drive", "trip", "subject",
];

impl Clusters {
    /// Groups by the name of each image's group; `None` is a group of its own.
    fn new(key: &str, names: impl IntoIterator<Item = Option<String>>) -> Clusters {
        let mut known: HashMap<String, u32> = HashMap::new();
        let (mut count, mut alone, mut of) = (0u32, 0, Vec::new());
        for name in names {
            let new = match name {
                Some(name) => *known.entry(name).or_insert(count),
                None => {
                    alone += 1;
                    count
                }
            };
            count = count.max(new + 1);
            of.push(new);
        }
        Clusters { key: key.into(), count: count as usize, alone, of }
    }

    /// "31 clusters by `sequence`", with what belongs to none.
    pub fn description(&self) -> String {
        let rest = match self.alone {
            0 => String::new(),
            1 => ", of which 1 is an image that belongs to none".into(),
            many => format!(", of which {many} are images that belong to none"),
        };
        format!("{} clusters by {}{rest}", self.count, quoted(&self.key))
    }
}

impl Evaluator {
    /// Groups of the evaluated images by a key: a field of the annotations' images, `folder`, a table (CSV or TSV) of file names and
    /// groups, or a regular expression on the file name, of which the first group in parentheses counts if there is one.
    ///
    /// # Errors
    /// When the key is none of these, or says nothing of any image.
    pub fn clusters(&self, key: &str) -> Result<Clusters, EvaluateError> {
        let images = self.scoped_images();
        let trouble = |what: String| EvaluateError::Params(what);
        let clusters = if images.iter().flatten().any(|image| field(image, key).is_some()) {
            Clusters::new(key, images.iter().map(|image| field(image.as_ref()?, key).map(String::from)))
        } else if key == "folder" {
            Clusters::new(
                key,
                images.iter().map(|image| Some(folder(image.as_ref()?.file_name.as_deref()?).into())),
            )
        } else if Path::new(key).is_file() {
            let table = table(Path::new(key)).map_err(trouble)?;
            let group = |name: &str| table.get(name).or_else(|| table.get(base(name))).cloned();
            Clusters::new(key, images.iter().map(|image| group(image.as_ref()?.file_name.as_deref()?)))
        } else if key.contains(|c: char| r"\()[]{}*+?^$|.".contains(c)) {
            let pattern = Regex::new(key).map_err(|error| {
                trouble(format!("{} is no regular expression: {}", quoted(key), regex_error(&error)))
            })?;
            let part = |name: &str| {
                let found = pattern.captures(name)?;
                found.get(1).or_else(|| found.get(0)).map(|found| found.as_str().to_owned())
            };
            Clusters::new(key, images.iter().map(|image| part(image.as_ref()?.file_name.as_deref()?)))
        } else {
            return Err(trouble(self.no_such_key(key, &images)));
        };
        if clusters.alone == images.len() {
            return Err(trouble(format!("{} says of no image to which group it belongs", quoted(key))));
        }
        Ok(clusters)
    }

    /// Each evaluated image's first entry.
    fn scoped_images(&self) -> Vec<Option<&Image>> {
        let mut images = vec![None; self.scope.images.len()];
        for image in self.set.images() {
            if let Some(place) = self.scope.image(image.id) {
                images[place as usize].get_or_insert(image);
            }
        }
        images
    }

    fn no_such_key(&self, key: &str, images: &[Option<&Image>]) -> String {
        let mut fields: Vec<&str> =
            images.iter().flatten().flat_map(|image| image.fields.iter().map(|(name, _)| &**name)).collect();
        fields.sort_unstable();
        fields.dedup();
        let own = match fields.len() {
            0 => "the images have no fields of their own".into(),
            _ => {
                let names: Vec<String> = fields.into_iter().take(8).map(quoted).collect();
                format!("the images have {}", names.join(", "))
            }
        };
        format!(
            "no image of the annotations has a field {}, and there is no such table: {own}; `folder`, a CSV file of file names and \
             groups, and a regular expression on the file name will do as well",
            quoted(key)
        )
    }

    /// What to say where intervals take images for independent that look as if they belonged together.
    pub fn about_clusters(&self) -> Option<Warning> {
        let images = self.scoped_images();
        let grouped = |clusters: &Clusters| {
            let all = clusters.of.len() - clusters.alone;
            let groups = clusters.count - clusters.alone;
            groups >= 2 && 2 * all >= clusters.of.len() && all >= MANY * groups
        };
        let mut keys: Vec<&str> = Vec::new();
        for (name, _) in images.iter().flatten().flat_map(|image| image.fields.iter()) {
            if !keys.contains(&&**name) && keys.len() < LIKELY.len() {
                keys.push(name);
            }
        }
        let likely = |name: &str| LIKELY.iter().any(|word| name.to_lowercase().contains(word));
        let fields = keys.into_iter().filter(|name| likely(name)).map(|key| {
            (
                format!("field {}", quoted(key)),
                Clusters::new(key, images.iter().map(|image| field(image.as_ref()?, key).map(String::from))),
            )
        });
        let folders = Clusters::new(
            "folder",
            images.iter().map(|image| Some(folder(image.as_ref()?.file_name.as_deref()?).into())),
        );
        let starts =
            Clusters::new(START, images.iter().map(|image| start(image.as_ref()?.file_name.as_deref()?)));
        let mut found = fields.chain([("folder".into(), folders), ("start of the file name".into(), starts)]);
        let (what, clusters) = found.find(|(_, clusters)| grouped(clusters))?;
        let (all, groups) = (clusters.of.len() - clusters.alone, clusters.count - clusters.alone);
        let mut warning = Warning::new(
            "images_in_groups",
            format!(
                "by the {what} {all} images are of {groups} clusters. Images of one video, camera or place are not independent, and \
                 intervals by image are then too narrow: `--cluster '{}'` draws whole clusters",
                clusters.key
            ),
        );
        warning.count = Some(groups as u64);
        Some(warning)
    }
}

/// What stands before the last number in a file's name, as a pattern for `--cluster`.
const START: &str = r"^(.*?[^0-9])[0-9]+\.[^.]*$";

fn field<'a>(image: &'a Image, key: &str) -> Option<&'a str> {
    image.fields.iter().rev().find(|(name, _)| &**name == key).map(|(_, value)| &**value)
}

fn folder(name: &str) -> &str {
    name.rfind(['/', '\\']).map_or("", |end| &name[..end])
}

fn base(name: &str) -> &str {
    name.rfind(['/', '\\']).map_or(name, |end| &name[end + 1..])
}

/// What [`START`] finds.
fn start(name: &str) -> Option<String> {
    let stem = &name[..name.rfind('.')?];
    let start = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    (!start.is_empty() && start.len() < stem.len()).then(|| start.to_owned())
}

/// A pattern's fault in one line.
fn regex_error(error: &regex_lite::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
}

/// Groups by file name: two columns, with a comma, a semicolon or a tabulator between them.
fn table(path: &Path) -> Result<HashMap<String, String>, String> {
    let place = format!("`{}`", escaped(path));
    let size = std::fs::metadata(path).map_or(0, |data| data.len());
    if size > MOST_TABLE {
        return Err(format!("{place} is too large for a table of groups: {size} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {place}: {error}"))?;
    let mut table = HashMap::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let Some((name, group)) = columns(line) else {
            return Err(format!(
                "line {} of {place} has no two columns: a file name and its group expected",
                number + 1
            ));
        };
        if table.insert(name.clone(), group.clone()).is_some_and(|other| other != group) {
            return Err(format!("{place} puts {} into two groups", quoted(&name)));
        }
        if base(&name) != name {
            table.entry(base(&name).to_owned()).or_insert(group);
        }
    }
    Ok(table)
}

fn columns(line: &str) -> Option<(String, String)> {
    let (name, group) = match line.strip_prefix('"') {
        Some(rest) => {
            let (name, rest) = rest.split_once('"')?;
            (name, rest.trim_start().strip_prefix([',', ';', '\t'])?)
        }
        None => line.split_once(['\t', ';']).or_else(|| line.rsplit_once(','))?,
    };
    let bare = |text: &str| text.trim().trim_matches('"').to_owned();
    Some((bare(name), bare(group)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_make_groups_and_nothing_is_a_group_of_its_own() {
        let names = ["a", "b", "", "a", ""].map(|name| (!name.is_empty()).then(|| name.to_owned()));
        let clusters = Clusters::new("k", names);
        assert_eq!(clusters.of, [0, 1, 2, 0, 3]);
        assert_eq!((clusters.count, clusters.alone), (4, 2));
    }

    #[test]
    fn rows_of_a_table_have_two_columns() {
        let pair = |name: &str, group: &str| Some((name.to_owned(), group.to_owned()));
        assert_eq!(columns("a.jpg,7"), pair("a.jpg", "7"));
        assert_eq!(columns("a, b.jpg\tx y"), pair("a, b.jpg", "x y"));
        assert_eq!(columns("\"a, b.jpg\", \"x\""), pair("a, b.jpg", "x"));
        assert_eq!(columns("a.jpg"), None);
    }

    #[test]
    fn a_start_is_what_stands_before_the_last_number() {
        let pattern = Regex::new(START).unwrap();
        for name in
            ["MVI_20011_img00001.jpg", "a/b7.png", "000139.jpg", "a/000139.jpg", "no.jpg", "cam1_2.tar.gz"]
        {
            let found = pattern.captures(name).map(|found| found[1].to_owned());
            assert_eq!(start(name), found, "{name}");
        }
        assert_eq!(start("MVI_20011_img00001.jpg").as_deref(), Some("MVI_20011_img"));
        assert_eq!(start("000139.jpg"), None);
    }
}
