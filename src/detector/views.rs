//! Several views of one photo: at other sizes than the model's own, and mirrored; what they show is merged.

use serde::{Deserialize, Serialize};

use super::input::Preprocessor;
use super::merge::{MergeRule, merge};
use super::{Detector, DetectorError, Input, Prediction, Selection};
use crate::clock::{StageTimes, timed};
use crate::family::InputRule;
use crate::geometry::BBox;
use crate::photo::Photo;

/// Sizes of [`Augment::full`]: each is seen mirrored too.
const FULL: [f64; 3] = [0.75, 1.0, 1.5];

/// In how many ways the network looks at each photo, and how what they show becomes one list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Augment {
    /// Sizes at which the network sees the photo, in multiples of the model's own; not empty, each above 0.
    pub scales: Vec<f64>,
    /// Whether it sees each of them mirrored, left and right exchanged, as well.
    pub flip: bool,
    /// How what the views show is merged.
    pub merge: MergeRule,
}

impl Default for Augment {
    /// The photo as the model's own conventions have it, and nothing else.
    fn default() -> Augment {
        Augment { scales: vec![1.0], flip: false, merge: MergeRule::default() }
    }
}

impl Augment {
    /// The photo and its mirror image.
    pub fn flip() -> Augment {
        Augment { flip: true, ..Augment::default() }
    }

    /// Three sizes around the model's own, each mirrored as well.
    pub fn full() -> Augment {
        Augment { scales: FULL.to_vec(), flip: true, ..Augment::default() }
    }

    /// Merges by another rule.
    #[must_use]
    pub fn merged_by(mut self, rule: MergeRule) -> Augment {
        self.merge = rule;
        self
    }

    /// Sees the photo at these sizes, in multiples of the model's own, each above 0.
    #[must_use]
    pub fn at_scales(mut self, scales: impl IntoIterator<Item = f64>) -> Augment {
        self.scales = scales.into_iter().collect();
        self
    }

    /// Whether a size is one that a network may be given.
    pub(crate) fn allows(scale: f64) -> bool {
        (0.1..=10.0).contains(&scale)
    }

    /// How many views a photo has.
    pub(crate) fn views(&self) -> usize {
        self.scales.len() * if self.flip { 2 } else { 1 }
    }

    /// The largest of the scales; 1 at least.
    pub(crate) fn largest(&self) -> f64 {
        self.scales.iter().copied().fold(1.0, f64::max)
    }

    /// In the words of the command line.
    pub(crate) fn description(&self) -> String {
        let scales: Vec<String> = self.scales.iter().map(f64::to_string).collect();
        let flip = if self.flip { " --flip" } else { "" };
        format!("--scales {}{flip} --merge {}", scales.join(","), self.merge)
    }
}

/// What the views of a photo show, a list each.
pub(super) type ViewLists = Vec<Vec<Prediction>>;

/// What makes the views of a photo: a preprocessor for each size.
pub(super) struct ViewPreprocessors {
    scaled: Vec<Preprocessor>,
    flip: bool,
}

impl ViewPreprocessors {
    /// Those of a model's input; at the model's own size alone where no sizes are given.
    pub(super) fn new(rule: &InputRule, augment: &Augment) -> ViewPreprocessors {
        let mut scaled: Vec<Preprocessor> =
            augment.scales.iter().map(|&scale| Preprocessor::new(rule, scale)).collect();
        if scaled.is_empty() {
            scaled.push(Preprocessor::new(rule, 1.0));
        }
        ViewPreprocessors { scaled, flip: augment.flip }
    }

    /// All views of a photo of which `full` are width and height: the first, which holds the others.
    pub(super) fn prepare(&self, photo: &Photo, full: (u32, u32)) -> Result<Input, DetectorError> {
        let mut views = Vec::new();
        for preprocessor in &self.scaled {
            let input = preprocessor.prepare(photo, full)?;
            if self.flip {
                let mirrored = input.mirrored();
                views.extend([input, mirrored]);
            } else {
                views.push(input);
            }
        }
        let mut views = views.into_iter();
        let first = views.next();
        first.map(|first| Input { further: views.collect(), ..first }).ok_or(DetectorError::NoScale)
    }

    /// About the bytes that making a photo of a width and height ready takes, with the inputs that come of it.
    pub(super) fn bytes(&self, full: (u32, u32)) -> u64 {
        let all: u64 = self.scaled.iter().map(|preprocessor| preprocessor.bytes(full)).sum();
        all * if self.flip { 2 } else { 1 }
    }

    /// Largest width and height that the network sees of a photo of a width and height.
    pub(super) fn largest(&self, full: (u32, u32)) -> (u32, u32) {
        self.scaled
            .iter()
            .map(|preprocessor| preprocessor.resized(full))
            .fold((0, 0), |(width, height), (w, h)| (width.max(w), height.max(h)))
    }
}

impl Detector {
    /// What the views of a photo show, as one list.
    pub(super) fn merge_views(&self, mut lists: ViewLists) -> Vec<Prediction> {
        if self.augment.views() == 1 {
            return lists.pop().unwrap_or_default();
        }
        let weights = vec![1.0; lists.len()];
        if self.partners.is_empty() {
            return merge(&lists, &weights, self.augment.merge, &self.selection);
        }
        // What is merged with others' detections is chosen then.
        let all = Selection { scores: vec![0.0; self.classes.len()], ..self.of_view.clone() };
        merge(&lists, &weights, self.augment.merge, &all)
    }

    /// What all views of each photo show; a list a view, in the photos' own pixels.
    pub(super) fn look(&self, mut inputs: Vec<Input>) -> Result<(Vec<ViewLists>, StageTimes), DetectorError> {
        let mut times = StageTimes::default();
        // All photos have equally many views.
        let mut further: Vec<_> =
            inputs.iter_mut().map(|input| std::mem::take(&mut input.further).into_iter()).collect();
        let mut lists: Vec<ViewLists> = inputs.iter().map(|_| Vec::new()).collect();
        let mut view = inputs;
        while !view.is_empty() {
            for (place, found) in self.look_once(view, &mut times)?.into_iter().enumerate() {
                if let Some(lists) = lists.get_mut(place) {
                    lists.push(found);
                }
            }
            view = further.iter_mut().filter_map(Iterator::next).collect();
        }
        Ok((lists, times))
    }

    /// One view of each photo: those that follow one another and are of one padded size at once.
    fn look_once(
        &self,
        view: Vec<Input>,
        times: &mut StageTimes,
    ) -> Result<Vec<Vec<Prediction>>, DetectorError> {
        let mut found = Vec::with_capacity(view.len());
        let mut view = view.into_iter().peekable();
        while let Some(first) = view.next() {
            let padded = first.padded;
            let mut together = vec![first];
            while let Some(next) = view.next_if(|next| next.padded == padded) {
                together.push(next);
            }
            let widths: Vec<Option<f32>> =
                together.iter().map(|input| input.mirror.then_some(input.photo.1 as f32)).collect();
            let (of_these, spent) = self.streams.with(|stream| self.infer_on(stream, together))?;
            *times += spent;
            timed(&mut times.postprocess, || {
                found.extend(of_these.into_iter().zip(widths).map(|(found, width)| match width {
                    Some(width) => found.into_iter().map(|one| turned(one, width)).collect(),
                    None => found,
                }));
            });
        }
        Ok(found)
    }
}

/// What a mirrored photo of a width shows, where it is in the photo itself.
fn turned(one: Prediction, width: f32) -> Prediction {
    let b = one.bbox;
    let mask = one.mask.map(|mask| mask.mirrored(width));
    Prediction { bbox: BBox::new(width - b.x2, b.y1, width - b.x1, b.y2), mask, ..one }
}
