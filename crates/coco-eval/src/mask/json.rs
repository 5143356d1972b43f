//! Masks in JSON as COCO writes them: `{"size":[height,width],"counts":…}`, the counts as text or as a list of numbers.

use serde::de::Error;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Rle;

impl Serialize for Rle {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut object = to.serialize_struct("Rle", 2)?;
        object.serialize_field("size", &[self.height(), self.width()])?;
        object.serialize_field("counts", &self.text())?;
        object.end()
    }
}

#[derive(Deserialize)]
struct JsonRle {
    size: [u32; 2],
    counts: JsonCounts,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum JsonCounts {
    Text(String),
    Numbers(Vec<u32>),
}

impl<'de> Deserialize<'de> for Rle {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Rle, D::Error> {
        let JsonRle { size: [height, width], counts } = JsonRle::deserialize(from)?;
        match counts {
            JsonCounts::Text(text) => {
                Rle::from_text(height, width, text.as_bytes()).map_err(D::Error::custom)
            }
            JsonCounts::Numbers(runs) => Ok(Rle::new(height, width, runs)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts are those of pycocotools 2.0.11's `frPyObjects` and `decode`.
    #[test]
    fn masks_are_written_and_read_as_coco_does() {
        let mask = Rle::new(22, 23, vec![0, 1, 505]);
        let text = r#"{"size":[22,23],"counts":"01i?"}"#;
        assert_eq!(serde_json::to_string(&mask).unwrap(), text);
        assert_eq!(serde_json::from_str::<Rle>(text).unwrap(), mask);
        let list = r#"{"counts":[0,1,505],"size":[22,23]}"#;
        assert_eq!(serde_json::from_str::<Rle>(list).unwrap(), mask);
        let cut = serde_json::from_str::<Rle>(r#"{"size":[22,23],"counts":"01i"}"#).unwrap_err();
        assert!(cut.to_string().contains("cut off"), "{cut}");
        assert!(serde_json::from_str::<Rle>("[[1,2,3,4,5,6]]").is_err());
    }
}
