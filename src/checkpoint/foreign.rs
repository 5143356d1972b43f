//! What else a file may be that is given as a checkpoint, by how it begins, and what to do about it. Reads nothing of it.

use coco_eval::text;

/// What a file is, if it is known to be no checkpoint.
pub(super) fn known(bytes: &[u8]) -> Option<&'static str> {
    if let Some(what) = text::stand_in(bytes) {
        return Some(what);
    }
    let starts = |beginnings: &[&[u8]]| beginnings.iter().any(|beginning| bytes.starts_with(beginning));
    let at = |place: usize, what: &[u8]| bytes.get(place..).is_some_and(|rest| rest.starts_with(what));
    Some(match bytes {
        _ if bytes.trim_ascii_start().first() == Some(&b'<') => {
            "it is a web page or other XML, as a failed download leaves behind: download the file again"
        }
        // A version of the format, then the name of the program that wrote it, or another field of a model.
        [0x08, 1..=32, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42, ..] => {
            "it is an ONNX file, which holds no conventions: give the checkpoint that it was exported from (.pth, .pkl or \
             .safetensors)"
        }
        _ if starts(&[b"\x89PNG", b"\xff\xd8\xff"]) => "it is a picture",
        _ if starts(&[b"\x1f\x8b"]) => "it is a gzip archive: unpack it first",
        _ if starts(&[
            b"\xfd7zXZ\0",
            b"7z\xbc\xaf\x27\x1c",
            b"Rar!\x1a\x07",
            b"\x28\xb5\x2f\xfd",
            b"BZh",
        ]) || at(257, b"ustar") =>
        {
            "it is an archive: unpack it first"
        }
        _ if starts(&[b"\x89HDF"]) => {
            "it is an HDF5 file, as Keras saves weights, which is not supported: give a checkpoint of PyTorch, detectron2, \
             mmdetection or PaddleDetection"
        }
        _ if at(4, b"TFL3") || starts(&[b"GGUF"]) => {
            "it is a network made for another program (TensorFlow Lite, GGUF): give the checkpoint that it was made from"
        }
        // Versions 0 of a tensor and of what is in it, no sequences, the length of its description, and its type.
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, _, _, 0, 0, 0x08, ..] => {
            "it holds the weights of a program that PaddlePaddle exported (.pdiparams), without their names: give the \
             .pdparams that it was exported from"
        }
        // The first block of a program, its number and its parent's.
        [0x0a, ..]
            if bytes
                .windows(7)
                .take(8)
                .any(|start| start.starts_with(&[0x08, 0, 0x10, 0xff, 0xff, 0xff, 0xff])) =>
        {
            "it is a program that PaddlePaddle exported (.pdmodel): give the .pdparams that it was exported from"
        }
        // Version 0.1 or 0.2, a revision, and the number of pictures seen.
        [0, 0, 0, 0, 1..=2, 0, 0, 0, ..] => "it holds darknet's weights (YOLO), which are not supported",
        _ if starts(&[b"\x93NUMPY"]) => {
            "it is a single NumPy array: a checkpoint is a dictionary of named tensors"
        }
        _ if is_json(bytes) => "it is JSON, as annotations, results and configs are",
        _ if is_text(bytes) => {
            "it is a text, as a failed download leaves behind: look into it, and download the file again"
        }
        _ => return None,
    })
}

/// What a dict of tensors is that is no network, by their names.
pub(super) fn of_tensors<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'static str> {
    // What PaddlePaddle's optimizers call the sums that they keep for each parameter.
    const STATES: [&str; 7] = [
        "_velocity_0",
        "_moment1_0",
        "_moment2_0",
        "_moment_0",
        "_beta1_pow_acc_0",
        "_beta2_pow_acc_0",
        "_mean_square_0",
    ];
    let (mut states, mut others) = (0, 0);
    for name in names {
        let counter = if STATES.iter().any(|end| name.ends_with(end)) { &mut states } else { &mut others };
        *counter += 1;
    }
    (states > others).then_some(
        "it holds the state of an optimizer (PaddlePaddle's .pdopt), not weights: give the .pdparams of the same name",
    )
}

/// Whether it begins as JSON of objects does. Safetensors begin with a length, of which the upper bytes are zero.
fn is_json(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    let inside = text.strip_prefix(b"[").unwrap_or(text).trim_ascii_start();
    let key = inside.strip_prefix(b"{").map(<[u8]>::trim_ascii_start).and_then(<[u8]>::first);
    key == Some(&b'"') && !bytes.iter().take(8).any(|byte| *byte == 0)
}

/// Whether a short file is printable to its end, as a server's answer is. Pickles of protocol 0 are too, but end with a
/// point.
fn is_text(bytes: &[u8]) -> bool {
    let printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    bytes.len() < 1 << 14 && bytes.last() != Some(&b'.') && bytes.iter().all(printable)
}

/// What a zip archive is that `torch.save` has not written, by the names of its members.
pub(super) fn of_zip<'a>(members: impl Iterator<Item = &'a String>) -> &'static str {
    let (mut checkpoints, mut arrays, mut keras) = (false, false, false);
    for name in members {
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        checkpoints |= ends(&[".pth", ".pt", ".pkl", ".safetensors", ".pdparams", ".ckpt"]);
        arrays |= ends(&[".npy"]);
        keras |= ends(&[".weights.h5"]);
    }
    match () {
        () if checkpoints => "it is a zip archive with checkpoints in it: unpack it first",
        () if arrays => {
            "it is a NumPy archive (.npz), which is not supported: save a dictionary of its arrays by pickle (.pkl)"
        }
        () if keras => "it is a model of Keras, which is not supported",
        () => "it is a zip archive without a `data.pkl`, which `torch.save` would have written",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_named() {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (bytes, words) in [
            (&b"\x89HDF\r\n\x1a\n\0"[..], "Keras"),
            (b"\x28\xb5\x2f\xfd\x04\0", "unpack it first"),
            (b"\xfd7zXZ\0\0\x04", "unpack it first"),
            (&tar, "unpack it first"),
            (b"\x1c\0\0\0TFL3\0", "TensorFlow Lite"),
            (b"\0\0\0\0\x02\0\0\0\x05\0\0\0", "darknet"),
            (b"\x93NUMPY\x01\0", "single NumPy array"),
            // The beginnings of a program of one block, and of a float32 tensor of four dimensions.
            (b"\x0a\xe4\xf8\x01\x08\0\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", ".pdmodel"),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a\0\0\0\x08\x05\x10\x40", ".pdiparams"),
            (b"{\"message\":\"Not Found\"}", "it is JSON"),
            (b"[\n {\"image_id\": 1", "it is JSON"),
            (b"Repository not found", "it is a text"),
            (b"<?xml version=\"1.0\"?><CheckpointError/>", "XML"),
            (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ] {
            assert!(known(bytes).is_some_and(|what| what.contains(words)), "{words}");
        }
        // Pickles of protocols 0 and 2, and what nobody knows.
        for bytes in [&b"(dp0\nS'a'\np1\nI1\ns."[..], b"\x80\x02}q\0.", b"\x01\x02\x03\x04\x05\x06\x07\x08"] {
            assert_eq!(known(bytes), None);
        }
    }

    #[test]
    fn zip_archives_are_named_by_their_members() {
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            of_zip(names.iter())
        };
        assert!(of(&["run/model_final.pth", "log.txt"]).contains("unpack it first"));
        assert!(of(&["a.npy"]).contains(".npz"));
        assert!(of(&["config.json", "model.weights.h5"]).contains("Keras"));
        assert!(of(&["MAR-INF/MANIFEST.json"]).contains("data.pkl"));
    }
}
