//! Checkpoints with heads beside or behind the one of a Faster R-CNN: cascades, masks, key points.

#![allow(clippy::unwrap_used)] // a test may fail anywhere

use std::path::Path;

use rcnn::internal::model::Model;

use crate::import::{Named, changed, fixture, path, rcnn, said};

/// Imports a checkpoint into `m`; what is said.
fn import(home: &Path, model: &Path, succeeds: bool) -> String {
    let output = rcnn(home, &[path("import"), model, path("-o"), &home.join("m")]);
    assert_eq!(output.status.success(), succeeds, "{}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned() + &said(&output)
}

#[test]
fn a_cascade_with_masks_is_a_folder_of_five_graphs_that_the_next_import_replaces() {
    let home = tempfile::tempdir().unwrap();
    let told = import(home.path(), &fixture("mm-cascade-mask").join("model.pth"), true);
    assert!(told.contains("3 heads in turn") && told.contains("3 mask heads"), "{told}");
    let folder = home.path().join("m");
    let model = Model::open(&folder).unwrap();
    let names: Vec<String> = model.manifest().files.named().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["trunk.onnx", "head.onnx", "head-1.onnx", "head-2.onnx", "mask.onnx"]);
    // One over the deviations 0.033 and 0.067 of its config.
    let cascade = model.manifest().conventions.cascade.as_ref().unwrap();
    assert_eq!(cascade.box_weights[1], [1.0 / 0.033, 1.0 / 0.033, 1.0 / 0.067, 1.0 / 0.067]);
    assert!(model.heads().iter().chain(&model.mask()).all(|graph| graph.as_graph().is_ok()));
    let output = rcnn(home.path(), &[path("inspect"), &folder]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in ["Cascade Mask R-CNN on ResNet-50", "3 in turn", "mean of 3", "mask.onnx"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    import(home.path(), &fixture("tv-plain").join("model.pth"), true);
    assert!(!folder.join("head-1.onnx").exists() && !folder.join("mask.onnx").exists());
    assert_eq!(Model::open(&folder).unwrap().manifest().network.heads.len(), 1);
}

#[test]
fn key_points_are_left_out_with_a_word() {
    let home = tempfile::tempdir().unwrap();
    let model = changed(home.path(), "tv-pyramid", |tensor| {
        let beside = |name: &str| (name.to_owned(), vec![1], vec![0.0]);
        let parts =
            ["roi_heads.keypoint_head.0.weight", "roi_heads.keypoint_predictor.kps_score_lowres.bias"];
        let more: Vec<Named> =
            if tensor.0.ends_with("cls_logits.bias") { parts.map(beside).into() } else { vec![] };
        more.into_iter().chain([tensor]).collect()
    });
    let told = import(home.path(), &model, true);
    assert!(told.contains("its keypoint head is left out: boxes are found, and no key points"), "{told}");
    assert!(!told.contains("nothing uses"), "{told}");
}

#[test]
fn a_mask_head_that_is_not_known_is_left_out_and_half_of_a_known_one_refused() {
    let home = tempfile::tempdir().unwrap();
    let model = changed(home.path(), "tv-mask-v2", |(name, shape, values)| {
        match name.strip_prefix("roi_heads.mask_") {
            Some(part) => vec![(format!("roi_heads.mask_head.point_head.{part}"), shape, values)],
            None => vec![(name, shape, values)],
        }
    });
    let told = import(home.path(), &model, true);
    assert!(told.contains("its mask head is left out: boxes are found, and no masks"), "{told}");
    // Without the second of its convolutions the shapes of the others fit all the same.
    let model = changed(home.path(), "tv-mask-v2", |tensor| {
        if tensor.0.starts_with("roi_heads.mask_head.1.") { Vec::new() } else { vec![tensor] }
    });
    let told = import(home.path(), &model, false);
    assert!(told.contains("not known here") && told.contains("`roi_heads.mask_head.2.0.weight`"), "{told}");
}

/// Caffe2's names, as Detectron's mask heads have them; detectron2 leaves out the background's mask, which stands first.
#[test]
fn detectrons_masks_are_read_without_the_backgrounds() {
    let home = tempfile::tempdir().unwrap();
    let model = changed(home.path(), "c2-r50-c4", |tensor| {
        let of = |name: &str, shape: &[usize], value: f32| {
            (name.to_owned(), shape.to_vec(), vec![value; shape.iter().product()])
        };
        // Behind a last stage of 96 channels; 5 classes.
        let more = match tensor.0.as_str() {
            "cls_score_b" => vec![
                of("conv5_mask_w", &[96, 4, 2, 2], 0.5),
                of("conv5_mask_b", &[4], 0.0),
                of("mask_fcn_logits_w", &[6, 4, 1, 1], 0.5),
                of("mask_fcn_logits_b", &[6], 0.0),
            ],
            _ => Vec::new(),
        };
        more.into_iter().chain([tensor]).collect()
    });
    import(home.path(), &model, true);
    let imported = Model::open(&home.path().join("m")).unwrap();
    let mask = imported.manifest().network.mask.as_ref().unwrap();
    assert_eq!((mask.masks, mask.last_stage, mask.upsampled), (5, true, 4));
}

#[test]
fn what_a_cascade_cannot_do_without_is_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let model = changed(home.path(), "mm-cascade-mask", |tensor| {
        let gone = ["roi_head.bbox_head.2.", "roi_head.mask_head.2."];
        if gone.iter().any(|part| tensor.0.starts_with(part)) { Vec::new() } else { vec![tensor] }
    });
    let told = import(home.path(), &model, false);
    assert!(told.contains("2 box heads in turn") && told.contains("cascade_box_weights"), "{told}");
}

#[test]
fn group_norms_are_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let model = changed(home.path(), "tv-mask-v2", |tensor| {
        let statistics = tensor.0.starts_with("backbone.fpn.") && tensor.0.contains(".running_");
        if statistics { Vec::new() } else { vec![tensor] }
    });
    let told = import(home.path(), &model, false);
    assert!(told.contains("group norm") && told.contains("`backbone.fpn.inner_blocks.0.1.weight`"), "{told}");
}
