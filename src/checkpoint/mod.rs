//! Reading checkpoints into named tensors, safely and within bounds.
//!
//! A leaf: knows file formats, nothing of what the tensors mean. Nothing in a file is ever run.
