//! What conventions may ask for: numbers that go together and that a machine can serve, with room for every real model.
//!
//! Imports and `model.json` are held to the same limits, before anything is allocated or computed.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::Class;
use super::classifier::ClassifierInput;
use super::conventions::{
    AnchorRule, CascadeRule, Conventions, DetectionRule, InputRule, LevelRule, MaskRule, MinSide,
    ProposalRule,
};
use crate::checkpoint::EscapedText;
use crate::network::{Architecture, BoxHead};

/// Pixels of a side of the input.
const LONGEST_SIDE: u32 = 16_384;

/// The longer side's limit, which some configs put so high (99,999) that it never comes into force.
const LONGEST_LIMIT: u32 = 100_000;

/// Pixels of a resized photo.
pub(crate) const MOST_PIXELS: u64 = 1 << 25;

/// How much longer than the shorter side the longer one of an ordinary photo is at most.
const LONGEST_TO_SHORTEST: u64 = 8;

/// What the input may be padded to a multiple of.
const MOST_PADDING: u32 = 1024;

/// Samples of RoIAlign a side and cell; real models have 2 at most.
const MOST_SAMPLES: usize = 32;

/// Positions of a level that are decoded, and proposals that are left; real models have 12,000 and 4,000 at most.
const MOST_DECODED: usize = 50_000;
const MOST_PROPOSALS: usize = 10_000;

/// Values that RoIAlign or the head gives for all proposals of a photo: 4 GiB of them.
const MOST_VALUES: u128 = 1 << 30;

/// Detections of a photo.
const MOST_DETECTIONS: usize = 100_000;

/// Characters of a class's name; the longest of the public sets have some 130.
pub(crate) const LONGEST_CLASS: usize = 500;

/// Checks everything that surrounds a network; a clause that says what cannot be.
pub(crate) fn check(
    architecture: &Architecture,
    conventions: &Conventions,
    classes: &[Class],
) -> Result<(), String> {
    check_input(&conventions.input)?;
    check_anchors(&conventions.anchors, architecture)?;
    check_proposals(&conventions.proposals)?;
    within("roi.sampling_ratio", conventions.roi.sampling_ratio, 0..=MOST_SAMPLES)?;
    check_level(&conventions.roi.level)?;
    check_detections(&conventions.detections)?;
    check_cascade(conventions.cascade.as_ref(), architecture.heads.len())?;
    check_masks(conventions.masks, architecture)?;
    check_values(architecture, &conventions.proposals)?;
    check_classes(classes, architecture.box_head().classes)
}

/// The same for a classifier.
pub(crate) fn check_classifier(
    input: &ClassifierInput,
    classes: &[Class],
    count: usize,
) -> Result<(), String> {
    let side = |name: &str, value: u32| within(name, value, 1..=8192);
    side("input.resize", input.resize)?;
    side("input.crop", input.crop)?;
    check_colours(&input.mean, &input.std)?;
    check_classes(classes, count)
}

fn check_input(input: &InputRule) -> Result<(), String> {
    check_colours(&input.mean, &input.std)?;
    within("input.min_size", input.min_size, 0..=LONGEST_SIDE)?;
    within("input.pad_to", input.pad_to, 0..=MOST_PADDING)?;
    // Without resizing, nothing is made of it.
    if input.min_size == 0 {
        return Ok(());
    }
    within("input.max_size", input.max_size, 1..=LONGEST_LIMIT)?;
    let shorter = u64::from(input.min_size.min(input.max_size));
    let pixels = shorter * u64::from(input.max_size).min(LONGEST_TO_SHORTEST * shorter);
    if pixels <= MOST_PIXELS {
        return Ok(());
    }
    let (min, max) = (input.min_size, input.max_size);
    Err(format!(
        "input.min_size {min} and input.max_size {max} make pictures of {pixels} pixels: {MOST_PIXELS} at most"
    ))
}

fn check_colours(mean: &[f32; 3], std: &[f32; 3]) -> Result<(), String> {
    for (channel, (&mean, &std)) in mean.iter().zip(std).enumerate() {
        within(&format!("input.mean[{channel}]"), mean, -1000.0..=1000.0)?;
        within(&format!("input.std[{channel}]"), std, 1e-4..=10_000.0)?;
    }
    Ok(())
}

fn check_anchors(anchors: &AnchorRule, architecture: &Architecture) -> Result<(), String> {
    let (levels, anchors_here) = (architecture.rpn_strides().len(), architecture.rpn.anchors);
    let (sizes, ratios) = (anchors.sizes.len(), anchors.ratios.len());
    if (sizes, ratios) != (levels, levels) {
        return Err(format!(
            "the RPN sees {levels} levels, but the anchors' sizes have {sizes} lists and their ratios {ratios}"
        ));
    }
    for (level, (sizes, ratios)) in anchors.sizes.iter().zip(&anchors.ratios).enumerate() {
        let made = sizes.len().saturating_mul(ratios.len());
        if made != anchors_here {
            return Err(format!(
                "the RPN has {anchors_here} anchors a position, but the anchors' sizes and ratios of level {level} make {made}"
            ));
        }
        sizes.iter().try_for_each(|&size| {
            within(&format!("an anchor size of level {level}"), size, 1e-3..=65_536.0)
        })?;
        ratios.iter().try_for_each(|&ratio| {
            within(&format!("an anchor ratio of level {level}"), ratio, 1e-3..=1000.0)
        })?;
    }
    Ok(())
}

fn check_proposals(rule: &ProposalRule) -> Result<(), String> {
    within("proposals.pre_nms_top_n", rule.pre_nms_top_n, 1..=MOST_DECODED)?;
    within("proposals.post_nms_top_n", rule.post_nms_top_n, 1..=MOST_PROPOSALS)?;
    within("proposals.nms_threshold", rule.nms_threshold, 0.0..=1.0)?;
    within("proposals.score_threshold", rule.score_threshold, 0.0..=1.0)?;
    check_side("proposals.min_side", rule.min_side)
}

fn check_level(rule: &LevelRule) -> Result<(), String> {
    within("roi.level.size", rule.size, 1e-3..=65_536.0)?;
    within("roi.level.level", rule.level, -64.0..=64.0)?;
    within("roi.level.epsilon", rule.epsilon, 0.0..=1.0)
}

fn check_detections(rule: &DetectionRule) -> Result<(), String> {
    check_weights("detections.box_weights", &rule.box_weights)?;
    within("detections.score_threshold", rule.score_threshold, 0.0..=1.0)?;
    within("detections.nms_threshold", rule.nms_threshold, 0.0..=1.0)?;
    within("detections.per_image", rule.per_image, 1..=MOST_DETECTIONS)?;
    rule.min_side.map_or(Ok(()), |side| check_side("detections.min_side", side))
}

/// A rule for each box head after the first.
fn check_cascade(rule: Option<&CascadeRule>, heads: usize) -> Result<(), String> {
    let weights = rule.map_or(&[][..], |rule| &rule.box_weights);
    if weights.len() + 1 != heads || rule.is_some() && heads < 2 {
        return Err(format!(
            "cascade.box_weights has {} lists, and the network has {heads} box heads: one for each after the first \
             expected",
            weights.len()
        ));
    }
    weights.iter().try_for_each(|weights| check_weights("cascade.box_weights", weights))
}

/// A rule where there are mask heads.
fn check_masks(rule: Option<MaskRule>, architecture: &Architecture) -> Result<(), String> {
    let Some(rule) = rule.filter(|_| architecture.mask.is_some()) else {
        return match (rule, &architecture.mask) {
            (None, None) => Ok(()),
            _ => Err("a mask head is named in one of network.mask and conventions.masks only".into()),
        };
    };
    within("masks.threshold", rule.threshold.value(), 0.0..=1.0)
}

fn check_weights(name: &str, weights: &[f32; 4]) -> Result<(), String> {
    weights.iter().try_for_each(|&weight| within(&format!("a number of {name}"), weight, 1e-3..=10_000.0))
}

fn check_side(name: &str, side: MinSide) -> Result<(), String> {
    let (MinSide::AtLeast(value) | MinSide::Above(value)) = side;
    within(name, value, -1.0..=10_000.0)
}

/// What is computed for all proposals at once.
fn check_values(architecture: &Architecture, rule: &ProposalRule) -> Result<(), String> {
    let of_head = |head: &BoxHead| {
        let pooled = architecture.feature_channels() * head.resolution * head.resolution;
        pooled.max(head.classes + 1 + head.box_rows)
    };
    let most = architecture.heads.iter().map(of_head).max().unwrap_or_default();
    let values = rule.post_nms_top_n as u128 * most as u128;
    if values <= MOST_VALUES {
        return Ok(());
    }
    Err(format!(
        "proposals.post_nms_top_n {} makes {values} values in the head: {MOST_VALUES} at most",
        rule.post_nms_top_n
    ))
}

fn check_classes(classes: &[Class], count: usize) -> Result<(), String> {
    if classes.len() != count {
        return Err(format!("it names {} classes for {count}", classes.len()));
    }
    let long = classes.iter().find(|class| class.name.chars().nth(LONGEST_CLASS).is_some());
    long.map_or(Ok(()), |class| {
        Err(format!(
            "the name of the class {} is longer than {LONGEST_CLASS} characters: `{}`",
            class.id,
            EscapedText::new(&class.name)
        ))
    })
}

/// NaN is within nothing.
pub(super) fn within<T: PartialOrd + Display>(
    name: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), String> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(format!("{name} is {value}: {} to {} expected", range.start(), range.end()))
}
