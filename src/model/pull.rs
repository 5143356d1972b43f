//! Downloading checkpoints: whole, resumed and checked, into the cache, where they become models.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::Md5;
use sha2::{Digest, Sha256};
use ureq::Agent;

use super::{ModelError, Published};
use crate::cache;
use crate::hash::{hexadecimal, of_reader, sha256};
use crate::http;

/// More than any checkpoint of this kind has.
const MOST_BYTES: u64 = 8 << 30;

/// How often a broken connection is taken up again.
const ATTEMPTS: usize = 5;

/// Why a download did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The connection, or what came over it.
    #[error("{}", http::reason(.0.as_ref()))]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server's answer is none that brings a file.
    #[error("the server answers with status {0}")]
    Status(u16),
    /// More is here than the server has.
    #[error("the server has less than was loaded before: try again")]
    LessThanBefore,
    /// The file is larger than any checkpoint.
    #[error("the server announces more than {MOST_BYTES} bytes")]
    TooLarge,
    /// Some of the file is missing.
    #[error("the connection ended after {done} of {all} bytes")]
    Short {
        /// Bytes that came.
        done: u64,
        /// Bytes that the server announced.
        all: u64,
    },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

impl DownloadError {
    fn connection(error: impl std::error::Error + Send + Sync + 'static) -> DownloadError {
        DownloadError::Connection(Box::new(error))
    }
}

/// Why a checkpoint could not be had.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The server or the way to it.
    #[error("cannot download `{url}`: {cause}")]
    Network {
        /// The address.
        url: String,
        /// What went wrong.
        #[source]
        cause: DownloadError,
    },
    /// Not the bytes that were published.
    #[error(
        "`{url}` is not what was published: its {kind} begins with {found}, {expected} expected; nothing was taken"
    )]
    Hash {
        /// The address.
        url: String,
        /// SHA-256 or MD5.
        kind: &'static str,
        /// As many digits as are known.
        found: String,
        /// The published ones.
        expected: String,
    },
    /// Another process is at it.
    #[error("another rcnn is downloading `{0}`: wait for it")]
    Busy(String),
    /// The cache.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// The digest that a file must begin with, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedDigest {
    /// SHA-256, or its first digits.
    Sha256(String),
    /// MD5, or its first digits.
    Md5(String),
}

/// Fewer digits than this could agree by chance; publishers put as many into files' names.
const FEWEST_DIGITS: usize = 8;

/// Why a text is no digest that a file can be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 has 64 hexadecimal digits, of which the first {FEWEST_DIGITS} are enough")]
pub struct DigestError;

impl ExpectedDigest {
    /// A SHA-256 as a person gives it: all 64 digits or the first of them.
    ///
    /// # Errors
    /// When it is none, or so short that it checks nothing.
    pub fn sha256(text: &str) -> Result<ExpectedDigest, DigestError> {
        let fits = (FEWEST_DIGITS..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_hexdigit());
        if fits { Ok(ExpectedDigest::Sha256(text.to_lowercase())) } else { Err(DigestError) }
    }
}

/// A publisher's address with each of some mirrors in place of `https://host`, as it is where there are none: the first, and
/// the others.
pub(super) fn addresses(url: &str, mirrors: &str) -> (String, Vec<String>) {
    let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
    let mirrors = mirrors.split([',', ' ', '\n', '\t']).filter(|mirror| !mirror.is_empty());
    let mut all = mirrors.filter_map(|mirror| Some(format!("{}/{}", mirror.trim_end_matches('/'), path?)));
    (all.next().unwrap_or_else(|| url.to_owned()), all.collect())
}

impl Published {
    /// What its file must hash to, where that is published.
    pub fn expected(&self) -> Option<ExpectedDigest> {
        let sha256 = self.sha256_prefix.clone().map(ExpectedDigest::Sha256);
        sha256.or_else(|| self.md5_prefix.clone().map(ExpectedDigest::Md5))
    }
}

/// Downloads a file into the cache's `downloads` folder, going on where an earlier attempt stopped, and checks it: by the
/// digest that is expected, or else by the one that the server gives (`Content-MD5`).
/// `progress` is told bytes done and, where known, all bytes.
///
/// # Errors
/// See [`PullError`]; what was loaded stays for the next attempt, unless its hash is wrong.
pub fn download(
    url: &str,
    expected: Option<&ExpectedDigest>,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<PathBuf, PullError> {
    let name = url.split(['?', '#']).next().unwrap_or(url).rsplit('/').next().unwrap_or_default();
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
    let name = if name.trim_matches('.').is_empty() { "checkpoint".to_owned() } else { name };
    // Files of one name from different places must not meet: `model_final.pkl` is a common one.
    let place = &sha256(url.as_bytes())[..16];
    let folder = cache::root().map_err(ModelError::from)?.join("downloads").join(place);
    fs::create_dir_all(&folder).map_err(ModelError::io("create the folder", &folder))?;
    let part = folder.join(format!("{name}.part"));
    let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&part);
    let file = file.as_mut().map_err(|error| ModelError::io("open", &part)(copy(error)))?;
    if file.try_lock().is_err() {
        return Err(PullError::Busy(name));
    }
    let announced = fetch(url, file, progress)?;
    // Where no digest is published, the server's own tells at least whether all of it came over as it lies there.
    check(url, file, &part, expected.or(announced.as_ref()))?;
    let whole = folder.join(name);
    fs::rename(&part, &whole).map_err(ModelError::io("rename", &part))?;
    Ok(whole)
}

fn copy(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

/// Loads what is missing of a file, trying again where a connection breaks off after some progress; the digest that the
/// server gives of the whole file, if it does.
fn fetch(
    url: &str,
    file: &mut File,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Option<ExpectedDigest>, PullError> {
    let agent = http::agent(false);
    let failed = |cause| PullError::Network { url: url.into(), cause };
    let (mut attempts, mut announced) = (0, None);
    loop {
        let before = file.seek(SeekFrom::End(0)).map_err(|error| failed(error.into()))?;
        let outcome = fetch_once(&agent, url, file, before, progress, &mut announced);
        let Err(cause) = outcome else { return Ok(announced) };
        let after = file.seek(SeekFrom::End(0)).map_err(|error| failed(error.into()))?;
        attempts += 1;
        if after <= before || attempts >= ATTEMPTS {
            return Err(failed(cause));
        }
    }
}

fn fetch_once(
    agent: &Agent,
    url: &str,
    file: &mut File,
    have: u64,
    progress: &mut dyn FnMut(u64, Option<u64>),
    announced: &mut Option<ExpectedDigest>,
) -> Result<(), DownloadError> {
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let mut response = request.call().map_err(DownloadError::connection)?;
    let header =
        |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let length = header("content-length").and_then(|length| length.parse::<u64>().ok());
    let range = header("content-range");
    let all_of_range = range.as_deref().and_then(|range| range.rsplit('/').next()?.parse::<u64>().ok());
    let (start, all) = match response.status().as_u16() {
        // Of a part it would be the part's digest.
        200 => {
            *announced = header("content-md5").as_deref().and_then(of_header);
            (0, length)
        }
        206 if range.as_deref().is_some_and(|range| range.starts_with(&format!("bytes {have}-"))) => {
            (have, all_of_range.or(length.map(|length| have + length)))
        }
        // All there was is here already; or what is here is no part of it.
        416 if all_of_range == Some(have) => return Ok(()),
        416 => {
            file.set_len(0)?;
            return Err(DownloadError::LessThanBefore);
        }
        status => return Err(DownloadError::Status(status)),
    };
    if all.is_some_and(|all| all > MOST_BYTES) {
        return Err(DownloadError::TooLarge);
    }
    file.set_len(start)?;
    file.seek(SeekFrom::Start(start))?;
    let mut body = response.body_mut().with_config().limit(MOST_BYTES).reader();
    let mut block = vec![0; 1 << 16];
    let mut done = start;
    loop {
        let count = body.read(&mut block).map_err(DownloadError::connection)?;
        if count == 0 {
            break;
        }
        file.write_all(&block[..count])?;
        done += count as u64;
        progress(done, all);
    }
    match all {
        Some(all) if all != done => Err(DownloadError::Short { done, all }),
        _ => Ok(()),
    }
}

/// The digest in a `Content-MD5` header: 16 bytes in base64 (RFC 1864).
fn of_header(text: &str) -> Option<ExpectedDigest> {
    let digest = BASE64.decode(text.trim()).ok().filter(|digest| digest.len() == 16)?;
    Some(ExpectedDigest::Md5(hexadecimal(&digest)))
}

/// Checks what was downloaded, and removes it where it is something else.
fn check(
    url: &str,
    file: &mut File,
    part: &Path,
    expected: Option<&ExpectedDigest>,
) -> Result<(), PullError> {
    let outcome = compare(url, file, part, expected);
    if matches!(outcome, Err(PullError::Hash { .. })) {
        let _ = fs::remove_file(part);
    }
    outcome
}

/// Checks a file that came by other means.
pub(super) fn check_file(path: &Path, expected: Option<&ExpectedDigest>) -> Result<(), PullError> {
    let mut file = File::open(path).map_err(ModelError::io("read", path))?;
    compare(&path.display().to_string(), &mut file, path, expected)
}

fn compare(
    url: &str,
    file: &mut File,
    part: &Path,
    expected: Option<&ExpectedDigest>,
) -> Result<(), PullError> {
    let Some(expected) = expected else { return Ok(()) };
    let (kind, prefix, digest) = match expected {
        ExpectedDigest::Sha256(prefix) => ("SHA-256", prefix, hash::<Sha256>(file)),
        ExpectedDigest::Md5(prefix) => ("MD5", prefix, hash::<Md5>(file)),
    };
    let digest = digest.map_err(ModelError::io("read", part))?;
    if !prefix.is_empty() && digest.starts_with(&prefix.to_lowercase()) {
        return Ok(());
    }
    let found = digest.get(..prefix.len().max(6)).unwrap_or(&digest).to_owned();
    Err(PullError::Hash { url: url.into(), kind, found, expected: prefix.clone() })
}

fn hash<D: Digest>(file: &mut File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    of_reader::<D>(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_of_a_header() {
        let text = BASE64.encode([0x41, 0x20, 0x42, 0x43, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xfe, 0xff]);
        let digits = "4120424300010203040506070809feff".to_owned();
        assert_eq!(of_header(&text), Some(ExpectedDigest::Md5(digits)));
        assert_eq!((of_header("QUJD"), of_header("no base64!")), (None, None));
    }

    #[test]
    fn a_mirror_takes_the_place_of_the_host() {
        let url = "https://example.org/detectron2/a/model.pkl";
        assert_eq!(addresses(url, ""), (url.to_owned(), Vec::new()));
        let path = "detectron2/a/model.pkl";
        let (first, others) = addresses(url, "http://mirror:8080/zoo/, https://b.example.org");
        assert_eq!(first, format!("http://mirror:8080/zoo/{path}"));
        assert_eq!(others, [format!("https://b.example.org/{path}")]);
    }
}
