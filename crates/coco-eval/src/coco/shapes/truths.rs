//! The shapes of all annotations on evaluated images, and what results are compared with.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::super::annotation::{Annotation, Traits};
use super::super::dataset::DataSet;
use super::super::id::Index;
use super::super::results::NOWHERE;
use super::IouType;
use super::compare::{Among, Belongs};
use super::drawn::{ImageSize, draw};
use super::outlines::Outlines;
use super::points;
use super::segment::Segment;
use crate::mask::{MaskFacts, PixelRun, PolygonDrawing, Rle, pack, runs_of, unpack};

/// What is odd about masks, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaskNotes {
    /// Masks of another size than their image.
    pub other_size: u64,
    /// Masks whose run lengths are of another number of pixels than their size says.
    pub contradicting: u64,
    /// Masks without a set pixel.
    pub empty: u64,
    /// Results without a mask, whose box stands for it.
    pub from_boxes: u64,
    /// Results whose box has little in common with the box around their mask.
    pub apart: u64,
}

impl MaskNotes {
    pub(in crate::coco) fn add(&mut self, other: MaskNotes) {
        self.other_size += other.other_size;
        self.contradicting += other.contradicting;
        self.empty += other.empty;
        self.from_boxes += other.from_boxes;
        self.apart += other.apart;
    }

    pub(super) fn note(&mut self, facts: &MaskFacts, image: ImageSize) {
        self.other_size += u64::from(image.is_some_and(|size| size != (facts.height, facts.width)));
        self.contradicting += u64::from(!facts.whole());
        self.empty += u64::from(facts.area == 0);
    }
}

/// One annotation's shape.
#[derive(Clone, Debug)]
pub(super) struct TruthShape {
    image: u32,
    /// Place of its category, or [`NOWHERE`].
    category: u32,
    /// Place of the annotation in its file.
    pub(super) annotation: u32,
    /// Where its intervals or key points lie: the chunk, and from where to where in it.
    chunk: u32,
    span: (u32, u32),
    /// Of a mask; of key points the annotation's box alone.
    pub(super) facts: MaskFacts,
    /// The annotation's area, with which key points are compared.
    pub(super) area: f64,
    /// Run lengths of a mask that is not written as usual.
    pub(super) runs: Option<Box<[u32]>>,
}

/// Intervals or key points of many annotations.
#[derive(Clone, Debug, Default)]
struct ShapeChunk {
    shapes: Vec<TruthShape>,
    /// As [`pack`] has them, of masks that are written as usual.
    intervals: Vec<u8>,
    points: Vec<f64>,
    notes: MaskNotes,
    troubles: ShapeTroubles,
}

/// Words that follow "has", for each annotation whose shape cannot be used.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShapeTroubles {
    /// By the annotation's place.
    pub(crate) all: HashMap<u32, String>,
    /// They matter only where there is a result to compare.
    pub(crate) if_compared: bool,
}

/// The shapes of a data set's annotations, by image.
#[derive(Clone, Debug, Default)]
pub(crate) struct TruthShapes {
    kind: IouType,
    /// Height and width of each evaluated image.
    sizes: Vec<ImageSize>,
    /// Where each image's shapes begin, and at the end how many there are.
    starts: Vec<u32>,
    shapes: Vec<TruthShape>,
    chunks: Arc<Vec<ShapeChunk>>,
    /// One of each key point.
    pub(super) sigmas: Vec<f64>,
    pub(crate) notes: MaskNotes,
}

/// Which annotations are needed, and how they are compared.
pub(crate) struct Needed<'a> {
    pub(crate) kind: IouType,
    pub(crate) sigmas: &'a [f64],
    pub(crate) images: &'a Index,
    pub(crate) image_count: usize,
    pub(crate) categories: &'a Index,
}

impl TruthShapes {
    /// Draws the masks of all annotations, and tells those that cannot be drawn.
    pub(crate) fn new(
        set: &DataSet,
        outlines: Vec<Outlines>,
        needed: &Needed<'_>,
    ) -> (TruthShapes, ShapeTroubles) {
        let mut sizes = vec![None; needed.image_count];
        for image in set.images() {
            let side = |side: Option<f64>| {
                side.filter(|side| side.fract() == 0.0 && (0.0..4_294_967_296.0).contains(side))
            };
            if let Some(place) = needed.images.get(image.id) {
                let size = side(image.height).zip(side(image.width));
                sizes[place as usize] = size.map(|(height, width)| (height as u32, width as u32));
            }
        }
        let mut firsts = vec![0];
        for part in &outlines {
            firsts.push(firsts.last().copied().unwrap_or(0) + part.len());
        }
        let mut chunks: Vec<ShapeChunk> = outlines
            .into_par_iter()
            .zip(firsts)
            .map(|(outlines, first)| chunk(set, needed, &sizes, &outlines, first))
            .collect();
        let mut made =
            TruthShapes { kind: needed.kind, sigmas: needed.sigmas.to_vec(), ..TruthShapes::default() };
        let mut troubles =
            ShapeTroubles { if_compared: needed.kind == IouType::Keypoints, ..ShapeTroubles::default() };
        made.shapes.reserve_exact(chunks.iter().map(|chunk| chunk.shapes.len()).sum());
        for (place, chunk) in (0u32..).zip(&mut chunks) {
            troubles.all.extend(chunk.troubles.all.drain());
            made.notes.add(chunk.notes);
            made.shapes.extend(chunk.shapes.drain(..).map(|shape| TruthShape { chunk: place, ..shape }));
            chunk.shapes = Vec::new();
        }
        (made.sizes, made.chunks) = (sizes, Arc::new(chunks));
        made.index();
        (made, troubles)
    }

    /// The same where images have other places, [`NOWHERE`] for those that are left out.
    pub(crate) fn moved(&self, places: &[u32], image_count: usize) -> TruthShapes {
        let mut moved = TruthShapes { sizes: vec![None; image_count], ..self.clone() };
        for (&place, &size) in places.iter().zip(&self.sizes) {
            if let Some(own) = moved.sizes.get_mut(place as usize) {
                *own = size;
            }
        }
        moved.shapes.iter_mut().for_each(|shape| shape.image = places[shape.image as usize]);
        moved.shapes.retain(|shape| shape.image != NOWHERE);
        moved.index();
        moved
    }

    /// Orders the shapes by image and category.
    fn index(&mut self) {
        self.shapes.sort_unstable_by_key(|shape| (shape.image, shape.category, shape.annotation));
        self.starts.clear();
        let mut at = 0;
        for image in 0..=self.sizes.len() as u32 {
            at += self.shapes[at..].iter().take_while(|shape| shape.image < image).count();
            self.starts.push(at as u32);
        }
    }

    /// Height and width of an image.
    pub(super) fn size(&self, image: u32) -> ImageSize {
        self.sizes.get(image as usize).copied().flatten()
    }

    /// What is compared.
    pub(crate) fn kind(&self) -> IouType {
        self.kind
    }

    /// The shapes that a result is compared with.
    pub(super) fn on(&self, at: Belongs) -> &[TruthShape] {
        let place = at.image as usize;
        let all = &self.shapes[self.starts[place] as usize..self.starts[place + 1] as usize];
        match at.among {
            Among::All => all,
            Among::None => &[],
            Among::Own => {
                let start = all.partition_point(|shape| shape.category < at.category);
                let end = all.partition_point(|shape| shape.category <= at.category);
                &all[start..end]
            }
        }
    }

    /// Puts the intervals of a mask that is written as usual in the place of others.
    pub(super) fn intervals(&self, shape: &TruthShape, intervals: &mut Vec<PixelRun>) {
        let packed = &self.chunks[shape.chunk as usize].intervals;
        unpack(&packed[shape.span.0 as usize..shape.span.1 as usize], shape.facts.height, intervals);
    }

    /// The mask of an annotation on an image, by their places.
    pub(crate) fn mask(&self, image: u32, annotation: u32) -> Option<Rle> {
        if self.kind != IouType::Segm {
            return None;
        }
        let all = self.on(Belongs { image, category: NOWHERE, among: Among::All });
        let shape = all.iter().find(|shape| shape.annotation == annotation)?;
        let runs = match &shape.runs {
            Some(runs) => runs.to_vec(),
            None => {
                let mut intervals = Vec::new();
                self.intervals(shape, &mut intervals);
                runs_of(&intervals, shape.facts.sum)
            }
        };
        Some(Rle::new(shape.facts.height, shape.facts.width, runs))
    }

    pub(super) fn points(&self, shape: &TruthShape) -> &[f64] {
        &self.chunks[shape.chunk as usize].points[shape.span.0 as usize..shape.span.1 as usize]
    }
}

/// The shapes of a piece of the annotations' file, of which the first annotation has a given place.
fn chunk(
    set: &DataSet,
    needed: &Needed<'_>,
    sizes: &[ImageSize],
    outlines: &Outlines,
    first: usize,
) -> ShapeChunk {
    let mut chunk = ShapeChunk::default();
    let (mut segment, mut drawing, mut intervals) =
        (Segment::default(), PolygonDrawing::default(), Vec::new());
    for place in 0..outlines.len() {
        let annotation = (first + place) as u32;
        let Some(row) = set.annotation(annotation) else { break };
        let Some(image) = needed.images.get(row.image) else { continue };
        let category = needed.categories.get(row.category);
        let (start, size) = (chunk.intervals.len(), sizes[image as usize]);
        let made = match needed.kind {
            IouType::Keypoints => points_of(outlines, place, row, needed.sigmas.len()).map(|points| {
                let start = chunk.points.len();
                chunk.points.extend_from_slice(points);
                (MaskFacts { bbox: row.bbox, ..MaskFacts::default() }, None, (start, chunk.points.len()))
            }),
            _ => {
                outlines.segment(place, &mut segment);
                intervals.clear();
                draw(&segment, size, &mut drawing, &mut intervals).map(|(facts, runs)| {
                    if runs.is_none() {
                        pack(&intervals, facts.height, &mut chunk.intervals);
                    }
                    (facts, runs, (start, chunk.intervals.len()))
                })
            }
        };
        match made {
            Ok((facts, runs, (from, to))) => {
                if needed.kind == IouType::Segm {
                    chunk.notes.note(&facts, size);
                }
                let [_, _, width, height] = row.bbox;
                let area = if row.traits.has(Traits::NO_AREA) { width * height } else { row.area };
                let category = category.unwrap_or(NOWHERE);
                let span = (from as u32, to as u32);
                chunk.shapes.push(TruthShape {
                    image,
                    category,
                    annotation,
                    chunk: 0,
                    span,
                    facts,
                    area,
                    runs,
                });
            }
            Err(what) => {
                chunk.troubles.all.insert(annotation, what);
            }
        }
    }
    chunk.intervals.shrink_to_fit();
    chunk
}

/// The key points of an annotation, if it can be compared.
fn points_of<'a>(
    outlines: &'a Outlines,
    place: usize,
    row: &Annotation,
    sigmas: usize,
) -> Result<&'a [f64], String> {
    let points = outlines.points(place)?;
    if points.len() != 3 * sigmas && points::any_visible(points) {
        return Err(points::wrong_count(points.len(), sigmas));
    }
    if row.traits.has(Traits::NO_BOX) || row.traits.has(Traits::BOX_KIND) {
        return Err("no `bbox` of four numbers".into());
    }
    Ok(points)
}
