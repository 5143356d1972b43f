//! The library's front as a caller sees it: one photo in each of its forms, and a run over a folder.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::path::{Path, PathBuf};

use rcnn::{Detector, Device, Error, Event, Photo, Run};

fn photo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/debris/images/000001.jpg")
}

fn detector() -> Detector {
    Detector::builder("fod-r18").device(Device::Cpu).runtime(crate::support::runtime()).load().unwrap()
}

#[test]
fn every_form_of_a_photo_gives_the_same_objects() {
    let detector = detector();
    let by_path = detector.detect(&photo()).unwrap();
    assert!(!by_path.is_empty());
    let bytes = std::fs::read(photo()).unwrap();
    assert_eq!(detector.detect(&bytes).unwrap(), by_path);
    let decoded =
        rcnn::internal::photo::decode(&photo(), &rcnn::internal::photo::DecodeOptions::default()).unwrap();
    assert_eq!(detector.detect(&decoded).unwrap(), by_path);
    let copied = Photo::from_array(decoded.as_array().unwrap()).unwrap();
    assert_eq!(detector.detect(&copied).unwrap(), by_path);
    for found in &by_path {
        let class = &detector.classes()[found.class];
        assert_eq!((&*found.label, found.category_id), (class.name.as_str(), class.id));
        assert!(found.score > detector.score_threshold() && found.score <= 1.0);
        assert!(found.bbox.x1 >= 0.0 && found.bbox.x2 <= decoded.width as f32);
    }
    assert!(by_path.is_sorted_by(|a, b| a.score >= b.score));
}

#[test]
fn a_score_keeps_the_best() {
    let all = detector().detect(&photo()).unwrap();
    let least = all.iter().map(|found| found.score).fold(f32::MAX, f32::min).midpoint(all[0].score);
    let best =
        Detector::builder("fod-r18").device(Device::Cpu).runtime(crate::support::runtime()).score(least);
    let best = best.load().unwrap().detect(&photo()).unwrap();
    assert_eq!(best, all.into_iter().filter(|found| found.score > least).collect::<Vec<_>>());
}

#[test]
fn a_run_writes_its_folder_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let detector = detector();
    let mut last = None;
    let mut watch = |event: Event<'_>| {
        if let Event::Progress(progress) = event {
            last = Some((progress.done, progress.total));
        }
    };
    let record = Run::builder(&detector).photos([photo()]).out(&out).start(&mut watch).unwrap();
    assert_eq!((last, record.counts.photos, record.counts.failed), (Some((1, 1)), 1, 0));
    assert!(out.join("detections.json").is_file() && out.join("annotated/000001.jpg").is_file());
    let again = Run::builder(&detector).photos([photo()]).out(&out).start(&mut |_| ()).unwrap();
    assert_eq!((again.photos_before, again.counts), (1, record.counts));
}

#[test]
fn what_is_missing_is_named() {
    let error = Detector::load("no-such-model").unwrap_err();
    assert!(matches!(error, Error::Model(_)) && error.to_string().contains("no-such-model"), "{error}");
    let error = detector().detect("gone/photo.jpg").unwrap_err();
    assert!(
        matches!(error, Error::PhotoFile { .. }) && error.to_string().contains("gone/photo.jpg"),
        "{error}"
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_detector_can_be_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Detector>();
}
