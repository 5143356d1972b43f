//! Plain CSV: a row an object, with a header that names the columns; without one, as keras-retinanet has it.
//!
//! Corners are edges in pixels from the upper left corner, as COCO counts. A row without a box is a photo without objects.

use std::io::{self, Write};
use std::path::Path;

use super::builder::{SourceBuilder, side};
use super::clip::ClippedObject;
use super::files::read_large;
use super::{Annotations, ConvertError, LabelSource, LabelledObject, LabelledPhoto};

/// What stands in which column.
#[derive(Default)]
struct Columns {
    file: Option<usize>,
    class: Option<usize>,
    /// Left, top, right, bottom.
    corners: [Option<usize>; 4],
    /// Left, top, width, height.
    sides: [Option<usize>; 4],
    photo: [Option<usize>; 2],
    score: Option<usize>,
    others: Vec<(usize, String)>,
}

impl Columns {
    /// The columns that a header names; none where it is no header.
    fn of(header: &csv::StringRecord) -> Option<Columns> {
        let mut columns = Columns::default();
        let names: Vec<String> =
            header.iter().map(|name| name.trim().to_lowercase().replace([' ', '-'], "_")).collect();
        let has = |name: &str| names.iter().any(|other| other == name);
        // Width and height are the photo's beside corners, and the box's beside its upper left corner.
        let by_corners = ["xmax", "x_max", "x2", "xbr", "right", "bbox_x2"].iter().any(|name| has(name));
        for (place, name) in names.iter().enumerate() {
            let slot = match name.as_str() {
                "filename" | "file_name" | "file" | "image" | "image_name" | "image_path" | "path"
                | "img" | "imageid" | "image_id" | "frame" => &mut columns.file,
                "class" | "label" | "class_name" | "label_name" | "category" | "category_name" | "name"
                | "classname" => &mut columns.class,
                "xmin" | "x_min" | "x1" | "xtl" | "bbox_x1" => &mut columns.corners[0],
                "ymin" | "y_min" | "y1" | "ytl" | "bbox_y1" => &mut columns.corners[1],
                "left" | "x" | "bbox_x" if !by_corners => &mut columns.sides[0],
                "top" | "y" | "bbox_y" if !by_corners => &mut columns.sides[1],
                "left" | "x" | "bbox_x" => &mut columns.corners[0],
                "top" | "y" | "bbox_y" => &mut columns.corners[1],
                "xmax" | "x_max" | "x2" | "xbr" | "right" | "bbox_x2" => &mut columns.corners[2],
                "ymax" | "y_max" | "y2" | "ybr" | "bottom" | "bbox_y2" => &mut columns.corners[3],
                "image_width" | "img_width" => &mut columns.photo[0],
                "image_height" | "img_height" => &mut columns.photo[1],
                "w" | "bbox_w" | "bbox_width" | "box_width" => &mut columns.sides[2],
                "h" | "bbox_h" | "bbox_height" | "box_height" => &mut columns.sides[3],
                "width" if by_corners => &mut columns.photo[0],
                "height" if by_corners => &mut columns.photo[1],
                "width" => &mut columns.sides[2],
                "height" => &mut columns.sides[3],
                "score" | "confidence" | "conf" => &mut columns.score,
                _ => {
                    columns.others.push((place, name.clone()));
                    continue;
                }
            };
            slot.get_or_insert(place);
        }
        (columns.file.is_some() && names.len() >= 2).then_some(columns)
    }

    /// `path,x1,y1,x2,y2,class`, without a header.
    fn bare(row: &csv::StringRecord) -> Option<Columns> {
        // Six words are the header of some other table.
        let numbers = row.iter().skip(1).take(4).map(str::trim);
        let may_be_box =
            numbers.clone().any(|field| field.parse::<f64>().is_ok()) || numbers.clone().all(str::is_empty);
        (row.len() == 6 && may_be_box).then(|| Columns {
            file: Some(0),
            class: Some(5),
            corners: [1, 2, 3, 4].map(Some),
            ..Columns::default()
        })
    }

    fn has_boxes(&self) -> bool {
        let all = |places: &[Option<usize>; 4]| places.iter().all(Option::is_some);
        self.class.is_some() && (all(&self.corners) || all(&self.sides))
    }

    /// The box of a row; nothing where its fields are empty.
    fn bbox(&self, row: &csv::StringRecord) -> Result<Option<[f64; 4]>, String> {
        let by_corners = self.corners.iter().all(Option::is_some);
        let places = if by_corners { self.corners } else { self.sides };
        let fields = places.map(|place| place.and_then(|place| row.get(place)).unwrap_or_default().trim());
        if fields.iter().all(|field| field.is_empty()) {
            return Ok(None);
        }
        let mut numbers = [0.0; 4];
        for (number, field) in numbers.iter_mut().zip(fields) {
            *number = field
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite())
                .ok_or("has no box of four numbers")?;
        }
        let [left, top, right, bottom] = numbers;
        if !by_corners {
            return Ok(Some(numbers));
        }
        if right < left || bottom < top {
            return Err("has a box that ends before it begins".into());
        }
        Ok(Some([left, top, right - left, bottom - top]))
    }
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
    let first = text.lines().next().unwrap_or_default();
    let delimiter = [b',', b';', b'\t'].into_iter().max_by_key(|mark| {
        let count = first.bytes().filter(|byte| byte == mark).count();
        (count, std::cmp::Reverse(*mark))
    });
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).flexible(true).delimiter(delimiter.unwrap_or(b','));
    let mut reader = reader.from_reader(text.as_bytes());
    let mut columns: Option<Columns> = None;
    let mut builder = SourceBuilder::default();
    for row in reader.records() {
        let row = row.map_err(|error| format!("is no CSV: {error}"))?;
        let line = row.position().map_or(0, csv::Position::line);
        let known = match &columns {
            Some(columns) => columns,
            None => {
                let named = Columns::of(&row);
                let header = named.is_some();
                let found = named.or_else(|| Columns::bare(&row)).filter(Columns::has_boxes).ok_or(
                    "names no columns that are known: the file's name, `class`, and `xmin`, `ymin`, `xmax`, `ymax`, or `x`, `y`, `w`, `h`",
                )?;
                columns = Some(found);
                match &columns {
                    Some(columns) if !header => columns,
                    _ => continue,
                }
            }
        };
        if let Err(what) = read_row(known, &row, &mut builder) {
            builder.fail(format!("line {line}"), what);
        }
    }
    if columns.is_none() {
        return Err("is empty".into());
    }
    Ok(builder.source)
}

fn read_row(columns: &Columns, row: &csv::StringRecord, builder: &mut SourceBuilder) -> Result<(), String> {
    let field =
        |place: Option<usize>| place.and_then(|place| row.get(place)).map(str::trim).unwrap_or_default();
    let file = field(columns.file).replace('\\', "/");
    if file.is_empty() {
        return Err("names no photo".into());
    }
    let bbox = columns.bbox(row)?;
    let sides = columns.photo.map(|place| field(place).parse().ok().and_then(side));
    let size = sides[0].zip(sides[1]);
    let name = field(columns.class);
    if bbox.is_some() && name.is_empty() {
        return Err("names no class".into());
    }
    let photo = builder.photo(&file, size);
    let Some(bbox) = bbox else { return Ok(()) };
    for (place, name) in &columns.others {
        let filled = row.get(*place).is_some_and(|value| !value.trim().is_empty());
        builder.lose(&format!("`{}`", name.chars().take(40).collect::<String>()), filled.into());
    }
    let score = field(columns.score).parse().ok().filter(|score: &f64| score.is_finite());
    builder.object(photo, name, LabelledObject { bbox, score, ..LabelledObject::default() });
    Ok(())
}

/// Writes one file, a row an object and one for each photo without objects.
pub(super) fn write<'a>(
    annotations: &Annotations,
    photos: impl Iterator<Item = (&'a LabelledPhoto, (u32, u32), Vec<ClippedObject<'a>>)>,
    out: &mut impl Write,
) -> io::Result<()> {
    let objects = annotations.photos.iter().flat_map(|photo| &photo.objects);
    let scored = objects.clone().any(|object| object.score.is_some());
    let mut writer = csv::Writer::from_writer(out);
    let header = ["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax", "score"];
    let columns = if scored { 9 } else { 8 };
    writer.write_record(&header[..columns])?;
    for (photo, (width, height), cuts) in photos {
        let [width, height] = [width, height].map(|side| side.to_string());
        if cuts.is_empty() {
            let row = [photo.file.as_str(), &width, &height, "", "", "", "", "", ""];
            writer.write_record(&row[..columns])?;
        }
        for ClippedObject { object, corners } in cuts {
            let [left, top, right, bottom] = corners.map(|edge| edge.to_string());
            let score = object.score.map(|score| score.to_string()).unwrap_or_default();
            let name = &annotations.categories[object.category].name;
            let row = [photo.file.as_str(), &width, &height, name, &left, &top, &right, &bottom, &score];
            writer.write_record(&row[..columns])?;
        }
    }
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(text: &str) -> Vec<(String, [f64; 4])> {
        let set = read_text(text).unwrap().annotations;
        let name = |object: &LabelledObject| set.categories[object.category].name.clone();
        set.photos
            .iter()
            .flat_map(|photo| photo.objects.iter().map(|object| (name(object), object.bbox)))
            .collect()
    }

    #[test]
    fn columns_are_known_by_their_names() {
        let object = vec![("bolt".to_owned(), [10.0, 20.0, 30.0, 5.5])];
        for text in [
            "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,100,90,bolt,10,20,40,25.5\n",
            "Image;Label;X;Y;W;H\na.jpg;bolt;10;20;30;5.5\n",
            "a.jpg,10,20,40,25.5,bolt\nb.jpg,,,,,\n",
            "image\tx\ty\twidth\theight\tclass\n\"a.jpg\"\t10\t20\t30\t5.5\tbolt\n",
        ] {
            assert_eq!(boxes(text), object, "{text}");
        }
        let empty = read_text("a.jpg,10,20,40,25.5,bolt\nb.jpg,,,,,\n").unwrap();
        assert_eq!(empty.annotations.photos[1].file, "b.jpg");
    }

    #[test]
    fn a_bad_row_costs_itself_only() {
        let text = "filename,class,xmin,ymin,xmax,ymax,pose\na.jpg,x,1,2,y,4,left\na.jpg,x,1,2,3,4,left\n";
        let source = read_text(text).unwrap();
        assert_eq!(source.failed, [super::super::LabelFailure::new("line 2", "has no box of four numbers")]);
        assert_eq!(source.lost.to_string(), "`pose` of 1 object");
        assert_eq!(source.annotations.photos[0].objects.len(), 1);
        assert!(read_text("cycle,step,AP,AP50,AP75,seconds\n1,1000,0.1,0.2,0.1,392\n").is_err());
        assert!(read_text("a,b\n1,2\n").is_err() && read_text("").is_err());
    }
}
