//! The directory of a zip archive, read as torch reads it: from the end of the file, where the records of 64 bits say
//! themselves where they are. Nothing is unpacked; knows nothing of what the members are.

use std::ops::Range;

use super::error::CheckpointError;

/// Most members: checkpoints have a few thousand.
const MOST: usize = 1 << 20;

/// One member.
pub(super) struct Member {
    pub(super) name: String,
    /// Whether its bytes stand in the file as they are.
    pub(super) stored: bool,
    /// Where its bytes are, if that is inside the file.
    pub(super) range: Option<Range<usize>>,
}

/// All members, in the directory's order.
pub(super) fn members(file: &[u8]) -> Result<Vec<Member>, CheckpointError> {
    let (mut at, count) = directory(file).ok_or_else(|| cut("it has no directory at its end"))?;
    if count > MOST {
        return Err(CheckpointError::ResourceLimit(format!("the zip archive has {count} members")));
    }
    let mut members = Vec::new();
    for _ in 0..count {
        let (member, next) = entry(file, at).ok_or_else(|| cut("its directory is damaged"))?;
        members.push(member);
        at = next;
    }
    Ok(members)
}

fn cut(what: &str) -> CheckpointError {
    CheckpointError::Truncated(format!("the zip archive is cut off or damaged: {what}"))
}

/// Where the directory begins, and how many members it has.
fn directory(file: &[u8]) -> Option<(usize, usize)> {
    const LONGEST_COMMENT: usize = 65_535;
    let from = file.len().saturating_sub(22 + LONGEST_COMMENT);
    // The last record whose comment ends with the file.
    let is_end = |&at: &usize| {
        file.get(at..at + 4) == Some(b"PK\x05\x06")
            && short(file, at + 20).is_some_and(|comment| at + 22 + comment == file.len())
    };
    let end = (from..file.len().checked_sub(21)?).rev().find(is_end)?;
    let (count, place) = (short(file, end + 10)?, word(file, end + 16)?);
    let wide = end.checked_sub(20).filter(|&locator| file.get(locator..locator + 4) == Some(b"PK\x06\x07"));
    let wide = wide.and_then(|locator| long(file, locator + 8));
    match wide.filter(|&wide| wide.checked_add(4).and_then(|end| file.get(wide..end)) == Some(b"PK\x06\x06"))
    {
        Some(wide) => Some((long(file, wide.checked_add(48)?)?, long(file, wide + 32)?)),
        None => Some((place, count)),
    }
}

/// The member whose record begins at a byte, and where the next record begins.
fn entry(file: &[u8], at: usize) -> Option<(Member, usize)> {
    if file.get(at..at.checked_add(46)?)?.get(..4) != Some(b"PK\x01\x02") {
        return None;
    }
    let (method, name, extra, comment) =
        (short(file, at + 10)?, short(file, at + 28)?, short(file, at + 30)?, short(file, at + 32)?);
    let narrow = [word(file, at + 24)?, word(file, at + 20)?, word(file, at + 42)?];
    let text = file.get(at + 46..at + 46 + name)?;
    let rest = file.get(at + 46 + name..at + 46 + name + extra)?;
    let [_, packed, header] = widened(narrow, rest)?;
    let member = Member {
        name: String::from_utf8_lossy(text).into_owned(),
        stored: method == 0,
        range: content(file, header, packed),
    };
    Some((member, at + 46 + name + extra + comment))
}

/// Size, packed size and place, of which those of 64 bits stand in the extra field of kind 1.
fn widened(mut values: [usize; 3], mut extra: &[u8]) -> Option<[usize; 3]> {
    const SEE_EXTRA: usize = 0xffff_ffff;
    if !values.contains(&SEE_EXTRA) {
        return Some(values);
    }
    loop {
        let (kind, length) = (short(extra, 0)?, short(extra, 2)?);
        let field = extra.get(4..4 + length)?;
        if kind == 1 {
            let mut at = 0;
            for value in values.iter_mut().filter(|value| **value == SEE_EXTRA) {
                *value = long(field, at)?;
                at += 8;
            }
            return Some(values);
        }
        extra = &extra[4 + length..];
    }
}

/// Where the bytes behind a member's own header are.
fn content(file: &[u8], header: usize, packed: usize) -> Option<Range<usize>> {
    if file.get(header..header.checked_add(4)?)? != b"PK\x03\x04" {
        return None;
    }
    let start = header + 30 + short(file, header + 26)? + short(file, header + 28)?;
    let end = start.checked_add(packed).filter(|&end| end <= file.len())?;
    Some(start..end)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    array(bytes, at).map(|value| usize::from(u16::from_le_bytes(value)))
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(array(bytes, at)?)).ok()
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(array(bytes, at)?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive as `torch.save` lays it out: stored, each member's bytes at a multiple of 64, records of 64 bits.
    fn saved(root: &str, contents: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut body, mut directory) = (Vec::new(), Vec::new());
        for (name, content) in contents {
            let name = format!("{root}/{name}");
            let [size, place] = [content.len(), body.len()].map(|number| (number as u32).to_le_bytes());
            let length = (name.len() as u16).to_le_bytes();
            let padding =
                (body.len() + 30 + name.len() + 4).next_multiple_of(64) - (body.len() + 34 + name.len());
            let fixed = [0, 0, 8, 8, 0, 0, 0, 0, 0, 0];
            directory.extend([b"PK\x01\x02\0\0".as_slice(), &fixed, &[0; 4], &size, &size, &length].concat());
            directory.extend([&[0; 12], &place[..], name.as_bytes()].concat());
            body.extend([b"PK\x03\x04".as_slice(), &fixed, &[0; 12], &length].concat());
            body.extend((4 + padding as u16).to_le_bytes());
            body.extend([name.as_bytes(), b"FB", &(padding as u16).to_le_bytes()].concat());
            body.extend(vec![b'Z'; padding]);
            body.extend_from_slice(content);
        }
        let (count, place) = (contents.len() as u64, body.len() as u64);
        let (size, wide) = (directory.len() as u64, (body.len() + directory.len()) as u64);
        body.extend(directory);
        body.extend([b"PK\x06\x06".as_slice(), &44u64.to_le_bytes(), &[30, 3, 45, 0], &[0; 8]].concat());
        [count, count, size, place].iter().for_each(|number| body.extend(number.to_le_bytes()));
        body.extend([b"PK\x06\x07".as_slice(), &[0; 4], &wide.to_le_bytes(), &[1, 0, 0, 0]].concat());
        let [count, size, place] = [count, size, place].map(|number| (number as u32).to_le_bytes());
        body.extend(
            [b"PK\x05\x06".as_slice(), &[0; 4], &count[..2], &count[..2], &size, &place, &[0; 2]].concat(),
        );
        body
    }

    #[test]
    fn names_of_every_length() {
        for length in 1..=90 {
            let root = "x".repeat(length);
            let file =
                saved(&root, &[("data.pkl", b"the pickle"), ("byteorder", b"little"), ("data/0", &[7; 80])]);
            let found = members(&file).unwrap();
            let contents: Vec<&[u8]> =
                found.iter().map(|member| &file[member.range.clone().unwrap()]).collect();
            assert_eq!(contents, [b"the pickle".as_slice(), b"little", &[7; 80]], "{length}");
            assert_eq!(found[2].name, format!("{root}/data/0"));
            assert!(found.iter().all(|member| member.stored));
        }
    }

    #[test]
    fn what_is_cut_off_is_told() {
        let file = saved("archive", &[("data.pkl", b"the pickle"), ("data/0", &[7; 80])]);
        for end in 0..file.len() {
            assert!(members(&file[..end]).is_err());
        }
        // Every byte changed: an error or members inside the file.
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 0xff;
            let members = members(&changed).unwrap_or_default();
            assert!(
                members.iter().flat_map(|member| member.range.clone()).all(|place| place.end <= file.len())
            );
        }
    }
}
