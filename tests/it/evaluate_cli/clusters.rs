//! Images that belong together: intervals that draw whole clusters of them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{run, write};

/// Forty photos, two of each of twenty videos, with a bolt each; the bolts of every second video are found.
fn videos(folder: &Path) -> (PathBuf, PathBuf) {
    let name = |id: u32| format!("v{}/f{id}.jpg", (id - 1) / 2);
    let images: Vec<Value> = (1..=40)
        .map(|id| json!({"id": id, "file_name": name(id), "video": (id - 1) / 2, "license": 1}))
        .collect();
    let bolt = |id: u32| json!({"id": id, "image_id": id, "category_id": 1, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0, "score": 0.5});
    let objects: Vec<Value> = (1..=40).map(bolt).collect();
    let found: Vec<Value> = (1..=40).filter(|id| (id - 1) / 2 % 2 == 0).map(bolt).collect();
    let set = json!({"images": images, "categories": [{"id": 1, "name": "bolt"}], "annotations": objects});
    let table: String = (1..=40).map(|id| format!("{},\"video {}\"\n", name(id), (id - 1) / 2)).collect();
    write(folder, "videos.csv", format!("file,video\n{table}"));
    (write(folder, "gt.json", set.to_string()), write(folder, "dt.json", json!(found).to_string()))
}

/// Half of what is drawn is found: of n that are drawn independently the share varies by sqrt(0.25 / (n - 1)), for 40 photos as
/// for 20 videos.
#[test]
fn whole_clusters_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = videos(folder.path());
    let table = folder.path().join("videos.csv").display().to_string();
    let mut all = Vec::new();
    for key in ["video", "folder", &table, "^v([0-9]+)/"] {
        let outcome = run(&gt, &dt, &["--json", "--bootstrap", "1000", "--cluster", key]);
        assert_eq!(outcome.code, 0, "{}", outcome.err);
        assert!(!outcome.err.contains("not independent"), "{}", outcome.err);
        let document: Value = serde_json::from_str(&outcome.out).unwrap();
        let clusters = &document["bootstrap"]["clusters"];
        assert_eq!((&clusters["count"], &clusters["images_alone"]), (&json!(20), &json!(0)), "{key}");
        let (own, whole) = (&document["bootstrap"]["intervals"][8], &clusters["intervals"][8]);
        let near = |interval: &Value, expected: f64| {
            let found = interval["deviation"].as_f64().unwrap();
            assert!((found - expected).abs() < 0.06 * expected, "{found} {expected}");
        };
        near(own, (0.25f64 / 39.0).sqrt());
        near(whole, (0.25f64 / 19.0).sqrt());
        assert_eq!((&own["images"], &whole["clusters"]), (&json!(40), &json!(20)));
        all.push(clusters["intervals"].clone());
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    let text = run(&gt, &dt, &["--bootstrap", "100", "--cluster", "video"]).out;
    assert!(
        text.contains(
            "95 % intervals from 100 draws of half of the images, and of half of 20 clusters by \"video\""
        ),
        "{text}"
    );
    assert!(text.lines().any(|line| line.starts_with(" AR100") && line.contains("by cluster [")), "{text}");
}

/// Where nobody says what belongs together, a warning does.
#[test]
fn what_looks_like_clusters_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = videos(folder.path());
    let mut set: Value = serde_json::from_slice(&std::fs::read(&gt).unwrap()).unwrap();
    let told = |set: &Value, flags: &[&str]| {
        let gt = write(folder.path(), "other.json", set.to_string());
        run(&gt, &dt, flags).err
    };
    // Two photos of each are few.
    assert!(!told(&set, &["--bootstrap", "10"]).contains("not independent"));
    for image in set["images"].as_array_mut().unwrap() {
        let id = image["id"].as_u64().unwrap();
        image["camera_id"] = json!(id % 4);
        image["file_name"] = json!(format!("{id}.jpg"));
    }
    assert!(!told(&set, &[]).contains("not independent"));
    let said = told(&set, &["--bootstrap", "10"]);
    assert!(said.contains("by the field \"camera_id\" 40 images are of 4 clusters"), "{said}");
    assert!(said.contains("--cluster 'camera_id'"), "{said}");
    for image in set["images"].as_array_mut().unwrap() {
        let id = image["id"].as_u64().unwrap();
        image.as_object_mut().unwrap().remove("camera_id");
        image["file_name"] = json!(format!("site{}_{id:05}.jpg", ["a", "b"][id as usize % 2]));
    }
    let said = told(&set, &["--versus", dt.to_str().unwrap()]);
    assert!(said.contains("by the start of the file name 40 images are of 2 clusters"), "{said}");
}

#[test]
fn keys_that_say_nothing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = videos(folder.path());
    let shown = |path: PathBuf| path.display().to_string();
    let one = shown(write(folder.path(), "one.csv", "v0/f1.jpg\n"));
    let two = shown(write(folder.path(), "two.csv", "a/1.jpg,x\na/1.jpg,y\n"));
    for (key, words) in [
        ("vidio", "no image of the annotations has a field \"vidio\""),
        ("([", "is no regular expression"),
        ("^w([0-9]+)", "says of no image"),
        (&one, "line 1 of"),
        (&two, "into two groups"),
    ] {
        let outcome = run(&gt, &dt, &["--bootstrap", "10", "--cluster", key]);
        assert_eq!(outcome.code, 2, "{key}: {}", outcome.err);
        assert!(outcome.err.contains(words), "{key}: {}", outcome.err);
    }
}

/// The bootstrap's intervals stay to be had; the mirror of the percentiles is the basic interval.
#[test]
fn bootstrap_intervals_are_mirrors_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = videos(folder.path());
    let interval = |kind: &str| -> Value {
        let outcome = run(&gt, &dt, &["--json", "--bootstrap", "200", "--interval", kind]);
        let document: Value = serde_json::from_str(&outcome.out).unwrap();
        assert_eq!(document["bootstrap"]["method"], kind);
        document["bootstrap"]["intervals"][8].clone()
    };
    let (basic, percentile) = (interval("basic"), interval("percentile"));
    let end = |interval: &Value, key: &str| interval[key].as_f64().unwrap();
    // AR100 is 0.5.
    assert!((end(&basic, "low") - (1.0 - end(&percentile, "high"))).abs() < 1e-12);
    assert!((end(&basic, "high") - (1.0 - end(&percentile, "low"))).abs() < 1e-12);
    assert_ne!(interval("subsampling")["low"], percentile["low"]);
}
