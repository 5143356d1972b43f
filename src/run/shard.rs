//! A share of a run's photos, so that several machines can do one run; `merge` joins them again.

use std::fmt::{self, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Task;
use crate::hash::sha256;
use coco_eval::ResultId;

/// Which share: every `of`-th photo, beginning with the `number`-th. Neighbours in a folder are often alike, so that
/// shares taken like this are about as much work as one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    /// From 1 to `of`.
    pub number: usize,
    /// How many shares there are.
    pub of: usize,
}

impl Shard {
    /// How many of so many photos are in it.
    pub fn share(self, photos: usize) -> usize {
        (photos + self.of - self.number) / self.of
    }

    pub(super) fn select(self, all: &[Task]) -> Vec<Task> {
        all.iter().skip(self.number - 1).step_by(self.of).cloned().collect()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Shard, &'static str> {
        let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        let Some((number, of)) = parts else { return Err("two numbers are needed, as in 2/8") };
        if (1..=of).contains(&number) {
            Ok(Shard { number, of })
        } else {
            Err("the first of eight is 1/8, the last 8/8")
        }
    }
}

impl TryFrom<String> for Shard {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Shard, &'static str> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> String {
        shard.to_string()
    }
}

/// SHA-256 of the photos' names and ids: shards of one run have been shown the same photos.
pub(super) fn listing(tasks: &[Task]) -> String {
    let mut listing = ShardListing::default();
    tasks.iter().for_each(|task| listing.add(&task.image_id, &task.entry.name));
    listing.end()
}

/// The same, photo by photo.
#[derive(Default)]
pub(super) struct ShardListing(String);

impl ShardListing {
    pub(super) fn add(&mut self, image_id: &ResultId, name: &str) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{image_id} {name}\0");
    }

    pub(super) fn end(&self) -> String {
        sha256(self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coco_eval::ResultId;

    #[test]
    fn every_photo_is_in_one_shard() {
        let entries = (0..10).map(|number| crate::photo::PhotoEntry {
            path: format!("{number}").into(),
            name: number.to_string(),
            depth: 1,
        });
        let all = super::super::count(entries.collect());
        for of in 1..12 {
            let shards = (1..=of).map(|number| Shard { number, of });
            let mut ids = Vec::new();
            for shard in shards {
                let selected = shard.select(&all);
                assert_eq!(selected.len(), shard.share(all.len()), "{shard}");
                ids.extend(selected.iter().map(|task| task.image_id.clone()));
            }
            ids.sort_unstable();
            assert_eq!(ids, (1..=10u64).map(ResultId::from).collect::<Vec<_>>());
        }
    }

    #[test]
    fn shards_are_numbered_from_one() {
        assert_eq!("2/8".parse(), Ok(Shard { number: 2, of: 8 }));
        for text in ["0/8", "9/8", "0/0", "1", "1/", "/2", "a/b", "-1/2", "1/2/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
