//! Pascal VOC's XML and YOLO's lines: the first byte picks the form, the rest is its text.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [kind, text @ ..] = bytes else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    if kind % 2 == 0 {
        let _ = rcnn::convert::read_voc_text(text);
    } else {
        let _ = rcnn::convert::read_yolo_text(text, kind.checked_sub(200).map(|count| (count.into(), 3)));
    }
});
