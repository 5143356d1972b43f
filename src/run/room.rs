//! Memory for the photos under way: each takes its share before it is decoded and gives it back with its row. Knows
//! numbers only, no photos.
//!
//! Shares are given in the order of the photos, so that none waits for one behind it: those before it come to their
//! end, give back what they have, and then it is the only one.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that the photos under way may take together; one that needs more has its turn when it is alone.
pub(crate) struct Room {
    most: u64,
    issued: AtomicU64,
    state: Mutex<RoomState>,
    changed: Condvar,
}

#[derive(Default)]
struct RoomState {
    taken: u64,
    /// The number of the ticket whose turn it is.
    turn: u64,
    /// Tickets behind it that want nothing any more.
    passed: BTreeSet<u64>,
    /// Whether the photo whose turn it is waits for others to give back.
    full: bool,
}

/// A photo's place in the order.
pub(crate) struct Ticket<'a> {
    room: &'a Room,
    number: u64,
}

/// What a photo has taken.
pub(crate) struct MemoryShare<'a> {
    room: &'a Room,
    bytes: u64,
}

impl Room {
    pub(crate) fn new(most: u64) -> Room {
        Room { most, issued: AtomicU64::new(0), state: Mutex::default(), changed: Condvar::new() }
    }

    /// The next place in the order; who holds it takes a share or drops it.
    pub(crate) fn ticket(&self) -> Ticket<'_> {
        Ticket { room: self, number: self.issued.fetch_add(1, Ordering::Relaxed) }
    }

    /// Whether a photo waits for others to give back what they have.
    pub(crate) fn is_full(&self) -> bool {
        self.state().full
    }

    fn state(&self) -> MutexGuard<'_, RoomState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, bytes: u64) {
        self.state().taken -= bytes;
        self.changed.notify_all();
    }
}

impl<'a> Ticket<'a> {
    /// Waits for its turn, and until there is room or all before have given back.
    pub(crate) fn take(self, bytes: u64) -> MemoryShare<'a> {
        let room = self.room;
        let mut state = room.state();
        loop {
            let turn = state.turn == self.number;
            let fits = state.taken == 0 || state.taken.saturating_add(bytes) <= room.most;
            if turn && fits {
                break;
            }
            state.full |= turn;
            state = room.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.full = false;
        state.taken = state.taken.saturating_add(bytes);
        drop(state);
        MemoryShare { room, bytes }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.room.state();
        state.passed.insert(self.number);
        while {
            let turn = state.turn;
            state.passed.remove(&turn)
        } {
            state.turn += 1;
        }
        drop(state);
        self.room.changed.notify_all();
    }
}

impl MemoryShare<'_> {
    /// Gives back all but so many bytes.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        self.room.give_back(less);
    }
}

impl Drop for MemoryShare<'_> {
    fn drop(&mut self) {
        self.room.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(50);

    #[test]
    fn photos_wait_for_room_and_go_on_as_it_is_given_back() {
        let room = Room::new(100);
        let mut first = room.ticket().take(60);
        let second = room.ticket();
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            scope.spawn(move || {
                let share = second.take(60);
                sender.send(()).unwrap();
                drop(share);
            });
            assert!(receiver.recv_timeout(SHORT).is_err());
            assert!(room.is_full());
            first.shrink(40);
            receiver.recv_timeout(LONG).unwrap();
        });
        assert!(!room.is_full());
    }

    #[test]
    fn none_overtakes_the_photo_before_it() {
        let room = Room::new(100);
        let (first, second, third) = (room.ticket(), room.ticket(), room.ticket());
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            scope.spawn(move || {
                drop(second);
                sender.send(third.take(90)).unwrap();
            });
            assert!(receiver.recv_timeout(SHORT).is_err(), "the first one may still want room");
            drop(first.take(90));
            receiver.recv_timeout(LONG).unwrap();
        });
    }

    #[test]
    fn what_is_larger_than_the_room_has_it_alone() {
        let room = Room::new(100);
        let small = room.ticket().take(1);
        let (large, behind) = (room.ticket(), room.ticket());
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            scope.spawn(move || sender.send(large.take(1000)).unwrap());
            assert!(receiver.recv_timeout(SHORT).is_err());
            drop(small);
            let large = receiver.recv_timeout(LONG).unwrap();
            let (sender, receiver) = mpsc::channel();
            scope.spawn(move || sender.send(behind.take(1)).unwrap());
            assert!(receiver.recv_timeout(SHORT).is_err());
            drop(large);
            receiver.recv_timeout(LONG).unwrap();
        });
    }

    #[test]
    fn many_threads_never_take_more_than_there_is() {
        let (room, held) = (Room::new(1000), AtomicU64::new(0));
        let tickets: Mutex<Vec<Ticket<'_>>> = Mutex::new((0..400).map(|_| room.ticket()).collect());
        tickets.lock().unwrap().reverse();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    loop {
                        let Some(ticket) = tickets.lock().unwrap().pop() else { return };
                        let bytes = ticket.number * 7919 % 600;
                        let share = ticket.take(bytes);
                        assert!(held.fetch_add(bytes, Ordering::SeqCst) + bytes <= 1000);
                        std::thread::yield_now();
                        held.fetch_sub(bytes, Ordering::SeqCst);
                        drop(share);
                    }
                });
            }
        });
        assert_eq!(room.state().turn, 400);
    }
}
