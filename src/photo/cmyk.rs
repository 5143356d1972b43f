//! From cyan, magenta, yellow and black to red, green and blue, as Pillow does it. No colour profiles.

/// `round(light * white / 255)`, where both are what the inks leave.
fn mix(light: u8, white: u8) -> u8 {
    ((u32::from(light) * u32::from(white) + 127) / 255) as u8
}

/// Inks as Adobe writes them into JPEGs, inverted.
pub(super) fn inverted_to_rgb(samples: &[u8]) -> Vec<u8> {
    let (pixels, _) = samples.as_chunks::<4>();
    pixels.iter().flat_map(|&[c, m, y, k]| [mix(c, k), mix(m, k), mix(y, k)]).collect()
}

/// Inks as TIFF has them.
pub(super) fn to_rgb(mut samples: Vec<u8>) -> Vec<u8> {
    samples.iter_mut().for_each(|ink| *ink = 255 - *ink);
    inverted_to_rgb(&samples)
}
