//! Which photo an entry of a data set means: file names compared as paths, whatever system, service or tool spelt them.
//!
//! Slashes, `./`, drive letters, the host of an address, percent signs, queries, Unicode's forms and the case of letters
//! make no difference. The longest common end of two paths decides, and folders that contradict are no match.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization;

/// Entries that share an end of their paths are remembered up to this number: more are not told apart anyway.
const MOST_RIVALS: usize = 16;

/// A path by its parts, the file first and the folders behind it, outwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// As written, but for the slashes.
    written: Vec<Box<str>>,
    /// Without anything that only spells the same path in another way, in small letters.
    folded: Vec<Box<str>>,
}

impl Parts {
    /// The parts of a name as some tool wrote it.
    pub fn of(name: &str) -> Parts {
        let written = outwards(name);
        let folded = outwards(&unescaped(name)).iter().map(|part| folded(part)).collect();
        Parts { written, folded }
    }

    /// How many parts there are: 1 without folders.
    #[expect(clippy::len_without_is_empty, reason = "no path is empty")]
    pub fn len(&self) -> usize {
        self.folded.len()
    }

    /// How many parts are equal, from the file on.
    fn common(&self, other: &Parts) -> usize {
        equal(&self.folded, &other.folded)
    }

    /// Of names that are equal when folded, the one that is written more alike is closer.
    fn closeness(&self, other: &Parts) -> usize {
        equal(&self.written, &other.written)
    }
}

fn equal(a: &[Box<str>], b: &[Box<str>]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// The parts of a path with slashes of either kind, the last one first.
fn outwards(path: &str) -> Vec<Box<str>> {
    let mut parts: Vec<Box<str>> = Vec::new();
    for part in path.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part.into()),
        }
    }
    parts.reverse();
    parts
}

/// Letters of one form, in one case.
fn folded(part: &str) -> Box<str> {
    if part.is_ascii() {
        return part.to_ascii_lowercase().into();
    }
    part.nfc().collect::<String>().to_lowercase().nfc().collect::<String>().into()
}

/// The path in a name that a service may have wrapped: without a scheme, host, drive, query or percent signs.
fn unescaped(name: &str) -> String {
    let name = match name.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => {
            // The host or the bucket is no folder. A local file's address has none.
            let rest = rest.split_once('/').map_or("", |(_, path)| path);
            Cow::from(decoded(without_query(rest, true)))
        }
        _ => Cow::from(decoded(without_query(name, false))),
    };
    let bytes = name.as_bytes();
    let drive =
        bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && b"/\\".contains(&bytes[2]);
    name[if drive { 2 } else { 0 }..].to_owned()
}

fn is_scheme(text: &str) -> bool {
    text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Without what follows a question mark; Label Studio's local files have their path there, as `?d=`. In a name that is
/// no address a question mark may be the file's own, so that there a query must follow a file's extension.
fn without_query(name: &str, address: bool) -> &str {
    let Some((path, query)) = name.split_once('?') else { return name };
    if let Some(file) = query.split('&').find_map(|pair| pair.strip_prefix("d=")) {
        return file;
    }
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let named =
        (1..=5).contains(&extension.len()) && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if address || (named && query.contains('=')) { path } else { name }
}

/// Percent signs decoded, where they spell a text.
fn decoded(name: &str) -> String {
    if !name.contains('%') {
        return name.to_owned();
    }
    percent_decode_str(name).decode_utf8().map_or_else(|_| name.to_owned(), Cow::into_owned)
}

/// A photo, or what a results file calls one, that looks for its entry.
#[derive(Clone, Debug)]
pub struct Seeker {
    /// The whole path, as far as it is known.
    pub path: Parts,
    /// How many of its parts, from the file on, are certain to belong to the data: what lies outwards of them is where
    /// somebody keeps it.
    pub certain: usize,
}

impl Seeker {
    /// One whose every folder counts.
    pub fn new(name: &str) -> Seeker {
        let path = Parts::of(name);
        Seeker { certain: path.len(), path }
    }

    /// Those of names that one file gives. Of names that begin at a root, the folders that all share are a machine's own.
    pub fn of_table<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Seeker> {
        let names: Vec<(&str, Seeker)> = names.into_iter().map(|name| (name, Seeker::new(name))).collect();
        let rooted = |name: &str| {
            name.starts_with(['/', '\\']) || name.contains("://") || name.as_bytes().get(1) == Some(&b':')
        };
        let mut paths = names.iter().filter(|(name, _)| rooted(name)).map(|(_, seeker)| &seeker.path.folded);
        let first = paths.next().map_or(&[][..], |path| &path[1.min(path.len())..]);
        let shared = paths.fold(first.len(), |shared, path| {
            let folders = path.iter().skip(1).rev();
            folders.zip(first.iter().rev()).take(shared).take_while(|(a, b)| a == b).count()
        });
        let seeker = |(name, seeker): (&str, Seeker)| {
            let certain = seeker.certain - if rooted(name) { shared.min(seeker.certain) } else { 0 };
            Seeker { certain, ..seeker }
        };
        names.into_iter().map(seeker).collect()
    }
}

/// What a seeker found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileMatch<I> {
    /// Its entry.
    One(I),
    /// Its entry, by the file's name alone: both paths have folders, and they differ.
    ByFileNameAlone(I),
    /// Several entries, of which none is closer, or several seekers for one.
    Ambiguous,
    /// Another seeker is closer to its entry.
    Taken,
    /// There is an entry of its file's name, but in another folder.
    OtherFolder(I),
    /// Nothing of its name.
    Nothing,
}

impl<I> FileMatch<I> {
    /// The entry, if it is one.
    pub fn entry(self) -> Option<I> {
        match self {
            FileMatch::One(id) | FileMatch::ByFileNameAlone(id) => Some(id),
            _ => None,
        }
    }
}

/// Entries of a data set by their file names. Of a repeated name the first entry counts.
#[derive(Clone, Debug)]
pub struct FileNames<I> {
    entries: Vec<(I, Parts)>,
    /// Places of the entries whose whole path has this hash.
    whole: HashMap<u64, Vec<u32>>,
    /// Places of the entries whose path has an end of this hash, the first few.
    ends: HashMap<u64, Vec<u32>>,
}

/// A way from a seeker to an entry; the greatest of one entry has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct MatchWay {
    common: usize,
    /// Nothing of either path is left.
    whole: bool,
    closeness: usize,
}

impl<I: Copy> FileNames<I> {
    /// Takes what belongs to each name.
    pub fn new<'a>(entries: impl IntoIterator<Item = (I, &'a str)>) -> FileNames<I> {
        let mut names = FileNames { entries: Vec::new(), whole: HashMap::new(), ends: HashMap::new() };
        for (id, name) in entries {
            names.add(id, Parts::of(name));
        }
        names
    }

    fn add(&mut self, id: I, parts: Parts) {
        let place = self.entries.len() as u32;
        let hashes = hashes(&parts.folded);
        let Some(&hash) = hashes.last() else { return };
        let same = self.whole.entry(hash).or_default();
        if same.iter().any(|&other| self.entries[other as usize].1 == parts) {
            return;
        }
        if same.len() < MOST_RIVALS {
            same.push(place);
        }
        for hash in hashes {
            match self.ends.entry(hash) {
                Entry::Vacant(vacant) => drop(vacant.insert(vec![place])),
                Entry::Occupied(mut places) if places.get().len() < MOST_RIVALS => {
                    places.get_mut().push(place)
                }
                Entry::Occupied(_) => {}
            }
        }
        self.entries.push((id, parts));
    }

    /// The entry of each seeker, and no entry twice.
    pub fn match_all(&self, seekers: &[Seeker]) -> Vec<FileMatch<I>> {
        let best: Vec<Result<(u32, MatchWay), FileMatch<I>>> =
            seekers.iter().map(|seeker| self.best(seeker)).collect();
        // The best way to each entry, and how many seekers have one as good.
        let mut closest: HashMap<u32, (MatchWay, usize)> = HashMap::new();
        for &(place, way) in best.iter().flatten() {
            let now = closest.entry(place).or_insert((way, 0));
            match way.cmp(&now.0) {
                Ordering::Greater => *now = (way, 1),
                Ordering::Equal => now.1 += 1,
                Ordering::Less => {}
            }
        }
        let outcome = |(best, seeker): (Result<(u32, MatchWay), FileMatch<I>>, &Seeker)| {
            let (place, way) = match best {
                Ok(best) => best,
                Err(none) => return none,
            };
            match closest.get(&place) {
                Some((better, _)) if *better > way => FileMatch::Taken,
                Some((_, seekers)) if *seekers > 1 => FileMatch::Ambiguous,
                _ => self.found(place, seeker),
            }
        };
        best.into_iter().zip(seekers).map(outcome).collect()
    }

    fn found(&self, place: u32, seeker: &Seeker) -> FileMatch<I> {
        let (id, parts) = &self.entries[place as usize];
        let folders = parts.len() > 1 && seeker.path.len() > 1;
        if folders && parts.common(&seeker.path) == 1 {
            FileMatch::ByFileNameAlone(*id)
        } else {
            FileMatch::One(*id)
        }
    }

    /// The entry of the longest common end that no folder contradicts.
    fn best(&self, seeker: &Seeker) -> Result<(u32, MatchWay), FileMatch<I>> {
        let hashes = hashes(&seeker.path.folded);
        for common in (1..=hashes.len()).rev() {
            let hash = hashes[common - 1];
            // What is left of the entry's path, or of the seeker's certain one, contradicts nothing.
            let whole = self.whole.get(&hash);
            let ends = (common >= seeker.certain).then(|| self.ends.get(&hash)).flatten();
            for places in [whole, ends].into_iter().flatten() {
                let ways = places.iter().filter_map(|&place| Some((place, self.way(place, seeker, common)?)));
                let ways: Vec<(u32, MatchWay)> = ways.collect();
                let Some(&(place, best)) = ways.iter().max_by_key(|(_, way)| *way) else { continue };
                let rivals = ways.iter().filter(|(_, way)| *way == best).count();
                return if rivals == 1 { Ok((place, best)) } else { Err(FileMatch::Ambiguous) };
            }
        }
        let other = hashes.first().and_then(|hash| self.ends.get(hash)?.first());
        Err(other.map_or(FileMatch::Nothing, |&place| FileMatch::OtherFolder(self.entries[place as usize].0)))
    }

    fn way(&self, place: u32, seeker: &Seeker, common: usize) -> Option<MatchWay> {
        let parts = &self.entries[place as usize].1;
        // Equal hashes are not yet equal paths.
        (parts.common(&seeker.path) >= common).then(|| MatchWay {
            common,
            whole: parts.len() == common && seeker.certain == common,
            closeness: parts.closeness(&seeker.path),
        })
    }
}

/// A hash of each end of a path: of the file's name, of that with its folder, and so on.
fn hashes(parts: &[Box<str>]) -> Vec<u64> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    let hash = |part: &str| {
        part.hash(&mut hasher);
        hasher.finish()
    };
    parts.iter().map(|part| &**part).map(hash).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(names: &[&str], name: &str) -> FileMatch<usize> {
        FileNames::new(names.iter().copied().enumerate()).match_all(&[Seeker::new(name)])[0]
    }

    #[test]
    fn one_path_in_the_spelling_of_every_tool() {
        for spelt in [
            "set/my photo ä.jpg",
            r"set\my photo ä.jpg",
            "./set//my photo ä.jpg",
            "other/../set/my photo ä.jpg",
            "/data/set/my photo ä.jpg",
            r"D:\data\set\my photo ä.jpg",
            r"\\server\share\set\my photo ä.jpg",
            "https://host.example/set/my%20photo%20%C3%A4.jpg?X-Amz-Signature=abc&d2=x",
            "s3://bucket/set/my photo ä.jpg",
            "file:///home/me/set/my%20photo%20a%CC%88.jpg",
            "/data/local-files/?d=set%5Cmy photo ä.jpg",
            "set/my%20photo%20%C3%A4.jpg?token=abc",
            "SET/My Photo Ä.JPG",
            "set/my photo a\u{308}.jpg",
        ] {
            assert_eq!(one(&[spelt], "set/my photo ä.jpg"), FileMatch::One(0), "{spelt}");
            assert_eq!(one(&["set/my photo ä.jpg", "x/y.jpg"], spelt), FileMatch::One(0), "{spelt}");
        }
    }

    #[test]
    fn a_question_mark_or_percent_sign_may_be_the_files_own() {
        assert_eq!(one(&["what?.jpg", "what"], "what?.jpg"), FileMatch::One(0));
        assert_eq!(one(&["100%.jpg"], "100%.jpg"), FileMatch::One(0));
        assert_eq!(one(&["a%20b.jpg", "a b.jpg"], "a%20b.jpg"), FileMatch::One(0));
        assert_eq!(one(&["a%20b.jpg", "a b.jpg"], "a b.jpg"), FileMatch::One(1));
    }

    #[test]
    fn the_longest_common_end_decides_and_folders_that_contradict_are_no_match() {
        let names = ["cam1/1.jpg", "cam2/1.jpg", "2.jpg", "b/3.jpg", "c/3.jpg"];
        assert_eq!(one(&names, "x/cam2/1.jpg"), FileMatch::One(1));
        assert_eq!(one(&names, "cam3/1.jpg"), FileMatch::OtherFolder(0));
        assert_eq!(one(&names, "x/2.jpg"), FileMatch::One(2));
        assert_eq!(one(&names, "3.jpg"), FileMatch::Ambiguous);
        assert_eq!(one(&names, "4.jpg"), FileMatch::Nothing);
        // Somebody keeps the photos in a folder of another name.
        let seeker = |certain| Seeker { certain, ..Seeker::new("/home/me/photos/3.jpg") };
        let names = FileNames::new([(7, "val/3.jpg")]);
        assert_eq!(names.match_all(&[seeker(1)]), [FileMatch::ByFileNameAlone(7)]);
        assert_eq!(names.match_all(&[seeker(2)]), [FileMatch::OtherFolder(7)]);
    }

    #[test]
    fn letters_of_another_case_match_where_that_is_unambiguous() {
        assert_eq!(one(&["IMG.jpg", "img.jpg"], "img.jpg"), FileMatch::One(1));
        assert_eq!(one(&["IMG.jpg", "img.jpg"], "Img.jpg"), FileMatch::Ambiguous);
        assert_eq!(one(&["IMG.JPG"], "img.jpg"), FileMatch::One(0));
    }

    #[test]
    fn no_two_photos_have_one_entry() {
        let names = FileNames::new([(1, "1.jpg"), (2, "2.jpg"), (3, "a/3.jpg"), (9, "1.jpg")]);
        let seekers = ["old/1.jpg", "1.jpg", "a/2.jpg", "b/2.jpg", "a/3.jpg", "A/3.jpg"].map(Seeker::new);
        assert_eq!(
            names.match_all(&seekers),
            [
                FileMatch::Taken,
                FileMatch::One(1),
                FileMatch::Ambiguous,
                FileMatch::Ambiguous,
                FileMatch::One(3),
                FileMatch::Taken
            ]
        );
    }

    #[test]
    fn folders_that_all_names_of_a_machine_share_are_not_the_datas() {
        let certain = |names: &[&str]| -> Vec<usize> {
            Seeker::of_table(names.iter().copied()).iter().map(|seeker| seeker.certain).collect()
        };
        assert_eq!(certain(&["/home/me/set/a/1.jpg", "/home/me/set/b/1.jpg"]), [2, 2]);
        assert_eq!(certain(&[r"C:\set\1.jpg", r"C:\set\2.jpg"]), [1, 1]);
        assert_eq!(certain(&["set/a/1.jpg", "set/b/1.jpg"]), [3, 3]);
    }

    #[test]
    fn many_files_of_one_name_cost_no_more_than_others() {
        let paths: Vec<String> = (0..20_000).map(|number| format!("{number}/image.jpg")).collect();
        let names = FileNames::new(paths.iter().map(String::as_str).enumerate());
        let seekers: Vec<Seeker> = paths.iter().map(|path| Seeker::new(path)).collect();
        let found = names.match_all(&seekers);
        assert!(found.into_iter().enumerate().all(|(place, found)| found == FileMatch::One(place)));
    }
}
