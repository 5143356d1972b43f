//! What the tests of whole evaluations share.

#![allow(clippy::unwrap_used, unreachable_pub)] // A test that fails may say so by panicking.

use std::path::Path;

use coco_eval::{Evaluation, Protocol};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The first of the arrays, written into a folder, whose numbers are not those of which pycocotools' have the hash.
pub fn differing_array(
    evaluation: &Evaluation,
    folder: &Path,
    protocol: Protocol,
    expected: &Value,
) -> Option<String> {
    evaluation.arrays.write(folder, protocol).unwrap();
    let differs = |(name, hash): (&String, &Value)| {
        let bytes = std::fs::read(folder.join(format!("{name}.npy"))).unwrap();
        let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let digest = Sha256::digest(&bytes[10 + header..]);
        let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        (hash != found.as_str()).then(|| format!("{name} differs"))
    };
    expected["sha256"].as_object().unwrap().iter().find_map(differs)
}
