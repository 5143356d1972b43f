//! README and docs say what is true: every command in them runs, every option exists, every link leads to a file.
//! A block of commands that needs what a test does not have says so behind its language: `sh needs=network`. A block
//! `text output` has lines that the commands before it print; numbers may be others.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Place;

/// What a block may need so that no test runs it. `cargo` is for commands that build the project itself.
const NEEDS: [&str; 4] = ["network", "gpu", "openvino", "cargo"];

/// Languages of blocks that hold no commands.
const OTHER: [&str; 6] = ["text", "json", "python", "rust", "toml", "yaml"];

/// A page: its path from the root of the repository, its blocks of commands, and all other text.
struct Page {
    name: String,
    blocks: Vec<Block>,
    prose: Vec<String>,
}

/// A fenced block: what it needs, if anything, its lines, and lines of what they print.
struct Block {
    line: usize,
    needs: Option<String>,
    commands: String,
    output: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README and all pages of the book.
fn pages() -> Vec<Page> {
    let mut names = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            names.push(format!("docs/{name}"));
        }
    }
    names.sort();
    names.into_iter().map(read).collect()
}

fn read(name: String) -> Page {
    let text = fs::read_to_string(root().join(&name)).unwrap();
    let mut page = Page { name, blocks: Vec::new(), prose: Vec::new() };
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let place = format!("{}:{}", page.name, number + 1);
        let Some(info) = line.trim_start().strip_prefix("```") else {
            assert!(!line.starts_with("    rcnn "), "{place}: commands stand in a block with ```sh");
            page.prose.push(line.to_owned());
            continue;
        };
        let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
        let commands: String = inside.map(|line| format!("{line}\n")).collect();
        let (language, rest) = info.split_once([' ', ',']).unwrap_or((info, ""));
        if (language, rest) == ("text", "output") {
            page.blocks.last_mut().unwrap().output = commands;
            continue;
        }
        if language != "sh" {
            assert!(
                OTHER.contains(&language),
                "{place}: a block of `{language}` is neither sh nor {OTHER:?}"
            );
            continue;
        }
        let needs = rest.strip_prefix("needs=").map(str::to_owned);
        assert!(
            rest.is_empty() || needs.as_ref().is_some_and(|needs| NEEDS.contains(&needs.as_str())),
            "{place}: `{rest}` is not `needs=` and one of {NEEDS:?}"
        );
        page.blocks.push(Block { line: number + 1, needs, commands, output: String::new() });
    }
    page
}

/// A folder with the files that the pages speak of, and with `rcnn` and `cargo` on its path.
fn desk() -> Place {
    let place = Place::new();
    let link = |target: &str, name: &str| {
        let name = place.at(name);
        fs::create_dir_all(name.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(root().join(target), name).unwrap();
    };
    let debris = root().join("datasets/debris");
    let mut set: serde_json::Value =
        serde_json::from_slice(&fs::read(debris.join("annotations.json")).unwrap()).unwrap();
    let images = set["images"].as_array_mut().unwrap();
    images.truncate(2);
    let ids: Vec<_> = images.iter().map(|image| image["id"].clone()).collect();
    for image in images {
        let name = image["file_name"].as_str().unwrap();
        let name = name.rsplit('/').next().unwrap();
        place.write(&format!("photos/{name}"), &fs::read(debris.join("images").join(name)).unwrap());
        place.write("photo.jpg", &fs::read(debris.join("images").join(name)).unwrap());
    }
    set["annotations"].as_array_mut().unwrap().retain(|annotation| ids.contains(&annotation["image_id"]));
    place.write("annotations.json", set.to_string().as_bytes());
    link("datasets/debris", "datasets/debris");
    link("models/fod-r18", "models/mine");
    for rung in ["plain-18", "resnet-18", "plain-34", "resnet-34", "resnet-50", "resnet-101"] {
        link(&format!("models/{rung}"), &format!("models/{rung}"));
    }
    for (file, name) in [("model.pth", "checkpoint.pth"), ("import.json", "import.json")] {
        link(&format!("tests/fixtures/golden/tv-pyramid/{file}"), name);
    }
    link("tests/fixtures/golden", "golden");
    // The README's `cargo run` is the program that is being tested; nothing else is built here.
    let cargo = "#!/bin/sh\n[ \"$1 $2 $3\" = 'run --release --' ] && shift 3 && exec rcnn \"$@\"\n\
                 echo \"cargo $*: mark the block with needs=cargo\" >&2\nexit 1\n";
    let cargo = place.write("bin/cargo", cargo.as_bytes());
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rcnn"), place.at("bin/rcnn")).unwrap();
    fs::set_permissions(cargo, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    place
}

/// A line with every number as `#`.
fn without_numbers(line: &str) -> String {
    let parts: Vec<&str> =
        line.split(|c: char| c.is_ascii_digit() || c == '.').filter(|part| !part.is_empty()).collect();
    parts.join("#")
}

/// Runs the blocks of a page one after the other in one folder; the first that fails is told.
fn run(page: &Page, cache: &Path) -> Result<(), String> {
    let place = desk();
    let results = place.rcnn(&["detect", "photos", "-o", "earlier", "--no-draw", "-a", "annotations.json"]);
    results.expect(0);
    for name in ["before.json", "after.json", "other.json"] {
        fs::copy(place.at("earlier/detections.json"), place.at(name)).unwrap();
    }
    let path = std::env::join_paths(
        [place.at("bin")].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    for block in page.blocks.iter().filter(|block| block.needs.is_none()) {
        let mut shell = Command::new("sh");
        shell.current_dir(place.at(".")).args(["-e", "-c", &block.commands]);
        shell.env("PATH", path.as_ref().unwrap()).env("RCNN_CACHE", cache);
        shell.env("ORT_DYLIB_PATH", crate::support::runtime());
        let output = shell.output().unwrap();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let (name, line, commands) = (&page.name, block.line, &block.commands);
            return Err(format!("{name}:{line}: {}\n{commands}{said}", output.status));
        }
        let printed = String::from_utf8_lossy(&output.stdout);
        let printed: Vec<String> = printed.lines().map(without_numbers).collect();
        let missing =
            block.output.lines().find(|line| line.trim() != "…" && !printed.contains(&without_numbers(line)));
        if let Some(missing) = missing {
            return Err(format!(
                "{}:{}: `{missing}` is not printed, but {printed:#?}",
                page.name, block.line
            ));
        }
    }
    Ok(())
}

#[test]
fn every_command_runs() {
    let cache = tempfile::tempdir().unwrap();
    crate::support::runtime();
    let pages: Vec<Page> = pages();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut failures = Vec::new();
        while let Some(page) = pages.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            if page.blocks.iter().any(|block| block.needs.is_none()) {
                failures.extend(run(page, cache.path()).err());
            }
        }
        failures
    };
    let failures: Vec<String> = std::thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The options of every command, as its help has them; all of them together stand under the empty name.
fn options() -> BTreeMap<String, BTreeSet<String>> {
    let help = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_rcnn")).args(arguments).arg("--help").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = |text: &str| -> Vec<String> {
        let lines = text.lines().skip_while(|line| *line != "Commands:").skip(1);
        let lines = lines.take_while(|line| !line.is_empty());
        lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().map(str::to_owned)).collect()
    };
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for command in listed(&help(&[])).into_iter().filter(|command| !command.is_empty() && command != "help") {
        let text = help(&[&command]);
        let inner = listed(&text).into_iter().filter(|inner| !inner.is_empty() && inner != "help");
        let texts = inner.map(|inner| help(&[&command, &inner])).chain([text.clone()]);
        let own: BTreeSet<String> = texts.flat_map(|text| flags(&text)).collect();
        found.entry(String::new()).or_default().extend(own.iter().cloned());
        found.insert(command, own);
    }
    assert!(found.contains_key("detect") && found["detect"].contains("--tile"), "{found:?}");
    found
}

/// Long options in a text.
fn flags(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let words = text.split(|c| !word(c)).filter(|word| word.starts_with("--") && word.len() > 2);
    words.map(str::to_owned).collect()
}

/// What of a line belongs to one call of the program: its command's name, and the text behind it.
fn calls(line: &str) -> Vec<(String, String)> {
    let line = line.split(" #").next().unwrap_or_default();
    let parts = line.split(['|', ';', '&', '>']);
    let called = parts.map(|part| {
        let part = part.trim().trim_start_matches("cargo run --release -- ").trim_start_matches("rcnn ");
        let (command, rest) = part.split_once(' ').unwrap_or((part, ""));
        (command.to_owned(), rest.to_owned())
    });
    called.collect()
}

#[test]
fn every_option_exists() {
    let options = options();
    // Of programs that the pages speak of as well.
    let others = [
        "--bench",
        "--check",
        "--example",
        "--features",
        "--open",
        "--path",
        "--release",
        "--test",
        "--workers",
    ];
    let mut unknown = Vec::new();
    for page in pages() {
        let spans = page.prose.iter().flat_map(|line| line.split('`').skip(1).step_by(2));
        let lines = page.blocks.iter().flat_map(|block| block.commands.lines());
        for text in spans.chain(lines) {
            let rcnn = text.starts_with("rcnn ") || text.contains(" rcnn ");
            for (command, rest) in calls(text).into_iter().filter(|_| rcnn) {
                let Some(known) = options.get(&command) else { continue };
                unknown.extend(
                    flags(&rest).difference(known).map(|flag| format!("{}: {text}: {flag}", page.name)),
                );
            }
            let all = &options[""];
            let strange = flags(text)
                .into_iter()
                .filter(|flag| !all.contains(flag) && !others.contains(&flag.as_str()));
            unknown.extend(strange.map(|flag| format!("{}: {text}: {flag}", page.name)));
        }
    }
    assert!(unknown.is_empty(), "no such options:\n{}", unknown.join("\n"));
}

#[test]
fn every_link_leads_to_a_file() {
    let mut broken = Vec::new();
    for page in pages() {
        let folder = root().join(&page.name).parent().map(PathBuf::from).unwrap();
        let links = page.prose.iter().flat_map(|line| line.split("](").skip(1));
        for link in links.filter_map(|rest| rest.split([')', '#']).next()) {
            if !link.is_empty() && !link.contains("://") && !folder.join(link).exists() {
                broken.push(format!("{}: {link}", page.name));
            }
        }
    }
    assert!(broken.is_empty(), "links to nothing:\n{}", broken.join("\n"));
}
