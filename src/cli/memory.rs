//! How much memory a run may take, and what of it is for photos.

use crate::memory;
use crate::model::Model;
use crate::photo::{DecodeOptions, Limits, USUAL_MEMORY};

use super::streams;

/// Where the system does not tell how much there is.
const UNKNOWN: u64 = 4 << 30;

/// The memory of a run.
#[derive(Debug, clap::Args)]
pub(crate) struct MemoryArgs {
    /// Memory that the run may use, such as 2GB or 800MB; by default half of what the machine or its container has, and
    /// 700MB of it for a single photo. Large photos wait until there is room, and one that never fits is a failed photo;
    /// does not change results
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<u64>,
}

impl MemoryArgs {
    /// Bytes for the whole run.
    pub(crate) fn whole(&self) -> u64 {
        self.memory.or_else(|| Some(memory::usual()?.0)).unwrap_or(UNKNOWN)
    }

    /// Bytes for photos: what models that are loaded, each used at so many times its own size, leave of it with so many
    /// photos in the network at once, and at least a quarter; where nobody says how much the run may take, no more than what a photo usually may.
    pub(crate) fn for_photos(&self, networks: &[(&Model, f64)], streams: usize, batch: usize) -> u64 {
        self.beside(streams as u64 * streams::maps(networks, batch))
    }

    /// How photos are decoded one by one beside models that are loaded, with as much memory as the run leaves.
    pub(crate) fn one_by_one(&self, options: DecodeOptions) -> DecodeOptions {
        let limits = Limits { memory: self.beside(0), ..options.limits };
        DecodeOptions { limits, ..options }
    }

    fn beside(&self, network: u64) -> u64 {
        let whole = self.whole();
        let taken = memory::resident().unwrap_or(0).saturating_add(network);
        let left = whole.saturating_sub(taken).max(whole / 4);
        if self.memory.is_some() { left } else { left.min(USUAL_MEMORY) }
    }
}

/// A number of bytes with a unit of thousands (kB, MB, GB) or of 1,024 (KiB, MiB, GiB).
fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a number of bytes with a unit, as 800MB or 2GB".to_owned();
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(wrong()),
    };
    let bytes = number.parse::<f64>().map_err(|_| wrong())? * factor;
    if bytes < 1e6 { Err("at least 1MB".to_owned()) } else { Ok(bytes as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("2GB"), Ok(2_000_000_000));
        assert_eq!(size("1.5 GiB"), Ok(3 << 29));
        assert_eq!(size("800mb"), Ok(800_000_000));
        assert_eq!(size("4000000"), Ok(4_000_000));
        for wrong in ["", "GB", "2 bananas", "-1GB", "1.2.3GB", "10"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
