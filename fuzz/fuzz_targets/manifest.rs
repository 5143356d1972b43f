//! `model.json`: what is taken is computed with, as `inspect` and the start of a run do.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use rcnn::internal::detector::{RpnCandidate, Ranked, proposals};
use rcnn::internal::model::{ClassifierManifest, Manifest};

fuzz_target!(|text: &str| {
    let path = Path::new("model.json");
    if let Ok(manifest) = ClassifierManifest::from_text(text, path) {
        let _ = (manifest.network.rows((65_536, 65_536)), manifest.network.layers());
    }
    let manifest = match Manifest::from_text(text, path) {
        Ok(manifest) => manifest,
        Err(error) => {
            let error = error.to_string();
            assert!(error.len() < 8192 && !error.contains(char::is_control), "{error:?}");
            return;
        }
    };
    let (network, conventions) = (&manifest.network, &manifest.conventions);
    let boxes = conventions.proposals.post_nms_top_n;
    let _ = (network.rows((65_536, 65_536), boxes), network.layers(), network.describe());
    let _ = network.backbone.title();
    let strides = network.rpn_strides();
    let map = (3, 2);
    let places = 0..6 * network.rpn.anchors;
    let candidate = |place| RpnCandidate { place, logit: place as f32 / 8.0, deltas: [0.1, -0.2, 50.0, -50.0] };
    let level = Ranked { map, best: places.map(candidate).collect() };
    let levels = vec![level; strides.len()];
    let found = proposals(conventions, &levels, &strides, (96, 64), (96, 64));
    assert!(found.len() <= boxes);
});
