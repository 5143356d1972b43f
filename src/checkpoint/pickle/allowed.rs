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
    /// `_codecs.encode`: text that stands for bytes; `bytes` without arguments.
    Bytes,
    /// A dict of some kind, empty or from a list of pairs.
    Dict,
    /// `getattr(class, name)`: the reference that records make to methods of their own class.
    Attribute,
    /// `tuple` of a tuple, as PaddlePaddle writes tensors that stand deeper than at the root.
    Tuple,
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
        ("_codecs", "encode") | ("builtins" | "__builtin__", "bytes") => Callable::Bytes,
        ("collections", "OrderedDict" | "defaultdict" | "Counter") | ("builtins" | "__builtin__", "dict") => {
            Callable::Dict
        }
        ("builtins" | "__builtin__", "getattr") => Callable::Attribute,
        ("builtins" | "__builtin__", "tuple") => Callable::Tuple,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar")
        | ("collections", "deque")
        | ("builtins" | "__builtin__", "list" | "set" | "frozenset" | "slice" | "complex" | "bytearray")
        | ("copy_reg" | "copyreg", "_reconstructor")
        | ("torch", "Size" | "device") => Callable::Data,
        _ => return None,
    })
}

/// Whether objects of a class, or what a function gives, may stand beside tensors as inert records. Nothing of them is
/// ever run; but a file that names what runs programs or reaches for files is not a checkpoint, and is refused by name.
pub(super) fn may_be_noted(module: &str, name: &str) -> bool {
    const REFUSED: [&str; 27] = [
        "os",
        "posix",
        "nt",
        "subprocess",
        "commands",
        "popen2",
        "sys",
        "pty",
        "shutil",
        "socket",
        "ctypes",
        "importlib",
        "imp",
        "runpy",
        "code",
        "codeop",
        "operator",
        "pickle",
        "_pickle",
        "cPickle",
        "marshal",
        "webbrowser",
        "multiprocessing",
        "torch.hub",
        "torch.jit",
        "torch.fx",
        "torch.utils.cpp_extension",
    ];
    if matches!(module, "builtins" | "__builtin__") {
        return is_plain(name);
    }
    let within = |refused: &str| {
        module.strip_prefix(refused).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    !REFUSED.into_iter().any(within)
}

/// Python's own types and functions that only hold, count, compare or show.
fn is_plain(name: &str) -> bool {
    const PLAIN: [&str; 53] = [
        "int",
        "float",
        "str",
        "bool",
        "bytes",
        "long",
        "unicode",
        "object",
        "type",
        "list",
        "tuple",
        "dict",
        "set",
        "frozenset",
        "complex",
        "bytearray",
        "slice",
        "range",
        "xrange",
        "len",
        "min",
        "max",
        "sum",
        "abs",
        "print",
        "sorted",
        "reversed",
        "round",
        "map",
        "filter",
        "zip",
        "enumerate",
        "any",
        "all",
        "pow",
        "divmod",
        "repr",
        "hash",
        "isinstance",
        "issubclass",
        "callable",
        "iter",
        "next",
        "chr",
        "ord",
        "bin",
        "hex",
        "oct",
        "format",
        "property",
        "staticmethod",
        "classmethod",
        "memoryview",
    ];
    PLAIN.contains(&name) || name.ends_with("CheckpointError") || name.ends_with("Exception")
}
