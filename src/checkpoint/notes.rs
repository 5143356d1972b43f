//! Texts that stand beside the tensors: configs, class names, versions. Data to judge, never to run.

use std::collections::BTreeMap;

use super::pickle::{PickleValue, Pickled, ValueId};

/// How deep, how many and how long the texts may be that are kept.
const DEEPEST: usize = 3;
const MOST_VISITED: usize = 20_000;
const MOST_BYTES: usize = 16 << 20;

/// Texts and lists of texts by the dotted path of their keys: `meta.cfg`, `meta.CLASSES`, `cfg`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notes(BTreeMap<String, Vec<String>>);

impl Notes {
    /// Gathers the texts near the root of a pickle; large dicts, such as an optimizer's, are left alone.
    pub(super) fn of(pickled: &Pickled<'_>) -> Notes {
        let mut notes = Notes::default();
        let mut left = MOST_BYTES;
        let mut open: Vec<(String, ValueId, usize)> = vec![(String::new(), pickled.root, 0)];
        let mut visited = 0;
        while let Some((path, id, depth)) = open.pop() {
            for &(key, value) in pickled.entries(id).unwrap_or_default() {
                visited += 1;
                if visited > MOST_VISITED {
                    return notes;
                }
                let Some(key) = pickled.name(key).filter(|key| key.len() < 256) else { continue };
                let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                match pickled.get(value) {
                    PickleValue::Dict(_) if depth + 1 < DEEPEST => open.push((path, value, depth + 1)),
                    _ => notes.keep(path, pickled, value, &mut left),
                }
            }
        }
        notes
    }

    fn keep(&mut self, path: String, pickled: &Pickled<'_>, value: ValueId, left: &mut usize) {
        let texts: Option<Vec<String>> = match pickled.items(value) {
            Some(items) if items.len() <= MOST_VISITED => {
                items.iter().map(|&item| pickled.text(item)).collect()
            }
            Some(_) => None,
            None => pickled.text(value).map(|text| vec![text]),
        };
        let Some(texts) = texts.filter(|texts| !texts.is_empty()) else { return };
        let length = texts.iter().map(String::len).sum();
        if let Some(rest) = left.checked_sub(length) {
            *left = rest;
            self.0.insert(path, texts);
        }
    }

    /// The text at a path.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).and_then(|texts| texts.first()).map(String::as_str)
    }

    /// The list of texts at a path.
    pub(crate) fn texts(&self, path: &str) -> Option<&[String]> {
        self.0.get(path).map(Vec::as_slice)
    }
}
