//! Files of annotations that are not COCO's: the first byte picks the form, the rest is its text.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [kind, text @ ..] = bytes else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    match kind % 8 {
        0 => drop(rcnn::internal::convert::read_voc_text(text)),
        1 => drop(rcnn::internal::convert::read_yolo_text(text, None)),
        2 => drop(rcnn::internal::convert::read_yolo_text(text, Some((usize::from(*kind >> 4), 3)))),
        3 => drop(rcnn::internal::convert::read_labelme_text(text)),
        4 => drop(rcnn::internal::convert::read_cvat_text(text)),
        5 => drop(rcnn::internal::convert::read_label_studio_text(text)),
        6 => drop(rcnn::internal::convert::read_open_images_text(text, &Default::default())),
        _ => drop(rcnn::internal::convert::read_csv_text(text)),
    }
});
