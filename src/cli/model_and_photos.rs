//! The arguments of commands that take one model and photos for it: `MODEL -i PHOTOS…`, in any order.

use std::ffi::OsString;

use super::Usage;

/// A model and the photos that it is shown.
#[derive(Debug, clap::Args)]
pub(crate) struct ModelAndPhotos {
    /// Model: a name, a folder or a checkpoint file
    #[arg(value_name = "MODEL")]
    model: Option<OsString>,
    /// Photos: files, folders (with all folders in them), patterns, .txt files of paths; any number after -i
    #[arg(short = 'i', long = "images", alias = "input", required = true, num_args = 1.., value_name = "PHOTOS")]
    input: Vec<OsString>,
}

impl ModelAndPhotos {
    /// The model, and the photos. `-i` takes all that follows it: a model behind the photos is the last of them.
    pub(crate) fn split(&self) -> Result<(OsString, Vec<OsString>), Usage> {
        match (&self.model, self.input.as_slice()) {
            (Some(model), photos) => Ok((model.clone(), photos.to_vec())),
            (None, [photos @ .., model]) if !photos.is_empty() => Ok((model.clone(), photos.to_vec())),
            _ => Err(Usage("a model is needed beside the photos: MODEL -i PHOTOS".into())),
        }
    }
}

/// One model or several, and the photos that they are shown: `MODEL -i PHOTOS…`, or `-m A -m B -i PHOTOS…`.
#[derive(Debug, clap::Args)]
pub(crate) struct ModelsAndPhotos {
    #[command(flatten)]
    both: ModelAndPhotos,
    /// Model: several of them, whose detections are merged as `rcnn detect -m A -m B` merges them
    #[arg(short = 'm', long = "model", id = "several", value_name = "MODEL")]
    several: Vec<OsString>,
}

impl ModelsAndPhotos {
    /// The models, at least one, and the photos.
    pub(crate) fn split(&self) -> Result<(Vec<OsString>, Vec<OsString>), Usage> {
        if self.several.is_empty() {
            return self.both.split().map(|(model, photos)| (vec![model], photos));
        }
        let models = self.both.model.iter().chain(&self.several).cloned().collect();
        Ok((models, self.both.input.clone()))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        both: super::ModelAndPhotos,
        #[arg(short)]
        out: Option<String>,
    }

    #[test]
    fn the_order_does_not_matter() {
        for line in ["m -i a b -o q", "-i a b m -o q", "-o q -i a b m", "-i a -o q -i b -- m", "-i a -i b m"]
        {
            let (model, photos) = Line::parse_from(format!("x {line}").split(' ')).both.split().unwrap();
            assert_eq!((model, photos), ("m".into(), vec!["a".into(), "b".into()]), "{line}");
        }
        assert!(Line::parse_from(["x", "-i", "a"]).both.split().is_err());
    }

    #[derive(Parser)]
    struct LongerLine {
        #[command(flatten)]
        both: super::ModelsAndPhotos,
    }

    #[test]
    fn several_models_are_named_as_elsewhere() {
        let split = |line: &str| LongerLine::parse_from(format!("x {line}").split(' ')).both.split().unwrap();
        assert_eq!(split("m -i a b"), (vec!["m".into()], vec!["a".into(), "b".into()]));
        for line in ["-m m -m n -i a b", "-i a b -m m -m n", "m -m n -i a b"] {
            let models = vec!["m".into(), "n".into()];
            assert_eq!(split(line), (models, vec!["a".into(), "b".into()]), "{line}");
        }
    }
}
