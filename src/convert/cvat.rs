//! CVAT's own form, "CVAT for images 1.1": one XML file with the images and their shapes, in pixels from the corner.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::builder::{SourceBuilder, around, side, turned};
use super::clip::ClippedObject;
use super::files::{error_line, read_large};
use super::{Annotations, ConvertError, LabelSource, LabelledObject, LabelledPhoto};

/// The name of a document's outermost element.
pub(super) fn root_of(head: &str) -> Option<String> {
    let mut reader = Reader::from_str(head);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) | Event::Empty(start) => {
                return Some(start.local_name().as_ref().to_owned());
            }
            Event::Eof => return None,
            _ => {}
        }
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
    let wrong = |error: &dyn std::fmt::Display| format!("is not XML of CVAT's form: {}", error_line(&error));
    let mut reader = Reader::from_str(text);
    let mut builder = SourceBuilder::default();
    let mut state = CvatState::default();
    let mut open = 0_usize;
    let mut began = false;
    loop {
        match reader.read_event().map_err(|error| wrong(&error))? {
            Event::Start(start) => {
                began = true;
                open += 1;
                state.element(&mut builder, &start).map_err(|error| wrong(&error))?;
            }
            Event::Empty(start) => {
                began = true;
                state.element(&mut builder, &start).map_err(|error| wrong(&error))?;
                state.end(start.local_name().as_ref());
            }
            Event::End(end) => {
                open = open.saturating_sub(1);
                state.end(end.local_name().as_ref());
            }
            Event::Text(text) if state.in_label_name => {
                state.name += &text;
            }
            Event::GeneralRef(reference) if state.in_label_name => {
                let escaped = format!("&{};", &*reference);
                state.name += &quick_xml::escape::unescape(&escaped).map_err(|error| wrong(&error))?;
            }
            Event::Eof => break,
            _ => {}
        }
        if let Some(name) = state.named.take() {
            builder.category(&name);
        }
    }
    if !began || open > 0 {
        return Err(wrong(&"it ends early"));
    }
    if state.tracks > 0 {
        return Err("holds tracks of a video: export it from CVAT as \"CVAT for images 1.1\"".into());
    }
    Ok(builder.source)
}

#[derive(Default)]
struct CvatState {
    /// Names of the elements that are open around `name` of a label.
    in_label: bool,
    in_label_name: bool,
    name: String,
    named: Option<String>,
    photo: Option<usize>,
    file: String,
    /// The shape whose attributes are counted.
    in_shape: bool,
    attributed: bool,
    tracks: usize,
}

impl CvatState {
    fn element(
        &mut self,
        builder: &mut SourceBuilder,
        start: &BytesStart<'_>,
    ) -> Result<(), quick_xml::Error> {
        match start.local_name().as_ref() {
            "label" if self.photo.is_none() => self.in_label = true,
            "name" if self.in_label => {
                self.in_label_name = true;
                self.name.clear();
            }
            "attributes" | "sublabels" => self.in_label = false,
            "track" => self.tracks += 1,
            "image" => {
                let fields = fields(start)?;
                let number = |key: &str| fields.get(key).and_then(|text| side(text.trim().parse().ok()?));
                self.file = fields.get("name").map(|name| name.trim().replace('\\', "/")).unwrap_or_default();
                if self.file.is_empty() {
                    builder.fail("image", "has no `name`");
                    return Ok(());
                }
                self.photo = Some(builder.photo(&self.file, number("width").zip(number("height"))));
            }
            "attribute" if self.in_shape => {
                if !self.attributed {
                    builder.lose("`attribute`", 1);
                }
                self.attributed = true;
            }
            element => {
                if let Some(photo) = self.photo {
                    let kind = element.to_owned();
                    (self.in_shape, self.attributed) = (true, false);
                    shape(builder, photo, &self.file, &kind, &fields(start)?);
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, element: &str) {
        match element {
            "name" if self.in_label_name => {
                self.in_label_name = false;
                self.named =
                    Some(std::mem::take(&mut self.name).trim().to_owned()).filter(|name| !name.is_empty());
            }
            "label" => self.in_label = false,
            "image" => self.photo = None,
            "attribute" => {}
            _ => self.in_shape = false,
        }
    }
}

type Attributes = HashMap<String, String>;

fn fields(start: &BytesStart<'_>) -> Result<Attributes, quick_xml::Error> {
    let mut fields = HashMap::new();
    for attribute in start.attributes() {
        let attribute = attribute?;
        let raw = attribute.value.to_string();
        let value = quick_xml::escape::unescape(&raw).map(|text| text.into_owned()).unwrap_or(raw);
        fields.insert(attribute.key.local_name().as_ref().to_owned(), value);
    }
    Ok(fields)
}

/// Takes a shape that has a box; others are counted.
fn shape(builder: &mut SourceBuilder, photo: usize, file: &str, kind: &str, fields: &Attributes) {
    let number = |key: &str| fields.get(key)?.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let degrees = number("rotation").unwrap_or(0.0);
    let upright = match kind {
        "box" => corners([number("xtl"), number("ytl"), number("xbr"), number("ybr")]),
        "polygon" => fields.get("points").and_then(|points| around(self::points(points)?)),
        "ellipse" => match [number("cx"), number("cy"), number("rx"), number("ry")] {
            [Some(x), Some(y), Some(rx), Some(ry)] => Some([x - rx, y - ry, 2.0 * rx, 2.0 * ry]),
            _ => None,
        },
        "mask" => match [number("left"), number("top"), number("width"), number("height")] {
            [Some(x), Some(y), Some(width), Some(height)] => Some([x, y, width, height]),
            _ => None,
        },
        "polyline" | "points" | "cuboid" | "skeleton" | "tag" => {
            return builder.lose(&format!("`{kind}` shapes"), 1);
        }
        _ => return,
    };
    let bbox = upright.and_then(|bbox @ [x, y, w, h]| turned(bbox, degrees, [x + w / 2.0, y + h / 2.0]));
    let name = fields.get("label").map(|name| name.trim()).filter(|name| !name.is_empty());
    match (bbox, name) {
        (Some(bbox), Some(name)) if bbox[2] >= 0.0 && bbox[3] >= 0.0 => {
            builder.object(photo, name, LabelledObject { bbox, ..LabelledObject::default() });
            let is = |key: &str| number(key).is_some_and(|number| number != 0.0);
            for (what, here) in [
                ("`rotation`", degrees != 0.0),
                ("`occluded`", is("occluded")),
                ("`z_order`", is("z_order")),
                ("`group_id`", is("group_id")),
                ("polygons", kind == "polygon"),
                ("masks", kind == "mask"),
                ("ellipses", kind == "ellipse"),
            ] {
                builder.lose(what, here.into());
            }
        }
        (_, None) => builder.fail(file, format!("has no `label` in a `{kind}`")),
        _ => builder.fail(file, format!("has no numbers for a box in a `{kind}`")),
    }
}

fn corners(edges: [Option<f64>; 4]) -> Option<[f64; 4]> {
    let [left, top, right, bottom] = edges;
    let (left, top) = (left?, top?);
    Some([left, top, right? - left, bottom? - top])
}

/// Points as `x,y;x,y`.
fn points(text: &str) -> Option<Vec<[f64; 2]>> {
    text.split(';')
        .map(|point| {
            let (x, y) = point.split_once(',')?;
            Some([x.trim().parse().ok()?, y.trim().parse().ok()?])
        })
        .collect()
}

/// Text as it stands in an attribute or an element: what XML has no way to write becomes a mark.
fn escaped(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|letter| match letter {
            '\n' | '\r' | '\t' => letter,
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
            letter => letter,
        })
        .collect();
    quick_xml::escape::escape(text.as_str())
        .replace('\n', "&#10;")
        .replace('\r', "&#13;")
        .replace('\t', "&#9;")
}

/// Writes one file.
pub(super) fn write<'a>(
    annotations: &Annotations,
    photos: impl Iterator<Item = (&'a LabelledPhoto, (u32, u32), Vec<ClippedObject<'a>>)>,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations>\n  <version>1.1</version>")?;
    writeln!(out, "  <meta>\n    <task>\n      <labels>")?;
    for category in &annotations.categories {
        let name = escaped(&category.name);
        writeln!(out, "        <label><name>{name}</name><attributes></attributes></label>")?;
    }
    writeln!(out, "      </labels>\n    </task>\n  </meta>")?;
    for (place, (photo, (width, height), cuts)) in photos.enumerate() {
        let name = escaped(&photo.file);
        writeln!(out, "  <image id=\"{place}\" name=\"{name}\" width=\"{width}\" height=\"{height}\">")?;
        for ClippedObject { object, corners: [left, top, right, bottom] } in cuts {
            let label = escaped(&annotations.categories[object.category].name);
            writeln!(
                out,
                "    <box label=\"{label}\" source=\"manual\" occluded=\"0\" xtl=\"{left}\" ytl=\"{top}\" xbr=\"{right}\" \
                 ybr=\"{bottom}\" z_order=\"0\"></box>"
            )?;
        }
        writeln!(out, "  </image>")?;
    }
    writeln!(out, "</annotations>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_with_an_extent_have_boxes() {
        let text = r#"<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta><task><name>t</name><labels>
            <label><name>nut &amp; bolt</name><attributes><attribute><name>old</name></attribute></attributes></label>
            <label><name>x</name></label></labels></task></meta>
            <image id="0" name="a/&quot;b&quot;.jpg" width="64" height="48">
            <box label="x" occluded="1" xtl="10.5" ytl="5" xbr="30" ybr="15"><attribute name="old">yes</attribute></box>
            <polygon label="nut &amp; bolt" points="1,2;3,4;2,9" z_order="0"/><tag label="x"/>
            <box label="x" xtl="a" ytl="5" xbr="30" ybr="15"/></image>
            <image id="1" name="c.jpg" width="9" height="9"/></annotations>"#;
        let source = read_text(text).unwrap();
        let set = &source.annotations;
        let names: Vec<&str> = set.categories.iter().map(|category| category.name.as_str()).collect();
        assert_eq!(names, ["nut & bolt", "x"]);
        assert_eq!((set.photos[0].file.as_str(), set.photos[0].size), ("a/\"b\".jpg", Some((64, 48))));
        let boxes: Vec<_> = set.photos[0].objects.iter().map(|object| object.bbox).collect();
        assert_eq!(boxes, [[10.5, 5.0, 19.5, 10.0], [1.0, 2.0, 2.0, 7.0]]);
        assert_eq!((set.photos[1].file.as_str(), set.photos[1].objects.len()), ("c.jpg", 0));
        let lost =
            "`attribute` of 1 object, `occluded` of 1 object, `tag` shapes of 1 object, polygons of 1 object";
        assert_eq!(source.lost.to_string(), lost);
        assert_eq!(source.failed.len(), 1);
        assert!(read_text("<annotations><track/></annotations>").unwrap_err().contains("tracks of a video"));
        assert!(read_text("<annotations>").is_err() && read_text("").is_err());
        assert_eq!(root_of(text).as_deref(), Some("annotations"));
    }
}
