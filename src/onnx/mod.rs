//! A typed writer of ONNX graphs. Knows nothing of detection.

mod channels_last;
mod cut;
mod external;
mod graph;
mod half;
mod proto;
mod read;
mod write;

pub use cut::{CutError, after};
pub(crate) use external::refuse_external;
pub(crate) use graph::int;
pub use graph::{Dim, Edge, Element, Graph, Initializer, OPSET, RoiAlign, Values, Window};
pub(crate) use proto::Node;
pub use read::ReadError;
pub use write::Error;
