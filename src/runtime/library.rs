//! What the file of a library says of itself: whether it is ONNX Runtime for this machine, and of which version.
//!
//! Nothing is loaded, and so nothing of the file runs: a library's initialisers run as soon as it is loaded. Knows
//! nothing of places.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use object::macho::{DylibCommand, FatArch32, FatArch64, LC_ID_DYLIB};
use object::read::elf::{ElfFile, FileHeader};
use object::read::macho::{FatArch, MachHeader, MachOFatFile, MachOFile};
use object::read::pe::{ImageNtHeaders, PeFile};
use object::read::{NameOrOrdinal, ReadCache, ReadRef};
use object::{Architecture, BinaryFormat, FileKind, LittleEndian as LE, Object};

use super::find::version_in;
use super::probe::Unusable;

/// What every ONNX Runtime gives to whoever loads it.
const ENTRY: &[u8] = b"OrtGetApiBase";

/// The version that a file of ONNX Runtime tells, in itself or by its name; `None` where it tells none.
///
/// # Errors
/// When it is something else, or for other machines.
pub(super) fn version(path: &Path) -> Result<Option<String>, Unusable> {
    let unreadable = |error: std::io::Error| Unusable::Load(error.to_string());
    // To open a named pipe would be to wait for ever.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Unusable::Load("it is no regular file".into()));
    }
    let cache = ReadCache::new(BufReader::new(File::open(path).map_err(unreadable)?));
    let system = System::here();
    let ours = match FileKind::parse(&cache) {
        Ok(FileKind::MachOFat32) => {
            MachOFatFile::<FatArch32>::parse(&cache).ok().and_then(|fat| system.part(fat.arches()))
        }
        Ok(FileKind::MachOFat64) => {
            MachOFatFile::<FatArch64>::parse(&cache).ok().and_then(|fat| system.part(fat.arches()))
        }
        _ => cache.len().ok().map(|all| (0, all)),
    };
    let facts = ours.and_then(|(start, length)| system.facts(cache.range(start, length)));
    match facts {
        None => Err(Unusable::Load("it is no library for this system and processor".into())),
        Some(LibraryFacts { entry: false, .. }) => Err(Unusable::Foreign),
        Some(LibraryFacts { version, .. }) => Ok(version.or_else(|| in_name(path))),
    }
}

/// What a file tells.
struct LibraryFacts {
    version: Option<String>,
    /// Whether it has ONNX Runtime's entry.
    entry: bool,
}

/// For what a library must be made.
#[derive(Clone, Copy)]
struct System {
    format: BinaryFormat,
    /// `None`: one that is not known here.
    architecture: Option<Architecture>,
}

impl System {
    fn here() -> System {
        let format = match std::env::consts::OS {
            "windows" => BinaryFormat::Pe,
            "macos" => BinaryFormat::MachO,
            _ => BinaryFormat::Elf,
        };
        let architecture = match std::env::consts::ARCH {
            "x86_64" => Some(Architecture::X86_64),
            "aarch64" => Some(Architecture::Aarch64),
            _ => None,
        };
        System { format, architecture }
    }

    fn takes(self, architecture: Architecture) -> bool {
        self.architecture.is_none_or(|ours| ours == architecture)
    }

    /// Where the library for this processor lies in a file of several.
    fn part(self, parts: &[impl FatArch]) -> Option<(u64, u64)> {
        parts.iter().find(|part| self.takes(part.architecture())).map(FatArch::file_range)
    }

    /// What a library tells; `None` where this system's loader would refuse it.
    fn facts<'data>(self, data: impl ReadRef<'data>) -> Option<LibraryFacts> {
        use object::File;
        let file = File::parse(data).ok()?;
        if file.format() != self.format || !self.takes(file.architecture()) {
            return None;
        }
        let mut names = file.exports().ok()?.filter_map(|export| Some(export.ok()?.into_name()));
        let entry = names.any(|name| match name {
            NameOrOrdinal::Name(name) => name.strip_prefix(b"_").unwrap_or(&name) == ENTRY,
            NameOrOrdinal::Ordinal(_) => false,
        });
        let version = match &file {
            File::Elf32(file) => elf(file, data),
            File::Elf64(file) => elf(file, data),
            File::MachO32(file) => mach_o(file),
            File::MachO64(file) => mach_o(file),
            File::Pe32(file) => pe(file, data),
            File::Pe64(file) => pe(file, data),
            _ => None,
        };
        Some(LibraryFacts { version, entry })
    }
}

/// The version under which an ELF library gives its symbols: `VERS_1.31.1`.
fn elf<'data, Header: FileHeader, R: ReadRef<'data>>(
    file: &ElfFile<'data, Header, R>,
    data: R,
) -> Option<String> {
    let (endian, sections) = (file.endian(), file.elf_section_table());
    let (mut defined, strings) = sections.gnu_verdef(endian, data).ok()??;
    let strings = sections.strings(endian, data, strings).ok()?;
    while let Ok(Some((_, mut names))) = defined.next() {
        let name = names.next().ok().flatten().and_then(|name| name.name(endian, strings).ok());
        let version = name.and_then(|name| std::str::from_utf8(name).ok()?.strip_prefix("VERS_"));
        if let Some(version) = version.filter(|version| parts(version).is_some()) {
            return Some(version.to_owned());
        }
    }
    None
}

/// The version by which a Mach-O library names itself.
fn mach_o<'data, Header: MachHeader, R: ReadRef<'data>>(
    file: &MachOFile<'data, Header, R>,
) -> Option<String> {
    let mut commands = file.macho_load_commands().ok()?;
    while let Ok(Some(command)) = commands.next() {
        if command.cmd() == LC_ID_DYLIB {
            let id: &DylibCommand<Header::Endian> = command.data().ok()?;
            let version = id.dylib.current_version.get(file.endian()).0;
            return version_text([version >> 16, version >> 8 & 0xff, version & 0xff]);
        }
    }
    None
}

/// The version in the resources of a PE library.
fn pe<'data, Header: ImageNtHeaders, R: ReadRef<'data>>(
    file: &PeFile<'data, Header, R>,
    data: R,
) -> Option<String> {
    let sections = file.section_table();
    let resources = file.data_directories().resource_directory(data, &sections).ok()??;
    let kinds = resources.root().ok()?.entries;
    let versions = kinds.iter().find(|kind| kind.name_or_id().id() == Some(object::pe::RT_VERSION))?;
    // Of one name, in one language.
    let named = versions.data(resources).ok()?.table()?.entries.first()?.data(resources).ok()?.table()?;
    let place = named.entries.first()?.data(resources).ok()?.data()?;
    fixed_version(sections.pe_data_at(data, place.offset_to_data.get(LE))?)
}

/// `VS_FIXEDFILEINFO`: its signature, the version of its own form, and the file's version in two numbers.
fn fixed_version(resource: &[u8]) -> Option<String> {
    const SIGNATURE: [u8; 4] = 0xfeef_04bd_u32.to_le_bytes();
    let at = resource.chunks_exact(4).position(|four| four == SIGNATURE)? * 4;
    let number = |place: usize| Some(u32::from_le_bytes(*resource.get(at + place..)?.first_chunk()?));
    let (high, low) = (number(8)?, number(12)?);
    version_text([high >> 16, high & 0xffff, low >> 16])
}

/// `libonnxruntime.so.1.31.1`, also behind links.
fn in_name(path: &Path) -> Option<String> {
    let whole = fs::canonicalize(path).ok()?;
    match version_in(&whole).as_slice() {
        [] | [_] => None,
        numbers => Some(numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".")),
    }
}

/// Nothing was told where all is 0.
fn version_text([major, minor, patch]: [u32; 3]) -> Option<String> {
    (major > 0).then(|| format!("{major}.{minor}.{patch}"))
}

/// The first two numbers of a version.
pub(super) fn parts(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{Runtime, RuntimeOptions};

    #[test]
    fn what_is_no_library_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libonnxruntime.so.1.31.1");
        assert!(matches!(version(&path), Err(Unusable::Load(_))));
        assert_eq!(version(folder.path()), Err(Unusable::Load("it is no regular file".into())));
        for bytes in [&b""[..], b"text", b"\x7fELF\x02\x01\x01", b"MZ", &[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 9]]
        {
            fs::write(&path, bytes).unwrap();
            assert!(matches!(version(&path), Err(Unusable::Load(_))), "{bytes:?}");
        }
        // A library, and another one: this test's own program may be one of neither.
        assert!(version(&std::env::current_exe().unwrap()).is_err());
    }

    #[test]
    fn a_library_tells_the_version_that_it_has() {
        let runtime = Runtime::open(&RuntimeOptions::default(), &mut |_| {}).unwrap();
        let read = version(runtime.path()).unwrap().unwrap();
        assert_eq!((parts(&read), parts(&read).is_some()), (parts(runtime.version()), true));
    }

    #[test]
    fn versions_are_read_as_their_formats_write_them() {
        // "VS_VERSION_INFO" and its length before it; the signature, 1.0, 1.31, 1.0.
        let mut resource = vec![0; 40];
        resource.extend([0xbd, 0x04, 0xef, 0xfe, 0, 0, 1, 0, 31, 0, 1, 0, 0, 0, 1, 0]);
        assert_eq!(fixed_version(&resource).as_deref(), Some("1.31.1"));
        assert_eq!(fixed_version(&resource[..52]), None);
        assert_eq!(parts("1.31.1"), Some((1, 31)));
        assert_eq!((parts("1"), parts("one.two")), (None, None));
    }
}
