//! The fonts of labels: the embedded one, and one for the letters that it lacks. Knows no marks and no pixels.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::LazyLock;

use ab_glyph::{Font, FontArc, FontVec};

/// DejaVu Sans, cut to Latin, Greek, Cyrillic and punctuation; its licence stands beside it. Embedded, and used wherever
/// it has the letters, because a font found on the system would make pictures differ by machine.
static EMBEDDED: LazyLock<FontArc> = LazyLock::new(|| {
    FontArc::try_from_slice(include_bytes!("font/DejaVuSans-subset.ttf"))
        .expect("the embedded font is a font")
});

/// No font has more bytes than this; those of all Chinese, Japanese and Korean letters have some 20 million.
const MOST_BYTES: u64 = 128 << 20;

/// The embedded font, and another for what it cannot write.
#[derive(Clone, Debug, Default)]
pub struct Fonts {
    other: Option<FontArc>,
}

impl Fonts {
    /// The embedded font, and that of a file: TrueType or OpenType, of a collection the first.
    ///
    /// # Errors
    /// When the file cannot be read, or is no font.
    pub fn with_file(path: &Path) -> io::Result<Fonts> {
        let mut bytes = Vec::new();
        File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(io::Error::other(format!("it has more than {MOST_BYTES} bytes")));
        }
        let font = FontVec::try_from_vec(bytes);
        let font = font.map_err(|_| io::Error::other("it is neither a TrueType nor an OpenType font"))?;
        Ok(Fonts { other: Some(font.into()) })
    }

    /// The embedded font, and, where some texts need it, the font of the system that can write most of those: an upright
    /// one of regular weight before others.
    pub fn for_texts(texts: &[&str]) -> Fonts {
        let embedded = Fonts::default();
        let missing: Vec<&str> =
            texts.iter().copied().filter(|text| !embedded.can_write(text) && is_simple(text)).collect();
        if missing.is_empty() {
            return embedded;
        }
        let mut system = fontdb::Database::new();
        system.load_system_fonts();
        let upright = |face: &fontdb::FaceInfo| face.style == fontdb::Style::Normal;
        let mut faces: Vec<&fontdb::FaceInfo> = system.faces().collect();
        faces.sort_by_key(|face| (!upright(face), face.weight.0.abs_diff(400), face.monospaced));
        let mut best: Option<(usize, FontArc)> = None;
        for face in faces {
            let font = system.with_face_data(face.id, |bytes, index| {
                FontVec::try_from_vec_and_index(bytes.to_vec(), index).ok().map(FontArc::from)
            });
            let Some(font) = font.flatten() else { continue };
            let written = missing.iter().filter(|text| has_all(&font, text)).count();
            if written > best.as_ref().map_or(0, |(most, _)| *most) {
                let all = written == missing.len();
                best = Some((written, font));
                if all {
                    break;
                }
            }
        }
        Fonts { other: best.map(|(_, font)| font) }
    }

    /// Whether every letter of a text can be read as this program draws it, one after the other from the left.
    pub fn can_write(&self, text: &str) -> bool {
        is_simple(text)
            && (has_all(&EMBEDDED, text) || self.other.as_ref().is_some_and(|font| has_all(font, text)))
    }

    /// The font for a text: the embedded one unless only the other has all its letters.
    pub(super) fn of(&self, text: &str) -> &FontArc {
        match &self.other {
            Some(other) if !has_all(&EMBEDDED, text) && has_all(other, text) => other,
            _ => &EMBEDDED,
        }
    }
}

fn has_all(font: &FontArc, text: &str) -> bool {
    text.chars().filter(|c| !c.is_control()).all(|c| c.is_whitespace() || font.glyph_id(c).0 != 0)
}

/// Whether a text can be read when its letters stand side by side from the left: not so where letters join, change their
/// order or are written from the right, from Hebrew to Sinhala, in Tibetan, Burmese, Khmer and Mongolian, and not so
/// emoji, which are pictures.
fn is_simple(text: &str) -> bool {
    !text.chars().any(|c| {
        matches!(u32::from(c),
            0x0590..=0x08ff | 0x0900..=0x0dff | 0x0f00..=0x109f | 0x1780..=0x18af | 0xfb1d..=0xfdff | 0xfe70..=0xfeff
            | 0x1f000..=0x1faff)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_font_has_the_letters_of_european_names() {
        assert!(Fonts::default().can_write("AZaz09 .-_äéñøłščžßΩж…–’"));
        assert!(!Fonts::default().can_write("交通標誌"));
    }

    #[test]
    fn what_must_be_shaped_is_not_written() {
        for text in ["مرحبا", "नमस्ते", "שלום", "🐟"] {
            assert!(!Fonts::for_texts(&[text]).can_write(text), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_no_font_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("font.ttf");
        assert_eq!(Fonts::with_file(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(&path, "no font").unwrap();
        assert!(Fonts::with_file(&path).unwrap_err().to_string().contains("neither a TrueType"));
    }

    #[test]
    fn a_named_font_writes_what_it_has() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/draw/font/DejaVuSans-subset.ttf");
        let fonts = Fonts::with_file(&path).unwrap();
        assert!(fonts.can_write("Bolzen") && !fonts.can_write("螺栓"));
    }
}
