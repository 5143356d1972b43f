//! COCO data sets and results: parsing and writing. Never sees a network.
