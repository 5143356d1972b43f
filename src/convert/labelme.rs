//! LabelMe's form: a JSON file a photo beside it, with shapes by their points. X-AnyLabeling's `score` and `difficult` are read.

use std::io::{self, Write};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::builder::{ReadPhoto, ReadShape, SourceBuilder, around, side};
use super::clip::ClippedObject;
use super::files::{error_line, name_below, photo_name, read_small, with_extension};
use super::outline::joined;
use super::{
    Annotations, ConvertError, LabelFailure, LabelSource, LabelledPhoto, ReadOptions, Whose, read_each,
};
use coco_eval::last_part;

#[derive(Deserialize)]
struct LabelmeFile {
    shapes: Vec<Value>,
    #[serde(rename = "imagePath")]
    path: Option<String>,
    #[serde(rename = "imageWidth")]
    width: Option<f64>,
    #[serde(rename = "imageHeight")]
    height: Option<f64>,
}

/// Whether JSON's beginning is that of a file of this form.
pub(super) fn is_here(head: &str) -> bool {
    head.trim_start().starts_with('{') && head.contains("\"shapes\"") && !head.contains("\"images\"")
}

/// Reads the text of one JSON file.
///
/// # Errors
/// What is wrong with it, to stand behind its name.
pub(super) fn read_text(text: &str) -> Result<ReadPhoto, String> {
    let file: LabelmeFile = serde_json::from_str(text)
        .map_err(|error| format!("is not JSON of LabelMe's form: {}", error_line(&error)))?;
    let mut found = ReadPhoto {
        file: file.path,
        size: file.width.and_then(side).zip(file.height.and_then(side)),
        ..ReadPhoto::default()
    };
    for (place, shape) in file.shapes.iter().enumerate() {
        match read_shape(shape, &mut found) {
            Ok(Some(shape)) => found.shapes.push(shape),
            Ok(None) => {}
            Err(what) => found.bad.push(format!("has {what} in shape {}", place + 1)),
        }
    }
    Ok(found)
}

/// A shape that has a box; others are counted.
fn read_shape(shape: &Value, found: &mut ReadPhoto) -> Result<Option<ReadShape>, String> {
    let name = shape["label"].as_str().map(str::trim).filter(|name| !name.is_empty()).ok_or("no `label`")?;
    let points: Option<Vec<[f64; 2]>> = shape["points"].as_array().and_then(|points| {
        points.iter().map(|point| Some([point[0].as_f64()?, point[1].as_f64()?])).collect()
    });
    let points = points.filter(|points| !points.is_empty()).ok_or("no `points` of two numbers")?;
    let kind = shape["shape_type"].as_str().unwrap_or("polygon");
    let mut count = |what: &str| found.lost.add(Whose::Object, what, 1);
    let mut outline = Vec::new();
    let bbox = match kind {
        "rectangle" if points.len() >= 2 => around(points),
        "polygon" | "rotation" | "oriented_rectangle" if points.len() >= 3 => {
            outline = points.clone();
            around(points)
        }
        "mask" if points.len() >= 2 => {
            count("masks");
            around(points)
        }
        "circle" if points.len() == 2 => {
            count("circles");
            let [[x, y], [at_x, at_y]] = [points[0], points[1]];
            let radius = (at_x - x).hypot(at_y - y);
            around([[x - radius, y - radius], [x + radius, y + radius]])
        }
        "rectangle" | "polygon" | "rotation" | "circle" | "mask" => {
            return Err(format!("{} points for a {kind}", points.len()));
        }
        other => {
            count(&format!("`{}` shapes", other.chars().take(40).collect::<String>()));
            return Ok(None);
        }
    };
    let flag = |value: &Value| value.as_bool() == Some(true);
    let crowd = flag(&shape["difficult"]) || flag(&shape["flags"]["difficult"]);
    let flags = shape["flags"].as_object().into_iter().flatten();
    for (what, here) in [
        ("`group_id`", !shape["group_id"].is_null()),
        ("`description`", shape["description"].as_str().is_some_and(|text| !text.is_empty())),
        ("`flags`", flags.filter(|(name, _)| *name != "difficult").any(|(_, value)| flag(value))),
        ("`attributes`", shape["attributes"].as_object().is_some_and(|fields| !fields.is_empty())),
    ] {
        found.lost.add(Whose::Object, what, here.into());
    }
    let bbox = bbox.ok_or("`points` that are no numbers")?;
    Ok(Some(ReadShape { name: name.to_owned(), bbox, crowd, score: shape["score"].as_f64(), outline }))
}

/// Reads one file, or all in a folder in the order of their names.
pub(super) fn read(
    path: &Path,
    _: &ReadOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<LabelSource, ConvertError> {
    let root = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let files = if path.is_dir() { with_extension(path, "json")? } else { vec![path.to_owned()] };
    let (texts, failed) = read_each(path, &files, progress, |file| {
        let name = name_below(root, file);
        match read_small(file).and_then(|text| read_text(&text)) {
            Ok(found) if found.shapes.is_empty() && !found.bad.is_empty() => {
                Err(LabelFailure::new(name, found.bad[0].clone()))
            }
            Ok(found) => Ok((name, found, file.clone())),
            Err(detail) => Err(LabelFailure { file: name, detail }),
        }
    })?;
    let mut builder = SourceBuilder::default();
    builder.source.failed = failed;
    for (json, found, path) in texts {
        let file = photo_name(&json, found.file.as_deref());
        let photo = builder.photo(&file, found.size);
        if found.size.is_none() {
            let beside = path.parent().map(|folder| folder.join(last_part(&file)));
            builder.source.annotations.photos[photo].path = beside.filter(|path| path.is_file());
        }
        found.shapes.iter().for_each(|shape| builder.object(photo, &shape.name, shape.object()));
        found.bad.into_iter().for_each(|what| builder.fail(json.clone(), what));
        builder.source.lost.extend(&found.lost);
    }
    Ok(builder.source)
}

/// Writes the file of one photo.
pub(super) fn write(
    annotations: &Annotations,
    photo: &LabelledPhoto,
    (width, height): (u32, u32),
    cuts: &[ClippedObject<'_>],
    out: &mut impl Write,
) -> io::Result<()> {
    let shape = |cut: &ClippedObject<'_>| {
        let [left, top, right, bottom] = cut.corners;
        let flags = if cut.object.crowd { json!({"difficult": true}) } else { json!({}) };
        let edge = |[x, y]: [f64; 2]| [x.clamp(0.0, width.into()), y.clamp(0.0, height.into())];
        let outline: Vec<[f64; 2]> = joined(&cut.object.outlines).into_iter().map(edge).collect();
        let (kind, points) = match outline.len() {
            0..3 => ("rectangle", vec![[left, top], [right, bottom]]),
            _ => ("polygon", outline),
        };
        json!({
            "label": annotations.categories[cut.object.category].name,
            "points": points,
            "group_id": null,
            "description": "",
            "shape_type": kind,
            "flags": flags,
            "mask": null,
        })
    };
    let file = json!({
        "version": "5.5.0",
        "flags": {},
        "shapes": cuts.iter().map(shape).collect::<Vec<Value>>(),
        "imagePath": last_part(&photo.file),
        "imageData": null,
        "imageHeight": height,
        "imageWidth": width,
    });
    serde_json::to_writer_pretty(&mut *out, &file)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_with_an_extent_have_boxes() {
        let found = read_text(
            r#"{"version": "5.5.0", "flags": {}, "imagePath": "..\\a.jpg", "imageData": null, "imageWidth": 64, "imageHeight": 48,
            "shapes": [
                {"label": "x", "points": [[30, 20], [10, 5]], "shape_type": "rectangle", "flags": {"difficult": true}},
                {"label": "y", "points": [[10, 10], [13, 14]], "shape_type": "circle", "group_id": 3},
                {"label": "y", "points": [[10, 10], [13, 14]], "shape_type": "line"},
                {"label": "y", "points": [[10, 10]], "shape_type": "rectangle"}]}"#,
        )
        .unwrap();
        assert_eq!((found.file.as_deref(), found.size), (Some("..\\a.jpg"), Some((64, 48))));
        let boxes: Vec<_> = found.shapes.iter().map(|shape| (shape.bbox, shape.crowd)).collect();
        assert_eq!(boxes, [([10.0, 5.0, 20.0, 15.0], true), ([5.0, 5.0, 10.0, 10.0], false)]);
        assert_eq!(found.bad, ["has 1 points for a rectangle in shape 4"]);
        let lost = found.lost.to_string();
        assert_eq!(lost, "`group_id` of 1 object, `line` shapes of 1 object, circles of 1 object");
    }
}
