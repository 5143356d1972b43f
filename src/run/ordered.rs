//! Work shared among threads whose results come out in the order in which the work went in.

use std::io;
use std::thread::{Builder, Scope};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

/// Results in order. Ends when the items do, or when the workers are gone.
pub(crate) struct Ordered<O> {
    places: Receiver<Receiver<O>>,
    /// The place whose result is next, where that has been waited for.
    begun: Option<Receiver<O>>,
}

impl<O> Iterator for Ordered<O> {
    type Item = O;

    fn next(&mut self) -> Option<O> {
        let begun = self.begun.take().or_else(|| self.places.recv().ok())?;
        begun.recv().ok()
    }
}

/// How often somebody who waits does something else meanwhile.
const MEANWHILE: Duration = Duration::from_millis(200);

fn wait<T>(results: &Receiver<T>, meanwhile: &mut dyn FnMut()) -> Option<T> {
    loop {
        match results.recv_timeout(MEANWHILE) {
            Err(RecvTimeoutError::Timeout) => meanwhile(),
            outcome => return outcome.ok(),
        }
    }
}

/// How often somebody who waits looks whether to go on.
const LOOK: Duration = Duration::from_millis(5);

impl<O> Ordered<O> {
    /// The next result, or nothing at the end; `meanwhile` is called again and again until it is there.
    pub(super) fn next_watched(&mut self, meanwhile: &mut dyn FnMut()) -> Option<O> {
        let begun = match self.begun.take() {
            Some(begun) => begun,
            None => wait(&self.places, meanwhile)?,
        };
        wait(&begun, meanwhile)
    }

    /// The next result, but nothing if it is not there and `given_up` says that it cannot come before others are done
    /// with theirs.
    pub(crate) fn next_unless(&mut self, given_up: &dyn Fn() -> bool) -> Option<O> {
        loop {
            if self.begun.is_none() {
                self.begun = match self.places.recv_timeout(LOOK) {
                    Err(RecvTimeoutError::Disconnected) => return None,
                    outcome => outcome.ok(),
                };
            }
            match self.begun.as_ref().map(|begun| begun.recv_timeout(LOOK)) {
                Some(Err(RecvTimeoutError::Timeout)) | None => {}
                Some(outcome) => {
                    self.begun = None;
                    return outcome.ok();
                }
            }
            if given_up() {
                return None;
            }
        }
    }
}

/// Applies `work` to `items` on `threads` threads; at most `ahead` items are begun and not yet taken, so that
/// memory does not depend on how many there are. Dropping the result ends the work. Where the system gives fewer threads,
/// fewer work.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn ordered<'scope, I, O>(
    scope: &'scope Scope<'scope, '_>,
    threads: usize,
    ahead: usize,
    items: impl Iterator<Item = I> + Send + 'scope,
    work: impl Fn(I) -> O + Clone + Send + 'scope,
) -> io::Result<Ordered<O>>
where
    I: Send + 'scope,
    O: Send + 'scope,
{
    let (jobs, todo) = bounded::<(I, crossbeam_channel::Sender<O>)>(threads);
    let (places, results) = bounded::<Receiver<O>>(ahead.max(threads));
    Builder::new().spawn_scoped(scope, move || {
        for item in items {
            let (done, result) = bounded(1);
            // The place in the order is taken first: its bound holds back the work, not only its results.
            if places.send(result).is_err() || jobs.send((item, done)).is_err() {
                return;
            }
        }
    })?;
    for number in 0..threads {
        let (todo, work) = (todo.clone(), work.clone());
        let worker = Builder::new().spawn_scoped(scope, move || {
            for (item, done) in todo {
                // Nobody waits for it any more when the run has been given up.
                let _ = done.send(work(item));
            }
        });
        match worker {
            Err(error) if number == 0 => return Err(error),
            Err(_) => break,
            Ok(_) => {}
        }
    }
    Ok(Ordered { places: results, begun: None })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        std::thread::scope(|scope| {
            let work = |i: u64| {
                std::thread::sleep(Duration::from_micros((i * 7919) % 300));
                i * 2
            };
            let doubled: Vec<u64> = ordered(scope, 4, 8, 0..200, work).unwrap().collect();
            assert_eq!(doubled, (0..200).map(|i| i * 2).collect::<Vec<_>>());
        });
    }

    #[test]
    fn a_result_that_cannot_come_is_given_up_and_still_comes_later() {
        let (go, may) = bounded::<()>(0);
        std::thread::scope(|scope| {
            let work = move |i: u64| {
                if i == 1 {
                    may.recv().unwrap();
                }
                i
            };
            let mut results = ordered(scope, 2, 4, 0..3, work).unwrap();
            assert_eq!(results.next_unless(&|| false), Some(0));
            assert_eq!(results.next_unless(&|| true), None);
            go.send(()).unwrap();
            assert_eq!(results.next(), Some(1));
            assert_eq!(results.next_unless(&|| false), Some(2));
            assert_eq!(results.next_unless(&|| false), None);
        });
    }

    #[test]
    fn work_does_not_run_far_ahead_of_who_takes_it() {
        let begun = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let work = |_| begun.fetch_add(1, Ordering::SeqCst);
            let mut results = ordered(scope, 2, 4, 0..1000, work).unwrap();
            results.next();
            std::thread::sleep(Duration::from_millis(100));
            // Four wait, one was taken, one more may be on its way into the bound.
            assert!(begun.load(Ordering::SeqCst) <= 6, "{begun:?}");
        });
    }
}
