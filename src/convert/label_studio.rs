//! Label Studio's form: a JSON list of tasks, each a photo with results in shares of a hundred; `JSON` and `JSON-MIN`.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

use super::builder::{SourceBuilder, around, side, turned};
use super::clip::ClippedObject;
use super::files::{error_line, read_large};
use super::{Annotations, ConvertError, LabelSource, LabelledObject, LabelledPhoto};
use coco_eval::JsonList;

/// Whether JSON's beginning is that of a list of tasks.
pub(super) fn is_here(head: &str) -> bool {
    let keys = [
        "\"annotations\"",
        "\"completions\"",
        "\"predictions\"",
        "\"original_width\"",
        "\"rectanglelabels\"",
    ];
    head.trim_start().starts_with('[') && keys.iter().any(|key| head.contains(key))
}

/// Reads one file.
pub(super) fn read(path: &Path) -> Result<LabelSource, ConvertError> {
    let text = read_large(path)?;
    read_text(&text).map_err(|what| ConvertError::Shape { path: path.to_owned(), what })
}

/// Reads the text of one file.
///
/// # Errors
/// What is wrong with the whole of it, to stand behind its name.
pub(super) fn read_text(text: &str) -> Result<LabelSource, String> {
    let tasks: Vec<Value> = serde_json::from_str(text)
        .map_err(|error| format!("is not JSON of Label Studio's form: {}", error_line(&error)))?;
    let mut builder = SourceBuilder::default();
    let mut counts = ResultNumbers::default();
    for (place, task) in tasks.iter().enumerate() {
        let name = format!("task {}", place + 1);
        match read_task(task, &name, &mut builder, &mut counts) {
            Ok(()) => {}
            Err(what) => builder.fail(name, what),
        }
    }
    for (count, words) in [
        (counts.predicted, "tasks have predictions and no annotations: the predictions are taken"),
        (
            counts.several,
            "tasks have several annotations: the latest that was not cancelled is taken, as Label Studio's converter does",
        ),
        (counts.cancelled, "tasks were cancelled or have no annotation yet, and are photos without objects"),
    ] {
        if count > 0 {
            builder.source.warnings.push(format!("{count} {words}"));
        }
    }
    Ok(builder.source)
}

#[derive(Default)]
struct ResultNumbers {
    predicted: usize,
    several: usize,
    cancelled: usize,
}

fn read_task(
    task: &Value,
    name: &str,
    builder: &mut SourceBuilder,
    counts: &mut ResultNumbers,
) -> Result<(), String> {
    let data = if task["data"].is_object() { &task["data"] } else { task };
    let file = photo_of(data).ok_or("names no photo")?;
    let annotations = task["annotations"].as_array().or_else(|| task["completions"].as_array());
    let predictions = task["predictions"].as_array().and_then(|all| all.last());
    let results: Vec<&Value> = match annotations {
        None if predictions.is_none() => minimal(task),
        all => {
            let all = all.map(Vec::as_slice).unwrap_or_default();
            let whole = |one: &&Value| one["was_cancelled"] != json!(true) && one["skipped"] != json!(true);
            let valid: Vec<&Value> = all.iter().filter(whole).collect();
            counts.several += usize::from(valid.len() > 1);
            let stamp = |one: &Value| one["created_at"].as_str().unwrap_or_default().to_owned();
            // The first of those that are equally late.
            let latest = valid.iter().rev().max_by_key(|one| stamp(one)).copied();
            let chosen = latest.or_else(|| predictions.filter(|_| all.is_empty()));
            counts.predicted += usize::from(latest.is_none() && chosen.is_some());
            counts.cancelled += usize::from(chosen.is_none());
            chosen.and_then(|one| one["result"].as_array()).into_iter().flatten().collect()
        }
    };
    let size = results.iter().find_map(|result| {
        side(result["original_width"].as_f64()?).zip(side(result["original_height"].as_f64()?))
    });
    let photo = builder.photo(&file, size);
    for (place, result) in results.iter().enumerate() {
        if let Err(what) = read_result(result, photo, builder) {
            builder.fail(name, format!("has {what} in result {}", place + 1));
        }
    }
    Ok(())
}

/// The results of a task of `JSON-MIN`: lists of values under the names of the tags.
fn minimal(task: &Value) -> Vec<&Value> {
    let lists = task.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_array());
    lists.flatten().filter(|value| value["original_width"].is_number()).collect()
}

/// The photo's name in a task: under `image`, or the first value that looks like one.
fn photo_of(data: &Value) -> Option<String> {
    let strings = data.as_object()?.iter().filter_map(|(key, value)| Some((key, value.as_str()?)));
    let strings: Vec<(&String, &str)> = strings.collect();
    let picture = |text: &str| {
        let path = text.split(['?', '#']).next().unwrap_or(text).to_lowercase();
        text.contains("?d=")
            || [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"]
                .iter()
                .any(|end| path.ends_with(end))
    };
    let chosen = strings
        .iter()
        .find(|(key, _)| *key == "image" || *key == "img")
        .or_else(|| strings.iter().find(|(_, text)| picture(text)))?;
    Some(plain(chosen.1)).filter(|name| !name.is_empty())
}

/// A photo's path in the address that Label Studio has for it.
fn plain(address: &str) -> String {
    let (path, encoded) = match address.split_once("?d=") {
        Some((_, path)) => (path.split('&').next().unwrap_or(path), true),
        None => match address.split_once("://") {
            Some((_, rest)) => (rest.split(['?', '#']).next().unwrap_or(rest), true),
            None => match address.strip_prefix("/data/upload/") {
                Some(rest) => (rest.split('?').next().unwrap_or(rest), true),
                None => (address, false),
            },
        },
    };
    let path = if encoded {
        percent_decode_str(path).decode_utf8().unwrap_or(Cow::Borrowed(path))
    } else {
        Cow::Borrowed(path)
    };
    path.replace('\\', "/").trim_start_matches('/').to_owned()
}

fn read_result(result: &Value, photo: usize, builder: &mut SourceBuilder) -> Result<(), String> {
    // `JSON-MIN` has the values beside the sizes.
    let value = if result["value"].is_object() { &result["value"] } else { result };
    let labels = ["rectanglelabels", "polygonlabels", "ellipselabels", "labels"]
        .iter()
        .find_map(|key| Some((*key, value[*key].as_array()?)));
    let Some((key, names)) = labels else {
        let kind = result["type"].as_str().unwrap_or("results without labels");
        builder.lose(&format!("`{}` results", kind.chars().take(40).collect::<String>()), 1);
        return Ok(());
    };
    let name = names.first().and_then(Value::as_str).map(str::trim).filter(|name| !name.is_empty());
    let name = name.ok_or("no label")?;
    if result["image_rotation"].as_f64().is_some_and(|degrees| degrees != 0.0) {
        return Err("a photo that was turned in Label Studio (`image_rotation`)".into());
    }
    let number = |key: &str| value[key].as_f64();
    let sides =
        [&result["original_width"], &result["original_height"]].map(|side| side.as_f64().unwrap_or(0.0));
    if !sides.iter().all(|side| *side >= 1.0) {
        return Err("no `original_width` and `original_height`".into());
    }
    let scale = [sides[0] / 100.0, sides[1] / 100.0];
    let degrees = number("rotation").unwrap_or(0.0);
    let bbox = if let Some(points) = value["points"].as_array() {
        let point = |point: &Value| Some([point[0].as_f64()? * scale[0], point[1].as_f64()? * scale[1]]);
        points.iter().map(point).collect::<Option<Vec<_>>>().and_then(around)
    } else if let [Some(x), Some(y), Some(w), Some(h)] = ["x", "y", "width", "height"].map(number) {
        // Turned about the upper left corner.
        let bbox = [x * scale[0], y * scale[1], w * scale[0], h * scale[1]];
        turned(bbox, degrees, [bbox[0], bbox[1]])
    } else if let [Some(x), Some(y), Some(rx), Some(ry)] = ["x", "y", "radiusX", "radiusY"].map(number) {
        let bbox = [(x - rx) * scale[0], (y - ry) * scale[1], 2.0 * rx * scale[0], 2.0 * ry * scale[1]];
        turned(bbox, degrees, [x * scale[0], y * scale[1]])
    } else {
        builder.lose(&format!("`{key}` without a box"), 1);
        return Ok(());
    };
    let bbox = bbox.filter(|bbox| bbox[2] >= 0.0 && bbox[3] >= 0.0).ok_or("no numbers for a box")?;
    let bbox = bbox.map(|pixels| (pixels * 1e6).round() / 1e6);
    builder.object(
        photo,
        name,
        LabelledObject { bbox, score: result["score"].as_f64(), ..LabelledObject::default() },
    );
    for (what, here) in [
        ("`rotation`", degrees != 0.0),
        ("further labels", names.len() > 1),
        ("polygons", value["points"].is_array()),
        ("ellipses", value["radiusX"].is_number()),
    ] {
        builder.lose(what, here.into());
    }
    Ok(())
}

/// What stands in an address as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_').remove(b'~');

/// Writes one file: photos as files of Label Studio's local storage; scores make predictions, a start for annotating.
pub(super) fn write<'a>(
    annotations: &Annotations,
    photos: impl Iterator<Item = (&'a LabelledPhoto, (u32, u32), Vec<ClippedObject<'a>>)>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut list = JsonList::begin(out, "[")?;
    let mut count = 0;
    for (place, (photo, (width, height), cuts)) in photos.enumerate() {
        let (wide, high) = (f64::from(width) / 100.0, f64::from(height) / 100.0);
        let scored = cuts.iter().any(|cut| cut.object.score.is_some());
        let results: Vec<Value> = cuts
            .iter()
            .map(|ClippedObject { object, corners: [left, top, right, bottom] }| {
                count += 1;
                let mut result = json!({
                    "id": format!("r{count}"),
                    "type": "rectanglelabels",
                    "from_name": "label",
                    "to_name": "image",
                    "original_width": width,
                    "original_height": height,
                    "image_rotation": 0,
                    "value": {
                        "x": left / wide, "y": top / high, "width": (right - left) / wide, "height": (bottom - top) / high,
                        "rotation": 0, "rectanglelabels": [annotations.categories[object.category].name],
                    },
                });
                if let Some(score) = object.score {
                    result["score"] = score.into();
                }
                result
            })
            .collect();
        let address = format!("/data/local-files/?d={}", utf8_percent_encode(&photo.file, KEPT));
        let task = if scored {
            json!({"id": place + 1, "data": {"image": address}, "predictions": [{"model_version": "rcnn", "result": results}]})
        } else {
            json!({"id": place + 1, "data": {"image": address}, "annotations": [{"id": place + 1, "result": results}]})
        };
        list.add(&task)?;
    }
    list.end("]\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_a_hundred_become_pixels() {
        let rectangle = |x: f64| {
            json!({"type": "rectanglelabels", "original_width": 200, "original_height": 100, "image_rotation": 0,
            "value": {"x": x, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["nut"]}})
        };
        let tasks = json!([
            {"id": 5, "data": {"image": "/data/local-files/?d=set%5Cmy%20a.jpg"}, "annotations": [
                {"created_at": "2024-01-02", "result": [rectangle(10.0)]},
                {"created_at": "2024-01-03", "was_cancelled": true, "result": [rectangle(50.0)]},
                {"created_at": "2024-01-01", "result": [rectangle(60.0)]}]},
            {"id": 6, "data": {"photo": "https://host/x/b.png?key=1"}, "annotations": []},
            {"id": 7, "image": "/data/upload/1/abc-c.jpg", "label": [
                {"x": 0, "y": 0, "width": 50, "height": 100, "rectanglelabels": ["bolt"], "original_width": 10, "original_height": 20}]},
            {"id": 8, "data": {}}]);
        let source = read_text(&tasks.to_string()).unwrap();
        let photos = &source.annotations.photos;
        let files: Vec<&str> = photos.iter().map(|photo| photo.file.as_str()).collect();
        assert_eq!(files, ["set/my a.jpg", "host/x/b.png", "1/abc-c.jpg"]);
        assert_eq!(photos[0].objects.len(), 1);
        assert_eq!((photos[0].objects[0].bbox, photos[0].size), ([20.0, 20.0, 60.0, 40.0], Some((200, 100))));
        assert_eq!((photos[2].objects[0].bbox, photos[2].size), ([0.0, 0.0, 5.0, 20.0], Some((10, 20))));
        assert_eq!(source.failed, [super::super::LabelFailure::new("task 4", "names no photo")]);
    }
}
