//! safetensors: the header's length is put before the input, cut where the first zero byte stands.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rcnn::internal::checkpoint::Checkpoint;

fuzz_target!(|bytes: &[u8]| {
    let header = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let mut file = (header as u64).to_le_bytes().to_vec();
    file.extend_from_slice(bytes);
    if let Ok(checkpoint) = Checkpoint::from_bytes(file) {
        for tensor in checkpoint.tensors() {
            let _ = tensor.to_f32(&checkpoint);
        }
    }
});
