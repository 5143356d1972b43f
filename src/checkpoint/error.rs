//! Why a file is not read as a checkpoint.

use std::fmt;

/// Text from a file, safe to print: control characters escaped, at most 200 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscapedText(String);

impl EscapedText {
    pub(crate) fn new(text: &str) -> EscapedText {
        let mut escaped: String = text.chars().take(200).flat_map(char::escape_debug).collect();
        if text.chars().nth(200).is_some() {
            escaped.push('…');
        }
        EscapedText(escaped)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for EscapedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One variant a way to be wrong. Files are never named here; whoever opened them does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be read.
    #[error("cannot read the file: {0}")]
    Io(#[from] std::io::Error),
    /// Nothing that any framework saves.
    #[error("not a checkpoint: {0}")]
    NotACheckpoint(String),
    /// A TorchScript archive, which holds code.
    #[error("a TorchScript archive holds code, not only weights: save the model's state_dict instead")]
    TorchScript,
    /// The file ends early.
    #[error("the file is truncated: {0}")]
    Truncated(String),
    /// The pickle wants something called that tensors do not need.
    #[error(
        "the pickle refers to `{module}.{name}`, which is refused: only what tensors need is read, and nothing is run"
    )]
    UnsafeGlobal {
        /// Python module.
        module: EscapedText,
        /// Name in the module.
        name: EscapedText,
    },
    /// A network saved whole.
    #[error(
        "the file is a pickled object of the class `{class}`, which is a program that is not run: save the weights alone, \
         torch.save(model.state_dict(), …)"
    )]
    WholeModel {
        /// Its class.
        class: EscapedText,
    },
    /// A network of Ultralytics'.
    #[error("the file is a YOLO model of Ultralytics (`{class}`): only Faster R-CNN on a ResNet is read")]
    Yolo {
        /// Its class.
        class: EscapedText,
    },
    /// Nothing stands under the key that the user gives.
    #[error("there are no tensors under the key `{key}`: {known}", known = if known.is_empty() { "they stand at the root".into() } else { format!("there are some under {known}") })]
    NoKey {
        /// The key.
        key: EscapedText,
        /// Keys that would do.
        known: EscapedText,
    },
    /// Nothing begins with the prefix that the user gives.
    #[error("no tensor's name begins with `{prefix}`: the first is `{first}`")]
    NoPrefix {
        /// The prefix.
        prefix: EscapedText,
        /// A name.
        first: EscapedText,
    },
    /// A pickle that no pickler writes.
    #[error("the pickle is damaged at byte {at}: {what}")]
    BadPickle {
        /// Offset in the pickle.
        at: usize,
        /// What is wrong.
        what: String,
    },
    /// No named tensors are found.
    #[error("the file holds no named tensors: {0}")]
    NoTensors(String),
    /// The header of a safetensors file is longer than any real one.
    #[error("the header claims {0} bytes, more than any safetensors file needs")]
    HeaderTooLong(u64),
    /// The header of a safetensors file is not what it should be.
    #[error("the safetensors header is damaged: {0}")]
    BadHeader(String),
    /// Places of tensors that cannot be.
    #[error("the place of the tensor `{name}` is impossible: {what}")]
    BadOffsets {
        /// Tensor.
        name: EscapedText,
        /// What is wrong.
        what: String,
    },
    /// A tensor that does not fit its storage.
    #[error("the tensor `{name}` is damaged: {what}")]
    BadTensor {
        /// Tensor.
        name: EscapedText,
        /// What is wrong.
        what: String,
    },
    /// Numbers of a kind that weights are not made of.
    #[error("the tensor `{name}` has the type {dtype}: floats expected")]
    BadDtype {
        /// Tensor.
        name: EscapedText,
        /// Type as the file calls it.
        dtype: EscapedText,
    },
    /// More than the limits allow.
    #[error("the file asks for too much: {0}")]
    ResourceLimit(String),
}

impl CheckpointError {
    /// The sort of failure, for programs and tests.
    pub fn kind(&self) -> &'static str {
        match self {
            CheckpointError::Io(_) => "io",
            CheckpointError::NotACheckpoint(_) => "not_a_checkpoint",
            CheckpointError::TorchScript => "torchscript",
            CheckpointError::Truncated(_) => "truncated",
            CheckpointError::UnsafeGlobal { .. }
            | CheckpointError::WholeModel { .. }
            | CheckpointError::Yolo { .. } => "unsafe_global",
            CheckpointError::NoKey { .. } => "no_key",
            CheckpointError::NoPrefix { .. } => "no_prefix",
            CheckpointError::BadPickle { .. } => "bad_pickle",
            CheckpointError::NoTensors(_) => "no_tensors",
            CheckpointError::HeaderTooLong(_) => "header_too_long",
            CheckpointError::BadHeader(_) => "bad_header",
            CheckpointError::BadOffsets { .. } => "bad_offsets",
            CheckpointError::BadTensor { .. } => "bad_tensor",
            CheckpointError::BadDtype { .. } => "bad_dtype",
            CheckpointError::ResourceLimit(_) => "resource_limit",
        }
    }
}
