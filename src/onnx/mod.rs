//! A typed writer of ONNX graphs. Knows nothing of detection.

mod channels_last;
mod cut;
mod external;
mod graph;
mod half;
mod pool;
mod proto;
mod read;
mod upsample;
mod write;

pub use cut::{CutError, after};
pub(crate) use external::refuse_external;
pub(crate) use graph::int;
pub use graph::{ConvWindow, Dim, Edge, Element, Graph, Initializer, OPSET, RoiAlignAttributes, Values};
pub(crate) use proto::NodeProto;
pub use read::GraphReadError;
pub use write::GraphError;
