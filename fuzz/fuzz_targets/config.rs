//! Configs: the first byte picks the kind, the rest is its text.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [kind, text @ ..] = bytes else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let _ = rcnn::internal::family::read_config_text(text, ["yaml", "py", "json"][usize::from(kind % 3)]);
});
