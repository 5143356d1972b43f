//! `rcnn report`: what its reader sees, held against what `evaluate` prints and what the run's files hold.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::path::Path;

use crate::support::Place;
use serde_json::{Value, json};

/// A run's files as `detect` leaves them, without the network: three photos, of which one failed, and one hostile name.
fn place() -> Place {
    let place = Place::new();
    place.photos(&[("plain.png", "a/plain.png"), ("baseline-420.jpg", "b<i>.jpg")]);
    place.write("photos/c.jpg", b"this is no picture");
    place.rcnn(&["detect", "photos", "-o", "out", "--no-draw"]).expect(3);
    let record = place.read("out/run.json");
    let item = |id: u64, label: &str, score: f64, corners: [f64; 4]| json!({"category_id": id, "label": label, "score": score, "box": corners});
    let rows = [
        json!({"image_id": 1, "file": "a/plain.png", "width": 61, "height": 43,
               "detections": [item(1, "bolt", 0.9, [5.0, 5.0, 25.0, 25.0]), item(2, "<nut>", 0.95, [30.0, 10.0, 50.0, 30.0])]}),
        json!({"image_id": 2, "file": "b<i>.jpg", "width": 61, "height": 43,
               "detections": [item(1, "bolt", 0.52, [5.0, 5.0, 25.0, 25.0])]}),
        json!({"image_id": 3, "file": "c.jpg", "error": {"kind": "not_a_picture", "stage": "decode", "detail": "<b>no</b> picture"}}),
    ];
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    place.write("out/detections.jsonl", text.as_bytes());
    let results = json!([
        {"image_id": 1, "category_id": 1, "bbox": [5.0, 5.0, 20.0, 20.0], "score": 0.9},
        {"image_id": 1, "category_id": 2, "bbox": [30.0, 10.0, 20.0, 20.0], "score": 0.95},
        {"image_id": 2, "category_id": 1, "bbox": [5.0, 5.0, 20.0, 20.0], "score": 0.52},
    ]);
    place.write("out/detections.json", results.to_string().as_bytes());
    let mut record: Value = serde_json::from_str(&record).unwrap();
    record["counts"]["detections"] = 3.into();
    place.write("out/run.json", record.to_string().as_bytes());
    // The nut is a bolt, and there is a second nut in the other photo.
    let truth = |id: u64, image: u64, category: u64, bbox: [u64; 4]| json!({"id": id, "image_id": image, "category_id": category, "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": 0});
    let annotations = json!({
        "images": [{"id": 1, "file_name": "a/plain.png"}, {"id": 2, "file_name": "b<i>.jpg"}],
        "annotations": [truth(1, 1, 1, [5, 5, 20, 20]), truth(2, 1, 1, [30, 10, 20, 20]), truth(3, 2, 2, [40, 2, 18, 18])],
        "categories": [{"id": 1, "name": "bolt"}, {"id": 2, "name": "<nut>"}],
    });
    place.write("gt.json", annotations.to_string().as_bytes());
    place
}

/// Cells of the page's tables by rows, without tags.
fn rows(page: &str) -> Vec<Vec<String>> {
    let text = |cell: &str| {
        let cell = cell.split_once('>').unwrap().1.split("</td>").next().unwrap();
        cell.split('<').map(|part| part.split_once('>').map_or(part, |part| part.1)).collect::<String>()
    };
    page.split("<tr>").skip(1).map(|row| row.split("<td").skip(1).map(text).collect()).collect()
}

#[test]
fn a_run_is_shown_with_its_photos_and_judged() {
    let place = place();
    place.rcnn(&["report", "out", "-a", "gt.json", "-i", "photos", "-o", "page.html"]).expect(0);
    let page = place.read("page.html");
    // F1 is best from 0.9 up (one of two right, of three objects), which leaves out the box of 0.52.
    assert!(page.contains("<h1>3 photos, 2 boxes of score 0.90 or more</h1>"));
    // The numbers are evaluate's.
    let judged = ["evaluate", "-a", "gt.json", "-r", "out/detections.json", "--json"];
    let judged: Value = serde_json::from_str(&place.rcnn(&judged).expect(0).out).unwrap();
    let rows = rows(&page);
    for (name, value) in judged["names"].as_array().unwrap().iter().zip(judged["stats"].as_array().unwrap()) {
        let value = value.as_f64().unwrap();
        let shown = if value == -1.0 { "–".into() } else { format!("{value:.3}") };
        let row =
            rows.iter().find(|row| row.first().is_some_and(|first| first == name.as_str().unwrap())).unwrap();
        assert_eq!(row[1], shown, "{name}");
    }
    // F1 is best with scores from 0.9 up: one of two detections is right, one of three objects is found.
    assert!(page.contains("F1 is best (0.400) with detections from score 0.900 up: 50.0 %"));
    assert!(page.contains("0 of 2 images have no mistake"));
    for mark in ["&#60;nut&#62; 0.95 wrong, bolt missed", "missed: bolt", "missed: &#60;nut&#62;"] {
        assert!(page.contains(mark), "{mark}");
    }
    assert!(rows.contains(&vec!["bolt".into(), "&#60;nut&#62;".into(), "1".into()]), "{rows:?}");
    // Both photos have a mistake; one shows either class best, and the other has a score near 0.5.
    assert_eq!(page.matches("<img src=\"data:image/jpeg;base64,").count(), 2 + 1 + 1);
    assert!(
        page.contains("c.jpg</td><td>not_a_picture</td><td class=\"why\">&#60;b&#62;no&#60;/b&#62; picture")
    );
    // One file that needs no other, in which no name is taken for HTML.
    for foreign in ["<i>", "<nut>", "src=\"http", "href=", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // The page's own script, and the curves of the categories.
    assert_eq!(page.matches("<script").count(), 2);
}

#[test]
fn a_run_alone_is_a_page_too() {
    let place = place();
    place.rcnn(&["report", "out", "-o", "page.html"]).expect(0);
    let page = place.read("page.html");
    assert_eq!(page.matches("<img").count(), 0);
    assert!(page.contains("The run drew no pictures") && !page.contains("<h2>Judged"));
    assert!(rows(&page).iter().any(|row| row == &["bolt", "", "2"]));
    // Photos of other names than the run's.
    place.photos(&[("plain.png", "../others/z.png")]);
    let ended = place.rcnn(&["report", "out", "-i", "others", "-o", "page.html"]).expect(0);
    assert!(place.read("page.html").contains("None of the photos given is one of the run"));
    assert!(ended.err.contains("3 of the run's 3 photos are not among those given"), "{}", ended.err);
    place.rcnn(&["detect", "photos", "-o", "drawn", "--score", "0.01"]).expect(3);
    place.rcnn(&["report", "drawn", "-o", "page.html"]).expect(0);
    assert!(place.read("page.html").contains("<img"));
    place.rcnn(&["report", "drawn", "-o", "page.html", "--pictures", "0"]).expect(0);
    assert!(!place.read("page.html").contains("<img"));
}

/// Of detections of 0.5 and more that are right: whether the page writes a label beside each.
fn labelled(page: &str) -> Vec<bool> {
    let marks = page.split("<g class=\"mark right\"").skip(1).map(|mark| mark.split("</g>").next().unwrap());
    let score =
        |mark: &str| mark.split("data-score=\"").nth(1).unwrap().split('"').next().unwrap().parse::<f64>();
    marks.filter(|mark| score(mark).unwrap() >= 0.5).map(|mark| mark.contains("<text")).collect()
}

#[test]
fn a_name_that_the_run_has_drawn_is_not_written_once_more() {
    let place = Place::new();
    let debris = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/debris");
    for name in ["000002.jpg", "000014.jpg", "000021.jpg"] {
        place.write(&format!("photos/{name}"), &std::fs::read(debris.join("images").join(name)).unwrap());
    }
    place.write("gt.json", &std::fs::read(debris.join("annotations.json")).unwrap());
    place.rcnn(&["detect", "photos", "-a", "gt.json", "-o", "out"]).expect(0);
    place.rcnn(&["report", "out", "-a", "gt.json", "-o", "page.html"]).expect(0);
    let drawn = labelled(&place.read("page.html"));
    assert!(!drawn.is_empty() && !drawn.contains(&true), "{drawn:?}");
    assert!(place.read("page.html").contains(">missed: "));
    place.rcnn(&["report", "out", "-a", "gt.json", "-i", "photos", "-o", "page.html"]).expect(0);
    assert!(labelled(&place.read("page.html")).contains(&true));
}

#[test]
fn an_evaluation_is_a_page() {
    let place = place();
    let evaluate = ["evaluate", "-a", "gt.json", "-r", "out/detections.json", "--json"];
    let all = ["--per-class", "--tide", "--errors", "--bootstrap", "50"];
    for more in [&all[..], &[]] {
        let judged = place.rcnn(&[&evaluate, more].concat()).expect(0).out;
        place.write("judged.json", judged.as_bytes());
        place.rcnn(&["report", "judged.json", "-o", "page.html"]).expect(0);
        let page = place.read("page.html");
        assert!(page.contains("<h1>Evaluation</h1>"));
        assert_eq!(page.contains("What errors cost"), !more.is_empty());
        assert!(rows(&page).iter().any(|row| row.first().is_some_and(|name| name == "AP50")));
    }
}

#[test]
fn a_page_shows_no_pictures_from_outside_the_run() {
    let place = Place::new();
    place.photos(&[("baseline-420.jpg", "a.jpg")]);
    place.rcnn(&["detect", "photos", "-o", "run", "--score", "0.001"]).expect(0);
    let pictures = || {
        place.rcnn(&["report", "run", "-o", "page.html"]).expect(0);
        place.read("page.html").matches("data:image/jpeg").count()
    };
    assert!(pictures() > 0, "there is nothing to see");
    let journal = place.read("run/detections.jsonl");
    let absolute = place.at("photos/a.jpg").display().to_string();
    for name in ["../../photos/a.jpg", "b/../../../photos/a.jpg", &absolute] {
        let name = serde_json::to_string(name).unwrap();
        place.write("run/detections.jsonl", journal.replace("\"a.jpg\"", &name).as_bytes());
        assert_eq!(pictures(), 0, "{name}");
    }
    place.write("run/detections.jsonl", journal.as_bytes());
    // Nor by the record of where pictures are, nor by links.
    let record = place.read("run/photos.jsonl");
    place.write("run/photos.jsonl", br#"{"file":"a.jpg","picture":"../../photos/a.jpg"}"#);
    assert_eq!(pictures(), 0);
    place.write("run/photos.jsonl", record.as_bytes());
    #[cfg(unix)]
    {
        std::fs::remove_file(place.at("run/annotated/a.jpg")).unwrap();
        std::os::unix::fs::symlink("../../photos/a.jpg", place.at("run/annotated/a.jpg")).unwrap();
        assert_eq!(pictures(), 0);
        std::fs::remove_dir_all(place.at("run/annotated")).unwrap();
        std::os::unix::fs::symlink("../photos", place.at("run/annotated")).unwrap();
        assert_eq!(pictures(), 0);
    }
}

#[test]
fn slips_get_one_sentence() {
    let place = place();
    let failed = |arguments: &[&str], code: i32, why: &str| {
        let ended = place.rcnn(&[&["report", "-o", "page.html"], arguments].concat()).expect(code);
        assert!(ended.err.contains(why) && ended.err.lines().count() == 1, "{}", ended.err);
        assert!(!place.at("page.html").exists());
    };
    failed(&["photos"], 1, "`photos` is a folder of photos, and a run's folder is wanted");
    failed(&["gt.json"], 1, "`gt.json` holds COCO annotations, and a run's folder is wanted");
    place.write("other.json", b"{\"stats\": 1}");
    failed(
        &["other.json"],
        1,
        "`other.json` is neither a run's folder nor what `rcnn evaluate --json` prints",
    );
    failed(&["nowhere"], 1, "cannot read `nowhere`");
    failed(&["other.json", "-a", "gt.json"], 2, "-a and -i are for a run's folder");
    failed(&["out", "-a", "nowhere.json"], 1, "nowhere.json");
    // A number of a category that is not there.
    let judged = ["evaluate", "-a", "gt.json", "-r", "out/detections.json", "--errors", "--json"];
    let judged = place.rcnn(&judged).expect(0).out.replace("\"detection\": 1", "\"detection\": 99999");
    place.write("judged.json", judged.as_bytes());
    place.rcnn(&["report", "judged.json", "-o", "page.html"]).expect(0);
}

#[test]
fn photos_are_found_wherever_they_are_kept_now() {
    let place = place();
    let pictures = |input: &[&str]| {
        let ended = place.rcnn(&[&["report", "out", "-o", "page.html"], input].concat()).expect(0);
        (place.read("page.html").matches("data:image/jpeg").count(), ended.err)
    };
    // One photo shows both classes best, and the other is doubtful.
    assert_eq!(pictures(&["-i", "photos"]), (2, String::new()));
    // A folder within, or another case of letters.
    let (shown, said) = pictures(&["-i", "photos/a"]);
    assert_eq!(shown, 1);
    assert!(said.contains("2 of the run's 3 photos are not among those given"), "{said}");
    place.photos(&[
        ("plain.png", "../moved/2026/A/Plain.PNG"),
        ("baseline-420.jpg", "../moved/2026/B<i>.JPG"),
    ]);
    assert_eq!(pictures(&["-i", "moved"]).0, 2);
    // A photo of the same name in another folder is another photo.
    place.photos(&[("plain.png", "../other/b/plain.png")]);
    let (shown, said) = pictures(&["-i", "other"]);
    assert_eq!(shown, 0);
    assert!(said.contains("lie in other folders (such as `b/plain.png` and `a/plain.png`)"), "{said}");
    // Boxes do not fit on a photo that has another size now.
    place.write("small/a/plain.png", &{
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(30, 21).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    });
    let (shown, said) = pictures(&["-i", "small"]);
    assert_eq!(shown, 0);
    let why =
        "1 of the photos given cannot be shown, `a/plain.png` among them: it has 30x21 pixels, and had 61x43";
    assert!(said.contains(why), "{said}");
}

/// A page that jumps while it loads, or prints without its pictures, cannot be read.
#[test]
fn every_picture_keeps_its_place() {
    let place = Place::new();
    place.photos(&[("baseline-444.jpg", "a.jpg"), ("plain.png", "b.png")]);
    place.rcnn(&["detect", "photos", "-m", "fod-r18", "-o", "run"]).expect(0);
    place.rcnn(&["report", "run", "-o", "page.html"]).expect(0);
    let page = std::fs::read_to_string(place.at("page.html")).unwrap();
    let pictures: Vec<&str> =
        page.split("<img ").skip(1).map(|rest| rest.split('>').next().unwrap()).collect();
    assert!(!pictures.is_empty());
    for picture in pictures {
        assert!(
            picture.contains(r#"width="61" height="43""#) && !picture.contains("lazy"),
            "{}",
            &picture[picture.len() - 80..]
        );
    }
}
