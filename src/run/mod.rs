//! A run: a folder of photos from start to end.
