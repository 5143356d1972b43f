//! Pictures and films of forms that are not read: how they are called, how they begin, and what turns them into
//! pictures that are read, and how many of them a folder holds. Decodes nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use coco_eval::text;
use serde::{Deserialize, Serialize};

use super::decode::{DecodeError, DecodeErrorKind};

/// One form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FileKind {
    /// As it stands in results.
    pub(super) name: &'static str,
    /// Such files, for a person.
    pub(super) what: &'static str,
    /// What to do about it.
    pub(super) cure: &'static str,
    extensions: &'static [&'static str],
}

macro_rules! kinds {
    ($($id:ident $name:literal $what:literal $cure:literal [$($extension:literal)*])*) => {
        $(static $id: FileKind = FileKind { name: $name, what: $what, cure: $cure, extensions: &[$($extension),*] };)*
        /// All of them.
        static ALL: &[&FileKind] = &[$(&$id),*];
    };
}

kinds! {
    HEIC "heic" "HEIC pictures" "convert them to JPEG or PNG, as `heif-convert photo.heic photo.jpg` does"
        ["heic" "heif" "heics" "heifs" "hif"]
    AVIF "avif" "AVIF pictures" "convert them to JPEG or PNG, as `avifdec photo.avif photo.png` does"
        ["avif" "avifs"]
    RAW "raw" "camera raw files"
        "develop them into JPEG, PNG or TIFF, as `darktable-cli photo.raw photo.jpg` or `dcraw -T` does"
        ["3fr" "ari" "arq" "arw" "bay" "cr2" "cr3" "crw" "dcr" "dcs" "dng" "drf" "eip" "erf" "fff" "gpr" "iiq" "k25"
         "kdc" "mdc" "mef" "mos" "mrw" "nef" "nrw" "orf" "ori" "pef" "ptx" "pxn" "r3d" "raf" "raw" "rw2" "rwl" "rwz"
         "sr2" "srf" "srw" "x3f"]
    VIDEO "video" "videos" "`ffmpeg -i film.mp4 film-%05d.jpg` takes pictures out of one"
        ["mp4" "m4v" "mov" "qt" "avi" "mkv" "webm" "mpg" "mpeg" "mpe" "mts" "m2ts" "3gp" "3g2" "wmv" "asf" "flv" "f4v"
         "ogv" "vob" "insv" "lrv" "mjpeg" "mjpg" "mxf" "h264" "h265" "hevc"]
    JPEG_2000 "jpeg_2000" "JPEG 2000 pictures"
        "convert them to JPEG or PNG, as `opj_decompress -i photo.jp2 -o photo.png` does"
        ["jp2" "j2k" "j2c" "jpc" "jpf" "jpm" "jpx" "jph" "jhc" "mj2"]
    JPEG_XL "jpeg_xl" "JPEG XL pictures" "convert them to JPEG or PNG, as `djxl photo.jxl photo.png` does" ["jxl"]
    JPEG_LS "jpeg_ls" "JPEG-LS pictures"
        "convert them to JPEG or PNG, as `ffmpeg -i photo.jls photo.png` does" ["jls"]
    JPEG_XR "jpeg_xr" "JPEG XR pictures"
        "convert them to JPEG, PNG or TIFF, as `JxrDecApp -i photo.jxr -o photo.tif` does" ["jxr" "wdp" "hdp"]
    PNM "pnm" "PNM pictures" "convert them to PNG, as `pnmtopng photo.ppm > photo.png` does"
        ["ppm" "pgm" "pbm" "pnm" "pam" "pfm"]
    PHOTOSHOP "photoshop" "Photoshop files" "convert them to JPEG or PNG, as `magick 'photo.psd[0]' photo.png` does"
        ["psd" "psb"]
    SVG "svg" "SVG drawings" "convert them to PNG, as `rsvg-convert photo.svg -o photo.png` does" ["svg" "svgz"]
    DICOM "dicom" "DICOM pictures" "convert them to PNG, as `dcmj2pnm --write-png photo.dcm photo.png` does"
        ["dcm" "dicom"]
    OTHER "other" "pictures of other forms"
        "convert them to JPEG or PNG, as `magick photo.tga photo.png` does"
        ["tga" "exr" "hdr" "dds" "pcx" "ico" "cur" "icns" "xcf" "fits" "fts" "qoi" "bpg" "flif" "sgi" "pict" "pct" "xpm"
         "xbm" "wmf" "emf" "eps" "djvu" "farbfeld" "ff"]
}

impl FileKind {
    /// Why such a picture cannot be decoded.
    fn error(&self) -> DecodeError {
        if self == &VIDEO {
            let what = format!("the file is a video, not a picture: {}", self.cure);
            return DecodeError::new(DecodeErrorKind::NotAPicture, what);
        }
        DecodeError::new(
            DecodeErrorKind::Unsupported,
            format!("{} are not supported: {}", self.what, self.cure),
        )
    }
}

/// That a TIFF is a camera raw file.
pub(super) fn raw() -> DecodeError {
    RAW.error()
}

/// What a file is by its name, if it is something that is not read.
pub(super) fn of_name(path: &Path) -> Option<&'static FileKind> {
    let extension = path.extension()?.to_str()?;
    let called =
        |kind: &&&FileKind| kind.extensions.iter().any(|known| extension.eq_ignore_ascii_case(known));
    ALL.iter().find(called).copied()
}

/// Whether a file is called as videos are.
pub(crate) fn is_called_video(path: &Path) -> bool {
    of_name(path) == Some(&VIDEO)
}

/// Says what a file that is no picture that could be read looks like.
pub(super) fn unknown(bytes: &[u8]) -> DecodeError {
    let start = bytes.trim_ascii_start();
    let what = match bytes {
        _ if let Some(kind) = of_content(bytes) => return kind.error(),
        _ if let Some(what) = text::stand_in(bytes) => what,
        [b'%', b'P', b'D', b'F', ..] => "the file is a PDF, not a picture",
        _ if start.first() == Some(&b'<') => "the file is a web page, not a picture",
        _ => "the file is not a picture in a known format (JPEG, PNG, WebP, BMP, TIFF, GIF)",
    };
    DecodeError::new(DecodeErrorKind::NotAPicture, what)
}

/// Whether it is HEIC or AVIF, by its first bytes.
pub(super) fn is_heif(bytes: &[u8]) -> bool {
    of_content(bytes).is_some_and(|kind| [&HEIC, &AVIF].contains(&kind))
}

/// Whether a file is called as HEIC or AVIF is.
pub(super) fn is_called_heif(path: &Path) -> bool {
    of_name(path).is_some_and(|kind| [&HEIC, &AVIF].contains(&kind))
}

/// What a file is by its first bytes, if it is something that is not read.
pub(super) fn of_content(bytes: &[u8]) -> Option<&'static FileKind> {
    let text = bytes.trim_ascii_start();
    let at = |place: usize, what: &[u8]| bytes.get(place..).is_some_and(|rest| rest.starts_with(what));
    let starts = |beginnings: &[&[u8]]| beginnings.iter().any(|beginning| bytes.starts_with(beginning));
    Some(match bytes {
        _ if at(4, b"ftyp") => of_brands(bytes),
        _ if starts(&[b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"]) => &JPEG_2000,
        _ if starts(&[b"\0\0\0\x0cJXL \r\n\x87\n", b"\xff\x0a"]) => &JPEG_XL,
        _ if starts(&[b"II\xbc\x01", b"II\xbc\0"]) => &JPEG_XR,
        _ if starts(&[b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM"]) => &RAW,
        _ if at(6, b"HEAPCCDR") || (at(0, b"II*\0") && at(8, b"CR\x02")) => &RAW,
        _ if starts(&[b"8BPS"]) => &PHOTOSHOP,
        _ if is_pnm(bytes) => &PNM,
        _ if at(128, b"DICM") => &DICOM,
        _ if text.starts_with(b"<svg") || text.starts_with(b"<?xml") => &SVG,
        _ if starts(&[
            b"\x1aE\xdf\xa3",
            b"\0\0\x01\xba",
            b"\0\0\x01\xb3",
            b"FLV\x01",
            b"OggS",
            b"0&\xb2u\x8ef\xcf\x11",
        ]) =>
        {
            &VIDEO
        }
        _ if at(0, b"RIFF") && at(8, b"AVI ") => &VIDEO,
        _ if [b"moov", b"mdat", b"wide", b"pnot"].iter().any(|kind| at(4, *kind)) => &VIDEO,
        _ if starts(&[
            b"v/1\x01",
            b"#?RADIANCE",
            b"#?RGBE",
            b"DDS ",
            b"gimp xcf",
            b"SIMPLE  =",
            b"qoif",
            b"BPG\xfb",
        ]) =>
        {
            &OTHER
        }
        _ if starts(&[b"\0\0\x01\0\x01\0", b"icns", b"FLIF", b"farbfeld", b"AT&TFORM", b"%!PS"]) => &OTHER,
        _ => return None,
    })
}

/// The brands of a file in ISO's base format: the main one, and all that it is compatible with.
fn of_brands(bytes: &[u8]) -> &'static FileKind {
    let length = bytes.first_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    let brands = &bytes[8..length.clamp(12, 512).min(bytes.len()).max(8)];
    let among = |names: &[&[u8; 4]]| brands.as_chunks::<4>().0.iter().any(|brand| names.contains(&brand));
    match () {
        () if among(&[b"avif", b"avis"]) => &AVIF,
        () if among(&[b"crx "]) => &RAW,
        () if among(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"]) => {
            &HEIC
        }
        () => &VIDEO,
    }
}

/// `P1` to `P7`, `PF` or `Pf`, and white space.
fn is_pnm(bytes: &[u8]) -> bool {
    matches!(bytes, [b'P', b'1'..=b'7' | b'F' | b'f', space, ..] if space.is_ascii_whitespace())
}

/// Refuses JPEGs of a process, named by the marker of the frame, that is not decoded: lossless, hierarchical, of other than 8 bits, JPEG-LS.
pub(super) fn check_jpeg(process: u8, precision: u8) -> Result<(), DecodeError> {
    let (what, cure) = match process {
        0xf7 => return Err(JPEG_LS.error()),
        0xc3 | 0xcb => (
            "lossless JPEGs are not supported".into(),
            "convert them to PNG, as `ffmpeg -i photo.jpg photo.png` does",
        ),
        0xc5..=0xc7 | 0xcd..=0xcf => {
            ("hierarchical JPEGs are not supported".into(), "save them as baseline JPEG or PNG")
        }
        _ if precision != 8 => (
            format!("JPEGs of {precision} bits a channel are not supported, those of 8 are"),
            "convert them to PNG, as `gdal_translate -of PNG photo.jpg photo.png` does",
        ),
        _ => return Ok(()),
    };
    Err(DecodeError::new(DecodeErrorKind::Unsupported, format!("{what}: {cure}")))
}

/// Pictures or films of one kind in folders, which are not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOver {
    /// How many.
    pub count: usize,
    /// One of them.
    pub example: String,
    /// What they are, in the plural.
    pub what: String,
    /// What to do about them.
    pub cure: String,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, are) = if self.count == 1 { ("file", "is") } else { ("files", "are") };
        let PassedOver { count, example, what, cure } = self;
        let example = example.escape_debug();
        write!(f, "{count} {files} {are} passed over, such as `{example}`: {what} are not read; {cure}")
    }
}

/// Files by kind; those that were come upon twice count once.
pub(super) fn count(mut files: Vec<(&'static FileKind, PathBuf)>) -> BTreeMap<String, PassedOver> {
    files.sort_by(|a, b| a.1.cmp(&b.1));
    files.dedup_by(|a, b| a.1 == b.1);
    let mut kinds = BTreeMap::new();
    for (kind, path) in &files {
        let seen = kinds.entry(kind.name.to_owned()).or_insert_with(|| PassedOver {
            count: 0,
            example: path.display().to_string(),
            what: kind.what.into(),
            cure: kind.cure.into(),
        });
        seen.count += 1;
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names_in_any_case() {
        let named = |name: &str| of_name(Path::new(name)).map(|kind| kind.name);
        for (name, kind) in [
            ("a/IMG_0001.HEIC", "heic"),
            ("b.hif", "heic"),
            ("c.avif", "avif"),
            ("d.NEF", "raw"),
            ("e.dng", "raw"),
            ("f.MOV", "video"),
            ("g.pgm", "pnm"),
            ("h.jxl", "jpeg_xl"),
            ("i.j2k", "jpeg_2000"),
            ("j.PSD", "photoshop"),
            ("k.tga", "other"),
        ] {
            assert_eq!(named(name), Some(kind), "{name}");
        }
        for name in ["a.jpg", "a.txt", "heic", ".heic", "a.heic.xmp", "labels.csv"] {
            assert_eq!(named(name), None, "{name}");
        }
    }

    #[test]
    fn an_extension_belongs_to_one_kind() {
        let mut all: Vec<&str> = ALL.iter().flat_map(|kind| kind.extensions).copied().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn files_are_known_by_their_first_bytes() {
        let (mut dicom, avif, heif) =
            (vec![0; 128], b"\0\0\0\x18ftypmif1\0\0\0\0avif", b"\0\0\0\x18ftypmif1\0\0\0\0heic");
        dicom.extend_from_slice(b"DICM");
        for (bytes, kind) in [
            (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], "heic"),
            (heif, "heic"),
            (avif, "avif"),
            (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "raw"),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video"),
            (b"\0\0\0\x0cftyp", "video"),
            (b"RIFF\x24\0\0\0AVI LIST", "video"),
            (b"\0\0\0\x0cjP  \r\n\x87\n", "jpeg_2000"),
            (b"\xff\x4f\xff\x51\0\x2f", "jpeg_2000"),
            (b"\xff\x0a\xfa\x1f", "jpeg_xl"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "jpeg_xl"),
            (b"II*\0\x10\0\0\0CR\x02\0", "raw"),
            (b"FUJIFILMCCD-RAW 0201", "raw"),
            (b"P6\n2 2\n255\n", "pnm"),
            (b"8BPS\0\x01", "photoshop"),
            (b"<?xml version='1.0'?><svg/>", "svg"),
            (&dicom, "dicom"),
            (b"v/1\x01\x02\0\0\0", "other"),
        ] {
            assert_eq!(of_content(bytes).map(|kind| kind.name), Some(kind), "{}", bytes.escape_ascii());
        }
        for bytes in [&b""[..], b"P", b"\xff\xd8\xff", b"II*\0\x08\0\0\0", b"ftyp", &[0; 200]] {
            assert_eq!(of_content(bytes), None, "{}", bytes.escape_ascii());
        }
    }
}
