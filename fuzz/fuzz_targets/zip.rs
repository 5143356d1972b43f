//! torch's zip files: the first two bytes say how much of the input is the pickle, the rest is storage 0; every
//! eighth input is taken as a whole archive.
#![no_main]

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use rcnn::internal::checkpoint::Checkpoint;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

fuzz_target!(|bytes: &[u8]| {
    let [a, b, rest @ ..] = bytes else { return };
    let archive = if a % 8 == 0 {
        let mut all = b"PK\x03\x04".to_vec();
        all.extend_from_slice(rest);
        all
    } else {
        let (pickle, storage) = rest.split_at((usize::from(*a) << 8 | usize::from(*b)).min(rest.len()));
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, bytes) in [("archive/data.pkl", pickle), ("archive/data/0", storage)] {
            writer.start_file(name, stored).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    };
    if let Ok(checkpoint) = Checkpoint::from_bytes(archive) {
        for tensor in checkpoint.tensors() {
            if tensor.shape().iter().product::<usize>() < 1 << 20 {
                let _ = tensor.to_f32(&checkpoint);
            }
        }
    }
});
