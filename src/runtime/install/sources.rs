//! Where ONNX Runtime itself comes from, and the hashes that it must have: plain data.

use super::wheels::Wheel;

/// The release that is installed where none is found.
pub(in crate::runtime) const PINNED: &str = "1.31.1";

/// npm's package follows the releases with some delay: the newest one there.
const PINNED_NPM: &str = "1.30.0";

/// SHA-256 of npm's package, which holds the libraries of all systems.
const NPM_SHA256: &str = "6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75";

/// What a file is fetched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// ONNX Runtime itself.
    Runtime,
    /// OpenVINO's plugin with the libraries that it needs on a processor.
    OpenVino,
    /// ONNX Runtime with CUDA, or libraries of NVIDIA's that it needs.
    Cuda,
}

/// One way to a file that holds the library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InstallSource {
    /// `pip download` of the wheel for this machine.
    Pip(Wheel),
    /// `npm pack` of `onnxruntime-node`; the library lies in this folder of the package.
    Npm { folder: &'static str },
    /// The project's release archive over HTTPS.
    Release(Release),
}

/// A release archive, whose hash the release's own description states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Release {
    /// File name of the archive.
    pub(super) archive: String,
    /// Where the files of the release are.
    pub(super) files: String,
    /// Where the release is described, as GitHub's interface does: `assets`, each with `name` and `digest`.
    pub(super) description: String,
}

impl InstallSource {
    /// What it is called in messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            InstallSource::Pip(_) => "pip's wheel",
            InstallSource::Npm { .. } => "npm's package",
            InstallSource::Release(_) => "the release archive",
        }
    }

    /// The version that it brings.
    pub(super) fn version(&self) -> &'static str {
        match self {
            InstallSource::Pip(wheel) => wheel.version,
            InstallSource::Npm { .. } => PINNED_NPM,
            InstallSource::Release(_) => PINNED,
        }
    }

    /// What it is fetched for.
    pub(super) fn content(&self) -> Content {
        match self {
            InstallSource::Pip(wheel) => wheel.content,
            InstallSource::Npm { .. } | InstallSource::Release(_) => Content::Runtime,
        }
    }

    /// The hash that is known beforehand.
    pub(super) fn sha256(&self) -> Option<&'static str> {
        match self {
            InstallSource::Pip(wheel) => Some(wheel.sha256),
            InstallSource::Npm { .. } => Some(NPM_SHA256),
            InstallSource::Release(_) => None,
        }
    }
}

/// What npm is asked for.
pub(super) fn npm_package() -> String {
    format!("onnxruntime-node@{PINNED_NPM}")
}

/// The ways for this machine, in order; none for a system without releases.
pub(super) fn ways() -> Vec<InstallSource> {
    machine(std::env::consts::OS, std::env::consts::ARCH).map_or_else(Vec::new, Platform::ways)
}

/// One system and processor.
#[derive(Clone, Copy)]
struct Platform {
    wheel: &'static str,
    wheel_sha256: &'static str,
    npm: &'static str,
    release: &'static str,
}

fn machine(os: &str, processor: &str) -> Option<Platform> {
    Some(match (os, processor) {
        ("linux", "x86_64") => Platform {
            wheel: "manylinux_2_28_x86_64",
            wheel_sha256: "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
            npm: "linux/x64",
            release: "linux-x64.tgz",
        },
        ("linux", "aarch64") => Platform {
            wheel: "manylinux_2_28_aarch64",
            wheel_sha256: "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
            npm: "linux/arm64",
            release: "linux-aarch64.tgz",
        },
        ("macos", "aarch64") => Platform {
            wheel: "macosx_14_0_arm64",
            wheel_sha256: "60b6b69bfe580eab576cacc5d132a0e9cf2a37fcfd18d46dd191042b1d1ed0d7",
            npm: "darwin/arm64",
            release: "osx-arm64.tgz",
        },
        ("windows", "x86_64") => Platform {
            wheel: "win_amd64",
            wheel_sha256: "c3d91b5de31e2fc82d71bd65b2b22bddee8b49057a3a36338e9a868e0ea90c05",
            npm: "win32/x64",
            release: "win-x64.zip",
        },
        _ => return None,
    })
}

impl Platform {
    fn ways(self) -> Vec<InstallSource> {
        let (system, kind) = self.release.split_once('.').unwrap_or((self.release, "tgz"));
        let project = "microsoft/onnxruntime";
        vec![
            InstallSource::Pip(Wheel {
                content: Content::Runtime,
                project: "onnxruntime",
                version: PINNED,
                platform: self.wheel,
                sha256: self.wheel_sha256,
                megabytes: 24,
            }),
            InstallSource::Npm { folder: self.npm },
            InstallSource::Release(Release {
                archive: format!("onnxruntime-{system}-{PINNED}.{kind}"),
                files: format!("https://github.com/{project}/releases/download/v{PINNED}"),
                description: format!("https://api.github.com/repos/{project}/releases/tags/v{PINNED}"),
            }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_systems_have_three_ways_and_whole_hashes() {
        for (os, processor) in
            [("linux", "x86_64"), ("linux", "aarch64"), ("macos", "aarch64"), ("windows", "x86_64")]
        {
            let ways = machine(os, processor).unwrap().ways();
            assert_eq!(ways.len(), 3);
            let known = ways.iter().filter_map(InstallSource::sha256);
            assert!(known.clone().all(|hash| hash.len() == 64) && known.count() == 2);
        }
        let InstallSource::Release(release) = machine("windows", "x86_64").unwrap().ways().remove(2) else {
            panic!()
        };
        assert_eq!(release.archive, "onnxruntime-win-x64-1.31.1.zip");
        assert!(machine("plan9", "vax").is_none());
    }
}
