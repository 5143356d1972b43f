//! What a folder, a file, a signal, a full disk or a small memory can do to a run, tried at random: the program must
//! end, say why in a sentence, and finish to the same bytes when it is started again. README.md beside this tells how
//! to run the long form.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout, unreachable_pub)] // A test may stop, and shows its figures.

#[path = "../support/mod.rs"]
mod support;

mod corpus;
mod forged;
mod kills;
mod machine;
mod pictures;
mod writes;

/// How much is tried.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// Malformed files.
    files: usize,
    /// With those that cost much although nothing is wrong in them.
    costly: bool,
    /// Runs that are killed, each until it has been killed so often or is done.
    kills: usize,
    /// Runs that are asked twice to stop, and as many that are asked once by each signal.
    signals: usize,
    /// Runs whose files may not grow beyond a random size, and as many with a random limit of memory.
    limits: usize,
    /// Photos of each run.
    photos: usize,
}

/// `RCNN_TORTURE=full` asks for the long form, and `RCNN_TORTURE_SEED` for other chances.
fn effort() -> Effort {
    match std::env::var("RCNN_TORTURE").as_deref() {
        Ok("full") => Effort { files: 3600, costly: true, kills: 200, signals: 100, limits: 40, photos: 40 },
        _ => Effort { files: 160, costly: false, kills: 2, signals: 1, limits: 1, photos: 6 },
    }
}

/// Chances of a test of this name; the same in every run unless another seed is asked for.
fn random(test: &str) -> fastrand::Rng {
    let seed: u64 = std::env::var("RCNN_TORTURE_SEED").map_or(1, |seed| seed.parse().unwrap());
    let name = test.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    fastrand::Rng::with_seed(name)
}
