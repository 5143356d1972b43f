//! Folders that are called as classes, on every file system.

use std::collections::HashSet;

use crate::run::ResultCategory;

/// Longest name in bytes; file systems take 255.
const LONGEST: usize = 100;
/// Names that Windows keeps for devices.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// A name of a folder for each class, each once, whatever case counts.
pub(super) fn names(classes: &[ResultCategory]) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut name = |class: &ResultCategory| {
        let plain = plain(&class.name);
        let mut name = if plain.is_empty() { format!("class {}", class.id) } else { plain };
        while !taken.insert(name.to_lowercase()) {
            name = format!("{name}-{}", self::plain(&class.id.to_string()));
        }
        name
    };
    classes.iter().map(&mut name).collect()
}

/// A class's name without what some file system refuses or takes for a path.
fn plain(name: &str) -> String {
    let refused = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
    let kept: String = name.chars().map(|c| if refused(c) { '_' } else { c }).collect();
    let kept = kept.trim().trim_end_matches('.').trim_start_matches('.');
    let end = (0..=LONGEST.min(kept.len())).rev().find(|&end| kept.is_char_boundary(end)).unwrap_or(0);
    let kept = kept[..end].trim_end();
    let device = DEVICES.iter().any(|device| kept.eq_ignore_ascii_case(device));
    if device { format!("{kept}_") } else { kept.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_have_safe_names_of_their_own() {
        let class = |id: u64, name: &str| ResultCategory { id: id.into(), name: name.into() };
        let long = "ü".repeat(80);
        let classes = [
            class(1, "nut/bolt"),
            class(2, "nut\\bolt"),
            class(3, " .. "),
            class(4, "Pen"),
            class(5, "pen"),
            class(6, "aux"),
            class(7, &long),
            class(8, "a\u{7}b. "),
        ];
        assert_eq!(
            names(&classes),
            ["nut_bolt", "nut_bolt-2", "class 3", "Pen", "pen-5", "aux_", &"ü".repeat(50), "a_b"]
        );
    }
}
