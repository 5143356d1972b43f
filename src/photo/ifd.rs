//! Directories of TIFF files and of the EXIF data in other pictures: tags with their values, classic and BigTIFF.
//!
//! Knows nothing of what a tag means. Every value is a part of the file's own bytes, so nothing is allocated for
//! what a file merely claims.

/// Order of bytes in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// The bytes of a 16-bit number.
    pub(super) fn short(self, value: u16) -> [u8; 2] {
        match self {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        }
    }

    /// A number of up to eight bytes.
    pub(super) fn number(self, bytes: &[u8]) -> u64 {
        let shift = |sum: u64, &byte: &u8| (sum << 8) | u64::from(byte);
        match self {
            ByteOrder::Little => bytes.iter().rev().fold(0, shift),
            ByteOrder::Big => bytes.iter().fold(0, shift),
        }
    }
}

/// Why a directory or a value cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bytes do not begin as a TIFF does.
    NotTiff,
    /// What is pointed to lies behind the last byte.
    Cut,
}

/// One directory.
pub(super) struct Directory<'a> {
    bytes: &'a [u8],
    /// Of all numbers in the file.
    pub(super) order: ByteOrder,
    big: bool,
    /// Where the entries begin.
    start: usize,
    /// Twelve or twenty bytes each.
    entries: &'a [u8],
}

/// A value as it lies in the file.
struct FieldValue<'a> {
    kind: u16,
    data: &'a [u8],
}

/// Where a value lies: in its entry, or at a place in the file, so many bytes long.
enum ValuePlace<'a> {
    Inside(&'a [u8]),
    At(u64, usize),
}

/// Order of bytes, whether it is a BigTIFF, and the place of the first directory.
fn header(bytes: &[u8]) -> Result<(ByteOrder, bool, u64), Fault> {
    let (order, big) = match bytes.first_chunk::<4>() {
        // The two with the wrong order of the magic number are seen in the wild.
        Some(b"II*\0" | b"II\0*") => (ByteOrder::Little, false),
        Some(b"MM\0*" | b"MM*\0") => (ByteOrder::Big, false),
        Some(b"II+\0") => (ByteOrder::Little, true),
        Some(b"MM\0+") => (ByteOrder::Big, true),
        _ => return Err(Fault::NotTiff),
    };
    let at = if big { number(bytes, order, 8, 8)? } else { number(bytes, order, 4, 4)? };
    Ok((order, big, at))
}

/// The place of the first directory in a file that begins with these bytes.
pub(super) fn first_at(bytes: &[u8]) -> Option<u64> {
    header(bytes).ok().map(|(_, _, at)| at)
}

impl<'a> Directory<'a> {
    /// The first directory of a TIFF.
    pub(super) fn first(bytes: &'a [u8]) -> Result<Directory<'a>, Fault> {
        let (order, big, at) = header(bytes)?;
        Directory::at(bytes, order, big, at)
    }

    /// The directory that a tag points to.
    pub(super) fn inner(&self, tag: u16) -> Option<Directory<'a>> {
        let at = self.first_number(tag).ok().flatten()?;
        Directory::at(self.bytes, self.order, self.big, at).ok()
    }

    fn at(bytes: &'a [u8], order: ByteOrder, big: bool, at: u64) -> Result<Directory<'a>, Fault> {
        let (head, length) = if big { (8, 20) } else { (2, 12) };
        let count = number(bytes, order, at, head)?;
        let start = usize::try_from(at.saturating_add(head)).map_err(|_| Fault::Cut)?;
        let rest = bytes.get(start..).ok_or(Fault::Cut)?;
        let claimed = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(length);
        let whole = claimed.min(rest.len() / length * length);
        Ok(Directory { bytes, order, big, start, entries: &rest[..whole] })
    }

    fn value(&self, tag: u16) -> Result<Option<FieldValue<'a>>, Fault> {
        let Some((kind, place)) = self.place(tag)? else { return Ok(None) };
        let data = match place {
            ValuePlace::Inside(data) => data,
            ValuePlace::At(at, bytes) => {
                let at = usize::try_from(at).map_err(|_| Fault::Cut)?;
                self.bytes.get(at..).and_then(|rest| rest.get(..bytes)).ok_or(Fault::Cut)?
            }
        };
        Ok(Some(FieldValue { kind, data }))
    }

    /// Type and place of a value; of a tag that is there twice, the first.
    fn place(&self, tag: u16) -> Result<Option<(u16, ValuePlace<'a>)>, Fault> {
        let (length, field) = if self.big { (20, 8) } else { (12, 4) };
        let found = self.entries.chunks_exact(length);
        let mut found = found.filter(|entry| self.order.number(&entry[..2]) == u64::from(tag));
        let Some(entry) = found.next() else { return Ok(None) };
        let kind = self.order.number(&entry[2..4]) as u16;
        let count = self.order.number(&entry[4..4 + field]);
        let bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(width(kind)));
        let bytes = bytes.ok_or(Fault::Cut)?;
        let inside = &entry[4 + field..];
        let place = if bytes <= field {
            ValuePlace::Inside(&inside[..bytes])
        } else {
            ValuePlace::At(self.order.number(inside), bytes)
        };
        Ok(Some((kind, place)))
    }

    /// Where in the file a single 16-bit number lies.
    pub(super) fn short_at(&self, tag: u16) -> Option<usize> {
        let (length, field) = if self.big { (20, 8) } else { (12, 4) };
        let tags = self.entries.chunks_exact(length).map(|entry| self.order.number(&entry[..2]));
        let place = tags.into_iter().position(|other| other == u64::from(tag))?;
        let entry = &self.entries[place * length..];
        let single = self.order.number(&entry[2..4]) == 3 && self.order.number(&entry[4..4 + field]) == 1;
        single.then_some(self.start + place * length + 4 + field)
    }

    /// Where in the file the place of the directory behind this one stands.
    pub(super) fn next_at(&self) -> std::ops::Range<usize> {
        let end = self.start + self.entries.len();
        end..end + if self.big { 8 } else { 4 }
    }

    /// Where in the file a value lies, and how long it is; nothing if it lies in the directory itself.
    pub(super) fn elsewhere(&self, tag: u16) -> Option<(u64, usize)> {
        match self.place(tag) {
            Ok(Some((_, ValuePlace::At(at, bytes)))) => Some((at, bytes)),
            _ => None,
        }
    }

    /// The bytes of a value, of any type.
    pub(super) fn bytes(&self, tag: u16) -> Result<Option<&'a [u8]>, Fault> {
        Ok(self.value(tag)?.map(|value| value.data))
    }

    /// The whole numbers of a value; fractions and floats count where they are whole, negative ones do not.
    pub(super) fn numbers(&self, tag: u16) -> Result<Option<Vec<u64>>, Fault> {
        Ok(self.reals(tag)?.map(|values| values.into_iter().filter_map(whole).collect()))
    }

    /// The first whole number of a value.
    pub(super) fn first_number(&self, tag: u16) -> Result<Option<u64>, Fault> {
        Ok(self.reals(tag)?.and_then(|values| whole(*values.first()?)))
    }

    /// The numbers of a value; none where its type is text or plain bytes.
    pub(super) fn reals(&self, tag: u16) -> Result<Option<Vec<f64>>, Fault> {
        let Some(FieldValue { kind, data }) = self.value(tag)? else { return Ok(None) };
        let number = |bytes: &[u8]| self.order.number(bytes);
        let ratio = |bytes: &[u8], signed: bool| {
            let part = |bytes| if signed { f64::from(number(bytes) as i32) } else { number(bytes) as f64 };
            part(&bytes[..4]) / part(&bytes[4..])
        };
        let read: &dyn Fn(&[u8]) -> f64 = match kind {
            3 | 4 | 13 | 16 => &|bytes| number(bytes) as f64,
            6 => &|bytes| f64::from(number(bytes) as i8),
            8 => &|bytes| f64::from(number(bytes) as i16),
            9 => &|bytes| f64::from(number(bytes) as i32),
            5 => &|bytes| ratio(bytes, false),
            10 => &|bytes| ratio(bytes, true),
            11 => &|bytes| f64::from(f32::from_bits(number(bytes) as u32)),
            12 => &|bytes| f64::from_bits(number(bytes)),
            _ => return Ok(Some(Vec::new())),
        };
        Ok(Some(data.chunks_exact(width(kind)).map(read).collect()))
    }
}

fn whole(value: f64) -> Option<u64> {
    (value >= 0.0 && value.fract() == 0.0).then_some(value as u64)
}

/// Bytes that one value of a type takes.
fn width(kind: u16) -> usize {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 => 8,
        _ => 1,
    }
}

fn number(bytes: &[u8], order: ByteOrder, at: u64, length: u64) -> Result<u64, Fault> {
    let at = usize::try_from(at).map_err(|_| Fault::Cut)?;
    let field = bytes.get(at..).and_then(|rest| rest.get(..length as usize)).ok_or(Fault::Cut)?;
    Ok(order.number(field))
}
