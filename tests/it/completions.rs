//! What shells and `man` are told: every command, and options of one that a person would look for.

use assert_cmd::Command;

use crate::support;

fn rcnn(arguments: &[&str]) -> String {
    let output = Command::cargo_bin("rcnn").unwrap().args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that `rcnn --help` lists.
fn verbs() -> Vec<String> {
    let help = rcnn(&["--help"]);
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap().to_owned();
    let verb = |line: &str| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')).map(str::to_owned);
    list.lines().filter_map(verb).map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn shells_complete_every_command() {
    let verbs = verbs();
    assert!(verbs.len() > 15, "{verbs:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = rcnn(&["completions", shell]);
        for verb in &verbs {
            assert!(script.contains(verb.as_str()), "{shell}: {verb}");
        }
        assert!(script.contains("draw-score"), "{shell}");
    }
}

/// The script as bash itself takes it.
#[test]
#[cfg(unix)]
fn bash_completes_an_option() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("rcnn.bash");
    std::fs::write(&script, rcnn(&["completions", "bash"])).unwrap();
    let ask = "source \"$0\" && COMP_WORDS=(rcnn detect --retry) COMP_CWORD=2 && _rcnn rcnn --retry detect && echo ${COMPREPLY[@]}";
    let Ok(output) = std::process::Command::new("bash").args(["-c", ask]).arg(&script).output() else {
        return support::skipped("there is no bash");
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "--retry-failed", "{output:?}");
}

#[test]
fn every_command_has_a_page() {
    let page = rcnn(&["man"]);
    assert!(page.contains(".TH rcnn 1") && page.contains("detect"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man1");
    rcnn(&["man", "-o", out.to_str().unwrap()]);
    for verb in verbs().iter().filter(|verb| *verb != "help") {
        assert!(out.join(format!("rcnn-{verb}.1")).is_file(), "{verb}");
    }
}
