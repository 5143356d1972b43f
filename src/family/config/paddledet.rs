//! PaddleDetection's YAML: one file in which everything is merged, or files that stand upon each other by `_BASE_`.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value as Json;

use super::tree::{find, get, merge, yaml};
use super::{ConfigError, read_text, unsupported};
use crate::family::paddledet::WEIGHTS;
use crate::family::{ClassOption, ClassesOption, ImportOptions, ResizeFilter, ValueRange};

/// How many files may stand upon each other.
const MOST_BASES: usize = 32;

/// What the config of an exported program has (`infer_cfg.yml`), and no other.
const EXPORTED: &str = "Preprocess";

/// Whether a YAML is PaddleDetection's, or one of those that others stand upon.
pub(super) fn wrote(tree: &Json) -> bool {
    let bases = find(tree, "_BASE_").is_some_and(Json::is_array);
    bases
        || ["architecture", "TestReader", "EvalReader", "worker_num", EXPORTED]
            .iter()
            .any(|key| find(tree, key).is_some())
}

/// Reads a config; its `_BASE_` files and its class names are looked for from where `path` is.
pub(super) fn options(tree: Json, path: &Path) -> Result<ImportOptions, ConfigError> {
    if find(&tree, EXPORTED).is_some() {
        return Err(ConfigError::Unreadable(
            "it is the config of a program that PaddleDetection exported (infer_cfg.yml), which says too little: give the one \
             that the model was trained with, merged or with its `_BASE_` files"
                .into(),
        ));
    }
    let mut left = MOST_BASES;
    let tree = merged(tree, path, &mut left)?;
    refuse(&tree)?;
    let reader = if find(&tree, "TestReader").is_some() { "TestReader" } else { "EvalReader" };
    let resize = transform(&tree, reader, "sample_transforms", "Resize")?;
    let normalise = transform(&tree, reader, "sample_transforms", "NormalizeImage")?;
    let pad = transform(&tree, reader, "batch_transforms", "PadBatch")?;
    let sides: Option<[u32; 2]> = resize.map(|resize| get(resize, "target_size")).transpose()?.flatten();
    let (anchor_sizes, anchor_ratios) = anchors(&tree)?;
    let proposals = section(&tree, "RPNHead", "test_proposal");
    let cascade = find(&tree, "architecture").and_then(Json::as_str) == Some("CascadeRCNN");
    let rois = section(&tree, if cascade { "CascadeHead" } else { "BBoxHead" }, "roi_extractor");
    let (box_weights, cascade_box_weights) = box_weights(&tree, cascade)?;
    let nms = section(&tree, "BBoxPostProcess", "nms");
    Ok(ImportOptions {
        family: Some("paddledet".into()),
        classes: classes(&tree, path)?,
        groups: get(&tree, "ResNet.groups")?,
        stride_in_1x1: get::<String>(&tree, "ResNet.variant")?.map(|variant| variant == "a"),
        value_range: normalise.map(value_range).transpose()?,
        mean: of(normalise, "mean")?,
        std: of(normalise, "std")?,
        min_size: sides.map(|sides| sides[0].min(sides[1])),
        max_size: sides.map(|sides| sides[0].max(sides[1])),
        resize_filter: resize.map(filter).transpose()?,
        // -1 stands for none.
        pad_to: of::<i64>(pad, "pad_to_stride")?.map(|multiple| u32::try_from(multiple).unwrap_or(0)),
        anchor_sizes,
        anchor_ratios,
        rpn_pre_nms_top_n: of(proposals, "pre_nms_top_n")?,
        rpn_post_nms_top_n: of(proposals, "post_nms_top_n")?,
        rpn_nms_threshold: of(proposals, "nms_thresh")?,
        roi_resolution: of(rois, "resolution")?,
        roi_sampling_ratio: of(rois, "sampling_ratio")?,
        roi_aligned: of(rois, "aligned")?,
        box_weights,
        cascade_box_weights,
        score_threshold: of(nms, "score_threshold")?,
        nms_threshold: of(nms, "nms_threshold")?,
        detections_per_image: of(nms, "keep_top_k")?,
        ..ImportOptions::default()
    })
}

/// A config with those that it stands upon: of several the later ones win, and the file itself over all.
fn merged(mut tree: Json, path: &Path, left: &mut usize) -> Result<Json, ConfigError> {
    let Some(bases) = tree.as_object_mut().and_then(|keys| keys.remove("_BASE_")) else { return Ok(tree) };
    let bases: Vec<String> = super::tree::as_type(&bases, "_BASE_")?;
    let mut lower = Json::Object(serde_json::Map::new());
    for name in bases {
        *left = left.checked_sub(1).ok_or_else(|| {
            ConfigError::Unreadable(format!(
                "more than {MOST_BASES} configs stand upon each other by `_BASE_`"
            ))
        })?;
        let place = path.parent().unwrap_or(Path::new("")).join(&name);
        if !place.is_file() {
            return Err(ConfigError::Unreadable(format!(
                "its `_BASE_`, `{}`, is not there: give the config with its `_BASE_` files as PaddleDetection has them, or \
                 the merged one that it prints",
                name.escape_debug()
            )));
        }
        let base = merged(yaml(&read_text(&place)?)?, &place, left)?;
        lower = merge(lower, base);
    }
    Ok(merge(lower, tree))
}

/// A part of a section, which may stand at the root under the name that the section gives.
fn section<'a>(tree: &'a Json, part: &str, key: &str) -> Option<&'a Json> {
    let here = find(tree, part)?.get(key)?;
    match here.as_str() {
        Some(name) => tree.get(name),
        None => Some(here),
    }
}

/// A value of a part that may be absent.
fn of<T: serde::de::DeserializeOwned>(part: Option<&Json>, key: &str) -> Result<Option<T>, ConfigError> {
    part.map_or(Ok(None), |part| get(part, key))
}

/// The arguments of one step of a reader: steps are a list of mappings of one key.
fn transform<'a>(
    tree: &'a Json,
    reader: &str,
    list: &str,
    step: &str,
) -> Result<Option<&'a Json>, ConfigError> {
    let Some(steps) = find(tree, &format!("{reader}.{list}")) else { return Ok(None) };
    let steps = steps
        .as_array()
        .ok_or_else(|| ConfigError::Unreadable(format!("`{reader}.{list}` is no list of steps")))?;
    Ok(steps.iter().find_map(|one| one.get(step)))
}

fn value_range(normalise: &Json) -> Result<ValueRange, ConfigError> {
    if get::<String>(normalise, "norm_type")?.is_some_and(|kind| kind != "mean_std") {
        return Err(unsupported("NormalizeImage.norm_type", "another normalisation than by mean and std"));
    }
    let scaled = get(normalise, "is_scale")?.unwrap_or(true);
    Ok(if scaled { ValueRange::Unit } else { ValueRange::Byte })
}

/// OpenCV's numbers: 1 is INTER_LINEAR, 2 INTER_CUBIC.
fn filter(resize: &Json) -> Result<ResizeFilter, ConfigError> {
    if get(resize, "keep_ratio")? == Some(false) {
        return Err(unsupported("Resize.keep_ratio", "photos pressed into one shape"));
    }
    match get::<i64>(resize, "interp")? {
        Some(1) | None => Ok(ResizeFilter::OpencvBilinear),
        Some(2) => Ok(ResizeFilter::OpencvBicubic),
        Some(_) => Err(unsupported("Resize.interp", "another filter than OpenCV's linear (1) and cubic (2)")),
    }
}

/// A list a level, of which there are as many as strides; one list stands for all.
type Lists = Option<Vec<Vec<f32>>>;

fn anchors(tree: &Json) -> Result<(Lists, Lists), ConfigError> {
    let Some(anchors) = section(tree, "RPNHead", "anchor_generator") else { return Ok((None, None)) };
    if get::<f32>(anchors, "offset")?.is_some_and(|offset| offset != 0.0) {
        return Err(unsupported("AnchorGenerator.offset", "anchors away from the corners of cells"));
    }
    let strides: Option<Vec<f32>> = get(anchors, "strides")?;
    let levels = strides.map_or(1, |strides| strides.len()).clamp(1, 64);
    let lists = |key: &str| -> Result<Lists, ConfigError> {
        let Some(value) = find(anchors, key) else { return Ok(None) };
        let nested = value.as_array().is_some_and(|all| all.first().is_some_and(Json::is_array));
        let mut lists: Vec<Vec<f32>> =
            if nested { super::tree::as_type(value, key)? } else { vec![super::tree::as_type(value, key)?] };
        if lists.len() == 1 {
            lists = vec![lists.remove(0); levels];
        }
        Ok(Some(lists))
    };
    Ok((lists("anchor_sizes")?, lists("aspect_ratios")?))
}

/// Weights of deltas of the first box head, and of those after it in a cascade. The last head's boxes are decoded with those
/// of the post-processing, where it says any.
type BoxWeights = (Option<[f32; 4]>, Option<Vec<[f32; 4]>>);

fn box_weights(tree: &Json, cascade: bool) -> Result<BoxWeights, ConfigError> {
    let last = of(section(tree, "BBoxPostProcess", "decode"), "prior_box_var")?;
    if !cascade {
        return Ok((last.or(get(tree, "BBoxHead.bbox_weight")?), None));
    }
    let stated: Option<Vec<[f32; 4]>> = get(tree, "CascadeHead.bbox_weight")?;
    let mut all = stated.unwrap_or_else(|| WEIGHTS.to_vec());
    if let (Some(place), Some(last)) = (all.last_mut(), last) {
        *place = last;
    }
    let first = all.first().copied();
    Ok((first, Some(all.into_iter().skip(1).collect())))
}

/// What changes the computation and is not repeated here.
fn refuse(tree: &Json) -> Result<(), ConfigError> {
    let text = |path: &str| get::<String>(tree, path);
    let read = ["FasterRCNN", "MaskRCNN", "CascadeRCNN"];
    if text("architecture")?.is_some_and(|name| !read.contains(&name.as_str())) {
        return Err(unsupported("architecture", "another model than FasterRCNN, MaskRCNN and CascadeRCNN"));
    }
    let on = |path: &str| find(tree, path).is_some_and(|value| !matches!(value, Json::Bool(false)));
    // A list of stages; -1 stands for none.
    let stages = find(tree, "ResNet.dcn_v2_stages").and_then(Json::as_array);
    if stages.is_some_and(|stages| stages.iter().any(|stage| stage.as_i64() != Some(-1))) {
        return Err(unsupported("ResNet.dcn_v2_stages", "deformable convolutions"));
    }
    if on("ResNet.std_senet") {
        return Err(unsupported("ResNet.std_senet", "squeeze and excitation"));
    }
    for path in ["ResNet.norm_type", "FPN.norm_type", "BBoxHead.norm_type"] {
        if text(path)?.is_some_and(|kind| kind == "gn") {
            return Err(unsupported(path, "group norms"));
        }
    }
    if on("FPN.has_extra_convs") {
        return Err(unsupported("FPN.has_extra_convs", "another last level of the pyramid"));
    }
    if text("BBoxHead.head")?.is_some_and(|head| head != "TwoFCHead" && head != "Res5Head") {
        return Err(unsupported("BBoxHead.head", "another head than TwoFCHead or Res5Head"));
    }
    if text("CascadeHead.head")?.is_some_and(|head| head != "CascadeTwoFCHead") {
        return Err(unsupported("CascadeHead.head", "another head than CascadeTwoFCHead"));
    }
    for reader in ["TestReader", "EvalReader"] {
        if transform(tree, reader, "sample_transforms", "MultiscaleTestResize")?.is_some() {
            let key = format!("{reader}.sample_transforms.MultiscaleTestResize");
            return Err(unsupported(&key, "a test at several sizes; `detect --augment` has its own"));
        }
    }
    refuse_nms(tree)
}

fn refuse_nms(tree: &Json) -> Result<(), ConfigError> {
    let Some(nms) = section(tree, "BBoxPostProcess", "nms") else { return Ok(()) };
    if get::<String>(nms, "name")?.is_some_and(|name| name != "MultiClassNMS") {
        return Err(unsupported("BBoxPostProcess.nms.name", "another NMS than MultiClassNMS"));
    }
    // No class has more boxes than there are proposals.
    let proposals: Option<i64> = of(section(tree, "RPNHead", "test_proposal"), "post_nms_top_n")?;
    match get::<i64>(nms, "nms_top_k")? {
        Some(most) if most > 0 && most < proposals.unwrap_or(1000) => Err(unsupported(
            "BBoxPostProcess.nms.nms_top_k",
            "fewer boxes of a class than there are proposals",
        )),
        _ => Ok(()),
    }
}

/// COCO's table of categories, of a file that has much else.
#[derive(Deserialize)]
struct CategoriesTable {
    categories: Vec<ClassOption>,
}

/// The names in the file that `TestDataset` names, where it is there: a line a class, or the categories of COCO
/// annotations.
fn classes(tree: &Json, path: &Path) -> Result<Option<ClassesOption>, ConfigError> {
    let Some(name) = get::<String>(tree, "TestDataset.anno_path")? else { return Ok(None) };
    let home = path.parent().unwrap_or(Path::new(""));
    let within = get::<String>(tree, "TestDataset.dataset_dir")?
        .map_or(home.to_path_buf(), |folder| home.join(folder));
    let beside = Path::new(&name).file_name().map(|name| home.join(name));
    let places = [Some(within.join(&name)), Some(home.join(&name)), beside];
    let Some(file) = places.into_iter().flatten().find(|file| file.is_file()) else { return Ok(None) };
    let text = read_text(&file)?;
    let list = if file.extension().is_some_and(|end| end.eq_ignore_ascii_case("json")) {
        let table: CategoriesTable = serde_json::from_str(&text).map_err(|error| {
            ConfigError::Unreadable(format!("`{}` has no table of categories: {error}", file.display()))
        })?;
        table.categories
    } else {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(|line| ClassOption::Name(line.into()))
            .collect()
    };
    Ok(Some(ClassesOption::List(list)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_text(text: &str) -> Result<ImportOptions, ConfigError> {
        let tree = yaml(text)?;
        assert!(wrote(&tree));
        options(tree, Path::new("config.yml"))
    }

    /// The parts of a C4 model, some under names of their own, and tags as PaddleDetection writes them.
    #[test]
    fn parts_stand_in_place_or_under_a_name() {
        let text = "architecture: FasterRCNN
TestDataset: !ImageFolder {anno_path: not_there.txt}
ResNet: {depth: 50, variant: d, return_idx: [2]}
RPNHead:
  anchor_generator: AnchorGenerator
  train_proposal: {post_nms_top_n: 2000}
  test_proposal: {pre_nms_top_n: 6000, post_nms_top_n: 1000, nms_thresh: 0.7}
AnchorGenerator: {anchor_sizes: [32, 64], aspect_ratios: [0.5, 1.0], strides: [16]}
BBoxPostProcess: {nms: {name: MultiClassNMS, keep_top_k: 50, score_threshold: 0.1, nms_threshold: 0.6, nms_top_k: -1}}
TrainReader: {sample_transforms: [{RandomResize: {target_size: [[640, 1333]]}}]}
TestReader:
  sample_transforms: [{Decode: {}}, {Resize: {target_size: [800, 1333], interp: 2}}, {NormalizeImage: {is_scale: true}}]
  batch_transforms: [{PadBatch: {pad_to_stride: -1}}]
";
        let options = of_text(text).unwrap();
        assert_eq!(options.anchor_sizes, Some(vec![vec![32.0, 64.0]]));
        assert_eq!((options.rpn_pre_nms_top_n, options.rpn_post_nms_top_n), (Some(6000), Some(1000)));
        assert_eq!((options.min_size, options.max_size, options.pad_to), (Some(800), Some(1333), Some(0)));
        assert_eq!(options.resize_filter, Some(ResizeFilter::OpencvBicubic));
        assert_eq!((options.detections_per_image, options.nms_threshold), (Some(50), Some(0.6)));
        assert_eq!((options.stride_in_1x1, options.classes), (Some(false), None));
    }

    #[test]
    fn files_stand_upon_each_other_and_names_upon_a_list() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "reader.yml",
            "TestReader: {batch_transforms: [{PadBatch: {pad_to_stride: 32}}]}\nnum_classes: 80\n",
        );
        write(
            "model.yml",
            "_BASE_: [reader.yml]\nBBoxPostProcess: {nms: {keep_top_k: 100, nms_threshold: 0.5}}\n",
        );
        write(
            "mine.yml",
            "_BASE_: ['model.yml']\nBBoxPostProcess: {nms: {keep_top_k: 7}}\nTestDataset: {anno_path: a/l.txt}\n",
        );
        write("l.txt", "bolt\nnut\n");
        let options = super::super::read(&folder.path().join("mine.yml")).unwrap();
        assert_eq!(
            (options.pad_to, options.detections_per_image, options.nms_threshold),
            (Some(32), Some(7), Some(0.5))
        );
        let names = ["bolt", "nut"].map(|name| ClassOption::Name(name.into()));
        assert_eq!(options.classes, Some(ClassesOption::List(names.to_vec())));
        write("round.yml", "_BASE_: [round.yml]\n");
        let error = super::super::read(&folder.path().join("round.yml")).unwrap_err().to_string();
        assert!(error.contains("stand upon each other"), "{error}");
    }

    /// The weights are those of `CascadeHead.__init__`, where the config has none.
    #[test]
    fn a_cascade_has_weights_for_each_head() {
        let text = "architecture: CascadeRCNN
CascadeHead: {head: CascadeTwoFCHead, roi_extractor: {resolution: 7, sampling_ratio: 0, aligned: false}}
BBoxPostProcess: {decode: {name: RCNNBox, prior_box_var: [31.0, 32.0, 15.0, 16.0]}}
";
        let options = of_text(text).unwrap();
        assert_eq!((options.roi_resolution, options.roi_aligned), (Some(7), Some(false)));
        assert_eq!(options.box_weights, Some([10.0, 10.0, 5.0, 5.0]));
        let later = vec![[20.0, 20.0, 10.0, 10.0], [31.0, 32.0, 15.0, 16.0]];
        assert_eq!(options.cascade_box_weights, Some(later));
    }

    #[test]
    fn what_would_change_the_boxes_is_refused_by_its_key() {
        for (text, key) in [
            ("architecture: YOLOv3", "architecture"),
            ("architecture: CascadeRCNN\nCascadeHead: {head: CascadeXConvNormHead}", "CascadeHead.head"),
            ("architecture: FasterRCNN\nResNet: {dcn_v2_stages: [1, 2, 3]}", "dcn_v2_stages"),
            ("architecture: FasterRCNN\nResNet: {std_senet: true}", "std_senet"),
            ("architecture: FasterRCNN\nFPN: {norm_type: gn}", "FPN.norm_type"),
            ("architecture: FasterRCNN\nBBoxHead: {head: XConvNormHead}", "BBoxHead.head"),
            ("TestReader: {sample_transforms: [{MultiscaleTestResize: {}}]}", "MultiscaleTestResize"),
            (
                "TestReader: {sample_transforms: [{Resize: {target_size: [8, 9], interp: 3}}]}",
                "Resize.interp",
            ),
            ("architecture: FasterRCNN\nBBoxPostProcess: {nms: {name: MatrixNMS}}", "nms.name"),
            ("architecture: FasterRCNN\nBBoxPostProcess: {nms: {nms_top_k: 400}}", "nms_top_k"),
            ("_BASE_: [not_there.yml]", "not_there.yml"),
            ("TestReader: {sample_transforms: 7}", "no list"),
            ("mode: paddle\nPreprocess: [{type: Resize}]\nlabel_list: [a]", "infer_cfg.yml"),
        ] {
            let error = of_text(text).unwrap_err().to_string();
            assert!(error.contains(key), "{text}: {error}");
        }
    }
}
