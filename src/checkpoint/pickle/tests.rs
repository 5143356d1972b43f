//! What the interpreter makes of pickles, and what it refuses. Tests only.

use super::{PickleValue, Pickled, machine};
use crate::checkpoint::CheckpointError;

fn whole(bytes: &[u8]) -> Result<Pickled<'_>, CheckpointError> {
    machine::read(bytes, 0..bytes.len())
}

#[test]
fn numbers_and_containers() {
    // pickle.dumps({'a': [1, -2, 2.5, None, True]}, protocol=2)
    let bytes = b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffG@\x04\x00\x00\x00\x00\x00\x00N\x88es.";
    let pickled = whole(bytes).unwrap();
    let PickleValue::Dict(entries) = pickled.get(pickled.root) else { panic!("a dict") };
    assert_eq!(pickled.text(entries[0].0).as_deref(), Some("a"));
    let items: Vec<_> =
        pickled.items(entries[0].1).unwrap().iter().map(|&id| pickled.get(id).clone()).collect();
    let expected = [
        PickleValue::Int(1),
        PickleValue::Int(-2),
        PickleValue::Float(2.5),
        PickleValue::None,
        PickleValue::Bool(true),
    ];
    assert_eq!(items, expected);
    assert_eq!(pickled.end, bytes.len());
}

#[test]
fn a_long_of_one_byte_keeps_its_sign() {
    assert_eq!(machine::long(&[0xff]), PickleValue::Int(-1));
    assert_eq!(machine::long(&[0xff, 0]), PickleValue::Int(255));
    assert_eq!(machine::long(&[]), PickleValue::Int(0));
}

#[test]
fn calls_are_refused_by_name() {
    let error = whole(b"cos\nsystem\n(S'true'\ntR.").unwrap_err();
    assert_eq!(error.kind(), "unsafe_global");
    assert!(error.to_string().contains("os.system"), "{error}");
}

#[test]
fn a_value_below_the_mark_cannot_be_taken() {
    assert_eq!(whole(b"N(0.").unwrap_err().kind(), "bad_pickle");
}

/// A program that makes as much as it can of every byte must not get far.
#[test]
fn growth_is_bounded_by_the_file() {
    // A tuple of 1,000 values is stored; then a dict is called with it again and again, four bytes a call.
    let mut bytes = b"\x80\x02(".to_vec();
    bytes.extend(b"N".repeat(1000));
    bytes.extend(b"tq\x00ccollections\nOrderedDict\nq\x01");
    bytes.extend(b"h\x01h\x00R".repeat(1000));
    assert_eq!(whole(&bytes).unwrap_err().kind(), "resource_limit");

    let lists = b"]".repeat(5_000_000);
    assert_eq!(whole(&lists).unwrap_err().kind(), "resource_limit");

    // The same with a list of what is no pair, which costs time rather than memory.
    let mut bytes = b"\x80\x02(".to_vec();
    bytes.extend(b"N".repeat(100_000));
    bytes.extend(b"lq\x000ccollections\nOrderedDict\nq\x01");
    bytes.extend(b"h\x01h\x00\x85R".repeat(100));
    assert_eq!(whole(&bytes).unwrap_err().kind(), "resource_limit");

    // A global of 1,000 bytes a time, by five bytes of the file.
    let mut bytes = b"\x80\x04X\xf4\x01\x00\x00".to_vec();
    bytes.extend(b"a".repeat(500));
    bytes.extend(b"\x94");
    bytes.extend(b"h\x00h\x00\x93".repeat(10_000));
    assert_eq!(whole(&bytes).unwrap_err().kind(), "resource_limit");

    let long = [b"c".as_slice(), &b"a".repeat(600), b"\nb\n."].concat();
    assert_eq!(whole(&long).unwrap_err().kind(), "bad_pickle");
}

#[test]
fn an_attribute_is_noted_only_of_classes_that_hold_data() {
    // getattr(mmengine.logging.history_buffer.HistoryBuffer, 'mean'), as mmdetection's training files have it.
    let harmless =
        b"c__builtin__\ngetattr\n(cmmengine.logging.history_buffer\nHistoryBuffer\nX\x04\x00\x00\x00meantR.";
    assert!(matches!(whole(harmless).unwrap().values().last(), Some(PickleValue::Opaque(_))));
    let harmful = b"c__builtin__\ngetattr\n(cos\nsystem\nX\x04\x00\x00\x00meantR.";
    let error = whole(harmful).unwrap_err().to_string();
    assert!(error.contains("os.system"), "{error}");
    // What is made of an attribute, a class inside another, is such a record too.
    let called = b"c__builtin__\ngetattr\n(cmmengine.a\nB\nX\x01\x00\x00\x00ctR)R.";
    assert!(matches!(whole(called).unwrap().values().last(), Some(PickleValue::Opaque(_))));
}

#[test]
fn objects_are_records_unless_they_name_what_runs_programs() {
    for harmless in [
        &b"cpathlib\nPosixPath\n(V/\nVdata\ntR."[..],
        b"cdatetime\ndatetime\n(c_codecs\nencode\n(V\\u07ea\nVlatin1\ntRtR.",
        b"cfunctools\npartial\n(c__builtin__\nlong\ntR.",
        b"cfunctools\npartial\n(c__builtin__\nprint\ntR.",
        b"ctypes\nSimpleNamespace\n)R}b.",
        b"(imine.old\nThing\n(dVx\nI1\nsb.",
        b"\x80\x02ctorch.nn.modules.loss\nCrossEntropyLoss\n)\x81}b.",
        b"cmine\nColour\n(I1\ntR.",
    ] {
        let read = whole(harmless);
        if let Ok(pickled) = &read {
            assert!(matches!(pickled.get(pickled.root), PickleValue::Opaque(_)));
        } else {
            // U+07EA is no byte.
            assert!(read.unwrap_err().to_string().contains("other characters"));
        }
    }
    for harmful in [
        &b"cfunctools\npartial\n(cos\nsystem\ntR."[..],
        b"c__builtin__\neval\n(V1\ntR.",
        b"cbuiltins\nopen\n(Va\ntR.",
        b"csubprocess\nPopen\n(Va\ntR.",
        b"(ios\nsystem\n.",
        b"coperator\nattrgetter\n(Va\ntR.",
    ] {
        assert_eq!(whole(harmful).unwrap_err().kind(), "unsafe_global");
    }
}
