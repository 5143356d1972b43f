//! Data sets: any bytes, packed or not. No panic, no memory beyond a multiple of the input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use coco_eval::DataSet;

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("rcnn-fuzz-dataset-{}.json", std::process::id()));
    if std::fs::write(&path, bytes).is_ok() {
        let _ = DataSet::open(&path);
    }
});
