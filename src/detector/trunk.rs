//! The trunk's session: a photo's tensor in, features and the RPN's findings out.
//!
//! On the processor the RPN's maps come out whole. On CUDA the features stay on the device, where the head takes them
//! from, and of the maps only the best positions come to the host.

use std::sync::{Mutex, PoisonError};

use super::features::Features;
use super::layout::{GraphLayout, changed};
use super::proposals::{Ranked, RpnCandidate, RpnLevel};
use super::{DetectorError, unexpected};
use crate::clock::SessionClock;
use crate::family::RankBy;
use crate::model::Model;
use crate::network;
use crate::onnx;
use crate::runtime::{Device, GraphBytes, Runtime, Session, SessionOptions, Value};

/// A trunk that is ready to run.
pub(super) struct Trunk {
    session: Mutex<Session>,
    device: Device,
    /// Of each level.
    names: Vec<LevelNames>,
    rule: RankRule,
    layout: GraphLayout,
}

/// What the RPN's maps are read by.
#[derive(Clone, Copy, Debug)]
struct RankRule {
    anchors: usize,
    count: usize,
    by: RankBy,
}

/// The trunk's tensors of one level.
struct LevelNames {
    features: String,
    /// The features as they come out.
    given: String,
    /// Logits and deltas.
    maps: [String; 2],
    /// Logits, places and deltas of the best positions.
    best: [String; 3],
}

/// What comes out.
pub(super) struct TrunkOutput {
    /// Perhaps on a device.
    pub(super) features: Features,
    rpn: RpnOutput,
}

/// The RPN's findings, level by level.
enum RpnOutput {
    /// Logits (batch, anchors, height, width) and deltas (batch, 4 * anchors, height, width).
    Maps(Vec<[Value; 2]>),
    /// Logits (batch, k), places (batch, k) and deltas (batch, k, 4).
    Best(Vec<[Value; 3]>),
}

impl Trunk {
    /// Loads a model's trunk on a device.
    pub(super) fn new(
        model: &Model,
        runtime: &Runtime,
        options: &SessionOptions,
        layout: GraphLayout,
    ) -> Result<Trunk, DetectorError> {
        let manifest = model.manifest();
        let proposals = &manifest.conventions.proposals;
        let rule = RankRule {
            anchors: manifest.network.rpn.anchors,
            count: proposals.pre_nms_top_n,
            by: proposals.top_n_by,
        };
        Trunk::with(model, runtime, options, layout, rule)
    }

    fn with(
        model: &Model,
        runtime: &Runtime,
        options: &SessionOptions,
        layout: GraphLayout,
        rule: RankRule,
    ) -> Result<Trunk, DetectorError> {
        let network = &model.manifest().network;
        let source = model.trunk();
        let session = if layout == GraphLayout::Host {
            runtime.session(source.as_graph()?, options)?
        } else {
            let mut bytes = layout.bytes(&source)?.into_owned();
            if layout == GraphLayout::HostChannelsLast {
                let levels = 0..network.rpn_strides().len();
                let turn = |graph: &mut onnx::Graph| {
                    levels.for_each(|level| graph.output_channels_last(&features(level), &last(level)));
                    true
                };
                (bytes, _) = changed(bytes, "trunk.onnx", turn)?;
            }
            if layout.on_device() {
                let best = network::top_k(network, rule.count, rule.by == RankBy::Sigmoid);
                best.append_to(&mut bytes).map_err(|cause| DetectorError::Graph(cause.to_string()))?;
            }
            runtime.session(GraphBytes::Memory("trunk.onnx", &bytes), options)?
        };
        let names = |level: usize| LevelNames {
            features: features(level),
            given: if layout == GraphLayout::HostChannelsLast { last(level) } else { features(level) },
            maps: ["logits", "deltas"].map(|what| format!("rpn.{what}.{level}")),
            best: ["logits", "places", "deltas"].map(|what| format!("best.{what}.{level}")),
        };
        let names = (0..network.rpn_strides().len()).map(names).collect();
        Ok(Trunk { device: session.device(), session: Mutex::new(session), names, rule, layout })
    }

    /// What it computes on.
    pub(super) fn device(&self) -> Device {
        self.device
    }

    /// The names of what the trunk gives of itself: features, and the RPN's maps.
    pub(super) fn own_outputs(&self) -> impl Iterator<Item = &str> {
        let names = self.names.iter();
        names.flat_map(|names| [&names.features, &names.maps[0], &names.maps[1]]).map(String::as_str)
    }

    /// Runs it on a batch (photos, 3, height, width). `seconds` grows by the session's own time, without the waiting
    /// for it.
    ///
    /// Where tensors are `watched`, everything comes to the host, the RPN's maps whole, and those tensors as well, which
    /// must be outputs of the graph.
    pub(super) fn run(
        &self,
        input: &Value,
        watched: Option<&[String]>,
        sessions: &SessionClock,
        seconds: &mut f64,
    ) -> Result<(TrunkOutput, Vec<Value>), DetectorError> {
        let stays = self.layout.on_device() && watched.is_none();
        let features = self.names.iter().map(|names| names.given.as_str());
        let rpn = self.names.iter().flat_map(|names| if stays { &names.best[..] } else { &names.maps[..] });
        let rpn = rpn.chain(watched.unwrap_or_default()).map(String::as_str);
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut maps = sessions.time(seconds, || {
            if stays {
                let features = features.map(|name| (name, true));
                let outputs: Vec<(&str, bool)> = features.chain(rpn.map(|name| (name, false))).collect();
                return session.run_bound(&[("input", input)], &outputs);
            }
            session.run(&[("input", input)], &features.chain(rpn).collect::<Vec<&str>>())
        })?;
        drop(session);
        let levels = self.names.len();
        let mut rpn = maps.split_off(levels);
        let more = rpn.split_off(levels * if stays { 3 } else { 2 });
        let features = Features { maps, channels_last: self.layout == GraphLayout::HostChannelsLast };
        let rpn = if stays { RpnOutput::Best(grouped(rpn)) } else { RpnOutput::Maps(grouped(rpn)) };
        Ok((TrunkOutput { features, rpn }, more))
    }

    /// What came out whole, by the names in the graph: (photos, channels, height, width).
    pub(super) fn named(&self, output: TrunkOutput) -> Result<Vec<(String, Value)>, DetectorError> {
        let features = output.features.channels_first()?;
        let mut named: Vec<(String, Value)> =
            self.names.iter().map(|names| names.features.clone()).zip(features).collect();
        if let RpnOutput::Maps(levels) = output.rpn {
            for (names, maps) in self.names.iter().zip(levels) {
                named.extend(names.maps.iter().cloned().zip(maps));
            }
        }
        Ok(named)
    }

    /// The RPN's best positions of each photo, level by level.
    pub(super) fn ranked(
        &self,
        output: &TrunkOutput,
        photos: usize,
    ) -> Result<Vec<Vec<Ranked>>, DetectorError> {
        let mut found = vec![Vec::new(); photos];
        for level in 0..self.names.len() {
            let shape @ [count, _, height, width] = output.features.shape(level)?;
            if count != photos {
                return Err(unexpected("features", &shape));
            }
            let map = (height, width);
            let ranked = match &output.rpn {
                RpnOutput::Maps(maps) => self.rank(&maps[level], photos, map)?,
                RpnOutput::Best(best) => self.read(&best[level], photos, map)?,
            };
            found.iter_mut().zip(ranked).for_each(|(found, ranked)| found.push(ranked));
        }
        Ok(found)
    }

    /// Of whole maps.
    fn rank(&self, [logits, deltas]: &[Value; 2], photos: usize, map: (usize, usize)) -> Ranks {
        let RankRule { anchors, count, by } = self.rule;
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
            let place =
                place.ok_or_else(|| DetectorError::Graph(format!("best.places holds {}", places[at])))?;
            Ok(RpnCandidate { place, logit: logits[at], deltas: deltas[at] })
        };
        let of_photo = |photo: usize| {
            let best: Result<Vec<RpnCandidate>, DetectorError> =
                (photo * count..(photo + 1) * count).map(candidate).collect();
            let mut best = best?;
            best.retain(|candidate| !candidate.logit.is_nan());
            Ok(Ranked { map, best })
        };
        (0..photos).map(of_photo).collect()
    }
}

type Ranks = Result<Vec<Ranked>, DetectorError>;

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
    use crate::runtime::RuntimeOptions;

    #[test]
    fn the_graph_picks_what_we_would() {
        let runtime = Runtime::open(&RuntimeOptions::default(), &mut |_| {}).unwrap();
        let model = Model::find(DEFAULT).unwrap();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/photos");
        let photo = decode(&folder.join("baseline-420.jpg"), &DecodeOptions::default()).unwrap();
        let input = Preprocessor::new(&model.manifest().conventions.input, 1.0);
        let input = input.prepare(&photo, (photo.width, photo.height)).unwrap();
        // Two pictures that differ: the second is upside down, in other colours.
        let mut tensor = input.tensor.clone();
        tensor.extend(input.tensor.iter().rev());
        let input = Value::from_f32(&[2, 3, input.padded.0, input.padded.1], tensor).unwrap();
        let options = SessionOptions { device: Device::Cpu, threads: 1, ..SessionOptions::default() };
        // More than the coarsest levels have, and by a rank that makes large logits equal.
        for (count, by) in [(300, RankBy::Logit), (20, RankBy::Logit), (300, RankBy::Sigmoid)] {
            let rule = RankRule { anchors: model.manifest().network.rpn.anchors, count, by };
            let [theirs, ours] = [GraphLayout::Device, GraphLayout::Host].map(|layout| {
                let trunk = Trunk::with(&model, &runtime, &options, layout, rule).unwrap();
                let (output, _) = trunk.run(&input, None, &SessionClock::default(), &mut 0.0).unwrap();
                assert_eq!(matches!(output.rpn, RpnOutput::Best(_)), layout.on_device());
                trunk.ranked(&output, 2).unwrap()
            });
            assert!(ours[0] != ours[1] && ours[0][0].best.len() == count && ours[0][4].best.len() <= count);
            if by == RankBy::Logit {
                assert_eq!(theirs, ours);
                continue;
            }
            // ONNX Runtime's sigmoid on the processor is a half and something: near 0 it has steps of 6e-8.
            let sigmoid = |candidate: &RpnCandidate| 1.0 / (1.0 + f64::from(-candidate.logit).exp());
            for (theirs, ours) in theirs.iter().flatten().zip(ours.iter().flatten()) {
                let falls = |pair: &[RpnCandidate]| sigmoid(&pair[1]) < sigmoid(&pair[0]) + 2e-7;
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
