//! Whether photos have the sizes that annotations give them, and what may have happened where they have not.

use super::error::printable;

/// Photos compared with the sizes of their annotations, one after another.
#[derive(Clone, Debug, Default)]
pub struct SizeCheck {
    seen: usize,
    other: usize,
    swapped: usize,
    /// The one scale of all photos that differ; none where there are several.
    scale: Option<f64>,
    example: String,
}

impl SizeCheck {
    /// Notes a photo's width and height in pixels beside those that the annotations have.
    pub fn add(&mut self, name: &str, (width, height): (f64, f64), annotated: (f64, f64)) {
        self.seen += 1;
        if (width, height) == annotated {
            return;
        }
        let scale = scaled_as_a_whole(annotated, (width, height)).then(|| width / annotated.0);
        if self.other == 0 {
            self.scale = scale;
            let name = printable(name);
            self.example =
                format!("`{name}` has {width}x{height}, annotated {}x{}", annotated.0, annotated.1);
        } else if !self.scale.zip(scale).is_some_and(|(one, other)| (one / other - 1.0).abs() < 0.01) {
            self.scale = None;
        }
        self.other += 1;
        self.swapped += usize::from((height, width) == annotated);
    }

    /// A sentence about photos whose sizes differ, if any do.
    pub fn sentence(&self) -> Option<String> {
        if self.other == 0 {
            return None;
        }
        let (other, seen, example) = (self.other, self.seen, &self.example);
        let cause = if self.swapped == other {
            "the sides are swapped, as where photos were annotated without their EXIF orientation: \
             --ignore-orientation takes them so"
                .into()
        } else if let Some(scale) = self.scale {
            format!(
                "they were scaled by {scale:.3} after they had been annotated: give the photos that were annotated, or \
                 scale the annotations"
            )
        } else {
            "their boxes mean other pixels: give the photos that were annotated".into()
        };
        Some(format!("{other} of {seen} photos have other sizes than their annotations ({example}); {cause}"))
    }
}

/// Whether one size is another, different one scaled as a whole, to whole pixels.
pub fn scaled_as_a_whole(from: (f64, f64), to: (f64, f64)) -> bool {
    // An equal side beside another one is a cut, not a scaling.
    from.0 != to.0
        && from.1 != to.1
        && ((from.1 * to.0 / from.0 - to.1).abs() < 1.0 || (from.0 * to.1 / from.1 - to.0).abs() < 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Sizes = ((f64, f64), (f64, f64));

    fn message(sizes: &[Sizes]) -> String {
        let mut check = SizeCheck::default();
        sizes.iter().for_each(|&(photo, annotated)| check.add("a.jpg", photo, annotated));
        check.sentence().unwrap_or_default()
    }

    #[test]
    fn sizes_that_differ_are_told_with_what_may_have_happened() {
        assert_eq!(message(&[((4.0, 3.0), (4.0, 3.0))]), "");
        let swapped = message(&[((4.0, 3.0), (3.0, 4.0)), ((5.0, 5.0), (5.0, 5.0))]);
        assert!(swapped.starts_with(
            "1 of 2 photos have other sizes than their annotations (`a.jpg` has 4x3, annotated 3x4)"
        ));
        assert!(swapped.contains("--ignore-orientation"), "{swapped}");
        let scaled = message(&[((640.0, 427.0), (1280.0, 853.0)), ((500.0, 500.0), (1000.0, 1000.0))]);
        assert!(scaled.contains("scaled by 0.500"), "{scaled}");
        let mixed = message(&[((640.0, 427.0), (1280.0, 853.0)), ((500.0, 500.0), (700.0, 500.0))]);
        assert!(mixed.ends_with("give the photos that were annotated"), "{mixed}");
    }
}
