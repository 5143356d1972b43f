//! Bringing one archive to this machine through pip, npm or HTTPS, and checking its hash.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sha2::Sha256;

use super::release;
use super::sources::{self, InstallSource};
use super::unpack::Archive;
use super::wheels::Wheel;
use crate::hash::of_reader;
use crate::runtime::subprocess;

/// Longest that a client may take; a slow line needs minutes for 50 MB.
const LIMIT: Duration = Duration::from_secs(900);

/// And this much longer for each million bytes: a line of two megabits a second.
const LIMIT_PER_MEGABYTE: Duration = Duration::from_secs(4);

/// Ways to call pip: a program, and what comes before pip's own arguments.
type Pips<'a> = &'a [(&'a str, &'a [&'a str])];

const PIPS: Pips<'_> = &[
    ("pip", &[]),
    ("pip3", &[]),
    ("python3", &["-I", "-m", "pip"]),
    ("python", &["-I", "-m", "pip"]),
    ("py", &["-I", "-m", "pip"]),
];

/// Fetches a way's file into `folder`.
pub(super) fn fetch(way: &InstallSource, folder: &Path) -> Result<Archive, String> {
    match way {
        InstallSource::Pip(wheel) => by_pip(wheel, PIPS, folder),
        InstallSource::Npm { folder: inner } => by_npm(way, inner, folder),
        InstallSource::Release(release) => {
            let (path, sha256) = release::download(release, folder)?;
            check(&path, &sha256)?;
            Ok(Archive { path, content: way.content(), only_under: None })
        }
    }
}

pub(super) fn by_pip(wheel: &Wheel, pips: Pips<'_>, folder: &Path) -> Result<Archive, String> {
    let wheels = folder.join("wheel");
    let limit = LIMIT + LIMIT_PER_MEGABYTE * u32::try_from(wheel.megabytes).unwrap_or(u32::MAX);
    let mut refusals = Vec::new();
    for (program, before) in pips {
        let Some(mut command) = subprocess::program(program) else { continue };
        command.args(*before).args(["download", "--no-deps", "--only-binary=:all:", "--no-input", "--quiet"]);
        command.args(["--disable-pip-version-check", "--implementation", "cp", "--python-version", "3.11"]);
        command.args(["--no-cache-dir", "--platform", wheel.platform, "--dest"]).arg(&wheels);
        command.arg(format!("{}=={}", wheel.project, wheel.version));
        write_under(folder, &mut command);
        match subprocess::output(&mut command, limit) {
            Ok(_) => return checked(&InstallSource::Pip(*wheel), only_file(&wheels)?, None),
            Err(reason) => refusals.push(reason),
        }
    }
    Err(most_telling(refusals))
}

fn by_npm(way: &InstallSource, inner: &str, folder: &Path) -> Result<Archive, String> {
    let packs = folder.join("pack");
    fs::create_dir_all(&packs).map_err(|error| error.to_string())?;
    if let Some(mut command) = subprocess::program("npm") {
        command.args(["pack", "--silent", "--ignore-scripts", "--no-update-notifier", "--pack-destination"]);
        // Its own package, which it would look for in the folders above, is where there is none.
        command.arg(&packs).arg("--prefix").arg(folder).arg("--cache").arg(folder.join("cache"));
        command.arg(sources::npm_package());
        write_under(folder, &mut command);
        subprocess::output(&mut command, LIMIT)?;
        return checked(way, only_file(&packs)?, Some(inner.to_owned()));
    }
    Err(subprocess::MISSING.into())
}

/// What a client writes for a while goes where there must be room anyway, and goes away with it.
fn write_under(folder: &Path, command: &mut Command) {
    for variable in ["TMPDIR", "TMP", "TEMP"] {
        command.env(variable, folder);
    }
}

/// That a program is missing says less than what another one answered.
fn most_telling(refusals: Vec<String>) -> String {
    let telling = refusals.into_iter().find(|reason| reason != subprocess::MISSING);
    telling.unwrap_or_else(|| subprocess::MISSING.into())
}

fn only_file(folder: &Path) -> Result<PathBuf, String> {
    let mut entries = fs::read_dir(folder).map_err(|error| error.to_string())?.filter_map(Result::ok);
    entries.next().map(|entry| entry.path()).ok_or_else(|| "it brought no file".into())
}

fn checked(way: &InstallSource, path: PathBuf, only_under: Option<String>) -> Result<Archive, String> {
    if let Some(sha256) = way.sha256() {
        check(&path, sha256)?;
    }
    Ok(Archive { path, content: way.content(), only_under })
}

/// Refuses a file whose SHA-256 is another.
fn check(path: &Path, expected: &str) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let found = of_reader::<Sha256>(file).map_err(|error| error.to_string())?;
    if found == expected {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Err(format!("`{name}` has the SHA-256 {found} instead of {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_hash_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, "abc").unwrap();
        // FIPS 180-2's example.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(check(&path, abc), Ok(()));
        let refusal = check(&path, &abc.replace('b', "c")).unwrap_err();
        assert!(refusal.starts_with(&format!("`abc` has the SHA-256 {abc} instead of ")), "{refusal}");
    }

    #[test]
    fn what_a_client_answered_says_more_than_that_another_is_missing() {
        let reasons = ["not on this machine", "ERROR: no route", "not on this machine"].map(str::to_owned);
        assert_eq!(most_telling(reasons.to_vec()), "ERROR: no route");
    }
}
