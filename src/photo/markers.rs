//! What a JPEG's markers tell before anything is decoded: its frame, its scans, and whether the data can be what
//! they claim. Walks over the bytes once, allocates nothing, decodes nothing.

use memchr::memchr;

use super::decode::{DecodeError, DecodeErrorKind, DecodeOptions, check_size};
use super::kinds;

/// Most scans; libjpeg-turbo's own tools stop there too. Cameras and encoders write about ten.
const MOST_SCANS: u32 = 500;

/// Blocks that all scans together may go over, whatever the file's size: those of a photo of 200 megapixels in ten
/// scans, about two seconds of work.
const MOST_VISITS: u64 = 64 << 20;

/// And so many more for each byte of data.
const VISITS_A_BYTE: u64 = 8;

/// The first frame of a JPEG, as its marker describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct JpegFrame {
    /// Width and height in pixels.
    size: (u32, u32),
    /// The marker, which names the process.
    process: u8,
    /// Bits a channel.
    precision: u8,
    /// Identifier and number of blocks of each component.
    components: Vec<(u8, u64)>,
}

/// What the markers of a file tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MarkerFacts {
    /// Nothing where the markers end before a frame.
    frame: Option<JpegFrame>,
    /// Whether the first scan lacks components, so that libjpeg keeps all coefficients until the last one.
    partial: bool,
    scans: u32,
    /// Blocks that all scans go over.
    visits: u64,
    /// Bytes of coded data.
    data: u64,
}

impl JpegFrame {
    fn read(marker: u8, segment: &[u8]) -> Option<JpegFrame> {
        let &[precision, h0, h1, w0, w1, count, ref rest @ ..] = segment else { return None };
        let (width, height) = (u16::from_be_bytes([w0, w1]).into(), u16::from_be_bytes([h0, h1]).into());
        let (sets, _) = rest.as_chunks::<3>();
        let sets = sets.get(..usize::from(count))?;
        let factors = |set: &[u8; 3]| (u64::from(set[1] >> 4), u64::from(set[1] & 15));
        let most = |all: &mut dyn Iterator<Item = u64>| all.max().unwrap_or(1).max(1);
        let across = most(&mut sets.iter().map(|set| factors(set).0));
        let down = most(&mut sets.iter().map(|set| factors(set).1));
        let units = |side: u32, most: u64| u64::from(side).div_ceil(8 * most);
        let units = units(width, across) * units(height, down);
        let component = |set: &[u8; 3]| (set[0], units * factors(set).0 * factors(set).1);
        Some(JpegFrame {
            size: (width, height),
            process: marker,
            precision,
            components: sets.iter().map(component).collect(),
        })
    }

    fn is_progressive(&self) -> bool {
        matches!(self.process, 0xc2 | 0xc6 | 0xca | 0xce)
    }

    fn blocks(&self) -> u64 {
        self.components.iter().map(|component| component.1).sum()
    }

    /// The fewest bits that the data of a whole picture have: each block takes a Huffman code of a bit or more for its
    /// first coefficient, and where the others follow at once another for their end. Arithmetic coding has no such
    /// bound.
    fn least_bits(&self) -> u64 {
        match self.process {
            0xc9..=0xcf => 0,
            _ if self.is_progressive() => self.blocks(),
            _ => 2 * self.blocks(),
        }
    }
}

impl MarkerFacts {
    /// Everything up to the end marker or the end of the bytes.
    pub(super) fn of(bytes: &[u8]) -> MarkerFacts {
        let mut outline = MarkerFacts::default();
        let mut at = 2;
        while let Some(next) = outline.step(bytes, at) {
            at = next;
        }
        outline
    }

    /// Takes in the marker at or behind a place and what belongs to it; the place behind that, if there is more.
    fn step(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        let at = at + memchr(0xff, bytes.get(at..)?)?;
        let marker = *bytes.get(at + 1)?;
        match marker {
            // Fill bytes, zeros in place of a marker, restarts and others without a segment.
            0xff => return Some(at + 1),
            0x00 | 0x01 | 0xd0..=0xd8 => return Some(at + 2),
            0xd9 => return None,
            _ => {}
        }
        let &length = bytes.get(at + 2..)?.first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(length));
        let end = at + 2 + length;
        let segment = bytes.get(at + 4..end.min(bytes.len()))?;
        match marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xf7 if self.frame.is_none() => {
                self.frame = JpegFrame::read(marker, segment);
            }
            0xda => {
                self.begin_scan(segment);
                let data = coded(bytes.get(end..)?);
                self.data += data as u64;
                return Some(end + data);
            }
            _ => {}
        }
        Some(end)
    }

    fn begin_scan(&mut self, segment: &[u8]) {
        let Some(frame) = &self.frame else { return };
        let count = usize::from(segment.first().copied().unwrap_or(0));
        let (sets, _) = segment.get(1..).unwrap_or_default().as_chunks::<2>();
        let blocks = |set: &[u8; 2]| {
            let of_frame = frame.components.iter().find(|component| component.0 == set[0]);
            of_frame.map_or(0, |component| component.1)
        };
        self.visits += sets.iter().take(count).map(blocks).sum::<u64>();
        self.partial |= self.scans == 0 && count < frame.components.len();
        self.scans += 1;
    }

    /// Whether the frame is progressive.
    pub(super) fn is_progressive(&self) -> bool {
        self.frame.as_ref().is_some_and(JpegFrame::is_progressive)
    }

    /// Width and height as stored, of a frame that may be decoded.
    pub(super) fn size(&self, options: &DecodeOptions) -> Result<(u32, u32), DecodeError> {
        let frame = self.frame.as_ref().ok_or_else(|| DecodeError::truncated(options))?;
        kinds::check_jpeg(frame.process, frame.precision)?;
        check_size(frame.size.0, frame.size.1, &options.limits)?;
        Ok(frame.size)
    }

    /// Refuses processes that are not decoded, what is too large, what would cost far more time than its bytes are worth, and what cannot be whole.
    pub(super) fn check(&self, options: &DecodeOptions) -> Result<(), DecodeError> {
        let Some(frame) = &self.frame else { return Ok(()) };
        kinds::check_jpeg(frame.process, frame.precision)?;
        check_size(frame.size.0, frame.size.1, &options.limits)?;
        if self.scans > MOST_SCANS {
            let scans = self.scans;
            let detail = format!("the JPEG is damaged: it has {scans} scans, where {MOST_SCANS} are allowed");
            return Err(DecodeError::new(DecodeErrorKind::Corrupt, detail));
        }
        if self.visits > MOST_VISITS + VISITS_A_BYTE * self.data {
            let (scans, data) = (self.scans, self.data);
            let detail = format!("the JPEG is damaged: its {scans} scans have only {data} bytes of data");
            return Err(DecodeError::new(DecodeErrorKind::Corrupt, detail));
        }
        if self.scans > 0 && 8 * self.data < frame.least_bits() && !options.allow_truncated {
            return Err(DecodeError::truncated(options));
        }
        Ok(())
    }

    /// Whether the first scan was reached.
    pub(super) fn has_begun(&self) -> bool {
        self.scans > 0
    }

    /// Bytes that libjpeg takes beside the pixels: all coefficients where more than one scan has to be put together,
    /// and some rows.
    pub(super) fn decoder_bytes(&self) -> u64 {
        let Some(frame) = &self.frame else { return 0 };
        let coefficients = if self.is_progressive() || self.partial { 128 * frame.blocks() } else { 0 };
        coefficients + 256 * u64::from(frame.size.0)
    }
}

/// How many bytes of coded data there are before the next marker that is no restart.
fn coded(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr(0xff, &bytes[at..]) {
        at += found;
        match bytes.get(at + 1) {
            Some(0x00 | 0xd0..=0xd7) => at += 2,
            Some(0xff) => at += 1,
            Some(_) => return at,
            None => break,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A JPEG of markers alone: a frame of three components, the first with twice the resolution of the others, and
    /// scans of all of them with so many bytes of data each.
    fn jpeg(marker: u8, side: u16, scans: usize, data: usize) -> Vec<u8> {
        let [high, low] = side.to_be_bytes();
        let mut file = vec![0xff, 0xd8, 0xff, 0xe1, 0, 4, 77, 77];
        file.extend([0xff, marker, 0, 17, 8, high, low, high, low, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
        for _ in 0..scans {
            file.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
            file.extend(std::iter::repeat_n(7, data));
        }
        file.extend([0xff, 0xd9]);
        file
    }

    fn kind(file: &[u8]) -> Option<DecodeErrorKind> {
        MarkerFacts::of(file).check(&DecodeOptions::default()).err().map(|error| error.kind)
    }

    #[test]
    fn frame_scans_and_data_are_counted() {
        let file = jpeg(0xc0, 100, 2, 50);
        let outline = MarkerFacts::of(&file);
        let frame = outline.frame.clone().unwrap();
        assert_eq!((frame.size, frame.is_progressive()), ((100, 100), false));
        // Seven units of 16 pixels each way, of four blocks and twice one.
        assert_eq!(frame.blocks(), 49 * 6);
        assert_eq!((outline.scans, outline.visits, outline.data), (2, 2 * 49 * 6, 100));
    }

    #[test]
    fn restarts_and_zeros_behind_ff_belong_to_the_data() {
        assert_eq!(coded(&[1, 0xff, 0, 2, 0xff, 0xd3, 3, 0xff, 0xff, 0xd9, 4]), 8);
        assert_eq!(coded(&[1, 2, 0xff]), 3);
        assert_eq!(coded(&[]), 0);
    }

    #[test]
    fn data_that_cannot_hold_the_picture_are_cut_off() {
        // 294 blocks of two bits.
        assert_eq!(kind(&jpeg(0xc0, 100, 1, 74)), None);
        assert_eq!(kind(&jpeg(0xc0, 100, 1, 73)), Some(DecodeErrorKind::Truncated));
        // Of one bit where the other coefficients come later; arithmetic coding may need none.
        assert_eq!(kind(&jpeg(0xc2, 100, 1, 37)), None);
        assert_eq!(kind(&jpeg(0xc2, 100, 1, 36)), Some(DecodeErrorKind::Truncated));
        assert_eq!(kind(&jpeg(0xca, 100, 1, 1)), None);
        let lenient = DecodeOptions { allow_truncated: true, ..Default::default() };
        assert_eq!(MarkerFacts::of(&jpeg(0xc0, 100, 1, 1)).check(&lenient), Ok(()));
    }

    #[test]
    fn scans_are_bounded_by_number_and_by_what_they_go_over() {
        assert_eq!(kind(&jpeg(0xc2, 8, 500, 10)), None);
        assert_eq!(kind(&jpeg(0xc2, 8, 501, 10)), Some(DecodeErrorKind::Corrupt));
        // 14,000 x 14,000 pixels are 875 x 875 units of six blocks, and all may be gone over 14 times for nothing.
        assert_eq!(kind(&jpeg(0xc2, 14_000, 14, 100_000)), None);
        assert_eq!(kind(&jpeg(0xc2, 14_000, 15, 60_000)), None);
        assert_eq!(kind(&jpeg(0xc2, 14_000, 40, 20_000)), Some(DecodeErrorKind::Corrupt));
    }

    #[test]
    fn any_bytes_have_an_outline() {
        let file = jpeg(0xc2, 100, 2, 5);
        for length in 0..file.len() {
            let _ = MarkerFacts::of(&file[..length]).check(&DecodeOptions::default());
        }
    }
}
