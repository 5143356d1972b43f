//! Judging detections against annotations. Never sees a network.
