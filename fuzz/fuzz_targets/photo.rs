//! Any bytes as a picture: an error or a photo of the size that it claims, and never more pixels than allowed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rcnn::internal::photo::{DecodeOptions, Decoder, Limits, decode_bytes};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { pixels: 1 << 20, ..Limits::default() };
    for decoder in [Decoder::Exact, Decoder::Fast] {
        for allow_truncated in [false, true] {
            let options = DecodeOptions { decoder, allow_truncated, limits, ..DecodeOptions::default() };
            if let Ok(photo) = decode_bytes(bytes, &options) {
                let pixels = u64::from(photo.width) * u64::from(photo.height);
                assert!(pixels > 0 && pixels <= limits.pixels);
                assert_eq!(photo.pixels.len() as u64, 3 * pixels);
            }
        }
    }
});
