//! The stages of a run: decode and prepare on several threads, infer, draw and encode on several threads; each
//! begins the next photos while the others are at work.

use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::journal::{FailedPhoto, Failure, FoundPhoto, JournalRow, ResultItem};
use super::ordered::{Ordered, ordered};
use super::picture;
use super::picture::Lettering;
use super::pictures::Pictures;
use super::room::{MemoryShare, Room, Ticket};
use super::{ResultCategory, RunError, RunOptions, Task};
use crate::clock::{StageTimes, timed};
use crate::detector::{Detector, Input, Prediction};
use crate::photo::{self, Carried, Decoded, Exif, Opened, Photo};
use crate::within::is_of_one_name;

const NAME_TOO_LONG: &str = "the name of its picture is too long for the file system: --no-draw writes none";

/// What all stages see.
pub(super) struct Stages<'a> {
    pub(super) detector: &'a Detector,
    pub(super) classes: &'a [ResultCategory],
    pub(super) lettering: &'a Lettering,
    pub(super) options: &'a RunOptions,
    pub(super) pictures: &'a Pictures,
    pub(super) stop: &'a AtomicBool,
    /// Tiles of the photos under way.
    pub(super) tiles: TileCounts,
}

/// How many tiles of the photos under way there are, and how many of them the network has seen.
#[derive(Default)]
pub(super) struct TileCounts {
    done: AtomicUsize,
    all: AtomicUsize,
}

impl TileCounts {
    /// Those done, and all.
    pub(super) fn now(&self) -> (usize, usize) {
        (self.done.load(Ordering::Relaxed), self.all.load(Ordering::Relaxed))
    }
}

/// A photo that has gone through all stages.
pub(super) struct Done {
    pub(super) row: JournalRow,
    pub(super) times: StageTimes,
}

/// What of a photo's metadata is wanted later, taken when its file was read.
#[derive(Default)]
struct WantedMetadata {
    /// For its picture.
    carried: Carried,
    /// For its row.
    exif: Option<Exif>,
}

/// A photo before the network.
struct StagedPhoto<'a> {
    task: &'a Task,
    /// Width and height of the upright photo.
    size: (u32, u32),
    clipped: bool,
    /// Kept only where it is drawn on, or seen in tiles.
    photo: Option<Photo>,
    metadata: WantedMetadata,
    input: Result<Input, Failure>,
    /// Memory that it has taken.
    share: Option<MemoryShare<'a>>,
    times: StageTimes,
}

/// A photo after the network.
struct Inferred<'a> {
    task: &'a Task,
    size: (u32, u32),
    clipped: bool,
    photo: Option<Photo>,
    metadata: WantedMetadata,
    found: Result<Vec<Prediction>, Failure>,
    /// A stop came before all of it was seen.
    given_up: bool,
    share: Option<MemoryShare<'a>>,
    times: StageTimes,
}

impl Stages<'_> {
    /// Takes photos through all stages, in order; ends at the first error, at a photo that was given up because of a stop, or when
    /// `take` wants no more; that is called with nothing while it waits for the next one.
    pub(super) fn run<'t>(
        &self,
        tasks: impl Iterator<Item = &'t Task> + Send,
        take: &mut dyn FnMut(Option<Done>) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        let threads = self.options.threads.max(1);
        let batch = self.options.batch.max(1);
        // One a stream; two where there is one stream, as one is between its sessions while the other uses one.
        let callers = self.detector.streams().max(2);
        let room = &Room::new(photos_under_way(self.options.decode.limits.memory, threads));
        std::thread::scope(|scope| {
            let going = tasks.take_while(|_| !self.stop.load(Ordering::Relaxed));
            let going = going.map(|task| (task, room.ticket()));
            let ahead = threads + callers * batch;
            let prepared = ordered(scope, threads, ahead, going, |(task, place)| self.prepare(task, place));
            let prepared = prepared.map_err(RunError::Threads)?;
            let batches = Batches { prepared, next: None, most: batch, room };
            let inferred = ordered(scope, callers, callers, batches, |batch| self.infer(batch));
            let inferred = inferred.map_err(RunError::Threads)?.flatten();
            let done = ordered(scope, threads, threads + batch, inferred, |one| self.finish(one));
            let mut done = done.map_err(RunError::Threads)?;
            // Whoever waits is told so, and decides nothing by it.
            while let Some(done) = done.next_watched(&mut || {
                let _ = take(None);
            }) {
                let Some(done) = done? else { break };
                if take(Some(done)).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Takes its share of the memory as soon as the header has told how much it is.
    fn prepare<'t>(&self, task: &'t Task, place: Ticket<'t>) -> StagedPhoto<'t> {
        let mut times = StageTimes::default();
        let failed = |failure, times| {
            let input = Err(failure);
            let metadata = WantedMetadata::default();
            StagedPhoto {
                task,
                size: (0, 0),
                clipped: false,
                photo: None,
                metadata,
                input,
                share: None,
                times,
            }
        };
        let options = &self.detector.reading(&self.options.decode);
        let target = |full| self.detector.resized(full);
        let opened = match Opened::open(&task.entry.path, options, &target) {
            Ok(opened) => opened,
            Err(error) => return failed(refused(&error), times),
        };
        let of_photo = opened.photo_bytes();
        let of_input = self.detector.preparing_bytes(opened.stored());
        let mut share = place.take(opened.decoding_bytes().max(of_photo.saturating_add(of_input)));
        let read =
            timed(&mut times.decode, || opened.decode_and(options, &target, |bytes| self.metadata(bytes)));
        let (Decoded { photo, full: size, clipped }, metadata) = match read {
            Ok(read) => read,
            Err(error) => return failed(refused(&error), times),
        };
        let input = timed(&mut times.prepare, || self.detector.prepare_reduced(&photo, size));
        match input {
            Ok(input) => {
                let kept = self.options.draw_score.is_some() || self.options.tile;
                let photo = kept.then_some(photo);
                let of_photo = if kept { of_photo } else { 0 };
                share.shrink(of_input.saturating_add(of_photo).saturating_add(metadata.carried.bytes()));
                StagedPhoto {
                    task,
                    size,
                    clipped,
                    photo,
                    metadata,
                    input: Ok(input),
                    share: Some(share),
                    times,
                }
            }
            Err(error) => failed(failure("too_thin", "prepare", error), times),
        }
    }

    /// What is wanted later of the bytes of a file.
    fn metadata(&self, bytes: &[u8]) -> WantedMetadata {
        let carried = if self.options.draw_score.is_some() { Carried::of(bytes) } else { Carried::default() };
        let exif = if self.options.exif { Exif::of(bytes) } else { None };
        WantedMetadata { carried, exif }
    }

    /// Runs one batch; where it fails as a whole, its photos are tried one by one.
    fn infer<'t>(&self, batch: Vec<StagedPhoto<'t>>) -> Vec<Inferred<'t>> {
        let alone = batch.len() == 1;
        let copies: Vec<Option<Input>> =
            batch.iter().map(|one| one.input.as_ref().ok().filter(|_| !alone).cloned()).collect();
        let mut inputs = Vec::new();
        let mut waiting = Vec::new();
        for one in batch {
            let StagedPhoto { task, size, clipped, photo, metadata, input, share, times } = one;
            let input = input.map(|input| inputs.push(input));
            waiting.push((
                Inferred {
                    task,
                    size,
                    clipped,
                    photo,
                    metadata,
                    found: Ok(Vec::new()),
                    given_up: false,
                    share,
                    times,
                },
                input,
            ));
        }
        let count = inputs.len();
        let together = self.detector.infer(inputs);
        let mut results = match together {
            Ok((found, times)) => {
                let share = times / count.max(1) as f64;
                found.into_iter().map(|found| (Ok(found), share)).collect::<Vec<_>>()
            }
            Err(error) if alone => vec![(Err(failure("session", "infer", error)), StageTimes::default())],
            Err(_) => copies.into_iter().flatten().map(|input| self.infer_one(input)).collect(),
        }
        .into_iter();
        let mut inferred = Vec::new();
        for (mut one, input) in waiting {
            match input {
                Err(failure) => one.found = Err(failure),
                Ok(()) => {
                    if let Some((found, times)) = results.next() {
                        one.found = found;
                        one.times += times;
                    }
                }
            }
            if self.options.tile {
                self.infer_tiles(&mut one);
            }
            inferred.push(one);
        }
        inferred
    }

    /// Adds what the tiles of a photo show to what the whole does.
    fn infer_tiles(&self, one: &mut Inferred<'_>) {
        let (Some(photo), Ok(whole)) = (&one.photo, &mut one.found) else { return };
        let tiles = self.detector.tiles((photo.width, photo.height)).len();
        let seen = AtomicUsize::new(0);
        self.tiles.all.fetch_add(tiles, Ordering::Relaxed);
        let watch = |more: usize| {
            seen.fetch_add(more, Ordering::Relaxed);
            self.tiles.done.fetch_add(more, Ordering::Relaxed);
            if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let found = self.detector.infer_tiles(photo, std::mem::take(whole), self.options.batch, &watch);
        self.tiles.done.fetch_sub(seen.into_inner(), Ordering::Relaxed);
        self.tiles.all.fetch_sub(tiles, Ordering::Relaxed);
        match found {
            Ok(Some((found, times))) => {
                *whole = found;
                one.times += times;
            }
            Ok(None) => one.given_up = true,
            Err(error) => one.found = Err(failure("session", "infer", error)),
        }
    }

    fn infer_one(&self, input: Input) -> (Result<Vec<Prediction>, Failure>, StageTimes) {
        match self.detector.infer(vec![input]) {
            Ok((found, times)) => (Ok(found.into_iter().next().unwrap_or_default()), times),
            Err(error) => (Err(failure("session", "infer", error)), StageTimes::default()),
        }
    }

    /// Draws and encodes, and makes the row; none of a photo that was given up.
    fn finish(&self, one: Inferred<'_>) -> Result<Option<Done>, RunError> {
        let Inferred { task, size, clipped, photo, metadata, found, given_up, share: _share, mut times } =
            one;
        if given_up {
            return Ok(None);
        }
        let (image_id, file) = (task.image_id.clone(), task.entry.name.clone());
        let mut found = match found {
            Ok(found) => found,
            Err(error) => {
                let row = JournalRow::Failed(FailedPhoto { image_id, file, error });
                return Ok(Some(Done { row, times }));
            }
        };
        if let Some(only) = &self.options.only {
            found.retain(|detection| only.contains(&detection.class));
        }
        let detections: Vec<ResultItem> = timed(&mut times.postprocess, || {
            found.iter().map(|detection| self.item(detection, size)).collect()
        });
        let mut error = None;
        if let (Some(photo), Some(least)) = (photo, self.options.draw_score) {
            let path = self.pictures.path(&file);
            let masks = detections.iter().map(|item| item.mask.as_ref());
            let masked: Vec<picture::Masked<'_>> = found.iter().zip(masks).collect();
            let drawn = timed(&mut times.draw, || match &self.options.truth {
                None => picture::draw(photo, &masked, self.lettering, least),
                Some(truth) => {
                    let objects = truth.objects(&image_id);
                    picture::draw_with_truth(photo, &masked, self.classes, objects, self.lettering, least)
                }
            });
            let written = timed(&mut times.write, || {
                picture::write(&drawn, metadata.carried, &path, &self.options.out)
            });
            if let Err(cause) = written {
                error = Some(picture_failure(cause).map_err(RunError::io("write", &path))?);
            }
        }
        Ok(Some(Done {
            row: JournalRow::Found(FoundPhoto {
                image_id,
                file,
                width: size.0,
                height: size.1,
                clipped,
                exif: metadata.exif,
                detections,
                error,
            }),
            times,
        }))
    }

    /// A row of a photo of a width and height; its mask is pasted here, beside the network.
    fn item(&self, detection: &Prediction, size: (u32, u32)) -> ResultItem {
        let class = self.classes.get(detection.class);
        let b = &detection.bbox;
        ResultItem {
            category_id: class.map_or((detection.class as u64 + 1).into(), |class| class.id.clone()),
            label: class.map(|class| class.name.clone()).unwrap_or_default(),
            score: detection.score,
            r#box: [b.x1, b.y1, b.x2, b.y2],
            mask: detection.mask.as_ref().map(|mask| mask.paste(size)),
        }
    }
}

/// Bytes that the photos under way may take together: no more keeps the threads busy.
pub(crate) fn photos_under_way(most: u64, threads: usize) -> u64 {
    most.min((256 << 20) + (128 << 20) * threads as u64)
}

/// One photo through all stages up to its detections, with nothing beside it; the seconds of each.
pub(super) fn alone(
    detector: &Detector,
    task: &Task,
    options: &photo::DecodeOptions,
) -> Result<StageTimes, Failure> {
    let mut times = StageTimes::default();
    let Decoded { photo, full: size, .. } = timed(&mut times.decode, || decode(task, options, detector))?;
    let input = timed(&mut times.prepare, || detector.prepare_reduced(&photo, size))
        .map_err(|error| failure("too_thin", "prepare", error))?;
    let (_, of_network) = detector.infer(vec![input]).map_err(|error| failure("session", "infer", error))?;
    times += of_network;
    Ok(times)
}

/// Photos that follow one another and have one padded size, up to a number; a failed photo goes along with any.
struct Batches<'t> {
    prepared: Ordered<StagedPhoto<'t>>,
    next: Option<StagedPhoto<'t>>,
    most: usize,
    room: &'t Room,
}

impl<'t> Batches<'t> {
    /// The next photo; nothing at the end, or where it waits for the memory that a batch has.
    fn another(&mut self, waiting: bool) -> Option<StagedPhoto<'t>> {
        if self.next.is_some() {
            return self.next.take();
        }
        if waiting { self.prepared.next_unless(&|| self.room.is_full()) } else { self.prepared.next() }
    }
}

impl<'t> Iterator for Batches<'t> {
    type Item = Vec<StagedPhoto<'t>>;

    fn next(&mut self) -> Option<Vec<StagedPhoto<'t>>> {
        let mut batch: Vec<StagedPhoto<'t>> = Vec::new();
        let mut padded = None;
        while batch.len() < self.most {
            let Some(one) = self.another(!batch.is_empty()) else { break };
            let own = one.input.as_ref().ok().map(|input| input.padded);
            if padded.is_some() && own.is_some() && own != padded {
                self.next = Some(one);
                break;
            }
            padded = padded.or(own);
            batch.push(one);
        }
        (!batch.is_empty()).then_some(batch)
    }
}

/// Decodes as the detector's framework would.
fn decode(task: &Task, options: &photo::DecodeOptions, detector: &Detector) -> Result<Decoded, Failure> {
    let options = detector.reading(options);
    photo::decode_for(&task.entry.path, &options, &|full| detector.resized(full))
        .map_err(|error| refused(&error))
}

fn refused(error: &photo::DecodeError) -> Failure {
    failure(error.kind.as_str(), "decode", &error.detail)
}

/// Why there is no picture, where another photo's can well be written; the cause itself where none can, as on a full
/// disk.
fn picture_failure(cause: io::Error) -> Result<Failure, io::Error> {
    match cause.kind() {
        io::ErrorKind::InvalidFilename => Ok(failure("name_too_long", "write", NAME_TOO_LONG)),
        _ if is_of_one_name(&cause) => {
            Ok(failure("unwritable", "write", format_args!("its picture cannot be written: {cause}")))
        }
        _ => Err(cause),
    }
}

fn failure(kind: &str, stage: &str, detail: impl std::fmt::Display) -> Failure {
    Failure { kind: kind.into(), stage: stage.into(), detail: detail.to_string() }
}
