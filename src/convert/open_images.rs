//! Open Images' form: CSV with a row a box, in shares of the photo's sides, so that the photos' sizes are needed.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::builder::SourceBuilder;
use super::clip::ClippedObject;
use super::files::read_large;
use super::{Annotations, ConvertError, LabelSource, LabelledObject, LabelledPhoto, ReadOptions};
use crate::photo::{self, DecodeOptions};
use coco_eval::last_part;

const HEADER: [&str; 13] = [
    "ImageID",
    "Source",
    "LabelName",
    "Confidence",
    "XMin",
    "XMax",
    "YMin",
    "YMax",
    "IsOccluded",
    "IsTruncated",
    "IsGroupOf",
    "IsDepiction",
    "IsInside",
];

/// Whether CSV's beginning is that of a file of this form.
pub(super) fn is_here(head: &str) -> bool {
    let first = head.lines().next().unwrap_or_default();
    ["ImageID", "LabelName", "XMin"].iter().all(|name| first.split(',').any(|column| column.trim() == *name))
}

/// Reads one file. Photos are in the folder that the user named, or beside the file.
pub(super) fn read(path: &Path, options: &ReadOptions) -> Result<LabelSource, ConvertError> {
    let shape = |what: String| ConvertError::Shape { path: path.to_owned(), what };
    let text = read_large(path)?;
    let beside = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut source = read_text(&text, &class_names(beside)).map_err(shape)?;
    let folder = options.photos.as_deref().unwrap_or(beside);
    let places = by_stem(folder);
    let photos = std::mem::take(&mut source.annotations.photos);
    let sized: Vec<(LabelledPhoto, Result<PhotoSize, String>)> = photos
        .into_par_iter()
        .map(|photo| {
            let found = places.get(stem(&photo.file)).ok_or(
                "has no photo here: boxes are shares of its sides, -i names the folder of the photos"
                    .to_owned(),
            );
            let sized = found.and_then(|path| {
                let size = photo::size(path, &DecodeOptions::default());
                size.map(|size| (path.clone(), size)).map_err(|error| format!("has no size: {error}"))
            });
            (photo, sized)
        })
        .collect();
    for (mut photo, sized) in sized {
        match sized {
            Ok((path, size)) => {
                let (wide, high) = (f64::from(size.0), f64::from(size.1));
                for object in &mut photo.objects {
                    let [x, y, w, h] = object.bbox;
                    object.bbox =
                        [x * wide, y * high, w * wide, h * high].map(|pixels| (pixels * 1e3).round() / 1e3);
                }
                if let Some(name) = path.strip_prefix(folder).ok().map(photo::cleaned) {
                    photo.file = name;
                }
                source.annotations.photos.push(LabelledPhoto { size: Some(size), path: Some(path), ..photo });
            }
            Err(detail) => source.failed.push(super::LabelFailure::new(photo.file, detail)),
        }
    }
    match source.failed.first() {
        Some(first) if source.annotations.photos.is_empty() => Err(ConvertError::AllFailed {
            path: path.to_owned(),
            file: first.file.clone(),
            detail: first.detail.clone(),
        }),
        _ => Ok(source),
    }
}

/// Where a photo is, and its width and height.
type PhotoSize = (PathBuf, (u32, u32));

/// A photo's name without its end, which Open Images leaves out.
fn stem(name: &str) -> &str {
    let name = last_part(name);
    let end = name.rsplit_once('.').filter(|(_, end)| (1..=5).contains(&end.len()));
    end.map_or(name, |(stem, _)| stem)
}

/// Photos of a folder by their names without ends; of several, the first.
fn by_stem(folder: &Path) -> HashMap<String, PathBuf> {
    let mut places = HashMap::new();
    for entry in photo::list(&[folder], None).map(|listing| listing.entries).unwrap_or_default() {
        places.entry(stem(&entry.name).to_owned()).or_insert(entry.path);
    }
    places
}

/// Names of classes by their codes, from `class-descriptions*.csv` beside the file.
fn class_names(folder: &Path) -> HashMap<String, String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let described = entries.filter(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        name.contains("class-descriptions") && name.ends_with(".csv")
    });
    let mut described: Vec<PathBuf> = described.collect();
    described.sort();
    let text = described.first().and_then(|path| read_large(path).ok()).unwrap_or_default();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    reader
        .records()
        .flatten()
        .filter_map(|row| Some((row.get(0)?.to_owned(), row.get(1)?.trim().to_owned())))
        .collect()
}

/// Reads the text of one file; boxes are shares of the photos' sides. `names` are classes by their codes.
///
/// # Errors
/// What is wrong with the whole of it, to stand behind its name.
pub(super) fn read_text(text: &str, names: &HashMap<String, String>) -> Result<LabelSource, String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| format!("is no CSV: {error}"))?.clone();
    let places = HEADER.map(|name| header.iter().position(|column| column.trim() == name));
    let mut builder = SourceBuilder::default();
    for row in reader.records() {
        let row = row.map_err(|error| format!("is no CSV: {error}"))?;
        let line = row.position().map_or(0, csv::Position::line);
        let field =
            |place: usize| places[place].and_then(|place| row.get(place)).map(str::trim).unwrap_or_default();
        let (file, class) = (field(0).replace('\\', "/"), field(2));
        let edges = [4, 5, 6, 7].map(|place| field(place).parse::<f64>().ok());
        let [Some(left), Some(right), Some(top), Some(bottom)] = edges else {
            builder.fail(format!("line {line}"), "has no box of four numbers");
            continue;
        };
        // Shares with a hundredth of tolerance; NaN is none.
        let inside = [left, top, right, bottom].iter().all(|share| (-0.01..=1.01).contains(share));
        if file.is_empty() || class.is_empty() || !inside || right < left || bottom < top {
            builder.fail(
                format!("line {line}"),
                "is no box of a class in shares of a photo's sides, from 0 to 1",
            );
            continue;
        }
        let confidence = field(3).parse::<f64>().ok().filter(|score| score.is_finite() && *score != 1.0);
        let photo = builder.photo(&file, None);
        let object = LabelledObject {
            bbox: [left, top, right - left, bottom - top],
            crowd: field(10) == "1",
            score: confidence,
            ..LabelledObject::default()
        };
        builder.object(photo, names.get(class).map_or(class, String::as_str), object);
        for place in [8, 9, 11, 12] {
            builder.lose(&format!("`{}`", HEADER[place]), (field(place) == "1").into());
        }
    }
    Ok(builder.source)
}

/// Writes one file. Photos have their whole names, as there is no other place for their ends.
pub(super) fn write<'a>(
    annotations: &Annotations,
    photos: impl Iterator<Item = (&'a LabelledPhoto, (u32, u32), Vec<ClippedObject<'a>>)>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(HEADER)?;
    for (photo, (width, height), cuts) in photos {
        let (wide, high) = (f64::from(width), f64::from(height));
        for ClippedObject { object, corners: [left, top, right, bottom] } in cuts {
            let edges = [left / wide, right / wide, top / high, bottom / high].map(|share| share.to_string());
            let score = object.score.map_or("1".to_owned(), |score| score.to_string());
            let source = if object.score.is_some() { "rcnn" } else { "xclick" };
            let group = u8::from(object.crowd).to_string();
            let name = &annotations.categories[object.category].name;
            let [x1, x2, y1, y2] = edges;
            writer.write_record([
                &photo.file,
                source,
                name,
                &score,
                &x1,
                &x2,
                &y1,
                &y2,
                "0",
                "0",
                &group,
                "0",
                "0",
            ])?;
        }
    }
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_shares() {
        let text = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n\
                    0001,xclick,/m/01,1,0.25,0.75,0,0.5,1,0,1,0,0\n0001,xclick,/m/02,0.5,30,40,0,0.5,0,0,0,0,0\n";
        assert!(is_here(text) && !is_here("filename,class\n"));
        let names = HashMap::from([("/m/01".to_owned(), "Nut".to_owned())]);
        let source = read_text(text, &names).unwrap();
        let object = &source.annotations.photos[0].objects[0];
        assert_eq!((object.bbox, object.crowd, object.score), ([0.25, 0.0, 0.5, 0.5], true, None));
        assert_eq!(source.annotations.categories[0].name, "Nut");
        assert_eq!((source.failed.len(), source.failed[0].file.as_str()), (1, "line 3"));
        assert_eq!(source.lost.to_string(), "`IsOccluded` of 1 object");
        assert_eq!((stem("a/b.v2.jpg"), stem("0001")), ("b.v2", "0001"));
    }
}
