//! Long lists in chunks, which grow without ever being copied whole.

/// The most rows of a chunk.
const CHUNK: usize = 1 << 10;

/// Rows of the first chunks of a group.
const FIRST_CHUNKS: [usize; 2] = [16, 128];

/// Rows in the order in which they came.
#[derive(Clone, Debug)]
pub struct Rows<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Rows { chunks: Vec::new() }
    }
}

impl<T: Copy> Rows<T> {
    /// Appends rows.
    pub fn extend(&mut self, mut rows: &[T]) {
        while !rows.is_empty() {
            if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
                self.chunks.push(Vec::with_capacity(CHUNK));
            }
            let Some(chunk) = self.chunks.last_mut() else { return };
            let (now, later) = rows.split_at(rows.len().min(CHUNK - chunk.len()));
            chunk.extend_from_slice(now);
            rows = later;
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// A row by its place, which must be below [`Rows::len`].
    #[inline]
    pub fn at(&self, place: u32) -> &T {
        let place = place as usize;
        &self.chunks[place / CHUNK][place % CHUNK]
    }

    /// Changes all rows.
    pub(super) fn each(&mut self, change: impl FnMut(&mut T)) {
        self.chunks.iter_mut().flatten().for_each(change);
    }

    /// Those rows that are kept.
    pub(super) fn only(&self, mut keep: impl FnMut(&T) -> bool) -> Rows<T> {
        let mut kept = Rows::default();
        self.iter().filter(|row| keep(row)).for_each(|row| kept.extend(std::slice::from_ref(row)));
        kept
    }

    /// All rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }
}

/// Rows that lie together by group, each under a number that does not change.
#[derive(Clone, Debug)]
pub struct Grouped<T> {
    chunks: Vec<Vec<T>>,
    /// The chunks of each group.
    groups: Vec<Vec<u32>>,
    len: usize,
}

impl<T> Default for Grouped<T> {
    fn default() -> Self {
        Grouped::new(0)
    }
}

/// The most groups: a row's number is its chunk and its place there.
pub(super) const MOST_GROUPS: usize = 1 << 18;

impl<T> Grouped<T> {
    /// Nothing yet, in at most [`MOST_GROUPS`] groups.
    pub(super) fn new(groups: usize) -> Grouped<T> {
        Grouped { chunks: Vec::new(), groups: vec![Vec::new(); groups], len: 0 }
    }

    /// Appends a row to a group.
    #[inline]
    pub(super) fn push(&mut self, group: usize, row: T) {
        let own = &mut self.groups[group];
        let full = |chunk: &Vec<T>| chunk.len() == chunk.capacity().min(CHUNK);
        let open = own.last().copied().filter(|&chunk| !full(&self.chunks[chunk as usize]));
        let chunk = open.unwrap_or_else(|| {
            // A chunk that grew would be copied; one of full size would be a waste where groups are many and small.
            self.chunks.push(Vec::with_capacity(FIRST_CHUNKS.get(own.len()).copied().unwrap_or(CHUNK)));
            let chunk = self.chunks.len() as u32 - 1;
            own.push(chunk);
            chunk
        });
        self.chunks[chunk as usize].push(row);
        self.len += 1;
    }

    /// The same rows, changed one by one.
    pub(super) fn map(&self, change: impl Fn(&T) -> T) -> Grouped<T> {
        let chunks = self.chunks.iter().map(|chunk| chunk.iter().map(&change).collect());
        Grouped { chunks: chunks.collect(), groups: self.groups.clone(), len: self.len }
    }

    /// Those rows that `change` gives, in the groups and in the form that it gives.
    pub(super) fn filter_map(&self, mut change: impl FnMut(usize, &T) -> Option<(usize, T)>) -> Grouped<T> {
        let mut changed = Grouped::new(self.groups.len());
        for group in 0..self.groups.len() {
            for (_, row) in self.of_group(group) {
                if let Some((group, row)) = change(group, row) {
                    changed.push(group, row);
                }
            }
        }
        changed
    }

    /// How many rows there are in all groups.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A row by its number.
    #[inline]
    pub fn at(&self, number: u32) -> &T {
        &self.chunks[number as usize / CHUNK][number as usize % CHUNK]
    }

    /// Numbers and rows of a group, in the order in which they came.
    pub fn of_group(&self, group: usize) -> impl Iterator<Item = (u32, &T)> {
        let chunks = self.groups.get(group).into_iter().flatten();
        chunks.flat_map(|&chunk| (chunk * CHUNK as u32..).zip(&self.chunks[chunk as usize]))
    }

    /// Numbers of a group's rows, a run each chunk.
    pub fn runs_of_group(&self, group: usize) -> impl Iterator<Item = std::ops::Range<u32>> {
        let chunks = self.groups.get(group).into_iter().flatten();
        chunks.map(|&chunk| {
            let first = chunk * CHUNK as u32;
            first..first + self.chunks[chunk as usize].len() as u32
        })
    }

    /// How many groups there are.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// All rows in chunks, in no order that means anything.
    pub fn chunks(&self) -> &[Vec<T>] {
        &self.chunks
    }
}
