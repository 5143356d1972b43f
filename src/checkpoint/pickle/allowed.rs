//! Which names a pickle may call or mention: only what tensors need, and classes that hold data.

/// The functions and classes that tensors need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::checkpoint) enum Callable {
    /// `torch._utils._rebuild_tensor` and `_rebuild_tensor_v2`.
    Tensor,
    /// `torch._utils._rebuild_tensor_v3`: with a dtype over an untyped storage.
    TensorWithDtype,
    /// `torch._utils._rebuild_parameter`: its first argument.
    Parameter,
    /// numpy's `_reconstruct`, filled by BUILD.
    NumpyArray,
    /// numpy's `_frombuffer`.
    NumpyBuffer,
    /// `numpy.dtype`.
    NumpyDtype,
    /// `_codecs.encode`: text that stands for bytes.
    Encode,
    /// A dict of some kind, empty or from a list of pairs.
    Dict,
    /// `getattr(class, name)`: the reference that records make to methods of their own class.
    Attribute,
    /// Containers and records that hold data beside the tensors.
    Data,
}

/// What may be called: nothing else is.
pub(super) fn callable(module: &str, name: &str) -> Option<Callable> {
    Some(match (module, name) {
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Callable::Tensor,
        ("torch._utils", "_rebuild_tensor_v3") => Callable::TensorWithDtype,
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Callable::Parameter,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Callable::NumpyArray,
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Callable::NumpyBuffer,
        ("numpy", "dtype") => Callable::NumpyDtype,
        ("_codecs", "encode") => Callable::Encode,
        ("collections", "OrderedDict" | "defaultdict" | "Counter") | ("builtins" | "__builtin__", "dict") => {
            Callable::Dict
        }
        ("builtins" | "__builtin__", "getattr") => Callable::Attribute,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar")
        | ("collections", "deque")
        | (
            "builtins" | "__builtin__",
            "list" | "tuple" | "set" | "frozenset" | "slice" | "complex" | "bytearray",
        )
        | ("copy_reg" | "copyreg", "_reconstructor")
        | ("torch", "Size" | "device") => Callable::Data,
        _ => return None,
    })
}

/// Classes whose objects may stand beside tensors as inert records. Networks saved whole are not: whoever wants
/// their weights must know that the file holds a program.
pub(super) fn may_be_noted(module: &str) -> bool {
    const REFUSED: [&str; 10] = [
        "torch.nn",
        "torch.jit",
        "torch.fx",
        "builtins",
        "__builtin__",
        "os",
        "posix",
        "nt",
        "subprocess",
        "sys",
    ];
    let within = |refused: &str| {
        module.strip_prefix(refused).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    !REFUSED.into_iter().any(within)
}
