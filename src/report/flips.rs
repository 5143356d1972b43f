//! Photos that flipped between two models, as a pair of pictures each.

use std::cell::RefCell;

use coco_eval::{Boxed, Mistakes};

use super::comparison::FlippedPhoto;
use super::gallery::{Album, GalleryPhoto, SeenPhoto, scale};
use super::{mistakes, outline};
use crate::photo::DecodeOptions;

/// The photos themselves.
pub(super) fn album<'a>(flips: impl Iterator<Item = &'a FlippedPhoto>, options: DecodeOptions) -> Album {
    let seen = |flip: &FlippedPhoto| SeenPhoto { path: flip.path.clone(), size: flip.size };
    let photos = flips.map(|flip| (flip.name.clone(), seen(flip))).collect();
    Album::Photos { photos, options, lost: RefCell::default() }
}

/// Both pictures of a photo; none where it cannot be had any more.
pub(super) fn pair(flip: &FlippedPhoto, album: &Album, categories: &[String]) -> Option<[GalleryPhoto; 2]> {
    let photo = album.plain(&flip.name)?;
    let picture = |(words, image): &(String, Mistakes)| {
        // Less than a pixel of the page's picture. Detections have boxes alone.
        let tolerance = 0.75 * flip.size.map_or(1.0, |(width, height)| scale(width, height)).max(1.0);
        let mask =
            |boxed: &Boxed| image.mask(boxed).map(|mask| outline::path(&mask, tolerance)).unwrap_or_default();
        let (wrong, marks) = mistakes::marks(image, categories, mask);
        let wrong = if wrong.is_empty() { String::new() } else { format!(": {wrong}") };
        album.marked(photo.clone(), format!("{words}{wrong}"), marks)
    };
    Some(flip.sides.each_ref().map(picture))
}
