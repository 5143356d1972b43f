//! The library's interface as a list that is kept: what `src/lib.rs` names, with fields, variants, methods and traits, as
//! the code spells them. A change of it shows in `tests/it/public_interface.txt`, which
//! `RCNN_WRITE_INTERFACE=1 cargo test --test it public_interface` writes anew.
//!
//! Reads the code as rustfmt lays it out: an item's head begins at the margin, its members one step inside.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A name that `src/lib.rs` makes public.
struct Public {
    /// The module that it comes from.
    module: String,
    /// The condition that stands before it, or nothing.
    condition: String,
}

/// Names that `src/lib.rs` makes public.
fn names() -> BTreeMap<String, Public> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let text = text.split("pub mod ").last().unwrap();
    let mut names = BTreeMap::new();
    for (at, _) in text.match_indices("\npub use ") {
        let (path, _) = text[at + "\npub use ".len()..].split_once(';').unwrap();
        let before = text[..at].lines().last().unwrap_or_default();
        let condition = if before.starts_with("#[cfg") { before } else { "" };
        let module = path.split("::").next().unwrap();
        let list = path.rsplit_once("::").unwrap().1;
        let list = path.split_once('{').map_or(list, |(_, list)| list.trim_end_matches('}'));
        let each = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let public = || Public { module: module.to_owned(), condition: condition.to_owned() };
        names.extend(each.map(|name| (name.to_owned(), public())));
    }
    names
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The name that an item's head is about: that of a type or function, or of the type that an `impl` is for.
fn subject(head: &str) -> Option<&str> {
    let word = |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let named = ["pub struct ", "pub enum ", "pub trait ", "pub type ", "pub fn "];
    if let Some(rest) = named.iter().find_map(|kind| head.strip_prefix(kind)) {
        return Some(&rest[..word(rest)]);
    }
    let rest = head.strip_prefix("impl")?;
    let rest = match rest.strip_prefix('<') {
        Some(generic) => &generic[generic.find("> ")? + 2..],
        None => rest.trim_start(),
    };
    let rest = rest.rsplit_once(" for ").map_or(rest, |(_, of)| of);
    let rest = rest.rsplit("::").next()?;
    Some(&rest[..word(rest)])
}

/// Whether a line one step inside an item begins what users of the library see.
fn is_public(line: &str, item: &str) -> bool {
    let member = line.strip_prefix("    ").unwrap_or_default();
    let begins = member.starts_with(|c: char| c.is_alphanumeric());
    match item {
        _ if !begins => false,
        "enum" | "trait" => true,
        _ => member.starts_with("pub ") && !member.starts_with("pub("),
    }
}

/// Text up to what ends a head: a body, a semicolon, or a member's comma.
fn head(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        let line = line.trim();
        text = if text.is_empty() { line.to_owned() } else { format!("{text} {line}") };
        if line.ends_with(['{', ';', ',', '}']) && text.matches('(').count() == text.matches(')').count() {
            break;
        }
    }
    text.trim_end_matches(['{', ';', ',', ' ']).replace("( ", "(").replace(", )", ")")
}

/// What one file says of the public names.
///
/// Of a name that other modules have as well, such as `Error`, its own module's counts.
fn read(text: &str, own: &dyn Fn(&str) -> bool, found: &mut BTreeMap<String, Vec<String>>) {
    let text = text.split("\n#[cfg(test)]\nmod tests").next().unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut attributes: Vec<&str> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if line.starts_with("#[") {
            attributes.push(line);
            continue;
        }
        let about = subject(line).filter(|name| own(name));
        if let Some(name) = about {
            let blocks = found.entry(name.to_owned()).or_default();
            let item = if line.starts_with("pub enum") {
                "enum"
            } else if line.starts_with("pub trait") {
                "trait"
            } else {
                "struct"
            };
            let shown = attributes
                .iter()
                .filter(|line| !line.starts_with("#[allow") && !line.starts_with("#[expect"));
            let mut block = shown.map(|line| format!("{line}\n")).collect::<String>();
            let whole = head(&lines[at..]);
            // The private field of a tuple struct is its own business.
            let private = line.starts_with("pub struct") && line.contains('(') && !line.contains("(pub ");
            block += if private { whole.split('(').next().unwrap_or_default() } else { &whole };
            let of_trait = line.starts_with("impl") && line.contains(" for ");
            let mut members = String::new();
            if line.ends_with('{') && !of_trait {
                let (mut inner, body) = (Vec::new(), lines[at + 1..].iter().take_while(|line| **line != "}"));
                for (i, member) in body.enumerate() {
                    if member.starts_with("    #[") {
                        inner.push(member.trim());
                    } else if is_public(member, item) && !inner.contains(&"#[doc(hidden)]") {
                        for attribute in
                            inner.drain(..).filter(|line| line.starts_with("#[cfg") || *line == "#[must_use]")
                        {
                            members += &format!("\n    {attribute}");
                        }
                        members += &format!("\n    {}", head(&lines[at + 1 + i..]));
                    } else if !member.trim().starts_with("//") {
                        inner.clear();
                    }
                }
            }
            // Blocks of private functions alone are nobody's business.
            if !line.starts_with("impl") || of_trait || !members.is_empty() {
                blocks.push(block + &members + "\n");
            }
        }
        if !line.starts_with("///") {
            attributes.clear();
        }
    }
}

#[test]
fn the_interface_is_the_one_that_is_kept() {
    let names = names();
    let (mut files, mut found) = (Vec::new(), BTreeMap::new());
    sources(&root().join("src"), &mut files);
    files.sort();
    let texts: Vec<(String, String)> = files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(root().join("src")).unwrap().with_extension("");
            let module = path.iter().next().unwrap().to_str().unwrap().to_owned();
            (module, fs::read_to_string(file).unwrap())
        })
        .filter(|(module, _)| module != "cli")
        .collect();
    let defined = |text: &str, name: &str| {
        ["struct", "enum", "trait", "type"].iter().any(|kind| {
            let defines = |end| text.contains(&format!("\npub {kind} {name}{end}"));
            [" ", "<", "(", ";"].into_iter().any(defines)
        })
    };
    for (module, text) in &texts {
        let own = |name: &str| {
            let Some(public) = names.get(name) else {
                return false;
            };
            let elsewhere =
                || texts.iter().any(|(other, text)| *other != public.module && defined(text, name));
            *module == public.module || !elsewhere()
        };
        read(text, &own, &mut found);
    }
    let mut text = String::new();
    for (name, Public { condition, .. }) in &names {
        let blocks = found.remove(name).unwrap_or_default();
        assert!(!blocks.is_empty(), "nothing in src/ defines `{name}`");
        text += &format!("# {name}{}{condition}\n", if condition.is_empty() { "" } else { " " });
        text += &(blocks.join("\n") + "\n");
    }
    let path = root().join("tests/it/public_interface.txt");
    if std::env::var_os("RCNN_WRITE_INTERFACE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap();
    let changed = kept.lines().zip(text.lines()).find(|(kept, now)| kept != now);
    assert!(
        kept == text,
        "the public interface has changed ({changed:?}): where that is meant, RCNN_WRITE_INTERFACE=1 writes {} anew",
        path.display()
    );
}
