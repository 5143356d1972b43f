//! Bare pickles and torch's old files: any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rcnn::internal::checkpoint::Checkpoint;
use rcnn::internal::family;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(checkpoint) = Checkpoint::from_bytes(bytes.to_vec()) {
        for tensor in checkpoint.tensors() {
            // A tensor of strides 0 may have any size; a reader asks for the shapes it knows.
            if tensor.shape().iter().product::<usize>() < 1 << 20 {
                let _ = tensor.to_f32(&checkpoint);
            }
        }
        let _ = family::load(&checkpoint, &family::ImportOptions::default());
    }
});
