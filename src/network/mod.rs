//! The architecture as data, and its two graphs. Never sees a photo.
