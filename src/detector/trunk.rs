//! The trunk's session: a photo's tensor in, features and the RPN's findings out.
//!
//! On the processor the RPN's maps come out whole. On CUDA the features stay on the device, where the head takes them
//! from, and of the maps only the best positions come to the host.

use std::sync::{Mutex, PoisonError};

use super::busy::Busy;
use super::features::Features;
use super::form::{Form, changed};
use super::proposals::{Candidate, Ranked, RpnLevel};
use super::{Error, unexpected};
use crate::family::RankBy;
use crate::model::Model;
use crate::network;
use crate::onnx;
use crate::runtime::{Device, Graph, Runtime, Session, SessionOptions, Value};

/// A trunk that is ready to run.
pub(super) struct Trunk {
    session: Mutex<Session>,
    device: Device,
    /// Of each level.
    names: Vec<Names>,
    rule: Rule,
    form: Form,
}

/// What the RPN's maps are read by.
#[derive(Clone, Copy, Debug)]
struct Rule {
    anchors: usize,
    count: usize,
    by: RankBy,
}

/// The trunk's tensors of one level.
struct Names {
    features: String,
    /// The features as they come out.
    given: String,
    logits: String,
    deltas: String,
    best: [String; 3],
}

/// What comes out.
pub(super) struct Output {
    /// Perhaps on a device.
    pub(super) features: Features,
    rpn: Rpn,
}

/// The RPN's findings, level by level.
enum Rpn {
    /// Logits (batch, anchors, height, width) and deltas (batch, 4 * anchors, height, width).
    Maps(Vec<[Value; 2]>),
    /// Logits (batch, k), places (batch, k) and deltas (batch, k, 4).
    Best(Vec<[Value; 3]>),
}

impl Output {
    /// The RPN's maps of all levels, logits (0) or deltas (1), where they came out whole.
    pub(super) fn maps(&self, which: usize) -> impl Iterator<Item = &Value> {
        let maps = match &self.rpn {
            Rpn::Maps(maps) => maps.as_slice(),
            Rpn::Best(_) => &[],
        };
        maps.iter().map(move |level| &level[which])
    }
}

impl Trunk {
    /// Loads a model's trunk on a device.
    pub(super) fn new(
        model: &Model,
        runtime: &Runtime,
        options: &SessionOptions,
        form: Form,
    ) -> Result<Trunk, Error> {
        let manifest = model.manifest();
        let proposals = &manifest.conventions.proposals;
        let rule = Rule {
            anchors: manifest.network.rpn.anchors,
            count: proposals.pre_nms_top_n,
            by: proposals.top_n_by,
        };
        Trunk::with(model, runtime, options, form, rule)
    }

    fn with(
        model: &Model,
        runtime: &Runtime,
        options: &SessionOptions,
        form: Form,
        rule: Rule,
    ) -> Result<Trunk, Error> {
        let network = &model.manifest().network;
        let source = model.trunk();
        let session = if form == Form::default() {
            runtime.session(source.as_graph()?, options)?
        } else {
            let mut bytes = form.bytes(&source)?.into_owned();
            if form.channels_last {
                let levels = 0..network.rpn_strides().len();
                let turn = |graph: &mut onnx::Graph| {
                    levels.for_each(|level| graph.output_channels_last(&features(level), &last(level)));
                    true
                };
                (bytes, _) = changed(bytes, "trunk.onnx", turn)?;
            }
            if form.resident {
                let best = network::best(network, rule.count, rule.by == RankBy::Sigmoid);
                best.append_to(&mut bytes).map_err(|cause| Error::Graph(cause.to_string()))?;
            }
            runtime.session(Graph::Memory("trunk.onnx", &bytes), options)?
        };
        let names = |level: usize| Names {
            features: features(level),
            given: if form.channels_last { last(level) } else { features(level) },
            logits: format!("rpn.logits.{level}"),
            deltas: format!("rpn.deltas.{level}"),
            best: ["logits", "places", "deltas"].map(|what| format!("best.{what}.{level}")),
        };
        let names = (0..network.rpn_strides().len()).map(names).collect();
        Ok(Trunk { device: session.device(), session: Mutex::new(session), names, rule, form })
    }

    /// What it computes on.
    pub(super) fn device(&self) -> Device {
        self.device
    }

    /// The names of the maps of features.
    pub(super) fn features(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|names| names.features.as_str())
    }

    fn given(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|names| names.given.as_str())
    }

    fn pack(&self, maps: Vec<Value>) -> Features {
        Features { maps, channels_last: self.form.channels_last }
    }

    /// Runs it on a batch (photos, 3, height, width). `seconds` grows by the session's own time, without the waiting
    /// for it.
    pub(super) fn run(&self, input: &Value, busy: &Busy, seconds: &mut f64) -> Result<Output, Error> {
        if !self.form.resident {
            return Ok(self.run_and(input, busy, seconds, &[])?.0);
        }
        let best = self.names.iter().flat_map(|names| names.best.iter().map(String::as_str));
        let outputs: Vec<(&str, bool)> =
            self.given().map(|name| (name, true)).chain(best.map(|name| (name, false))).collect();
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut features = busy.time(seconds, || session.run_bound(&[("input", input)], &outputs))?;
        drop(session);
        let best = grouped(features.split_off(self.names.len()));
        Ok(Output { features: self.pack(features), rpn: Rpn::Best(best) })
    }

    /// Runs it with everything on the host, the RPN's maps whole, and with more outputs that the graph has.
    pub(super) fn run_and(
        &self,
        input: &Value,
        busy: &Busy,
        seconds: &mut f64,
        more: &[String],
    ) -> Result<(Output, Vec<Value>), Error> {
        let maps = self.names.iter().flat_map(|names| [names.logits.as_str(), &names.deltas]);
        let outputs: Vec<&str> = self.given().chain(maps).chain(more.iter().map(String::as_str)).collect();
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut features = busy.time(seconds, || session.run(&[("input", input)], &outputs))?;
        drop(session);
        let mut maps = features.split_off(self.names.len());
        let more = maps.split_off(2 * self.names.len());
        Ok((Output { features: self.pack(features), rpn: Rpn::Maps(grouped(maps)) }, more))
    }

    /// The RPN's best positions of each photo, level by level.
    pub(super) fn ranked(&self, output: &Output, photos: usize) -> Result<Vec<Vec<Ranked>>, Error> {
        let mut found = vec![Vec::new(); photos];
        for level in 0..self.names.len() {
            let shape @ [count, _, height, width] = output.features.shape(level)?;
            if count != photos {
                return Err(unexpected("features", &shape));
            }
            let map = (height, width);
            let ranked = match &output.rpn {
                Rpn::Maps(maps) => self.rank(&maps[level], photos, map)?,
                Rpn::Best(best) => self.read(&best[level], photos, map)?,
            };
            found.iter_mut().zip(ranked).for_each(|(found, ranked)| found.push(ranked));
        }
        Ok(found)
    }

    /// Of whole maps.
    fn rank(&self, [logits, deltas]: &[Value; 2], photos: usize, map: (usize, usize)) -> Ranks {
        let Rule { anchors, count, by } = self.rule;
        if logits.shape() != [photos, anchors, map.0, map.1]
            || deltas.shape() != [photos, 4 * anchors, map.0, map.1]
        {
            return Err(unexpected("rpn.logits and rpn.deltas", &logits.shape()));
        }
        let size = (anchors * map.0 * map.1).max(1);
        let parts = logits.as_f32()?.chunks_exact(size).zip(deltas.as_f32()?.chunks_exact(4 * size));
        Ok(parts
            .map(|(logits, deltas)| RpnLevel { logits, deltas, map }.ranked(anchors, count, by))
            .collect())
    }

    /// Of what the graph has picked already.
    fn read(&self, [logits, places, deltas]: &[Value; 3], photos: usize, map: (usize, usize)) -> Ranks {
        let positions = self.rule.anchors * map.0 * map.1;
        let count = self.rule.count.min(positions);
        let shapes = [logits.shape(), places.shape(), deltas.shape()];
        if shapes != [vec![photos, count], vec![photos, count], vec![photos, count, 4]] {
            return Err(unexpected("best.logits, best.places and best.deltas", &shapes[0]));
        }
        let (logits, places, deltas) =
            (logits.as_f32()?, places.as_i64()?, deltas.as_f32()?.as_chunks::<4>().0);
        let candidate = |at: usize| {
            let place = usize::try_from(places[at]).ok().filter(|&place| place < positions);
            let place = place.ok_or_else(|| Error::Graph(format!("best.places holds {}", places[at])))?;
            Ok(Candidate { place, logit: logits[at], deltas: deltas[at] })
        };
        let of_photo = |photo: usize| {
            let best: Result<Vec<Candidate>, Error> =
                (photo * count..(photo + 1) * count).map(candidate).collect();
            let mut best = best?;
            best.retain(|candidate| !candidate.logit.is_nan());
            Ok(Ranked { map, best })
        };
        (0..photos).map(of_photo).collect()
    }
}

type Ranks = Result<Vec<Ranked>, Error>;

/// What the features of a level are called.
fn features(level: usize) -> String {
    format!("features.{level}")
}

/// What features are called with the channels last.
fn last(level: usize) -> String {
    format!("features.{level}.channels_last")
}

/// In groups of `N`, as they were asked for.
fn grouped<const N: usize>(values: Vec<Value>) -> Vec<[Value; N]> {
    let mut values = values.into_iter();
    std::iter::from_fn(|| {
        let group: Vec<Value> = values.by_ref().take(N).collect();
        group.try_into().ok()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::input::Preprocessor;
    use crate::model::DEFAULT;
    use crate::photo::{DecodeOptions, decode};
    use crate::runtime::Options;

    #[test]
    fn the_graph_picks_what_we_would() {
        let runtime = Runtime::open(&Options::default(), &mut |_| {}).unwrap();
        let model = Model::find(DEFAULT).unwrap();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/photos");
        let photo = decode(&folder.join("baseline-420.jpg"), &DecodeOptions::default()).unwrap();
        let input = Preprocessor::new(&model.manifest().conventions.input);
        let input = input.prepare(&photo, (photo.width, photo.height)).unwrap();
        // Two pictures that differ: the second is upside down, in other colours.
        let mut tensor = input.tensor.clone();
        tensor.extend(input.tensor.iter().rev());
        let input = Value::from_f32(&[2, 3, input.padded.0, input.padded.1], tensor).unwrap();
        let options = SessionOptions { device: Device::Cpu, threads: 1, ..SessionOptions::default() };
        // More than the coarsest levels have, and by a rank that makes large logits equal.
        for (count, by) in [(300, RankBy::Logit), (20, RankBy::Logit), (300, RankBy::Sigmoid)] {
            let rule = Rule { anchors: model.manifest().network.rpn.anchors, count, by };
            let [theirs, ours] = [true, false].map(|resident| {
                let form = Form { resident, ..Form::default() };
                let trunk = Trunk::with(&model, &runtime, &options, form, rule).unwrap();
                let output = trunk.run(&input, &Busy::default(), &mut 0.0).unwrap();
                assert_eq!(output.maps(0).count(), if resident { 0 } else { trunk.names.len() });
                trunk.ranked(&output, 2).unwrap()
            });
            assert!(ours[0] != ours[1] && ours[0][0].best.len() == count && ours[0][4].best.len() <= count);
            if by == RankBy::Logit {
                assert_eq!(theirs, ours);
                continue;
            }
            // ONNX Runtime's sigmoid on the processor is a half and something: near 0 it has steps of 6e-8.
            let sigmoid = |candidate: &Candidate| 1.0 / (1.0 + f64::from(-candidate.logit).exp());
            for (theirs, ours) in theirs.iter().flatten().zip(ours.iter().flatten()) {
                let falls = |pair: &[Candidate]| sigmoid(&pair[1]) < sigmoid(&pair[0]) + 2e-7;
                assert!(theirs.best.windows(2).all(falls));
                let sorted = |level: &Ranked| {
                    let mut best: Vec<_> =
                        level.best.iter().filter(|one| one.logit > -10.0).cloned().collect();
                    best.sort_by_key(|one| one.place);
                    best
                };
                assert_eq!(theirs.map, ours.map);
                assert_eq!(sorted(theirs), sorted(ours));
            }
        }
    }
}
