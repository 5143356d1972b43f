//! One word for one thing: the name of a type means the same wherever it is read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Types that stand in for each other: of each, one file or the other is compiled, by feature.
const ALTERNATIVES: [&str; 4] = ["Archive", "Lettering", "Masked", "Pattern"];

#[test]
fn no_two_types_of_the_workspace_share_a_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for root in ["src", "crates/coco-eval/src", "crates/rcnn-synth/src", "python/src"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
        let entries = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
        for path in entries
            .map(walkdir::DirEntry::into_path)
            .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        {
            let text = fs::read_to_string(&path).unwrap();
            for name in text.lines().filter_map(defined) {
                places.entry(name.into()).or_default().push(path.display().to_string());
            }
        }
    }
    assert!(places.len() > 500, "only {} types were found", places.len());
    places.retain(|name, files| files.len() > 1 && !ALTERNATIVES.contains(&name.as_str()));
    assert!(places.is_empty(), "{places:#?}");
}

/// The type that a line at a file's margin defines.
fn defined(line: &str) -> Option<&str> {
    let mut words =
        line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let mut word = if line.starts_with([' ', '/', '#', '}']) { None } else { words.next() };
    while matches!(word, Some("pub" | "crate" | "super" | "in" | "self" | "unsafe" | "detector" | "runtime"))
    {
        word = words.next();
    }
    matches!(word, Some("struct" | "enum" | "trait" | "type")).then(|| words.next()).flatten()
}
