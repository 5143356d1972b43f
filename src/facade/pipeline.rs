//! Photos that come one after another: while one is in the network, the next are decoded. Memory is bounded by how many
//! the caller hands in before taking results, which come in whatever order the caller waits for them.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::{Detection, Error, PhotoInput};
use crate::detector::{Detector, Input};
use crate::photo::{DecodeOptions, Photo};

/// A photo that a pipeline takes over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PhotoSource {
    /// A picture file by its path.
    Path(PathBuf),
    /// A picture file's bytes.
    Bytes(Vec<u8>),
    /// Decoded pixels.
    Photo(Photo),
}

impl<'a> From<&'a PhotoSource> for PhotoInput<'a> {
    fn from(source: &'a PhotoSource) -> PhotoInput<'a> {
        match source {
            PhotoSource::Path(path) => PhotoInput::Path(path),
            PhotoSource::Bytes(bytes) => PhotoInput::Bytes(bytes),
            PhotoSource::Photo(photo) => PhotoInput::Photo(photo),
        }
    }
}

/// What was found in one photo.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PhotoDetections {
    /// Width of the upright photo in pixels.
    pub width: u32,
    /// Height of the upright photo in pixels.
    pub height: u32,
    /// The objects, by falling score, in the photo's own pixels.
    pub detections: Vec<Detection>,
}

type PhotoResult = Result<PhotoDetections, Error>;

/// Threads that decode and threads that wait on the network, for as long as it lives.
#[derive(Debug)]
pub struct Pipeline {
    jobs: Sender<(PhotoSource, Sender<PhotoResult>)>,
    ahead: usize,
}

/// A photo on its way through a [`Pipeline`].
#[derive(Debug)]
pub struct Pending(Receiver<PhotoResult>);

/// A photo before the network.
struct PipelinePhoto {
    size: (u32, u32),
    input: Input,
    done: Sender<PhotoResult>,
}

impl Pipeline {
    /// A pipeline of a detector that decodes on so many threads, at least one. Where the system gives fewer, fewer work.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(detector: &Arc<Detector>, threads: usize) -> Result<Pipeline, Error> {
        Pipeline::with_options(detector, threads, DecodeOptions::default())
    }

    /// As [`Pipeline::new`], of photos that are decoded in a way of their own.
    ///
    /// # Errors
    /// As [`Pipeline::new`].
    pub fn with_options(
        detector: &Arc<Detector>,
        threads: usize,
        options: DecodeOptions,
    ) -> Result<Pipeline, Error> {
        let threads = threads.max(1);
        // One a stream; two where there is one stream, as one is between its sessions while the other uses one.
        let callers = detector.streams().max(2);
        let ahead = threads + 2 * callers;
        let (jobs, to_decode) = bounded::<(PhotoSource, Sender<PhotoResult>)>(ahead);
        let options = detector.reading(&options);
        let (decoded, to_infer) = bounded::<PipelinePhoto>(callers);
        spawn(threads, || {
            let (detector, to_decode, decoded) = (Arc::clone(detector), to_decode.clone(), decoded.clone());
            move || {
                for (source, done) in to_decode {
                    match prepare(&detector, &source, &options) {
                        Ok((size, input)) => {
                            if decoded.send(PipelinePhoto { size, input, done }).is_err() {
                                return;
                            }
                        }
                        // Nobody waits for it where the caller has given up.
                        Err(error) => drop(done.send(Err(error))),
                    }
                }
            }
        })?;
        spawn(callers, || {
            let (detector, to_infer) = (Arc::clone(detector), to_infer.clone());
            move || {
                for PipelinePhoto { size, input, done } in to_infer {
                    drop(done.send(infer(&detector, size, input)));
                }
            }
        })?;
        Ok(Pipeline { jobs, ahead })
    }

    /// How many photos keep all threads busy; who hands in more than this before taking results may wait.
    pub fn ahead(&self) -> usize {
        self.ahead
    }

    /// Hands in a photo.
    pub fn submit(&self, photo: PhotoSource) -> Pending {
        let (done, outcome) = bounded(1);
        // Where no thread is left, who waits is told so.
        drop(self.jobs.send((photo, done)));
        Pending(outcome)
    }
}

impl Pending {
    /// Waits for the outcome.
    ///
    /// # Errors
    /// When the photo cannot be decoded, or the network fails.
    pub fn wait(self) -> Result<PhotoDetections, Error> {
        self.0.recv().unwrap_or(Err(Error::Worker))
    }

    /// The outcome, if it is there within a time.
    pub fn wait_for(&self, time: Duration) -> Option<Result<PhotoDetections, Error>> {
        match self.0.recv_timeout(time) {
            Ok(outcome) => Some(outcome),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(Error::Worker)),
        }
    }
}

/// Starts so many threads, or as many as there are; they end when their work does.
fn spawn<W: FnOnce() + Send + 'static>(threads: usize, work: impl Fn() -> W) -> Result<(), Error> {
    for number in 0..threads {
        match Builder::new().name("rcnn".into()).spawn(work()) {
            Err(cause) if number == 0 => return Err(Error::Threads(cause)),
            Err(_) => break,
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Decodes and makes ready, as [`Detector::detect`] does.
fn prepare(
    detector: &Detector,
    source: &PhotoSource,
    options: &DecodeOptions,
) -> Result<((u32, u32), Input), Error> {
    let photo = PhotoInput::from(source).decode(options)?;
    Ok(((photo.width, photo.height), detector.prepare(&photo)?))
}

fn infer(detector: &Detector, (width, height): (u32, u32), input: Input) -> PhotoResult {
    let (mut found, _) = detector.infer(vec![input])?;
    let found = found.pop().unwrap_or_default();
    let detections =
        found.into_iter().map(|prediction| detector.labelled(prediction, (width, height))).collect();
    Ok(PhotoDetections { width, height, detections })
}
