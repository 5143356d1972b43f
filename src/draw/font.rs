//! The fonts of labels: the embedded one, and one for the letters that it lacks. Knows no marks and no pixels.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::LazyLock;

use ab_glyph::{Font, FontArc, FontRef, FontVec};

/// DejaVu Sans, cut to Latin, Greek, Cyrillic and punctuation; its licence stands beside it. Embedded, and used wherever
/// it has the letters, because a font found on the system would make pictures differ by machine.
static EMBEDDED: LazyLock<FontArc> = LazyLock::new(|| {
    FontArc::try_from_slice(include_bytes!("font/DejaVuSans-subset.ttf"))
        .expect("the embedded font is a font")
});

/// No font has more bytes than this; those of all Chinese, Japanese and Korean letters have some 20 million.
const MOST_BYTES: u64 = 128 << 20;

/// The embedded font, and others for what it cannot write.
#[derive(Clone, Debug, Default)]
pub struct Fonts {
    others: Vec<FontArc>,
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
        Ok(Fonts { others: vec![font.into()] })
    }

    /// The embedded font, and those of the system that texts need beside it, as few as can write most of them: upright ones
    /// of regular weight without serifs before others.
    pub fn for_texts(texts: &[&str]) -> Fonts {
        let embedded = Fonts::default();
        let missing: Vec<&str> =
            texts.iter().copied().filter(|text| !embedded.can_write(text) && is_simple(text)).collect();
        if missing.is_empty() {
            return embedded;
        }
        let mut system = fontdb::Database::new();
        system.load_system_fonts();
        let mut faces: Vec<&fontdb::FaceInfo> = system.faces().collect();
        faces.sort_by_cached_key(|face| preference(face));
        let able = |face: &fontdb::FaceInfo| -> Option<BTreeSet<&str>> {
            let written = |bytes: &[u8], index: u32| {
                let font = FontRef::try_from_slice_and_index(bytes, index).ok()?;
                Some(missing.iter().copied().filter(|text| has_all(&font, text)).collect())
            };
            system.with_face_data(face.id, written)?
        };
        let all = missing.iter().copied().collect::<BTreeSet<&str>>().len();
        let mut able_faces: Vec<(fontdb::ID, BTreeSet<&str>)> = Vec::new();
        for face in faces {
            let Some(written) = able(face).filter(|written| !written.is_empty()) else { continue };
            let whole = written.len() == all;
            able_faces.push((face.id, written));
            if whole {
                break;
            }
        }
        let mut others = Vec::new();
        // Of those that can write as many texts, the first.
        while let Some((face, written)) = able_faces.iter().rev().max_by_key(|(_, written)| written.len()) {
            if written.is_empty() {
                break;
            }
            let font = system.with_face_data(*face, |bytes, index| {
                FontVec::try_from_vec_and_index(bytes.to_vec(), index).ok().map(FontArc::from)
            });
            others.extend(font.flatten());
            let written = written.clone();
            able_faces.iter_mut().for_each(|(_, texts)| texts.retain(|text| !written.contains(text)));
        }
        Fonts { others }
    }

    /// Whether every letter of a text can be read as this program draws it, one after the other from the left.
    pub fn can_write(&self, text: &str) -> bool {
        let mut letters = text.char_indices().map(|(place, letter)| &text[place..place + letter.len_utf8()]);
        is_simple(text) && letters.all(|letter| self.all().any(|font| has_all(font, letter)))
    }

    /// A text in parts of one font each: in one, if a font has all its letters, the embedded one before others; a font of one
    /// script may lack the digits of a score.
    pub(super) fn parts<'a>(&'a self, text: &'a str) -> Vec<(&'a FontArc, &'a str)> {
        if let Some(font) = self.all().find(|font| has_all(font, text)) {
            return vec![(font, text)];
        }
        let fonts: Vec<&FontArc> = self.all().collect();
        let own = |letter: &str| fonts.iter().position(|font| has_all(font, letter)).unwrap_or(0);
        let mut parts: Vec<(usize, &str)> = Vec::new();
        let mut first = 0;
        for (place, letter) in text.char_indices() {
            let end = place + letter.len_utf8();
            let font = match parts.last() {
                Some((font, _)) if letter.is_whitespace() => *font,
                _ => own(&text[place..end]),
            };
            match parts.last_mut().filter(|(last, _)| *last == font) {
                Some((_, part)) => *part = &text[first..end],
                None => {
                    first = place;
                    parts.push((font, &text[place..end]));
                }
            }
        }
        parts.into_iter().map(|(font, part)| (fonts[font], part)).collect()
    }

    /// The height of a line of a font in which its letters are as large as those of the embedded one in a line of this height,
    /// and how far below that line's top it begins if both stand on the same ground.
    pub(super) fn line(font: &FontArc, height: f32) -> (f32, f32) {
        let em = |font: &FontArc| font.units_per_em().filter(|units| *units > 0.0);
        let (Some(own), Some(embedded)) = (em(font), em(&EMBEDDED)) else { return (height, 0.0) };
        let letters = height / EMBEDDED.height_unscaled() * embedded;
        let line = letters * font.height_unscaled() / own;
        let ascent = |font: &FontArc, units: f32| letters * font.ascent_unscaled() / units;
        (line, ascent(&EMBEDDED, embedded) - ascent(font, own))
    }

    fn all(&self) -> impl Iterator<Item = &FontArc> {
        std::iter::once(&*EMBEDDED).chain(&self.others)
    }
}

/// What comes first in order is taken first.
fn preference(face: &fontdb::FaceInfo) -> (bool, u16, bool, bool) {
    let upright = face.style == fontdb::Style::Normal;
    let with_serifs = face.families.iter().any(|(name, _)| name.contains("Serif"));
    (!upright, face.weight.0.abs_diff(400), face.monospaced, with_serifs)
}

fn has_all(font: &impl Font, text: &str) -> bool {
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
    fn a_text_is_written_in_the_font_that_has_all_of_it() {
        let fonts = Fonts::default();
        let (embedded, text) = (&*EMBEDDED, "Bolzen 0.97");
        let parts = fonts.parts(text);
        assert_eq!(parts.iter().map(|(_, part)| *part).collect::<Vec<_>>(), [text]);
        assert_eq!(Fonts::line(parts[0].0, 13.0), (13.0, 0.0), "the embedded font's own line");
        assert_eq!(parts[0].0.units_per_em(), embedded.units_per_em());
    }

    /// Noto's Thai has no digits; where no font of the system has Thai letters, there is nothing to be seen.
    #[test]
    fn what_one_font_lacks_another_writes() {
        let fonts = Fonts::for_texts(&["น็อต", "螺栓"]);
        for name in ["น็อต", "螺栓"].into_iter().filter(|name| fonts.can_write(name)) {
            let text = format!("{name} 0.97");
            let parts = fonts.parts(&text);
            assert_eq!(parts.iter().map(|(_, part)| *part).collect::<String>(), text);
            assert!(parts.iter().all(|(font, part)| has_all(*font, part)), "{text}");
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
