//! The modules and their arrows, read from the code: no arrow runs against the order below, and the drawing and the table in
//! docs/architecture are those of today. `RCNN_WRITE_ROOMS=1 cargo test --test it rooms::` writes both anew.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules and crates by rows: what is in a row may lean on later rows only, not on its neighbours.
const ORDER: [&[&str]; 12] = [
    &["cli"],
    &["facade"],
    &["export"],
    &["classify", "compare", "convert", "facade", "quantize", "report"],
    &["run"],
    &["detector", "draw"],
    &["model"],
    &["family", "runtime"],
    &["checkpoint", "convolution", "network"],
    &["geometry", "onnx", "photo", "rcnn_synth"],
    HELPERS,
    &["coco_eval"],
];

/// Single files that all others may use, drawn as one room.
const HELPERS: &[&str] =
    &["atomic", "cache", "clock", "files", "hash", "http", "loader", "memory", "once", "within"];

/// Crates of the workspace, by the names that code calls them.
const CRATES: [&str; 2] = ["coco_eval", "rcnn_synth"];

type Arrows = BTreeMap<String, BTreeSet<String>>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All source files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for path in entries.map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => found.extend(sources(&path)),
            false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}

/// The code of a file without comments and tests, which stand at its end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let mut kept = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let next = lines.peek().copied().unwrap_or_default();
        if line == "#[cfg(test)]" && next.starts_with("mod ") {
            if next.ends_with('{') {
                break;
            }
            lines.next();
        } else if !line.trim_start().starts_with("//") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Files that are compiled for tests only: `#[cfg(test)] mod units;`.
fn tests_only(path: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(path).unwrap();
    let stem = path.file_stem().unwrap().to_str().unwrap();
    let folder = if ["mod", "lib", "main"].contains(&stem) {
        path.parent().unwrap().into()
    } else {
        path.with_extension("")
    };
    let names = text.split("#[cfg(test)]\nmod ").skip(1).filter_map(|rest| rest.split_once(';'));
    names.filter(|(name, _)| !name.contains(['{', ' '])).map(|(name, _)| folder.join(name)).collect()
}

/// Names that stand behind `crate::` and its like: one, or those of a list in braces.
fn names_behind<'a>(code: &'a str, root: &str) -> Vec<&'a str> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, _) in code.match_indices(root) {
        if code[..at].ends_with(|c: char| word(c) || c == '$' || c == ':') {
            continue;
        }
        let rest = &code[at + root.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            found.extend(rest.split(|c| !word(c)).next());
            continue;
        };
        let (mut depth, mut expected) = (0, true);
        for (i, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => expected = true,
                c if expected && depth == 0 && word(c) => {
                    found.extend(list[i..].split(|c| !word(c)).next());
                    expected = false;
                }
                _ => {}
            }
        }
    }
    found
}

/// Which module of the program leans on which others, and on which crates of the workspace.
fn arrows() -> Arrows {
    let src = root().join("src");
    let files = sources(&src);
    let tests: Vec<PathBuf> = files.iter().flat_map(|path| tests_only(path)).collect();
    let room = |path: &Path| {
        let first = path.strip_prefix(&src).unwrap().components().next().unwrap();
        first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
    };
    let rooms: BTreeSet<String> =
        files.iter().map(|path| room(path)).filter(|room| room != "lib" && room != "main").collect();
    let mut arrows: Arrows = rooms.iter().map(|room| (room.clone(), BTreeSet::new())).collect();
    for path in
        files.iter().filter(|path| !tests.iter().any(|test| path.with_extension("").starts_with(test)))
    {
        let (from, code) = (room(path), code(path));
        let Some(leans) = arrows.get_mut(&from) else { continue };
        let inside = ["crate::", "rcnn::"].into_iter().flat_map(|root| names_behind(&code, root));
        leans.extend(inside.filter(|to| rooms.contains(*to) && *to != from).map(str::to_owned));
        let outside = CRATES.iter().filter(|name| !names_behind(&code, &format!("{name}::")).is_empty());
        leans.extend(outside.map(|name| name.to_string()));
    }
    for name in CRATES {
        let folder = root().join("crates").join(name.replace('_', "-")).join("src");
        if folder.is_dir() {
            let codes: Vec<String> = sources(&folder).iter().map(|path| code(path)).collect();
            let others = CRATES.into_iter().chain(["rcnn"]).filter(|other| *other != name);
            let leans = others.filter(|other| {
                codes.iter().any(|code| !names_behind(code, &format!("{other}::")).is_empty())
            });
            arrows.insert(name.to_owned(), leans.map(str::to_owned).collect());
        }
    }
    arrows
}

fn row(name: &str) -> Option<usize> {
    ORDER.iter().position(|row| row.contains(&name))
}

#[test]
fn no_arrow_runs_back_up() {
    let arrows = arrows();
    assert!(arrows["cli"].contains("run") && arrows["network"].contains("onnx"), "{arrows:?}");
    let mut wrong = Vec::new();
    for (from, leans) in &arrows {
        let Some(upper) = row(from) else {
            wrong.push(format!("{from} has no row in ORDER"));
            continue;
        };
        let back = leans.iter().filter(|to| row(to).is_none_or(|lower| lower <= upper));
        wrong.extend(back.map(|to| format!("{from} leans on {to}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is_helper(name: &str) -> bool {
    HELPERS.contains(&name)
}

/// The arrows as a table.
fn table(arrows: &Arrows) -> String {
    let mut text = "| module | leans on |\n|---|---|\n".to_owned();
    for name in ORDER.iter().flat_map(|row| row.iter()).filter(|name| !is_helper(name)) {
        let Some(leans) = arrows.get(*name) else { continue };
        let rows = ORDER.iter().flat_map(|row| row.iter()).filter(|to| leans.contains(**to));
        let leans: Vec<String> = rows.map(|to| format!("`{to}`")).collect();
        let leans = if leans.is_empty() { "nothing of ours".to_owned() } else { leans.join(", ") };
        writeln!(text, "| `{name}` | {leans} |").unwrap();
    }
    let helpers: Vec<String> =
        arrows.keys().filter(|name| is_helper(name)).map(|name| format!("`{name}`")).collect();
    writeln!(text, "| {} | nothing of ours |", helpers.join(", ")).unwrap();
    text
}

/// The drawing: rows by the longest way down, and of the arrows those that no chain of others replaces.
fn drawing(arrows: &Arrows) -> String {
    let rooms: Vec<&str> = arrows.keys().map(String::as_str).filter(|name| !is_helper(name)).collect();
    let leans =
        |from: &str| arrows[from].iter().map(String::as_str).filter(|to| !is_helper(to)).collect::<Vec<_>>();
    fn height(room: &str, arrows: &Arrows) -> usize {
        let below = arrows[room].iter().filter(|to| !is_helper(to));
        below.map(|to| 1 + height(to, arrows)).max().unwrap_or(0)
    }
    fn reaches(from: &str, to: &str, arrows: &Arrows) -> bool {
        arrows[from].iter().any(|next| next == to || reaches(next, to, arrows))
    }
    let top = rooms.iter().map(|room| height(room, arrows)).max().unwrap_or(0);
    let mut places: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    let (wide, tall, gap) = (900.0, 34.0, 74.0);
    for level in (0..=top).rev() {
        let mut row: Vec<&str> = rooms.iter().copied().filter(|room| height(room, arrows) == level).collect();
        // Under the middle of what leans on it, so that few arrows cross.
        let middle = |room: &str| {
            let above: Vec<f64> =
                places.iter().filter(|(from, _)| leans(from).contains(&room)).map(|(_, (x, _))| *x).collect();
            if above.is_empty() { wide / 2.0 } else { above.iter().sum::<f64>() / above.len() as f64 }
        };
        row.sort_by(|a, b| middle(a).total_cmp(&middle(b)).then(a.cmp(b)));
        let step = wide / row.len() as f64;
        let found: Vec<_> =
            row.iter().enumerate().map(|(i, room)| (*room, step * (i as f64 + 0.5))).collect();
        let y = 10.0 + (top - level) as f64 * gap;
        places.extend(found.into_iter().map(|(room, x)| (room, (x, y))));
    }
    let height = 10.0 + top as f64 * gap + tall + 50.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {height}\" font-family=\"sans-serif\" font-size=\"14\">\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0L8 4L0 8z\" fill=\"#567\"/></marker></defs>\n\
         <rect width=\"{wide}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for from in &rooms {
        let (x1, y1) = places[from];
        for to in leans(from) {
            if leans(from).iter().any(|other| *other != to && reaches(other, to, arrows)) {
                continue;
            }
            let (x2, y2) = places[to];
            let (y1, middle) = (y1 + tall, (y1 + tall + y2) / 2.0);
            writeln!(
                svg,
                "<path d=\"M{x1:.0} {y1:.0}C{x1:.0} {middle:.0} {x2:.0} {middle:.0} {x2:.0} {y2:.0}\" fill=\"none\" \
                 stroke=\"#567\" marker-end=\"url(#tip)\"/>"
            )
            .unwrap();
        }
    }
    for (room, (x, y)) in &places {
        let half = 14.0 + 4.2 * room.len() as f64;
        let fill = if CRATES.contains(room) { "#e3f0dc" } else { "#e4ecf7" };
        writeln!(
            svg,
            "<rect x=\"{:.0}\" y=\"{y:.0}\" width=\"{:.0}\" height=\"{tall}\" rx=\"5\" fill=\"{fill}\" stroke=\"#567\"/>\
             <text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{room}</text>",
            x - half,
            2.0 * half,
            y + 22.0
        )
        .unwrap();
    }
    let helpers: Vec<&str> = arrows.keys().map(String::as_str).filter(|name| is_helper(name)).collect();
    writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"#567\">below all of them: {}</text>\n</svg>",
        wide / 2.0,
        height - 18.0,
        helpers.join(", ")
    )
    .unwrap();
    svg
}

#[test]
fn the_drawing_is_that_of_the_code() {
    let arrows = arrows();
    let (svg, page) = (root().join("docs/architecture.svg"), root().join("docs/architecture.md"));
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once("<!-- arrows -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- end of arrows -->").unwrap();
    let whole = format!("{before}<!-- arrows -->\n{}<!-- end of arrows -->{after}", table(&arrows));
    if std::env::var_os("RCNN_WRITE_ROOMS").is_some() {
        fs::write(&svg, drawing(&arrows)).unwrap();
        fs::write(&page, &whole).unwrap();
    }
    let same = fs::read_to_string(&svg).unwrap_or_default() == drawing(&arrows)
        && fs::read_to_string(&page).unwrap() == whole;
    assert!(
        same,
        "modules have moved: RCNN_WRITE_ROOMS=1 cargo test --test it rooms:: writes the drawing and the table anew"
    );
}
