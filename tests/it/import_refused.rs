//! Networks that are not read: each is refused in a sentence that says what it is and what to do. Names of tensors are those of
//! torchvision 0.29, mmdetection 3.3, detectron2 0.6 and PaddleDetection 2.8.

#![allow(clippy::unwrap_used)] // a test may fail anywhere

use crate::import::{Named, changed, fixture, path, rcnn, said};
use crate::support::Place;

/// What an import of a fixture says whose tensors were changed.
fn refused(fixture: &str, change: impl Fn(Named) -> Vec<Named>) -> String {
    let home = tempfile::tempdir().unwrap();
    let model = changed(home.path(), fixture, change);
    let output = rcnn(home.path(), &[path("import"), &model, path("-o"), &home.path().join("m")]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(!home.path().join("m").exists());
    said(&output)
}

/// A network with another's heads: of the fixture the backbone stays, and tensors of these names stand behind it.
fn with_heads(names: &[&str]) -> String {
    refused("tv-pyramid", |tensor| {
        let more = names.iter().map(|name| ((*name).to_owned(), vec![1], vec![0.0]));
        match tensor.0.as_str() {
            "backbone.body.conv1.weight" => std::iter::once(tensor).chain(more).collect(),
            name if name.starts_with("backbone.") => vec![tensor],
            _ => Vec::new(),
        }
    })
}

#[test]
fn other_detectors_are_named() {
    for (heads, what) in [
        (
            &["head.classification_head.cls_logits.weight", "head.regression_head.bbox_reg.weight"][..],
            "it is a RetinaNet",
        ),
        (&["bbox_head.retina_cls.weight", "bbox_head.retina_reg.weight"], "it is a RetinaNet"),
        (&["head.cls_subnet.0.weight", "head.bbox_subnet.0.weight"], "it is a RetinaNet"),
        (
            &["head.classification_head.cls_logits.weight", "head.regression_head.bbox_ctrness.weight"],
            "it is an FCOS",
        ),
        (&["bbox_head.conv_cls.weight", "bbox_head.conv_centerness.weight"], "it is an FCOS"),
        (&["head.classification_head.module_list.0.weight"], "it is an SSD"),
    ] {
        let told = with_heads(heads);
        assert!(
            told.contains(what) && told.contains("only Faster, Mask and Cascade R-CNN"),
            "{heads:?}: {told}"
        );
        assert!(told.contains("`rcnn models`"), "{told}");
    }
}

#[test]
fn a_mobilenet_is_no_resnet() {
    let told = refused("tv-pyramid", |(name, shape, values)| {
        let body = name.strip_prefix("backbone.body.").map(str::to_owned);
        match body.as_deref() {
            Some("conv1.weight") => vec![("backbone.body.0.0.weight".into(), shape, values)],
            Some(_) => Vec::new(),
            None => vec![(name, shape, values)],
        }
    });
    assert!(
        told.contains("the backbone is no ResNet") && told.contains("`backbone.body.0.0.weight`"),
        "{told}"
    );
}

#[test]
fn deformable_convolutions_and_other_norms_are_refused() {
    for offset in
        ["backbone.layer2.0.conv2.conv_offset.weight", "backbone.bottom_up.res3.0.conv2_offset.weight"]
    {
        let told = refused("tv-pyramid", |tensor| {
            let first = tensor.0 == "backbone.body.conv1.weight";
            let more: Option<Named> = first.then(|| (offset.to_owned(), vec![1], vec![0.0]));
            std::iter::once(tensor).chain(more).collect()
        });
        assert!(told.contains("deformable convolutions, which are not supported"), "{told}");
    }
    // A group norm has factors and summands alone.
    let told = refused("tv-pyramid", |tensor| {
        let running = tensor.0.contains("running_") || tensor.0.contains("num_batches");
        if running { Vec::new() } else { vec![tensor] }
    });
    assert!(told.contains("group norm and layer norm are not supported"), "{told}");
}

#[test]
fn options_that_do_not_fit_are_said_with_the_file_that_they_are_from() {
    let place = Place::new();
    for file in ["model.pth", "import.json"] {
        place.write(file, &std::fs::read(fixture("tv-pyramid").join(file)).unwrap());
    }
    place.write("import.json", br#"{"family": "torchvision", "classes": ["bolt", "nut"]}"#);
    place.photos(&[("plain.png", "a.png")]);
    let ended = place.rcnn(&["detect", "photos", "-m", "model.pth", "-o", "out"]).expect(1);
    assert!(ended.err.contains("the options name 2 classes"), "{}", ended.err);
    assert!(ended.err.contains("the options are those of `import.json`"), "{}", ended.err);
    assert!(!place.at("out").exists());
    place.write("config.txt", b"hello");
    let ended =
        place.rcnn(&["detect", "photos", "-m", "model.pth", "--config", "config.txt", "-o", "out"]).expect(1);
    assert!(
        ended.err.contains("`config.txt` cannot be used as an import configuration: it is no JSON"),
        "{}",
        ended.err
    );
}
