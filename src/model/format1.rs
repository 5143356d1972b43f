//! The first version of `model.json`, which had one box head by itself in place of a list of heads.
//!
//! Only read; what is written has the newest version.

use serde::Deserialize;

use super::manifest::{FileHash, Files, Manifest, Provenance};
use crate::family::{Class, Conventions, Parameters};
use crate::network::{Architecture, Backbone, BoxHead, Fpn, Rpn};

/// A whole `model.json` of format 1.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest1 {
    format: u32,
    name: String,
    family: String,
    provenance: Provenance,
    network: Network1,
    parameters: Parameters,
    classes: Vec<Class>,
    conventions: Conventions,
    files: Files1,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Network1 {
    backbone: Backbone,
    fpn: Option<Fpn>,
    rpn: Rpn,
    head: BoxHead,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Files1 {
    trunk: FileHash,
    head: FileHash,
}

impl From<Manifest1> for Manifest {
    fn from(old: Manifest1) -> Manifest {
        let Manifest1 { format, name, family, provenance, network, parameters, classes, conventions, files } =
            old;
        let Network1 { backbone, fpn, rpn, head } = network;
        Manifest {
            format,
            name,
            family,
            provenance,
            network: Architecture { backbone, fpn, rpn, heads: vec![head], mask: None },
            parameters,
            classes,
            conventions,
            files: Files { trunk: files.trunk, heads: vec![files.head], mask: None },
        }
    }
}
