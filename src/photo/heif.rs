//! HEIC and AVIF by libheif, where the system has it: it is loaded when the first such picture comes, from the folders
//! of the system's loader alone. Turning and mirroring are libheif's, by what the file itself says of them.
//!
//! Knows nothing of other formats.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::PathBuf;
use std::ptr;
use std::sync::OnceLock;

use image::metadata::Orientation;
use libloading::Library;

use super::canvas;
use super::decode::{DecodeError, DecodeErrorKind, DecodeOptions, Decoded, check_size};
use crate::loader;

/// The oldest version that is used, 1.12.0: as old as the oldest system that is still looked after.
const OLDEST: u32 = 0x010c_0000;
/// How the library's file is called.
const NAME: &str = if cfg!(target_os = "macos") { "libheif.1.dylib" } else { "libheif.so.1" };

/// `heif_colorspace_RGB`, `heif_chroma_interleaved_RGB` and `heif_channel_interleaved`.
const RGB: c_int = 1;
const INTERLEAVED_RGB: c_int = 10;
const INTERLEAVED: c_int = 10;

/// `heif_error`.
#[repr(C)]
struct Status {
    code: c_int,
    subcode: c_int,
    message: *const c_char,
}

/// The first fields of `heif_decoding_options`, which libheif allocates.
#[repr(C)]
struct DecodingOptions {
    version: u8,
    ignore_transformations: u8,
    progress: [*const c_void; 4],
    /// From version 2 on.
    convert_hdr_to_8bit: u8,
}

/// libheif's functions.
struct Heif {
    context_alloc: unsafe extern "C" fn() -> *mut c_void,
    context_free: unsafe extern "C" fn(*mut c_void),
    set_limit: unsafe extern "C" fn(*mut c_void, c_int),
    read: unsafe extern "C" fn(*mut c_void, *const c_void, usize, *const c_void) -> Status,
    primary: unsafe extern "C" fn(*mut c_void, *mut *mut c_void) -> Status,
    handle_release: unsafe extern "C" fn(*const c_void),
    handle_sides: [unsafe extern "C" fn(*const c_void) -> c_int; 2],
    stored_sides: [unsafe extern "C" fn(*const c_void) -> c_int; 2],
    options_alloc: unsafe extern "C" fn() -> *mut DecodingOptions,
    options_free: unsafe extern "C" fn(*mut DecodingOptions),
    decode:
        unsafe extern "C" fn(*const c_void, *mut *mut c_void, c_int, c_int, *const DecodingOptions) -> Status,
    image_release: unsafe extern "C" fn(*const c_void),
    image_sides: [unsafe extern "C" fn(*const c_void, c_int) -> c_int; 2],
    plane: unsafe extern "C" fn(*const c_void, c_int, *mut c_int) -> *const u8,
    /// Never unloaded, as it keeps threads.
    _library: Library,
}

/// Whether libheif is there.
pub(super) fn is_available() -> bool {
    heif().is_some()
}

fn heif() -> Option<&'static Heif> {
    static HEIF: OnceLock<Option<Heif>> = OnceLock::new();
    HEIF.get_or_init(find).as_ref()
}

fn find() -> Option<Heif> {
    // libheif loads what it finds in these folders.
    let plugins = std::env::var_os("LIBHEIF_PLUGIN_PATH").filter(|folders| !folders.is_empty());
    if plugins.is_some_and(|folders| std::env::split_paths(&folders).any(|folder| folder.is_relative())) {
        return None;
    }
    let paths = loader::system_folders().into_iter().map(|folder| folder.join(NAME));
    paths.filter(|path| path.is_file()).find_map(open)
}

#[allow(unsafe_code)]
fn open(path: PathBuf) -> Option<Heif> {
    // SAFETY: a library of this name in a folder of the system's loader is loaded by every program that reads HEIC. The
    // functions have these types since version 1.3 of libheif's stable interface, and the version is looked at before
    // any other is called.
    unsafe {
        let library = loader::open(&path).ok()?;
        macro_rules! function {
            ($name:literal) => {
                *library.get(concat!($name, "\0").as_bytes()).ok()?
            };
        }
        let version: unsafe extern "C" fn() -> u32 = function!("heif_get_version_number");
        let version = version();
        if version < OLDEST || version >> 24 != OLDEST >> 24 {
            return None;
        }
        Some(Heif {
            context_alloc: function!("heif_context_alloc"),
            context_free: function!("heif_context_free"),
            set_limit: function!("heif_context_set_maximum_image_size_limit"),
            read: function!("heif_context_read_from_memory_without_copy"),
            primary: function!("heif_context_get_primary_image_handle"),
            handle_release: function!("heif_image_handle_release"),
            handle_sides: [
                function!("heif_image_handle_get_width"),
                function!("heif_image_handle_get_height"),
            ],
            stored_sides: [
                function!("heif_image_handle_get_ispe_width"),
                function!("heif_image_handle_get_ispe_height"),
            ],
            options_alloc: function!("heif_decoding_options_alloc"),
            options_free: function!("heif_decoding_options_free"),
            decode: function!("heif_decode_image"),
            image_release: function!("heif_image_release"),
            image_sides: [function!("heif_image_get_width"), function!("heif_image_get_height")],
            plane: function!("heif_image_get_plane_readonly"),
            _library: library,
        })
    }
}

/// Something of libheif's that is freed when it goes.
struct Owned {
    pointer: *mut c_void,
    free: unsafe extern "C" fn(*const c_void),
}

impl Drop for Owned {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: it came from libheif, which frees nothing by a null pointer.
        unsafe { (self.free)(self.pointer) }
    }
}

/// A file's context, which reads the bytes as long as it is there.
struct Context<'a> {
    heif: &'static Heif,
    pointer: *mut c_void,
    _bytes: &'a [u8],
}

impl Drop for Context<'_> {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: it came from libheif.
        unsafe { (self.heif.context_free)(self.pointer) }
    }
}

/// The picture of a file, none of whose pixels are decoded.
struct HeifImage<'a> {
    handle: Owned,
    /// Width and height as they will be decoded.
    size: (u32, u32),
    heif: &'static Heif,
    _context: Context<'a>,
}

#[allow(unsafe_code)]
fn picture<'a>(bytes: &'a [u8], options: &DecodeOptions) -> Result<HeifImage<'a>, DecodeError> {
    let heif =
        heif().ok_or_else(|| DecodeError::new(DecodeErrorKind::Unsupported, "libheif is not there"))?;
    // SAFETY: the context reads `bytes` as long as it is there, which the lifetime says; libheif checks them. What it
    // gives is freed once, the handle before the context.
    unsafe {
        let pointer = (heif.context_alloc)();
        if pointer.is_null() {
            return Err(DecodeError::new(DecodeErrorKind::OutOfMemory, "there is no memory for the picture"));
        }
        let context = Context { heif, pointer, _bytes: bytes };
        // A side of a square of so many pixels.
        let side = (options.limits.pixels as f64).sqrt().ceil().min(f64::from(i32::MAX)) as c_int;
        (heif.set_limit)(pointer, side.max(1));
        check((heif.read)(pointer, bytes.as_ptr().cast(), bytes.len(), ptr::null()), options)?;
        let mut handle = ptr::null_mut();
        check((heif.primary)(pointer, &raw mut handle), options)?;
        let handle = Owned { pointer: handle, free: heif.handle_release };
        let sides = if options.ignore_orientation { heif.stored_sides } else { heif.handle_sides };
        let [width, height] = sides.map(|side| u32::try_from(side(handle.pointer)).unwrap_or(0));
        check_size(width, height, &options.limits)?;
        Ok(HeifImage { handle, size: (width, height), heif, _context: context })
    }
}

/// Width and height as decoded; nothing is left to be turned.
pub(super) fn size(bytes: &[u8], options: &DecodeOptions) -> Result<((u32, u32), Orientation), DecodeError> {
    Ok((picture(bytes, options)?.size, Orientation::NoTransforms))
}

/// Decodes to an upright photo, without its alpha.
#[allow(unsafe_code)]
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    let picture = picture(bytes, options)?;
    let heif = picture.heif;
    // SAFETY: the options are libheif's own, and its version says whether they have the last field. A plane has as many
    // rows of `stride` bytes as the image is high, and lives as long as the image.
    unsafe {
        let how = (heif.options_alloc)();
        if how.is_null() {
            return Err(DecodeError::new(DecodeErrorKind::OutOfMemory, "there is no memory for the picture"));
        }
        (*how).ignore_transformations = u8::from(options.ignore_orientation);
        if (*how).version >= 2 {
            (*how).convert_hdr_to_8bit = 1;
        }
        let mut image = ptr::null_mut();
        let status =
            (heif.decode)(picture.handle.pointer, &raw mut image, RGB, INTERLEAVED_RGB, how.cast_const());
        (heif.options_free)(how);
        check(status, options)?;
        let image = Owned { pointer: image, free: heif.image_release };
        let [width, height] =
            heif.image_sides.map(|side| u32::try_from(side(image.pointer, INTERLEAVED)).unwrap_or(0));
        check_size(width, height, &options.limits)?;
        let mut stride = 0;
        let plane = (heif.plane)(image.pointer, INTERLEAVED, &raw mut stride);
        let row = 3 * width as usize;
        let stride = usize::try_from(stride).unwrap_or(0);
        if plane.is_null() || stride < row {
            return Err(DecodeError::new(DecodeErrorKind::Corrupt, "libheif gives no pixels of the picture"));
        }
        let pixels = bytemuck::try_zeroed_vec(row * height as usize);
        let mut pixels: Vec<u8> = pixels.map_err(|()| DecodeError::out_of_memory(width, height))?;
        for (y, out) in pixels.chunks_exact_mut(row).enumerate() {
            out.copy_from_slice(std::slice::from_raw_parts(plane.add(y * stride), row));
        }
        canvas::whole((width, height), Orientation::NoTransforms, pixels)
    }
}

/// What libheif says, as a failure of the photo.
#[allow(unsafe_code)]
fn check(status: Status, options: &DecodeOptions) -> Result<(), DecodeError> {
    if status.code == 0 {
        return Ok(());
    }
    // SAFETY: libheif's messages are texts that live at least as long as what they are about.
    let words = (!status.message.is_null()).then(|| unsafe { CStr::from_ptr(status.message) });
    let words = words.map_or_else(String::new, |words| words.to_string_lossy().escape_debug().to_string());
    Err(match (status.code, status.subcode) {
        // Invalid input, the end of the data.
        (2, 100) => DecodeError::truncated(options),
        // A limit of libheif's own, or too little memory.
        (6, 1000) => {
            DecodeError::new(DecodeErrorKind::TooLarge, format!("the picture is too large: {words}"))
        }
        (6, _) => DecodeError::new(DecodeErrorKind::OutOfMemory, words),
        (3 | 4, _) => {
            let detail = format!(
                "the system's libheif cannot decode the picture ({words}): install its plugins, or convert the picture to \
                 JPEG or PNG"
            );
            DecodeError::new(DecodeErrorKind::Unsupported, detail)
        }
        _ => DecodeError::new(DecodeErrorKind::Corrupt, format!("the picture's data is wrong: {words}")),
    })
}
