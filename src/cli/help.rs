//! One form for the help of all verbs: the same order, the same sections, and values listed in the same way. Must not know
//! any verb.

use clap::{Arg, Command};
use std::fmt::Write as _;

/// Sections of help in their order, with the long names of all options in theirs.
const SECTIONS: [(&str, &[&str]); 7] = [
    (
        "Input",
        &[
            "annotations",
            "results",
            "versus",
            "images",
            "input",
            "photos",
            "labels",
            "from",
            "sha256",
            "split",
            "shard",
            "count",
            "warm-up",
            "from-zero",
            "photo-sizes",
            "map-by-name",
            "corrected",
            "seen-only",
            "image-ids",
            "category-ids",
            "decoder",
            "ignore-orientation",
            "allow-truncated",
            "max-pixels",
            "max-file-size",
            "objects",
            "size",
        ],
    ),
    ("Model", &["model", "group", "weights", "name", "config", "names", "family", "key", "prefix", "verify"]),
    (
        "Output",
        &[
            "out",
            "to",
            "format",
            "crops",
            "sort-into",
            "exif",
            "arrays",
            "best-scores",
            "template",
            "per-class",
            "top",
            "markdown",
            "json",
            "json-lines",
            "overwrite",
            "retry-failed",
            "again",
            "keep",
            "against",
            "all",
        ],
    ),
    (
        "What is found",
        &[
            "classes",
            "score",
            "nms",
            "soft-nms",
            "class-agnostic",
            "max-detections",
            "no-masks",
            "tile",
            "augment",
            "scales",
            "flip",
            "merge",
            "refine",
            "views",
            "resize",
            "crop",
            "bicubic",
            "proposals",
            "method",
            "percentile",
            "min-snr",
            "reduce-range",
        ],
    ),
    (
        "What is measured",
        &[
            "iou-type",
            "metric",
            "lvis",
            "max-dets",
            "iou-thresholds",
            "recall-thresholds",
            "area-ranges",
            "sigmas",
            "bootstrap",
            "interval",
            "cluster",
            "seed",
            "tide",
            "tide-positive",
            "tide-background",
            "errors",
            "iou",
            "plus-one",
            "bin-edges",
            "tune",
        ],
    ),
    (
        "How it is drawn",
        &["draw-score", "show-truth", "label", "line-width", "text-size", "font", "pictures", "no-draw"],
    ),
    ("Machine", &["device", "precision", "threads", "streams", "batch", "memory", "runtime", "offline"]),
];

/// What every verb has.
pub(super) const GENERAL: &str = "General";

/// The command and its verbs with their options in the order of [`SECTIONS`], each on a line of its own and its help below,
/// and with a paragraph a line in what follows them, so that it is wrapped once, at the terminal's width.
pub(super) fn arranged(command: Command) -> Command {
    let command = command.mut_subcommands(|verb| {
        let verbs = verb.has_subcommands();
        arranged(verb).next_line_help(!verbs)
    });
    let mut options: Vec<(Option<(usize, usize)>, String)> = command
        .get_arguments()
        .filter(|option| !option.is_global_set())
        .map(|option| (place(option), option.get_id().to_string()))
        .collect();
    options.sort_by_key(|(place, _)| *place);
    let ordered = options.into_iter().fold(command, |command, (place, id)| {
        // Taken out and put in again, behind the others.
        command.mut_arg(id, |option| {
            let option = listed(option);
            match place {
                Some((section, number)) => option.help_heading(SECTIONS[section].0).display_order(number),
                None => option,
            }
        })
    });
    let Some(text) = ordered.get_after_help().map(ToString::to_string) else { return ordered };
    ordered.after_help(paragraphs(&text))
}

/// The section of an option and its place there; none of an argument without a name.
fn place(option: &Arg) -> Option<(usize, usize)> {
    let name = option.get_long()?;
    SECTIONS.iter().enumerate().find_map(|(section, (_, names))| {
        names.iter().position(|known| *known == name).map(|number| (section, number))
    })
}

/// The option with its values in lines below its help, each with what it means.
fn listed(option: Arg) -> Arg {
    let values = option.get_possible_values();
    if values.is_empty() || !option.get_action().takes_values() {
        return option;
    }
    let mut help = option.get_help().map(ToString::to_string).unwrap_or_default();
    let default: Vec<_> = option.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !default.is_empty() {
        // Writing into a String does not fail.
        let _ = write!(help, " [default: {}]", default.join(","));
    }
    let visible: Vec<_> = values.iter().filter(|value| !value.is_hide_set()).collect();
    let longest = visible.iter().map(|value| value.get_name().chars().count()).max().unwrap_or(0);
    for value in visible {
        let meaning = value.get_help().map(ToString::to_string).unwrap_or_default();
        let line = format!("  {:longest$}  {meaning}", value.get_name());
        let _ = write!(help, "\n{}", line.trim_end());
    }
    option.help(help).hide_possible_values(true).hide_default_value(true)
}

/// Lines that begin with a blank stay as they are.
fn paragraphs(text: &str) -> String {
    let mut flowed = String::new();
    let goes_on = |line: &str| !line.is_empty() && !line.starts_with(' ') && !line.ends_with(':');
    let mut open = false;
    for line in text.lines() {
        if open && goes_on(line) {
            flowed.push(' ');
        } else if !flowed.is_empty() || line.is_empty() {
            flowed.push('\n');
        }
        flowed.push_str(line);
        open = goes_on(line);
    }
    flowed
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::CommandFactory;

    use super::*;

    /// Options that mean another thing in these verbs than elsewhere.
    const OTHERS: [(&str, &str); 9] = [
        ("classify", "scales"),
        ("convert", "images"),
        ("convert", "score"),
        ("evaluate", "class-agnostic"),
        ("inspect", "size"),
        ("synth", "count"),
        ("synth", "format"),
        ("synth", "size"),
        // Each verb writes something of its own.
        ("", "out"),
    ];

    fn verbs(command: &Command) -> Vec<&Command> {
        command.get_subcommands().flat_map(|verb| std::iter::once(verb).chain(verbs(verb))).collect()
    }

    fn program() -> Command {
        arranged(super::super::Cli::command())
    }

    #[test]
    fn every_option_has_a_place() {
        let program = program();
        for verb in verbs(&program) {
            for option in verb.get_arguments().filter(|option| !option.is_positional()) {
                assert!(place(option).is_some(), "{}: {option} is in no section", verb.get_name());
            }
        }
    }

    #[test]
    fn an_option_has_the_same_words_everywhere() {
        let program = program();
        let mut words: BTreeMap<String, (&str, String)> = BTreeMap::new();
        for verb in verbs(&program) {
            for option in verb.get_arguments().filter(|option| !option.is_positional()) {
                let name = option.get_long().unwrap_or_default();
                if OTHERS.iter().any(|(of, other)| *other == name && [verb.get_name(), ""].contains(of)) {
                    continue;
                }
                let help = option.get_help().map(ToString::to_string).unwrap_or_default();
                let first = help.split([',', ';', ':', '(', '[', '\n']).next().unwrap_or_default().trim();
                let value: Vec<_> =
                    option.get_value_names().unwrap_or_default().iter().map(|name| name.as_str()).collect();
                let text = format!("{} {first}", value.join(" "));
                let (other, before) =
                    words.entry(name.into()).or_insert_with(|| (verb.get_name(), text.clone()));
                assert_eq!(*before, text, "--{name} in {other} and in {}", verb.get_name());
            }
        }
    }

    #[test]
    fn sections_are_in_order() {
        let program = program();
        let known: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
        for verb in verbs(&program) {
            let headings = verb.get_arguments().filter_map(Arg::get_help_heading);
            let places: Vec<_> = headings.map(|name| known.iter().position(|other| *other == name)).collect();
            assert!(places.is_sorted(), "{}: {places:?}", verb.get_name());
        }
    }

    #[test]
    fn paragraphs_are_lines() {
        let text = "Examples:\n  rcnn a\n  rcnn b\n\nOne\nline.\n\nAnother\none.";
        assert_eq!(paragraphs(text), "Examples:\n  rcnn a\n  rcnn b\n\nOne line.\n\nAnother one.");
    }
}
